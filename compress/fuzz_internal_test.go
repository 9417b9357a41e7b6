package compress

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzBodies writes a body as the steps say: each is a number of bytes, and a flush
// where it is odd. It comes back from all codings, after each flush and in the end.
func FuzzBodies(f *testing.F) {
	f.Add(byte(0), uint16(0), []byte{3, 4, 250}, []byte("a body, a body, and again a body"))
	f.Add(byte(1), uint16(1), []byte{1, 1, 1}, bytes.Repeat([]byte("abcdefgh"), 100))
	f.Add(byte(2), uint16(300), []byte{255}, []byte("\x00\x01\x02\xff\xfe"))
	f.Add(byte(7), uint16(4096), []byte{}, []byte{})
	cases := codecCases()
	f.Fuzz(func(t *testing.T, which byte, pad uint16, steps, body []byte) {
		c := cases[int(which)%len(cases)]
		padded := int(pad) % (maxPadding + 1)
		e, err := c.codec.stream()
		require.NoError(t, err)
		var out bytes.Buffer
		require.NoError(t, e.begin(&out, padded))
		rest := body
		for _, step := range steps {
			n := min(int(step), len(rest))
			_, err := e.Write(rest[:n])
			require.NoError(t, err)
			if rest = rest[n:]; step%2 == 1 {
				require.NoError(t, e.Flush())
				requirePrefix(t, c, out.Bytes(), body[:len(body)-len(rest)])
			}
		}
		_, err = e.Write(rest)
		require.NoError(t, err)
		require.NoError(t, e.Close())
		c.codec.release(e)
		requireDecodes(t, c, out.Bytes(), body)
		playWhole(t, c, body, padded, 1)
	})
}
