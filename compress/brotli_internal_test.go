package compress

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Trap d.30: a client pays for the window too.
func TestBrotliWindowsAreBounded(t *testing.T) {
	for quality := range 12 {
		for window := minWindow; window <= maxWindow; window *= 2 {
			c := newBrotli(quality, window)
			e, err := c.stream()
			require.NoError(t, err)
			var out bytes.Buffer
			require.NoError(t, e.begin(&out, 0))
			_, _ = e.Write(ticketJSON(50))
			require.NoError(t, e.Close())
			c.release(e)
			require.LessOrEqual(t, declaredWindow(out.Bytes()), window, "quality %d", quality)
		}
	}
	for quality := range slowBrotli {
		for _, size := range []int{1, 5000, shortBrotli, shortBrotli + 1, 100_000} {
			out, err := newBrotli(quality, maxWindow).whole(nil, ticketJSON(size), 0)
			require.NoError(t, err)
			require.LessOrEqual(t, declaredWindow(out), largestBuffer, "quality %d", quality)
		}
	}
}

// declaredWindow reads WBITS (RFC 7932 §9.1).
func declaredWindow(b []byte) int {
	switch short, long := b[0]>>1&7, b[0]>>4&7; {
	case b[0]&1 == 0:
		return 1 << 16
	case short != 0:
		return 1 << (17 + short)
	case long == 0:
		return 1 << 17
	default:
		return 1 << (8 + long)
	}
}

// The examples are worked out by hand from the fields of RFC 7932 §9.2.
func TestMetadataIsWrittenToTheBit(t *testing.T) {
	for _, c := range []struct {
		size int
		head []byte
	}{
		{1, []byte{0b00_01_0_11_0, 0}},
		{2, []byte{0b01_01_0_11_0, 0}},
		{256, []byte{0b11_01_0_11_0, 0b00_111111}},
		{257, []byte{0b00_10_0_11_0, 0b01000000, 0}},
		{4096, []byte{0b11_10_0_11_0, 0xff, 0b00_000011}},
	} {
		t.Run(fmt.Sprint(c.size), func(t *testing.T) {
			data := paddingText[:c.size]
			require.Equal(t, append(c.head, data...), appendMetadata(nil, data))
		})
	}
}
