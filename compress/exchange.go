package compress

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-go/sluice/internal/respw"
)

// phase is how far a response has come.
type phase uint8

const (
	waiting    phase = iota // nothing has left, and the body is kept back
	passing                 // it goes out as it is
	streaming               // it goes out through an encoder
	discarding              // an answer to HEAD, whose body nobody gets
	taken                   // the connection is the handler's
	over                    // the handler has returned
)

// exchange is one response on its way out. It belongs to one request and is never
// used again: a goroutine of the handler may outlive it.
type exchange struct {
	front respw.Space
	c     *Compressor
	w     http.ResponseWriter // outside
	r     *http.Request       // as it arrived

	accepted acceptance
	head     bool
	guarded  bool // by Options.GuardCrossSite

	off   atomic.Bool // it must stay as it is
	apart atomic.Bool // the header is fixed and has not left: see header

	mu       sync.Mutex // guards the rest
	phase    phase
	verdict  verdict
	coding   coding
	choices  choices
	forced   bool // the client refuses identity
	flushes  bool // each write reaches the client
	overran  bool // the handler wrote more than it had declared
	lost     bool // a write did not reach the client
	entire   bool // what is held is the whole body
	status   int  // 0 until the handler has fixed the header
	declared int64
	pad      int   // of the stream
	written  int64 // by the handler
	sent     int64 // of the encoded body
	spent    time.Duration
	held     *buffer // of the body
	trial    *buffer // what an encoder makes of the beginning
	fixed    *snapshot
	own      http.Header // for a handler that goes on with its header
	has      traits      // of the header
	enc      encoder
	values   [roomForValues]string
}

// begin fixes the header, and decides as far as that can be done.
func (x *exchange) begin(status int) {
	h := x.w.Header()
	x.status = status
	if x.isOutOfQuestion(h) {
		_ = x.pass()
		return
	}
	var o outline
	x.fixed = takeSnapshot(h, &o)
	x.declared, x.has = o.declared, o.has
	x.verdict = x.judge(&o)
	if x.verdict == encode || x.verdict == sniff {
		x.flushes = o.has&isIncremental != 0
		x.apart.Store(true)
		return
	}
	x.fixed.free() // nothing can have changed
	x.fixed = nil
	_ = x.pass() // there is no body yet
}

// header is the map for the handler. While a fixed header is kept back, that is one
// of the handler's own, as its changes are of no consequence then: another
// goroutine may flush, and send the real one.
func (x *exchange) header() http.Header {
	if !x.apart.Load() {
		return x.w.Header()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.own == nil {
		if x.fixed == nil {
			return x.w.Header()
		}
		x.own = x.fixed.header()
	}
	return x.own
}

// adoptTrailers takes over what the handler has put into a map of its own.
func (x *exchange) adoptTrailers() {
	if x.own == nil {
		return
	}
	h := x.w.Header()
	for name, values := range x.own {
		if isTrailer(h, name) {
			h[name] = values
			x.has |= hasTrailer
		}
	}
}

// sniffLen is how much of a body tells its content type.
const sniffLen = 512

// commit sends the header as the handler left it, but for what edit does.
func (x *exchange) commit(edit func(http.Header)) {
	h := x.w.Header()
	var late []field
	if x.fixed != nil {
		var gains traits
		late, gains = x.fixed.restore(h)
		x.has |= gains
		x.fixed.free()
		x.fixed = nil
	}
	edit(h)
	x.w.WriteHeader(x.status)
	if late != nil {
		redo(h, late)
	}
}

// pass lets the response go out as it is.
func (x *exchange) pass() error {
	x.phase = passing
	x.commit(x.markPlain)
	held := x.held
	if held == nil {
		return nil
	}
	x.held = nil
	defer held.free()
	_, err := x.w.Write(held.b)
	return err
}

// resolve looks at what there is of a body without a content type, as net/http
// does, and reports whether it may be encoded.
func (x *exchange) resolve() bool {
	if x.verdict == sniff {
		x.verdict = plain
		if x.held != nil && len(x.held.b) > 0 {
			x.values[typeValue] = http.DetectContentType(x.held.b)
			x.verdict = x.judgeType(x.values[typeValue])
		}
	}
	return x.verdict == encode && !x.off.Load()
}

// write takes what the handler writes, in the phase that the response is in.
func (x *exchange) write(p []byte) (int, error) {
	if x.phase == waiting && x.status == 0 {
		x.begin(http.StatusOK)
	}
	if x.overruns(int64(len(p))) {
		return 0, http.ErrContentLength
	}
	switch x.phase {
	case waiting:
		return x.hold(p)
	case streaming:
		return x.encode(p)
	case discarding:
		x.written += int64(len(p))
		return len(p), nil
	default:
		return x.w.Write(p)
	}
}

// overruns reports whether n more bytes are more than the handler has declared, as
// the server does, who does not get to know. It, too, refuses all that follows,
// even if that would fit.
func (x *exchange) overruns(n int64) bool {
	if x.phase != passing && x.declared >= 0 && x.written+n > x.declared {
		x.overran = true
	}
	return x.overran && n > 0
}

// hold keeps p back. A body that gets too long for that is streamed, and one that is
// to reach the client at each write at once.
func (x *exchange) hold(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil // nothing to flush, either
	}
	have := 0
	if x.held != nil {
		have = len(x.held.b)
	}
	room := x.c.opts.BufferSize - have
	switch {
	case x.flushes && x.verdict == sniff:
		room = sniffLen
	case x.flushes:
		room = 0
	case len(p) <= room:
		x.keep(p)
		if x.verdict == sniff && len(x.held.b) >= sniffLen && !x.resolve() {
			return len(p), x.pass()
		}
		return len(p), nil
	}
	n := min(room, len(p))
	if n > 0 {
		x.keep(p[:n])
	}
	if err := x.stream(!x.flushes); err != nil {
		return n, err
	}
	if n == len(p) && !x.flushes {
		return n, nil
	}
	m, err := x.write(p[n:])
	return n + m, err
}

func (x *exchange) keep(p []byte) {
	if x.held == nil {
		x.held = takeBuffer(int(min(max(x.declared, int64(len(p))), int64(x.c.opts.BufferSize))))
	}
	x.held = x.held.append(p)
	x.written += int64(len(p))
}

// append returns b with p at its end, or a larger one.
func (b *buffer) append(p []byte) *buffer {
	if have := len(b.b); have+len(p) > cap(b.b) {
		larger := takeBuffer(max(2*have, have+len(p)))
		larger.b = append(larger.b, b.b...)
		b.free()
		b = larger
	}
	b.b = append(b.b, p...)
	return b
}
