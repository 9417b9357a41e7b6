package dbmon

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

// BenchmarkDBMon shows whole queries, those of the driver alone included: nothing
// is subtracted here.
func BenchmarkDBMon(b *testing.B) {
	suite, err := Suite()
	require.NoError(b, err)
	for _, c := range suite.Cases {
		b.Run(c.Name, func(b *testing.B) {
			for _, s := range suite.Bare {
				b.Run(s.Name, func(b *testing.B) { harness.Bench(b, c, s.Handler) })
			}
			for _, s := range suite.Subjects {
				b.Run(s.Name, func(b *testing.B) { harness.Bench(b, c, s.Handler) })
			}
		})
	}
}
