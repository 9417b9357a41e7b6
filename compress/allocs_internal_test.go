//go:build !race

// Under the race detector pools drop what they are given, now and then.

package compress

import (
	"io"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

// withoutGC keeps the pools as they are, so that allocations can be counted.
func withoutGC(t *testing.T) {
	t.Helper()
	old := debug.SetGCPercent(-1)
	t.Cleanup(func() { debug.SetGCPercent(old) })
}

func TestWholeBodiesAllocateNothing(t *testing.T) {
	withoutGC(t)
	for _, c := range benchCodecs {
		for _, size := range benchSizes {
			for _, pad := range []int{0, 100} {
				body, out := ticketJSON(size), make([]byte, 0, size)
				allocs := testing.AllocsPerRun(20, func() { out, _ = c.codec.whole(out[:0], body, pad) })
				if _, ok := c.codec.(*brotliCodec); ok && pad > 0 {
					allocs-- // 3 bytes of the library for a flush
				}
				require.LessOrEqual(t, allocs, 0.0, "%s, %d bytes, padding %d", c.name, size, pad)
			}
		}
	}
}

// The rest is the library's: go-brrr takes 3 bytes for each flush, zstd 14 for each
// frame.
func TestEventsAllocateAtMostWhatTheLibraryDoes(t *testing.T) {
	withoutGC(t)
	for _, c := range benchCodecs {
		body := ticketJSON(286)
		e, err := c.codec.stream()
		require.NoError(t, err)
		require.NoError(t, e.begin(io.Discard, 0))
		for range 2000 { // until the window is full
			_, _ = e.Write(body)
			_ = e.Flush()
		}
		allocs := testing.AllocsPerRun(100, func() {
			_, _ = e.Write(body)
			_ = e.Flush()
		})
		require.LessOrEqual(t, allocs, 1.0, c.name)
		c.codec.release(e)
	}
}

func TestBuffersAllocateNothing(t *testing.T) {
	withoutGC(t)
	for _, size := range bufferSizes {
		require.Zero(t, testing.AllocsPerRun(100, func() { takeBuffer(size).free() }))
	}
}

func TestPaddingAllocatesNothing(t *testing.T) {
	withoutGC(t)
	require.Zero(t, testing.AllocsPerRun(1000, func() { padding(100) }))
}

func TestPaddedZstdAllocatesNothing(t *testing.T) {
	withoutGC(t)
	c := newZstd(0, 128<<10)
	body := ticketJSON(2000)
	dst := make([]byte, 0, 8<<10)
	encode := func() { _, _ = c.whole(dst, body, 1000) }
	encode()
	require.Zero(t, testing.AllocsPerRun(100, encode))
}
