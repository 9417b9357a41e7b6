//go:build !race

// The heap is the same under the race detector, which takes half a minute for it.

package compress

import (
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// heldByStreams is the heap in bytes that one open stream holds after write.
func heldByStreams(t *testing.T, c codec, write func(encoder)) int {
	t.Helper()
	var open [4]encoder
	before := heapNow()
	for i := range open {
		e, err := c.stream()
		require.NoError(t, err)
		require.NoError(t, e.begin(io.Discard, 0))
		write(e)
		open[i] = e
	}
	held := heapNow() - before
	runtime.KeepAlive(&open)
	return held / len(open)
}

// heapNow is the heap in use without what pools keep: they are empty after two
// collections.
func heapNow() int {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestAnOpenStreamHoldsNoMoreThanPromised holds the tables in gzip.go, brotli.go and
// zstd.go against the heap, with a quarter to spare. With the default window 256
// streams, which is the default of MaxStreams, hold 155 MB as events of zstd.
func TestAnOpenStreamHoldsNoMoreThanPromised(t *testing.T) {
	eventBody, bulkBody := ticketJSON(100_000), ticketJSON(2<<20)
	events := func(e encoder) {
		for at := 0; at < len(eventBody); at += 286 {
			_, _ = e.Write(eventBody[at:min(at+286, len(eventBody))])
			_ = e.Flush()
		}
	}
	bulk := func(e encoder) { _, _ = e.Write(bulkBody) }

	const window, kib = 128 << 10, 1 << 10
	for _, c := range []struct {
		name         string
		codec        codec
		events, bulk int // KiB
	}{
		{"gzip 1", newGzip(1), 800, 800},
		{"gzip 6", newGzip(6), 1056, 1056},
		{"gzip 9", newGzip(9), 1387, 1387},
		{"zstd by default", newZstd(0, window), 619, 791},
		{"zstd 2", newZstd(2, window), 1707, 2040},
		{"zstd 3", newZstd(3, window), 4587, 4872},
		{"zstd with the largest window", newZstd(0, maxWindow), 8683, 8855},
		{"brotli by default", newBrotli(0, window), 900, 2310},
		{"brotli 5", newBrotli(5, window), 1444, 2837},
		{"brotli 8 with the largest window", newBrotli(8, maxWindow), 772, 1857},
		{"brotli 11", newBrotli(11, window), 1540, 2625},
	} {
		t.Run(c.name, func(t *testing.T) {
			small, large := heldByStreams(t, c.codec, events)/kib, heldByStreams(t, c.codec, bulk)/kib
			t.Logf("%d KiB after events, %d KiB after a long body", small, large)
			require.Less(t, small, c.events*5/4)
			require.Less(t, large, c.bulk*5/4)
		})
	}
}
