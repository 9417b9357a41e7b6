package compress

import "io"

// outlet stands between the encoder of a library and where its output goes. A
// pooled encoder so holds on to no response, whatever the library keeps.
type outlet struct {
	to   io.Writer
	room appender // for whole bodies
}

func (o *outlet) Write(p []byte) (int, error) {
	if o.to == &o.room { // often, and of few bytes: the compiler puts it in place
		return o.room.Write(p)
	}
	n, err := o.to.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite // the libraries look at errors only
	}
	return n, err
}

// shut lets go of where the output went.
func (o *outlet) shut() { o.to, o.room = io.Discard, nil }

// appender is a writer to memory.
type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}

// library is what the encoders of all libraries have.
type library interface {
	io.WriteCloser
	Flush() error
}

// session is a body on its way through an encoder of a library, for all codings.
type session struct {
	outlet  outlet
	library library
	lead    func(*session, int) error // writes padding; nil where begin has seen to it
	pad     int                       // padding to write before anything else
	dirty   bool                      // there is something to flush
	err     error                     // of the padding
}

func (s *session) start(to io.Writer, pad int) {
	s.outlet.to, s.pad, s.dirty, s.err = to, pad, false, nil
}

// leadIn writes the padding when the body begins to leave and not before: until
// then the header of the response may still be open.
func (s *session) leadIn() error {
	if s.pad > 0 && s.lead != nil {
		s.err = s.lead(s, s.pad)
		s.pad = 0
	}
	return s.err
}

func (s *session) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := s.leadIn(); err != nil {
		return 0, err
	}
	s.dirty = true
	return s.library.Write(p)
}

// Flush writes nothing where nothing is held back: handlers often flush twice, and
// gzip would add 5 bytes each time.
func (s *session) Flush() error {
	if !s.dirty {
		return nil
	}
	if err := s.library.Flush(); err != nil {
		return err
	}
	s.dirty = false
	return nil
}

func (s *session) Close() error {
	if err := s.leadIn(); err != nil {
		return err
	}
	return s.library.Close()
}

// all encodes src as a whole body and appends it to dst. The session has begun,
// with the room of its outlet for where it goes.
func (s *session) all(dst, src []byte) ([]byte, error) {
	s.outlet.room = dst
	if _, err := s.Write(src); err != nil {
		return dst, err
	}
	if err := s.Close(); err != nil {
		return dst, err
	}
	return s.outlet.room, nil
}
