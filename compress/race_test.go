//go:build race

package compress

// Under the race detector pools drop things at random.
const racing = true
