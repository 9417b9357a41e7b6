//go:build race

package fingerprint_test

const underRace = true
