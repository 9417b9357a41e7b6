package compress

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// Trap d.32: lengths are drawn from crypto/rand, each as likely as the next. The
// bounds are 7 standard deviations away.
func TestPaddingIsUniform(t *testing.T) {
	const lengths, draws = 7, 70_000
	var seen [lengths + 1]int
	for range draws {
		seen[padding(lengths)]++
	}
	require.Zero(t, seen[0])
	for n := 1; n <= lengths; n++ {
		require.InDelta(t, draws/lengths, seen[n], 650, "length %d", n)
	}
}

func TestPaddingStaysInBounds(t *testing.T) {
	require.Zero(t, padding(0))
	require.Zero(t, padding(-1))
	for _, limit := range []int{1, 2, 100, maxPadding} {
		for range 1000 {
			n := padding(limit)
			require.True(t, n >= 1 && n <= limit, "%d of %d", n, limit)
		}
	}
}

// 2^32 is no multiple of 3: its last number would make 0 likelier.
func TestDiceThrowAwayWhatIsUneven(t *testing.T) {
	d := &dice{left: []byte{0xff, 0xff, 0xff, 0xff, 5, 0, 0, 0}}
	require.Equal(t, 2, d.below(3))
	require.Empty(t, d.left)
}

// Trap d.31: padding makes a body longer by its random length, and always by the
// same number of bytes beside that.
func TestPaddingAddsItsLength(t *testing.T) {
	body := ticketJSON(20_000)
	for _, c := range codecCases() {
		if c.name == "gzip 1" || c.window == 128<<10 {
			requirePaddingAdds(t, c, body)
		}
	}
}

func requirePaddingAdds(t *testing.T, c codecCase, body []byte) {
	size := func(pad int) int {
		out, err := c.codec.whole(nil, body, pad)
		require.NoError(t, err)
		requireDecodes(t, c, out, body)
		return len(out)
	}
	one := size(1)
	for _, pad := range []int{2, 100, 256, 257, 511, 512, 513, maxPadding} {
		extra := size(pad) - one - (pad - 1)
		require.True(t, extra == 0 || extra == 1 && c.coding == brotlied && pad > 256,
			"%s: padding of %d adds %d bytes more", c.name, pad, extra)
	}
}

// Trap d.31: in a stream the padding leaves before or with the first event.
func TestPaddingOfStreamsIsEarly(t *testing.T) {
	for _, c := range codecCases() {
		var plain, padded bytes.Buffer
		for out, pad := range map[*bytes.Buffer]int{&plain: 0, &padded: 1000} {
			e, err := c.codec.stream()
			require.NoError(t, err)
			require.NoError(t, e.begin(out, pad))
			_, err = e.Write(ticketJSON(300))
			require.NoError(t, err)
			require.NoError(t, e.Flush())
			c.codec.release(e)
		}
		require.GreaterOrEqual(t, padded.Len(), plain.Len()+1000, c.name)
	}
}
