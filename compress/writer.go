package compress

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"unsafe"

	"github.com/sluice-go/sluice/internal/respw"
)

// errTaken answers a handler that wants the connection of a response which is
// going out through an encoder.
var errTaken = errors.New("compress: hijack of a response that is being encoded")

// writer is what the recorder in front of a handler writes to. It has every
// optional interface; the recorder offers those of the writer outside.
type writer exchange

func (w *writer) Header() http.Header { return (*exchange)(w).header() }

func (w *writer) Unwrap() http.ResponseWriter { return w.w }

// WriteHeader passes interim responses on as they are, whatever becomes of the
// final one (RFC 9110 §15.2).
func (w *writer) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := (*exchange)(w)
	interim := status >= 100 && status < 200 && (status != http.StatusSwitchingProtocols || x.r.ProtoMajor > 1)
	invalid := status < 100 || status > 999 // net/http panics
	switch {
	case x.phase == over:
	case x.phase != waiting || x.status == 0 && (interim || invalid):
		x.w.WriteHeader(status)
	case x.status == 0:
		x.begin(status)
	}
}

func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase == over {
		return 0, respw.ErrEnded
	}
	return (*exchange)(w).write(p)
}

// WriteString takes the bytes of s where they are: no writer changes what it is
// given ([io.Writer]).
func (w *writer) WriteString(s string) (int, error) {
	return w.Write(unsafe.Slice(unsafe.StringData(s), len(s)))
}

func (w *writer) Flush() { _ = w.FlushError() }

func (w *writer) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase == over {
		return respw.ErrEnded
	}
	return (*exchange)(w).flush()
}

// copySize is how much ReadFrom reads at a time.
const copySize = 16 << 10

// ReadFrom leaves src to the writer outside, and so to sendfile, as soon as it is
// known that the body goes out as it is. The lock is not held while src is read:
// that may take as long as it likes.
func (w *writer) ReadFrom(src io.Reader) (n int64, err error) {
	var b *buffer
	for {
		if direct, ok := w.w.(io.ReaderFrom); ok && w.passes() {
			m, err := direct.ReadFrom(src)
			return n + m, err
		}
		if b == nil {
			b = takeBuffer(copySize)
			defer b.free()
		}
		got, readErr := src.Read(b.b[:copySize])
		if got > 0 {
			wrote, err := w.Write(b.b[:got])
			n += int64(wrote)
			if err != nil {
				return n, err
			}
		}
		if readErr == io.EOF {
			return n, nil
		}
		if readErr != nil {
			return n, readErr
		}
	}
}

func (w *writer) passes() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.phase == passing
}

// Hijack hands the connection over as the server does: a header that the handler
// has fixed goes out first.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := (*exchange)(w)
	switch {
	case x.phase == over:
		return nil, nil, respw.ErrEnded
	case x.phase == streaming || x.phase == discarding:
		return nil, nil, errTaken
	case !respw.CanHijack(x.w):
		return nil, nil, http.ErrNotSupported
	case x.phase == waiting && x.status != 0:
		if err := x.pass(); err != nil {
			return nil, nil, err
		}
	}
	conn, rw, err := http.NewResponseController(x.w).Hijack()
	if err == nil {
		x.phase = taken
	}
	return conn, rw, err
}

func (w *writer) Push(target string, opts *http.PushOptions) error {
	if p, ok := w.w.(http.Pusher); ok {
		return p.Push(target, opts)
	}
	return http.ErrNotSupported
}

func (w *writer) CloseNotify() <-chan bool {
	//lint:ignore SA1019 kept for handlers that still use it
	return w.w.(http.CloseNotifier).CloseNotify()
}

// turnOff serves [Off]. It waits for no write that is under way.
func (x *exchange) turnOff() { x.off.Store(true) }
