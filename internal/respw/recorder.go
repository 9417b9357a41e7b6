package respw

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// state packs what every write must look at into one word.
const (
	statusMask   uint32 = 1<<10 - 1 // the final status, 0 until it is known
	flagHijacked uint32 = 1 << 10
	flagFlushed  uint32 = 1 << 11
	flagEnded    uint32 = 1 << 12
	flagHooked   uint32 = 1 << 13 // there are header hooks
	flagHooking  uint32 = 1 << 15 // they are running
	flagFailed   uint32 = 1 << 14 // a write did not reach the client
	flagListed   uint32 = 1 << 16 // some of the hooks are in a list
)

// serverBuffer is how much of a body net/http keeps back before it sends
// anything: 2 KB on HTTP/1.1, 4 KB on HTTP/2. The smaller one is used, so that
// a first-byte time is never late.
const serverBuffer = 2048

// Recorder is what became of a response. Its methods may be called at any time
// and from any goroutine.
type Recorder struct {
	_         [0]func() // no comparison code for the types that embed it
	inner     http.ResponseWriter
	state     atomic.Uint32
	shape     shape // what the writer that is handed out offers
	head      bool
	http1     bool
	bytes     atomic.Int64 // negative: of a body that does not leave
	start     atomic.Int64 // an Instant, or 0 while nobody has asked
	firstByte atomic.Int64 // nanoseconds since start, 0 until known
	carrier   any
	watcher   Watcher // the first one
	hooks     atomic.Pointer[Hooks]
	firstHook HeaderHook // of the layer that made the recorder
	fixing    sync.Mutex // held while header hooks run, so that End waits for them
}

// Inner is the writer that is recorded.
func (r *Recorder) Inner() http.ResponseWriter { return r.inner }

// Start is the instant from which first-byte times count. Where [Space.WrapLike] was
// given none, it is when somebody first asks.
func (r *Recorder) Start() Instant {
	if r.start.Load() == 0 {
		r.start.CompareAndSwap(0, int64(Now()))
	}
	return Instant(r.start.Load())
}

// Carry attaches what belongs to the request, for inner layers that are handed
// the same writer, and its first watcher. It is called before the writer is
// handed on.
func (r *Recorder) Carry(v any, w Watcher) {
	r.carrier = v
	if w != nil {
		r.watcher = w
	}
}

// Carrier is what was attached, or nil.
func (r *Recorder) Carrier() any { return r.carrier }

// Status is the final status, or 0 while it is open. After a handler returned
// normally, 0 means the 200 that net/http is about to send.
func (r *Recorder) Status() int { return int(r.state.Load() & statusMask) }

// Committed reports whether the header is fixed: written, implied by a first
// write or flush, or given up with a hijacked connection.
func (r *Recorder) Committed() bool { return r.Status() != 0 }

// Hijacked reports whether the handler took over the connection.
func (r *Recorder) Hijacked() bool { return r.state.Load()&flagHijacked != 0 }

// Flushed reports whether the handler flushed, which marks a stream.
func (r *Recorder) Flushed() bool { return r.state.Load()&flagFlushed != 0 }

// Failed reports whether a write failed because the client is gone, or is too
// slow. The server may learn of it later than that.
func (r *Recorder) Failed() bool { return r.state.Load()&flagFailed != 0 }

// Bytes is the length of the body as it left this layer: after the compression
// of layers inside, before that of layers outside. Bytes on a hijacked
// connection are not counted here; see [Watcher].
func (r *Recorder) Bytes() int64 { return max(0, r.bytes.Load()) }

// FirstByte is how long after the start the first byte could leave for the client: at the first
// flush, at a hijack, or when the body outgrew the server's buffer. It is false
// for a response that left as a whole when its handler returned.
func (r *Recorder) FirstByte() (time.Duration, bool) {
	d := r.firstByte.Load()
	return time.Duration(d), d != 0
}

// Header is the header map of the response, and after the end an unused one:
// net/http may be reading the real one, and HTTP/2 no longer hands it out.
func (r *Recorder) Header() http.Header {
	if r.ended() {
		return make(http.Header)
	}
	return r.inner.Header()
}

// End closes the writer for good. The layer that created the recorder calls it
// last of all; returned says whether the handler returned normally, in which
// case a header still open is the 200 that net/http is about to send. After a
// panic the header stays open for whoever recovers further out.
func (r *Recorder) End(returned bool) {
	// Closed first: a late write must not overtake the hooks.
	s := r.state.Or(flagEnded)
	if s&flagHooked != 0 && (s&statusMask == 0 || s&flagHooking != 0) {
		r.endHooked(returned)
	} else if returned && s&statusMask == 0 {
		r.state.Or(http.StatusOK)
	}
}

func (r *Recorder) endHooked(returned bool) {
	r.fixing.Lock()
	defer r.fixing.Unlock()
	if returned && r.Status() == 0 {
		r.state.Or(http.StatusOK)
		r.beforeHeader(http.StatusOK, r.inner.Header())
	}
}

func (r *Recorder) ended() bool { return r.state.Load()&flagEnded != 0 }

// update sets bits of the state in one step, unless one of others is set.
func (r *Recorder) update(others, bits uint32) bool {
	for {
		s := r.state.Load()
		if s&others != 0 {
			return false
		}
		if r.state.CompareAndSwap(s, s|bits) {
			return true
		}
	}
}

// fix sets the status and reports whether it was still open.
func (r *Recorder) fix(status int) bool { return r.update(statusMask|flagEnded, uint32(status)) }

// commit fixes the header: the status, unless it is fixed, and what the hooks
// have to say.
func (r *Recorder) commit(status int) {
	// Mostly nobody has anything to say, and then nobody needs to wait.
	if !r.update(statusMask|flagEnded|flagHooked, uint32(status)) {
		r.commitHooked(status)
	}
}

func (r *Recorder) commitHooked(status int) {
	if r.state.Load()&flagHooked == 0 {
		return // fixed or ended
	}
	r.fixing.Lock()
	defer r.fixing.Unlock()
	if r.fix(status | int(flagHooking)) {
		r.beforeHeader(status, r.inner.Header())
		r.state.And(^flagHooking)
	}
}

// wrote accounts for body bytes that the inner writer accepted.
func (r *Recorder) wrote(n int64) {
	if n <= 0 {
		return
	}
	var buffered int64
	switch {
	case r.BodyAllowed():
		buffered = r.bytes.Add(n)
	case !r.http1:
		// It fills the buffer all the same, and then HTTP/2 sends the header, which
		// ends the response.
		buffered = -r.bytes.Add(-n)
	}
	if buffered > serverBuffer && r.firstByte.Load() == 0 && r.stampFirstByte(r.sinceStart()) {
		r.outgrew()
	}
}

// BodyAllowed reports whether the answer has content (RFC 9110 §6.4.1). Answers
// to HEAD, 204 and 304 have none, whatever a handler writes.
func (r *Recorder) BodyAllowed() bool {
	status := r.Status()
	return !r.head && status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// sinceStart is 1 while nobody has asked for the start, and so for what comes after.
func (r *Recorder) sinceStart() int64 {
	start := r.start.Load()
	if start == 0 {
		return 1
	}
	return max(1, int64(Instant(start).Elapsed()))
}

func (r *Recorder) stampFirstByte(at int64) (first bool) { return r.firstByte.CompareAndSwap(0, at) }
