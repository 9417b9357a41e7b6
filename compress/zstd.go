package compress

import (
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// What one encoder of zstd holds for a stream, in KiB, after events that were
// flushed one by one, and after 4 MiB without a flush:
//
//	window      64 KiB       128 KiB       256 KiB        1 MiB         8 MiB
//	level 1    555   727     619   791     747   919    1515  1687    8683   8855
//	level 2   1579  1747    1707  2040    1835  2168    2603  2936    9771  10104
//	level 3   4459  4619    4587  4872    4715  5000    5483  5768   12651  12936
//
// Encoders for whole bodies of up to 128 KiB have the tables and no history.
type zstdCodec struct {
	window  int      // for whole bodies
	single  zstdPool // whole bodies of up to a window
	framed  zstdPool // longer ones
	streams zstdPool
}

func newZstd(level, window int) codec {
	whole, stream := level, level
	if level == 0 {
		// For whole bodies 2 takes a quarter more time than 1, still less than gzip, and
		// is 3 % smaller. An open stream would hold 1.1 MB more for that.
		whole, stream = 2, 1
	}
	c := &zstdCodec{window: min(window, largestBuffer)}
	c.single.options = zstdOptions(whole, c.window, true)
	c.framed.options = zstdOptions(whole, c.window, false)
	c.streams.options = zstdOptions(stream, window, false)
	return c
}

// zstdOptions bound the memory of both ends and leave out what HTTP does not need:
// TCP and TLS have checksums of their own. A single segment says how long it is in
// place of a window (RFC 8878 §3.1.1.1.1.2), so it must be no longer than one.
func zstdOptions(level, window int, single bool) []zstd.EOption {
	return []zstd.EOption{
		zstd.WithEncoderLevel(zstd.EncoderLevel(level)),
		zstd.WithWindowSize(window),
		zstd.WithSingleSegment(single),
		zstd.WithEncoderConcurrency(1), // no goroutines
		zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderCRC(false),
		// Without it, bodies that do not repeat themselves but use few letters, such as
		// hexadecimal digits or base64, would not get smaller at all.
		zstd.WithAllLitEntropyCompression(true),
	}
}

// zstdPool has encoders for whole bodies or for streams; the library keeps state for
// each use apart, and one for both would hold both.
type zstdPool struct {
	options []zstd.EOption
	pool    sync.Pool
}

type zstdEncoder struct {
	session
	z       *zstd.Encoder
	opening zstdOpening
}

func (p *zstdPool) take() (*zstdEncoder, error) {
	if e, ok := p.pool.Get().(*zstdEncoder); ok {
		return e, nil
	}
	z, err := zstd.NewWriter(nil, p.options...)
	if err != nil {
		return nil, err
	}
	e := &zstdEncoder{z: z}
	e.library, e.opening.to = z, &e.outlet
	return e, nil
}

func (e *zstdEncoder) begin(w io.Writer, pad int) error {
	e.start(w, pad)
	e.opening.pad = pad
	e.z.Reset(&e.opening)
	return nil
}

// whole has no session: EncodeAll copies less and writes the length into the frame,
// so that the client takes no more memory than the body.
func (c *zstdCodec) whole(dst, src []byte, pad int) ([]byte, error) {
	pool := &c.single
	if len(src) > c.window {
		pool = &c.framed
	}
	e, err := pool.take()
	if err != nil {
		return dst, err
	}
	begin := len(dst)
	dst = e.z.EncodeAll(src, dst)
	pool.pool.Put(e) // not deferred: what panicked is not kept

	if pad > 0 && len(dst) > begin { // nothing has no frame
		b := takeBuffer(zstdPaddingLen(pad))
		defer b.free()
		b.b = appendEmptyBlocks(b.b, zstdPaddingLen(pad))
		dst = slices.Insert(dst, begin+zstdHeaderLen(dst[begin:]), b.b...)
	}
	return dst, nil
}

func (c *zstdCodec) stream() (encoder, error) { return c.streams.take() }

// release keeps an encoder in whatever state it is: begin resets it.
func (c *zstdCodec) release(e encoder) {
	used := e.(*zstdEncoder)
	used.outlet.shut()
	c.streams.pool.Put(used)
}

// zstdOpening puts padding behind the header of a frame. It comes first, as the end
// of a stream is too late to hide how long its beginning is.
//
// It consists of blocks without content. A skippable frame would be shorter to write,
// but Node's decoder takes the end of one for the end of the body.
type zstdOpening struct {
	to  *outlet
	pad int // until the header has been written
}

func (o *zstdOpening) Write(p []byte) (int, error) {
	if o.pad == 0 {
		return o.to.Write(p)
	}
	n := zstdPaddingLen(o.pad)
	o.pad = 0
	b := takeBuffer(len(p) + n)
	defer b.free()
	header := zstdHeaderLen(p)
	b.b = append(b.b, p[:header]...)
	b.b = appendEmptyBlocks(b.b, n)
	b.b = append(b.b, p[header:]...)
	if _, err := o.to.Write(b.b); err != nil {
		return 0, err
	}
	return len(p), nil
}

// zstdHeaderLen is how long the header of a frame is. The library writes it at once.
func zstdHeaderLen(frame []byte) int {
	var h zstd.Header
	_ = h.Decode(frame) // it is the library's own
	return h.HeaderSize
}

// zstdPaddingLen is how long padding is on the wire: empty blocks are of 3 or 4 bytes,
// of which any length from 6 on can be made.
func zstdPaddingLen(pad int) int { return pad + 5 }

// appendEmptyBlocks appends n bytes of blocks without content: up to two of RLE, as
// those have one byte to repeat, and raw ones (RFC 8878 §3.1.1.2).
func appendEmptyBlocks(b []byte, n int) []byte {
	for range n % 3 {
		const repeated = 1 << 1
		b = append(b, repeated, 0, 0, 0)
		n -= 4
	}
	begin := len(b)
	b = slices.Grow(b, n)[:begin+n]
	clear(b[begin:])
	return b
}
