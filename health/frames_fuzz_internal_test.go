package health

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzFrames lets a handler send whatever it likes in two pieces.
func FuzzFrames(f *testing.F) {
	for _, seed := range []string{
		"", "\x81\x00", "\x82\x7e\x00\x7e", "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", "\x88\x02\x03\xe9",
		"\x81\x85\x01\x02\x03\x04hello\x81\x00", "\x01\x01a\x89\x00\x80\x01b\x88\x00",
	} {
		f.Add([]byte(seed), 1)
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		if cut < 0 || cut > len(stream) {
			cut = 0
		}
		requireFollows(t, stream, []int{cut})
		if len(stream) < 1<<10 {
			requireFollows(t, stream, everyByte(stream))
		}
	})
}

// FuzzAnswer lets it write an answer first: how that is cut changes nothing.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{
		"", upgraded, upgraded + "\x81\x05hello", "HTTP/1.1 101 x\r\n\r\nUpgrade: websocket\r\n\r\n",
		"HTTP/1.1 101\r\nUpgrade\r\n:\r\n: websocket\r\n\r\n", "\r\n\r\n\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n\x88\x02\x03\xe9",
	} {
		f.Add([]byte(seed), len(seed)/2)
	}
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		if cut < 0 || cut > len(stream) {
			cut = 0
		}
		var whole, pieces frames
		whole.sent(stream)
		pieces.sent(stream[:cut])
		pieces.sent(stream[cut:])
		require.Equal(t, whole.mode, pieces.mode)
		require.Equal(t, whole.between(), pieces.between())
		require.Equal(t, whole.left, pieces.left)
		require.LessOrEqual(t, len(pieces.head), maxHead)
	})
}
