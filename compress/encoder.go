package compress

import "io"

// encoder writes one body in its coding. It is used by one response at a time.
type encoder interface {
	// begin starts a body of unknown length that goes to w, with pad bytes of
	// padding in it.
	begin(w io.Writer, pad int) error
	io.Writer
	// Flush writes what makes all bytes so far decodable.
	Flush() error
	// Close writes the end of the body.
	Close() error
}

// codec makes encoders of one coding and keeps those that are not in use.
type codec interface {
	// whole appends src to dst in its coding, with pad bytes of padding.
	whole(dst, src []byte, pad int) ([]byte, error)
	// stream takes an encoder.
	stream() (encoder, error)
	// release gives an encoder back, after Close or in the middle of a body. It
	// holds on to nothing of the response.
	release(encoder)
}
