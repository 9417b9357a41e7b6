//go:build !race

package compress

const racing = false
