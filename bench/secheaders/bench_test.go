package secheaders

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

// BenchmarkSecheaders shows whole requests, those of the application alone included:
// nothing is subtracted here.
func BenchmarkSecheaders(b *testing.B) {
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
