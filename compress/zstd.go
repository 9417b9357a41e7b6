package compress

import (
	"encoding/binary"
	"io"
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
	z *zstd.Encoder
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
	e.library, e.lead = z, zstdPadding
	return e, nil
}

func (e *zstdEncoder) begin(w io.Writer, pad int) error {
	e.start(w, pad)
	e.z.Reset(&e.outlet)
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
	if pad > 0 {
		dst = appendSkippable(dst, paddingText[:pad])
	}
	dst = e.z.EncodeAll(src, dst)
	pool.pool.Put(e) // not deferred: what panicked is not kept
	return dst, nil
}

func (c *zstdCodec) stream() (encoder, error) { return c.streams.take() }

// release keeps an encoder in whatever state it is: begin resets it.
func (c *zstdCodec) release(e encoder) {
	used := e.(*zstdEncoder)
	used.outlet.shut()
	c.streams.pool.Put(used)
}

// zstdPadding writes a skippable frame. It comes first, as the end of a stream is
// too late to hide how long its beginning is.
func zstdPadding(s *session, n int) error {
	b := takeBuffer(n + 8)
	defer b.free()
	b.b = appendSkippable(b.b, paddingText[:n])
	_, err := s.outlet.Write(b.b)
	return err
}

// appendSkippable appends a skippable frame (RFC 8878 §3.1.2), which decoders skip.
// Its magic number is not that of dcz (RFC 9842 §5).
func appendSkippable(b []byte, data string) []byte {
	b = binary.LittleEndian.AppendUint32(b, 0x184D2A50)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	return append(b, data...)
}
