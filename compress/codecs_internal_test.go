package compress

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/molecule-man/go-brrr"
	"github.com/stretchr/testify/require"
)

// More bodies, or others: go test ./compress -run Bodies -bodies 500 -seed 7
var (
	bodiesFlag = flag.Int("bodies", 3, "bodies for each encoder in TestBodiesComeBack")
	seedFlag   = flag.Uint64("seed", 1, "seed of TestBodiesComeBack")
)

// codecCase is a codec and what must hold for all that it writes.
type codecCase struct {
	name    string
	codec   codec
	coding  coding
	longest int // of a body in tests: the highest qualities are slow
	window  int
}

func codecCases() (cases []codecCase) {
	for level := 1; level <= 9; level++ {
		cases = append(cases, codecCase{fmt.Sprintf("gzip %d", level), newGzip(level), gzipped, 300_000, 32 << 10})
	}
	for _, window := range []int{minWindow, 16 << 10, 64 << 10, 128 << 10, 1 << 20, maxWindow} {
		for level := range 4 {
			name := fmt.Sprintf("zstd %d with a window of %d", level, window)
			cases = append(cases, codecCase{name, newZstd(level, window), zstded, 300_000, window})
		}
		for quality := range 12 {
			name := fmt.Sprintf("brotli %d with a window of %d", quality, window)
			longest := 300_000
			if quality >= slowBrotli {
				longest = 30_000
			}
			cases = append(cases, codecCase{name, newBrotli(quality, window), brotlied, longest, window})
		}
	}
	return cases
}

// TestBodiesComeBack sends bodies of many kinds through encoders that were used for
// others before, some of which were left in the middle or failed, and asks other
// implementations what they are.
func TestBodiesComeBack(t *testing.T) {
	bodies := 0
	for i, c := range codecCases() {
		r := rand.New(rand.NewPCG(*seedFlag, uint64(i)))
		for range *bodiesFlag {
			playBody(t, r, c)
			bodies++
		}
	}
	t.Logf("%d bodies", bodies)
}

func playBody(t *testing.T, r *rand.Rand, c codecCase) {
	body := anyBody(r, r.IntN(1+r.IntN(c.longest+1)))
	pad := 0
	if r.IntN(2) == 0 {
		pad = 1 + r.IntN(1+r.IntN(maxPadding))
	}
	switch r.IntN(5) {
	case 0:
		playWhole(t, c, body, pad, r.IntN(30))
	case 1:
		playAbandoned(t, r, c, body, pad)
	case 2:
		playFailing(t, r, c, body, pad)
	default:
		playStream(t, r, c, body, pad)
	}
}

func playWhole(t *testing.T, c codecCase, body []byte, pad, before int) {
	head := bytes.Repeat([]byte{'x'}, before)
	out, err := c.codec.whole(bytes.Clone(head), body, pad)
	require.NoError(t, err, c.name)
	require.Equal(t, head, out[:before], "what was in dst stays")
	requireDecodes(t, c, out[before:], body)
	if c.coding == zstded {
		requireZstdHeader(t, out[before:], len(body), min(c.window, largestBuffer))
	}
}

func playStream(t *testing.T, r *rand.Rand, c codecCase, body []byte, pad int) {
	e, err := c.codec.stream()
	require.NoError(t, err, c.name)
	var out bytes.Buffer
	require.NoError(t, e.begin(&out, pad), c.name)
	require.Zero(t, out.Len(), "%s writes before the body begins", c.name)
	flushes := r.IntN(5)
	for rest := body; len(rest) > 0; {
		n := writeSize(r, len(rest))
		_, err := e.Write(rest[:n])
		require.NoError(t, err, c.name)
		rest = rest[n:]
		if flushes > 0 && r.IntN(3) == 0 {
			flushes--
			require.NoError(t, e.Flush(), c.name)
			requirePrefix(t, c, out.Bytes(), body[:len(body)-len(rest)])
			before := out.Len()
			require.NoError(t, e.Flush(), c.name)
			require.Equal(t, before, out.Len(), "%s: a second flush adds something", c.name)
		}
	}
	require.NoError(t, e.Close(), c.name)
	c.codec.release(e)
	requireDecodes(t, c, out.Bytes(), body)
	if c.coding == zstded && len(body) > 0 {
		requireZstdHeader(t, out.Bytes(), -1, c.window)
	}
}

// playAbandoned leaves a body in the middle, as a handler that panics.
func playAbandoned(t *testing.T, r *rand.Rand, c codecCase, body []byte, pad int) {
	e, err := c.codec.stream()
	require.NoError(t, err, c.name)
	var out bytes.Buffer
	require.NoError(t, e.begin(&out, pad), c.name)
	_, err = e.Write(body)
	require.NoError(t, err, c.name)
	flushed := r.IntN(2) == 0
	if flushed {
		require.NoError(t, e.Flush(), c.name)
	}
	written := out.Len()
	c.codec.release(e)
	require.Equal(t, written, out.Len(), "%s: a release writes", c.name)
	if flushed && len(body) > 0 {
		_, err := decode(c.coding, out.Bytes(), c.window)
		require.Error(t, err, "%s: a client cannot see that the body was cut (Trap d.24)", c.name)
	}
}

var errGone = errors.New("the client is gone")

// failing takes so many bytes.
type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errGone
	}
	return len(p), nil
}

// playFailing loses the client on the way: the error comes back and stays, and the
// encoder is as good as new for the next body (Trap d.26).
func playFailing(t *testing.T, r *rand.Rand, c codecCase, body []byte, pad int) {
	e, err := c.codec.stream()
	require.NoError(t, err, c.name)
	require.NoError(t, e.begin(&failing{r.IntN(1 + len(body)/4)}, pad), c.name)
	var failed error
	for rest := body; len(rest) > 0 && failed == nil; {
		n := writeSize(r, len(rest))
		if _, failed = e.Write(rest[:n]); failed == nil {
			failed = e.Flush()
		}
		rest = rest[n:]
	}
	if failed != nil {
		require.ErrorIs(t, failed, errGone, c.name)
		require.ErrorIs(t, e.Close(), errGone, c.name)
	}
	c.codec.release(e)
}

func writeSize(r *rand.Rand, rest int) int {
	switch r.IntN(4) {
	case 0:
		return min(rest, 1+r.IntN(20))
	case 1:
		return min(rest, 1+r.IntN(4096))
	case 2:
		return min(rest, 1+r.IntN(70_000))
	default:
		return 1 + r.IntN(rest)
	}
}

// anyBody has n bytes of some kind, or a few kinds one after the other.
func anyBody(r *rand.Rand, n int) []byte {
	b := make([]byte, 0, n)
	for len(b) < n {
		rest := n - len(b)
		size := rest
		if r.IntN(3) == 0 {
			size = 1 + r.IntN(rest)
		}
		b = append(b, onePiece(r, size)...)
	}
	return b
}

func onePiece(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	switch r.IntN(6) {
	case 0: // noise
		for i := range b {
			b[i] = byte(r.Uint32())
		}
	case 1: // one byte over and over
		for i := range b {
			b[i] = 'a'
		}
	case 2: // few letters
		for i := range b {
			b[i] = 'a' + byte(r.IntN(1+r.IntN(5)))
		}
	case 3: // repetition from far away
		period := 1 + r.IntN(1+n/2)
		for i := range b {
			if b[i] = byte(r.Uint32()); i >= period {
				b[i] = b[i-period]
			}
		}
	default:
		start := r.IntN(1000)
		copy(b, ticketJSON(start + n)[start:])
	}
	return b
}

// decode decodes a body as a client whose window is bounded.
func decode(c coding, encoded []byte, window int) ([]byte, error) {
	return io.ReadAll(newDecoder(c, encoded, window))
}

type failedReader struct{ err error }

func (f failedReader) Read([]byte) (int, error) { return 0, f.err }

func newDecoder(c coding, encoded []byte, window int) io.Reader {
	in := bytes.NewReader(encoded)
	switch c {
	case gzipped:
		z, err := gzip.NewReader(in)
		if err != nil {
			return failedReader{err}
		}
		z.Multistream(false)
		return z
	case brotlied:
		return brotli.NewReader(in)
	default:
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(uint64(window)))
		if err != nil {
			return failedReader{err}
		}
		return z
	}
}

func requireDecodes(t *testing.T, c codecCase, encoded, body []byte) {
	t.Helper()
	got, err := decode(c.coding, encoded, c.window)
	require.NoError(t, err, c.name)
	require.True(t, bytes.Equal(body, got), "%s: %d bytes came back as %d others", c.name, len(body), len(got))
	switch c.coding {
	case brotlied:
		got, err := brrr.Decompress(encoded)
		require.NoError(t, err, c.name)
		require.True(t, bytes.Equal(body, got), c.name)
	case gzipped: // Trap d.29: browsers read one member and no more
		in := bytes.NewReader(encoded)
		z, err := gzip.NewReader(in)
		require.NoError(t, err)
		z.Multistream(false)
		_, err = io.Copy(io.Discard, z)
		require.NoError(t, err)
		require.Zero(t, in.Len(), "%s: bytes after the one member", c.name)
	}
}

// requirePrefix asks for all of body from what has been flushed.
func requirePrefix(t *testing.T, c codecCase, encoded, body []byte) {
	t.Helper()
	got := make([]byte, len(body))
	_, err := io.ReadFull(newDecoder(c.coding, encoded, c.window), got)
	require.NoError(t, err, "%s: after a flush", c.name)
	require.True(t, bytes.Equal(body, got), c.name)
	if c.coding == brotlied {
		_, err := io.ReadFull(brrr.NewReader(bytes.NewReader(encoded)), got)
		require.NoError(t, err, "%s: after a flush", c.name)
		require.True(t, bytes.Equal(body, got), c.name)
	}
}

// requireZstdHeader looks at the first frame that is not skippable (Trap d.30). A
// negative size is not known.
func requireZstdHeader(t *testing.T, encoded []byte, size, window int) {
	t.Helper()
	var h zstd.Header
	for {
		require.NoError(t, h.Decode(encoded))
		if !h.Skippable {
			break
		}
		encoded = encoded[h.HeaderSize+int(h.SkippableSize):]
	}
	require.False(t, h.HasCheckSum)
	require.LessOrEqual(t, h.WindowSize, uint64(window))
	if h.SingleSegment {
		require.LessOrEqual(t, h.FrameContentSize, uint64(window))
	}
	if size >= 0 {
		require.True(t, h.HasFCS)
		require.Equal(t, uint64(size), h.FrameContentSize)
	}
}

func TestFlushOfAnEmptyBodyIsLegal(t *testing.T) {
	for _, c := range codecCases() {
		for _, pad := range []int{0, 1, 300, maxPadding} {
			e, err := c.codec.stream()
			require.NoError(t, err)
			var out bytes.Buffer
			require.NoError(t, e.begin(&out, pad))
			require.NoError(t, e.Flush())
			require.NoError(t, e.Flush())
			_, err = e.Write([]byte("a"))
			require.NoError(t, err)
			require.NoError(t, e.Flush())
			requirePrefix(t, c, out.Bytes(), []byte("a"))
			require.NoError(t, e.Close())
			c.codec.release(e)
			requireDecodes(t, c, out.Bytes(), []byte("a"))
		}
	}
}

func TestEmptyBodiesAreWhole(t *testing.T) {
	for _, c := range codecCases() {
		for _, pad := range []int{0, 1, 300} {
			playWhole(t, c, nil, pad, 3)
		}
	}
}

// Trap d.26: a pooled encoder holds on to no response.
func TestReleasedEncodersWriteNowhere(t *testing.T) {
	for _, c := range codecCases() {
		e, err := c.codec.stream()
		require.NoError(t, err)
		var out bytes.Buffer
		require.NoError(t, e.begin(&out, 0))
		_, err = e.Write(ticketJSON(100))
		require.NoError(t, err)
		c.codec.release(e)
		before := out.Len()
		_, _ = e.Write(ticketJSON(10_000))
		_ = e.Close()
		require.Equal(t, before, out.Len(), c.name)
	}
}

// short takes half of what it is given and says nothing.
type short struct{}

func (short) Write(p []byte) (int, error) { return len(p) / 2, nil }

func TestShortWritesAreErrors(t *testing.T) {
	for _, c := range codecCases() {
		for _, pad := range []int{0, 200} {
			e, err := c.codec.stream()
			require.NoError(t, err)
			require.NoError(t, e.begin(short{}, pad))
			_, err = e.Write(ticketJSON(5000))
			require.ErrorIs(t, errors.Join(err, e.Flush()), io.ErrShortWrite, c.name)
			require.ErrorIs(t, e.Close(), io.ErrShortWrite, c.name)
			c.codec.release(e)
		}
	}
}
