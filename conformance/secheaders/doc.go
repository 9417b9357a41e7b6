// Package secheaders holds package secheaders of sluice against those who will judge
// and obey its headers: the graders MDN HTTP Observatory and csp_evaluator, and
// Chromium. It has nothing but tests.
package secheaders
