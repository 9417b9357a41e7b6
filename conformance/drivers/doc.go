// Package drivers holds dbmon against real drivers: programs that must see the
// same with it and without it, and, by run.sh, the drivers' own test suites.
package drivers
