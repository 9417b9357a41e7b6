package dbmon

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLinesOfTheLogAreKeptApartOnlyToALimit(t *testing.T) {
	var g gates
	passed := 0
	for i := range uint64(3 * maxGates) {
		if _, pass := g.pass(gateKey{slowLine, i, 0}, 0); pass {
			passed++
		}
	}
	require.Equal(t, maxGates+1, passed, "one of the rest, too")
	require.Len(t, g.keys, maxGates)
	_, pass := g.pass(gateKey{slowLine, 1 << 40, 0}, between-1)
	require.False(t, pass)
	untold, pass := g.pass(gateKey{leakLine, 1, 0}, between)
	require.True(t, pass, "those who had their time make room")
	require.Zero(t, untold)
	require.Len(t, g.keys, 1)
}
