// Package compress holds package compress of sluice against the programs that
// will decode what it makes, and those in between: Go's client, curl, Node,
// Chromium, the command-line tools of each coding, proxies and nginx as a cache.
// It has nothing but tests.
package compress
