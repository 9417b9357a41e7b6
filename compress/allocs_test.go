//go:build !race

// Under the race detector pools drop what they are given, now and then.

package compress_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAResponseTakesFewAllocations(t *testing.T) {
	for _, tt := range []struct {
		name, accept string
		size, most   int
	}{
		{"no field", "none", 10_000, 1},
		{"identity", "identity", 10_000, 1},
		{"a short body", "gzip", 200, 1},
		{"gzip, 2 KB", "gzip", 2_000, 2},
		{"gzip, 10 KB", "gzip", 10_000, 2},
		{"gzip, 60 KB", "gzip", 60_000, 2},
		{"br", "br", 10_000, 2},
		{"zstd", "zstd", 10_000, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			serve := served(t, tt.accept, tt.size)
			serve()
			require.LessOrEqual(t, testing.AllocsPerRun(200, serve), float64(tt.most))
		})
	}
}
