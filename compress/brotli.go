package compress

import (
	"io"
	"math/bits"
	"sync"

	"github.com/molecule-man/go-brrr"
)

// What one encoder of brotli holds for a stream, in KiB, after events that were
// flushed one by one, and after 4 MiB without a flush:
//
//	window           64 KiB       128 KiB       256 KiB        1 MiB
//	quality 2, 3    441   996     569  1124     825  1380    2361   2948
//	quality 4       772  1863     900  2310    1156  3943    2692  10609
//	quality 5       772  1858    1444  2837    1700  4463    3236  11128
//	quality 6       772  1857    2468  3862    2724  5479    4260  12112
//	quality 7, 8    772  1857   and no more, see longWindow
//	quality 9      1540  2625   and no more
//
// The second number is more as it has the commands of a meta-block under way, of up
// to twice the window, and room for its output.
type brotliCodec struct {
	short   brotliPool // whole bodies of up to shortBrotli
	long    brotliPool // longer ones
	streams brotliPool
}

const (
	// shortBrotli is the longest body that a window of 64 KiB covers: RFC 7932 §9.1
	// takes 16 off.
	shortBrotli = 1<<16 - 16
	// slowBrotli is from where on the library works with goroutines and tens of MB.
	slowBrotli = 10
)

func newBrotli(quality, window int) codec {
	short, long := quality, quality
	if quality == 0 {
		// 5 is 6 % smaller and up to twice the time of 4.
		short, long = 5, 4
	}
	// 1 knows no history, so that each flush costs a hundred bytes, and declares 256
	// KiB whatever is asked. From 10 on an open stream would hold tens of MB.
	stream := min(max(long, 2), slowBrotli-1)
	return &brotliCodec{
		short:   brotliPool{quality: short, window: shortWindow(short)},
		long:    brotliPool{quality: long, window: longWindow(long, 18)},
		streams: brotliPool{quality: stream, window: longWindow(stream, bits.Len(uint(window))-1)},
	}
}

// shortWindow is the binary logarithm of the window for short bodies. At 5 and 6
// the tables for larger windows are a third faster, and the client's need is that of
// the body. At other qualities it makes no difference.
func shortWindow(quality int) int {
	if quality == 5 || quality == 6 {
		return 17
	}
	return 16
}

// longWindow bounds the window for other bodies: past 64 KiB the tables for 7 to 9
// take 4 to 33 MB in place of 1, for one body in 500 less.
func longWindow(quality, limit int) int {
	if quality >= 7 && quality < slowBrotli {
		return min(16, limit)
	}
	return limit
}

// brotliPool has the encoders of one quality and window, as neither can be changed.
type brotliPool struct {
	quality, window int
	pool            sync.Pool
}

type brotliEncoder struct {
	session
	z    *brrr.Writer
	home *brotliPool
}

// take returns an encoder, for a body of size bytes if it is new.
func (p *brotliPool) take(size int) (*brotliEncoder, error) {
	if e, ok := p.pool.Get().(*brotliEncoder); ok {
		return e, nil
	}
	e := &brotliEncoder{home: p}
	z, err := brrr.NewWriterOptions(&e.outlet, p.quality, brrr.WriterOptions{LGWin: p.window, SizeHint: uint(size)})
	if err != nil {
		return nil, err
	}
	e.z, e.library, e.lead = z, z, brotliPadding
	return e, nil
}

func (e *brotliEncoder) begin(w io.Writer, pad int) error {
	// The library else takes the first write for the whole body, and takes 4 MB for
	// tables if that is long.
	const unknown = 128 << 10
	e.beginSize(w, pad, unknown)
	return nil
}

func (e *brotliEncoder) beginSize(w io.Writer, pad, size int) {
	e.start(w, pad)
	if e.home.quality < slowBrotli {
		e.z.ResetWithSizeHint(&e.outlet, uint(size))
	}
}

func (c *brotliCodec) whole(dst, src []byte, pad int) ([]byte, error) {
	e, err := c.poolFor(len(src), pad).take(len(src))
	if err != nil {
		return dst, err
	}
	e.beginSize(&e.outlet.room, pad, len(src))
	dst, err = e.all(dst, src)
	e.home.put(e, len(src)) // not deferred: what panicked is not kept
	return dst, err
}

func (c *brotliCodec) poolFor(size, pad int) *brotliPool {
	switch {
	case pad > 0 && c.short.quality == 1:
		return &c.streams // 1 writes no stream header on a flush, which padding needs
	case size <= shortBrotli:
		return &c.short
	default:
		return &c.long
	}
}

func (c *brotliCodec) stream() (encoder, error) { return c.streams.take(0) }

// release keeps an encoder in whatever state it is: begin resets it.
func (c *brotliCodec) release(e encoder) {
	used := e.(*brotliEncoder)
	used.home.put(used, 0)
}

// put keeps e, unless a long body made it large. Encoders that work with goroutines
// ended those in Close, and cannot begin again without.
func (p *brotliPool) put(e *brotliEncoder, size int) {
	e.outlet.shut()
	if size <= largestBuffer && p.quality < slowBrotli {
		p.pool.Put(e)
	}
}

// brotliPadding writes n bytes of metadata (RFC 7932 §9.2), which decoders skip. It
// begins at a byte, as a flush ends with one.
func brotliPadding(s *session, n int) error {
	if err := s.library.Flush(); err != nil {
		return err
	}
	b := takeBuffer(n + 3)
	defer b.free()
	b.b = appendMetadata(b.b, paddingText[:n])
	_, err := s.outlet.Write(b.b)
	return err
}

// appendMetadata appends a meta-block of metadata: from the lowest bit on ISLAST 0,
// MNIBBLES 3, a reserved 0, MSKIPBYTES, and as many bytes of the length less one: at
// least one, as none means no data, and no more than it needs (RFC 7932 §9.2).
func appendMetadata(b []byte, data string) []byte {
	const metadata = 3 << 1
	size := len(data) - 1
	skipBytes := max(1, (bits.Len(uint(size))+7)/8)
	head := metadata | skipBytes<<4 | size<<6
	for range 1 + skipBytes {
		b = append(b, byte(head))
		head >>= 8
	}
	return append(b, data...)
}
