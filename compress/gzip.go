package compress

import (
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// What one encoder of gzip holds, in KiB, whatever it encodes:
//
//	level      1     2     3    4     5     6    7    8     9
//	heap     800  1184  1184  928  1056  1056  992  992  1387
//
// Encoders of one level are all alike, so they share one pool.
type gzipCodec struct {
	level int
	pool  sync.Pool
}

func newGzip(level int) codec { return &gzipCodec{level: level} }

// gzipEncoder writes one member. Browsers stop after the first one without a word,
// so padding is an extra field in its header (RFC 1952 §2.3.1.1). It is no comment,
// as Go's own reader refuses those of more than 511 bytes.
type gzipEncoder struct {
	session
	z     *gzip.Writer
	extra []byte
}

func (c *gzipCodec) take() (*gzipEncoder, error) {
	if e, ok := c.pool.Get().(*gzipEncoder); ok {
		return e, nil
	}
	z, err := gzip.NewWriterLevel(io.Discard, c.level)
	if err != nil {
		return nil, err
	}
	e := &gzipEncoder{z: z}
	e.library = z
	return e, nil
}

func (e *gzipEncoder) begin(w io.Writer, pad int) error {
	e.start(w, pad)
	e.z.Reset(&e.outlet)
	if pad > 0 {
		e.extra = appendSubfield(e.extra[:0], paddingText[:pad])
		e.z.Extra = e.extra
	}
	return nil
}

// appendSubfield appends data as a subfield of an extra field, with an identifier
// that is not among those of RFC 1952 §2.3.1.1.
func appendSubfield(b []byte, data string) []byte {
	b = append(b, 'P', 'D', byte(len(data)), byte(len(data)>>8))
	return append(b, data...)
}

func (c *gzipCodec) whole(dst, src []byte, pad int) ([]byte, error) {
	e, err := c.take()
	if err != nil {
		return dst, err
	}
	_ = e.begin(&e.outlet.room, pad) // nothing that can fail
	dst, err = e.all(dst, src)
	c.release(e) // not deferred: what panicked is not kept
	return dst, err
}

func (c *gzipCodec) stream() (encoder, error) { return c.take() }

// release keeps an encoder in whatever state it is: begin resets it.
func (c *gzipCodec) release(e encoder) {
	used := e.(*gzipEncoder)
	used.outlet.shut()
	c.pool.Put(used)
}
