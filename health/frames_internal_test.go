package health

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// plan is what a stream of frames is, found by looking at all of it at once: the
// bounds at which a frame ends, and where the header of the first Close frame
// does. It shares nothing with what it tests.
type plan struct {
	bounds map[int]bool
	closes int // -1: none
}

func planOf(stream []byte) plan {
	p := plan{bounds: map[int]bool{0: true}, closes: -1}
	r := bytes.NewReader(stream)
	at := func() int { return len(stream) - r.Len() }
	for {
		var fixed [2]byte
		if n, _ := r.Read(fixed[:]); n < 2 {
			return p
		}
		size := uint64(fixed[1] & 0x7f)
		if size == 126 {
			var wide uint16
			if binary.Read(r, binary.BigEndian, &wide) != nil {
				return p
			}
			size = uint64(wide)
		} else if size == 127 && binary.Read(r, binary.BigEndian, &size) != nil {
			return p
		}
		if fixed[1]>>7 == 1 {
			var key [4]byte
			if n, _ := r.Read(key[:]); n < 4 {
				return p
			}
		}
		if fixed[0]&0xf == 8 {
			p.closes = at()
			return p
		}
		if size > uint64(r.Len()) {
			return p
		}
		r.Seek(int64(size), 1)
		p.bounds[at()] = true
	}
}

// requireFollows feeds the stream in pieces that end at cuts, and asks after each.
func requireFollows(t testing.TB, stream []byte, cuts []int) {
	t.Helper()
	p := planOf(stream)
	f := frames{mode: framed}
	at := 0
	for _, cut := range append(cuts, len(stream)) {
		f.sent(stream[at:cut])
		at = cut
		closed := p.closes >= 0 && at >= p.closes
		require.Equal(t, p.bounds[at] && !closed, f.between(), "at %d of %x", at, stream)
		require.Equal(t, closed, f.opaque(), "at %d of %x", at, stream)
	}
}

func everyByte(stream []byte) []int {
	cuts := make([]int, len(stream))
	for i := range cuts {
		cuts[i] = i
	}
	return cuts
}

// frameOf is a frame of any kind, with its length in the given number of bytes.
func frameOf(first byte, wide int, masked bool, payload int) []byte {
	var mask byte
	if masked {
		mask = 0x80
	}
	b := []byte{first}
	switch wide {
	case 2:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(payload))
	case 8:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(payload))
	default:
		b = append(b, mask|byte(payload))
	}
	if masked {
		b = append(b, 1, 2, 3, 4)
	}
	return append(b, bytes.Repeat([]byte{0x88}, payload)...) // which looks like a Close frame
}

func TestABoundaryIsKnownToTheByte(t *testing.T) {
	tests := []struct {
		name   string
		frames [][]byte
	}{
		{"nothing", nil},
		{"an empty frame", [][]byte{frameOf(0x81, 0, false, 0)}},
		{"an empty masked frame", [][]byte{frameOf(0x81, 0, true, 0)}},
		{"the longest short frame", [][]byte{frameOf(0x82, 0, false, 125)}},
		{"the shortest 16 bit length", [][]byte{frameOf(0x82, 2, false, 126)}},
		{"a 16 bit length of nothing", [][]byte{frameOf(0x82, 2, false, 0)}},
		{"a 16 bit length with the byte of a Close frame", [][]byte{frameOf(0x82, 2, false, 0x88)}},
		{"a 64 bit length", [][]byte{frameOf(0x82, 8, false, 65536)}},
		{"a 64 bit length of nothing, masked", [][]byte{frameOf(0x82, 8, true, 0)}},
		{"fragments with a ping between them", [][]byte{
			frameOf(0x01, 0, false, 5), frameOf(0x89, 0, false, 3), frameOf(0x00, 2, false, 300), frameOf(0x80, 0, false, 0)}},
		{"a Close frame ends it", [][]byte{frameOf(0x81, 0, false, 1), frameOf(0x88, 0, false, 2), frameOf(0x81, 0, false, 1)}},
		{"an empty Close frame", [][]byte{frameOf(0x88, 0, false, 0)}},
		{"a Close frame with reserved bits", [][]byte{frameOf(0xf8, 0, true, 20)}},
		{"compressed", [][]byte{frameOf(0xc1, 0, false, 20), frameOf(0xc2, 2, false, 200)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream := bytes.Join(tt.frames, nil)
			requireFollows(t, stream, nil)
			requireFollows(t, stream, everyByte(stream))
		})
	}
}

// Any frames in any pieces: a frame that was cut anywhere is no boundary.
func TestRandomFramesInRandomPiecesAgreeWithAnotherParser(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range 3000 {
		var stream []byte
		for range random.IntN(8) {
			kinds := []byte{0x81, 0x82, 0x01, 0x00, 0x80, 0x89, 0x8a, 0xc1, 0x41}
			kind := kinds[random.IntN(len(kinds))]
			if random.IntN(12) == 0 {
				kind = 0x88
			}
			wide := []int{0, 0, 2, 8}[random.IntN(4)]
			size := random.IntN(126)
			if wide > 0 {
				size = random.IntN(2000)
			}
			stream = append(stream, frameOf(kind, wide, random.IntN(3) == 0, size)...)
		}
		stream = stream[:len(stream)-random.IntN(len(stream)/4+1)]
		var cuts []int
		for at := 0; at < len(stream); at += 1 + random.IntN(1+random.IntN(200)) {
			cuts = append(cuts, at)
		}
		requireFollows(t, stream, cuts)
		require.False(t, t.Failed(), "seed %d, round %d", seed, round)
	}
}

// A length that no memory holds is still only counted down.
func TestAHugeFrameIsNoBoundaryForLong(t *testing.T) {
	f := frames{mode: framed}
	f.sent([]byte{0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	require.False(t, f.between())
	for range 1000 {
		f.sent(make([]byte, 1<<16))
		require.False(t, f.between())
	}
	require.Equal(t, ^uint64(0)-1000<<16, f.left)
}

const upgraded = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"

// RFC 6455 §4.2.2: only what says that it is a WebSocket has frames.
func TestOnlyTheAnswerOfAWebSocketIsFollowedByFrames(t *testing.T) {
	tests := []struct {
		name, answer string
		want         mode
	}{
		{"an upgrade", upgraded, framed},
		{"in any case and order", "HTTP/1.1 101 x\r\nsec-websocket-accept: x\r\nUPGRADE:WebSocket\r\n\r\n", framed},
		{"among others", "HTTP/1.1 101 \r\nUpgrade: h2c, websocket\r\n\r\n", framed},
		{"on a second line", "HTTP/1.1 101 x\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n\r\n", framed},
		{"another protocol", "HTTP/1.1 101 x\r\nUpgrade: test\r\n\r\n", opaque},
		{"a name that only begins so", "HTTP/1.1 101 x\r\nUpgrade: websocket2\r\n\r\n", opaque},
		{"another field", "HTTP/1.1 101 x\r\nX-Upgrade: websocket\r\n\r\n", opaque},
		{"a tunnel", "HTTP/1.1 200 OK\r\nUpgrade: websocket\r\n\r\n", opaque},
		{"a refusal", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", opaque},
		{"no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", opaque},
		{"only the end of a header", "\r\n\r\n", opaque},
		{"an unfinished header", strings.TrimSuffix(upgraded, "\n"), answering},
		{"nothing", "", answering},
		{"a header without an end", strings.Repeat("x", maxHead), opaque},
		{"a header that is almost too long", strings.Repeat("x", maxHead-1), answering},
		{"a header that is just long enough", padded(maxHead), framed},
		{"a header that is too long", padded(maxHead + 1), opaque},
	}
	for _, tt := range tests {
		for _, pieces := range []int{1, 2, 7, 1 << 20} {
			t.Run(fmt.Sprintf("%s in pieces of %d", tt.name, pieces), func(t *testing.T) {
				var f frames
				for rest := []byte(tt.answer); len(rest) > 0; {
					n := min(pieces, len(rest))
					f.sent(rest[:n])
					rest = rest[n:]
				}
				require.Equal(t, tt.want, f.mode)
				require.Equal(t, tt.want == framed, f.between())
				if f.mode != answering {
					require.Empty(t, f.head, "what is decided is not kept")
				}
			})
		}
	}
}

// padded is an answer of the given size, with the field at its end.
func padded(size int) string {
	begin, end := "HTTP/1.1 101 x\r\nX-Padding: ", "\r\nUpgrade: websocket\r\n\r\n"
	return begin + strings.Repeat("p", size-len(begin)-len(end)) + end
}

// The first frame may come with the answer, and either may be cut anywhere.
func TestFramesRightBehindTheAnswerAreSeen(t *testing.T) {
	stream := append([]byte(upgraded), frameOf(0x81, 2, false, 300)...)
	for cut := range stream {
		var f frames
		f.sent(stream[:cut])
		require.Equal(t, cut == len(upgraded), f.between(), "cut at %d", cut)
		f.sent(stream[cut:])
		require.True(t, f.between(), "cut at %d", cut)
	}
}

func TestAFrameThatIsLookedAtCostsNoMemory(t *testing.T) {
	stream := append(frameOf(0x82, 8, false, 70_000), frameOf(0x81, 2, true, 1000)...)
	f := frames{mode: framed}
	f.sent(stream) // has room for a header from here on
	require.Zero(t, testing.AllocsPerRun(100, func() { f.sent(stream) }))
}
