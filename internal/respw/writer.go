package respw

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
)

// ErrEnded is returned for every use of a response after its handler returned.
var ErrEnded = errors.New("respw: response used after its handler returned")

// Wrap returns w as a recorded writer with exactly the optional interfaces of
// w. A writer that is recorded already is returned as it is, with created
// false. Whoever created the recorder calls its End. First-byte times count from
// start.
func Wrap(w http.ResponseWriter, r *http.Request, start Instant) (rw http.ResponseWriter, rec *Recorder, created bool) {
	if rec := From(w); rec != nil {
		return w, rec, false
	}
	rw, rec = new(Space).Wrap(w, r, start)
	return rw, rec, true
}

// Space is room for one recorder inside something that is allocated anyway. It
// is used once: a recorder is never recycled.
type Space struct{ w writer }

// Wrap is [Wrap] for a writer that is known not to be recorded.
func (s *Space) Wrap(w http.ResponseWriter, r *http.Request, start Instant) (http.ResponseWriter, *Recorder) {
	rw, rec := s.WrapLike(w, w, r)
	rec.start.Store(int64(start))
	return rw, rec
}

// WrapLike is Wrap for a writer that has every optional interface and passes
// their calls on to like: the result has those of like. It is for layers that
// change a response, and so begin a recorder that further layers inside may need.
// The clock is not read before one does.
func (s *Space) WrapLike(w, like http.ResponseWriter, r *http.Request) (http.ResponseWriter, *Recorder) {
	rec := &s.w.rec
	rec.inner = w
	rec.head = r.Method == http.MethodHead
	rec.http1 = r.ProtoMajor < 2
	rec.shape = shapeOf(like)
	return s.w.as(rec.shape), rec
}

// From returns the recorder of w, or nil when w is not a recorded writer. It
// does not look below foreign wrappers: what they do to a response is not known
// to a recorder underneath them.
func From(w http.ResponseWriter) *Recorder {
	if rw, ok := w.(interface{ recorder() *Recorder }); ok {
		return rw.recorder()
	}
	return nil
}

// http1Writer has what net/http's writer for HTTP/1 has: one question in place
// of six.
type http1Writer interface {
	http.Flusher
	flushErrorer
	http.Hijacker
	io.ReaderFrom
	io.StringWriter
	//lint:ignore SA1019 see shapeOf
	http.CloseNotifier
}

// shapeOf says which optional interfaces w has.
func shapeOf(w http.ResponseWriter) (s shape) {
	if _, ok := w.(http.Pusher); ok {
		s |= hasPush
	}
	if _, ok := w.(http1Writer); ok {
		return s | hasFlush | hasFlushError | hasHijack | hasReadFrom | hasWriteString | hasCloseNotify
	}
	if _, ok := w.(http.Flusher); ok {
		s |= hasFlush
	}
	if _, ok := w.(flushErrorer); ok {
		s |= hasFlushError
	}
	if _, ok := w.(http.Hijacker); ok {
		s |= hasHijack
	}
	if _, ok := w.(io.ReaderFrom); ok {
		s |= hasReadFrom
	}
	if _, ok := w.(io.StringWriter); ok {
		s |= hasWriteString
	}
	//lint:ignore SA1019 old handlers still assert it, some without looking
	if _, ok := w.(http.CloseNotifier); ok {
		s |= hasCloseNotify
	}
	return s
}

type flushErrorer interface{ FlushError() error }

// writer is the part that every shape has. Its fields and helpers stay
// unexported, so that a handler sees nothing but the interfaces of the writer
// underneath.
type writer struct{ rec Recorder }

func (w *writer) recorder() *Recorder { return &w.rec }

func (w *writer) Header() http.Header { return w.rec.Header() }

func (w *writer) WriteHeader(status int) {
	r := &w.rec
	if r.final(status) && !r.Committed() {
		r.commit(status)
	}
	if !r.open() {
		return
	}
	r.inner.WriteHeader(status)
}

// final tells a final status from an interim one, which goes straight through,
// and from what is no status, which makes net/http panic. 101 ends HTTP/1.1; on
// HTTP/2 there is none (RFC 9113 §8.6) and net/http takes it for interim.
func (r *Recorder) final(status int) bool {
	return status >= 200 && status <= 999 || status == http.StatusSwitchingProtocols && r.http1
}

func (w *writer) Write(p []byte) (int, error) {
	r := &w.rec
	if !r.begin() {
		return 0, ErrEnded
	}
	n, err := r.inner.Write(p)
	r.wrote(int64(n))
	if err != nil {
		r.failed(err, int64(len(p)))
	}
	return n, err
}

// failed looks at the error of a write of size bytes. Where the buffer was full,
// some of them, and the header, may have left before.
func (r *Recorder) failed(err error, size int64) {
	switch {
	case errors.Is(err, http.ErrBodyNotAllowed), errors.Is(err, http.ErrContentLength),
		errors.Is(err, http.ErrHijacked), errors.Is(err, http.ErrHandlerTimeout):
		return // these are about the handler
	}
	r.state.Or(flagFailed)
	if r.Bytes()+size > serverBuffer {
		r.stampFirstByte(r.sinceStart())
	}
}

// Unwrap serves [http.ResponseController]. After the end there is nothing to
// control.
func (w *writer) Unwrap() http.ResponseWriter {
	if w.rec.ended() {
		return nil
	}
	return w.rec.passage()
}

// begin gets ready for the first byte of a body, and reports whether the
// response is still open.
func (r *Recorder) begin() bool {
	if r.Status() == 0 {
		r.commit(http.StatusOK)
	}
	return r.open()
}

// open waits for the hooks of another writer, and reports whether the response
// is still open.
func (r *Recorder) open() bool {
	s := r.state.Load()
	if s&flagHooking != 0 {
		r.wait()
	}
	return s&flagEnded == 0
}

func (r *Recorder) writeString(s string) (int, error) {
	if !r.begin() {
		return 0, ErrEnded
	}
	n, err := r.inner.(io.StringWriter).WriteString(s)
	r.wrote(int64(n))
	if err != nil {
		r.failed(err, int64(len(s)))
	}
	return n, err
}

// beginFlush marks a stream and reports whether the response is still open. A
// flush fixes the header even before the first byte of the body.
func (r *Recorder) beginFlush() bool {
	if !r.begin() {
		return false
	}
	r.stampFirstByte(r.sinceStart())
	if r.state.Or(flagFlushed)&flagFlushed == 0 {
		r.flushed()
	}
	return true
}

func (r *Recorder) flush() {
	if r.beginFlush() {
		r.inner.(http.Flusher).Flush()
	}
}

func (r *Recorder) flushError() error {
	if !r.beginFlush() {
		return ErrEnded
	}
	err := r.inner.(flushErrorer).FlushError()
	if err != nil {
		r.failed(err, 0)
	}
	return err
}

// firstPieces are scratch bytes and nothing of a response.
var firstPieces = sync.Pool{New: func() any { return new([firstPiece]byte) }}

// firstPiece is what net/http, too, copies by hand before it uses sendfile.
const firstPiece = 512

// readFrom writes the first piece of src itself and leaves the rest to the
// inner writer and so to sendfile. It must look before it hands over: an empty
// source leaves the header open (a handler may still answer 404), and a source
// that is slow to start must not count as a first byte.
func (r *Recorder) readFrom(src io.Reader) (n int64, err error) {
	if r.ended() {
		return 0, ErrEnded
	}
	piece := firstPieces.Get().(*[firstPiece]byte)
	defer firstPieces.Put(piece)
	got, readErr := readSome(src, piece[:])
	if got > 0 {
		if !r.begin() {
			return 0, ErrEnded
		}
		wrote, err := r.inner.Write(piece[:got])
		r.wrote(int64(wrote))
		if err != nil {
			r.failed(err, int64(got))
			return int64(wrote), err
		}
		n = int64(wrote)
	}
	if readErr == io.EOF {
		return n, nil
	}
	if readErr != nil {
		return n, readErr
	}
	at := r.sinceStart()
	rest, err := r.inner.(io.ReaderFrom).ReadFrom(src)
	var network *net.OpError
	lost := errors.As(err, &network) && network.Op != "read" // which would be src
	if lost {
		r.state.Or(flagFailed)
	}
	// net/http has handed over, past its buffer.
	if (n+rest >= 2*firstPiece || lost) && r.stampFirstByte(at) {
		r.outgrew()
	}
	r.wrote(rest)
	return n + rest, err
}

// readSome reads until there is something, as io.Copy does: a reader may return
// 0, nil.
func readSome(src io.Reader, p []byte) (int, error) {
	for {
		if n, err := src.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
}

func (r *Recorder) hijack() (net.Conn, *bufio.ReadWriter, error) {
	if r.ended() {
		return nil, nil, ErrEnded
	}
	return r.hijacked(r.inner.(http.Hijacker).Hijack())
}

// hijacked records a connection that was taken over. No header hook runs: the
// handler speaks for itself from here on.
func (r *Recorder) hijacked(conn net.Conn, rw *bufio.ReadWriter, err error) (net.Conn, *bufio.ReadWriter, error) {
	if err != nil {
		return conn, rw, err
	}
	r.stampFirstByte(r.sinceStart())
	r.fix(http.StatusSwitchingProtocols)
	r.state.Or(flagHijacked)
	for w := range r.watching {
		conn, rw = w.Hijacked(conn, rw)
	}
	return conn, rw, nil
}

func (r *Recorder) push(target string, opts *http.PushOptions) error {
	if r.ended() {
		return ErrEnded
	}
	return r.inner.(http.Pusher).Push(target, opts)
}

func (r *Recorder) closeNotify() <-chan bool {
	if r.ended() {
		return make(chan bool) // net/http would panic
	}
	//lint:ignore SA1019 kept for handlers that still use it
	return r.inner.(http.CloseNotifier).CloseNotify()
}
