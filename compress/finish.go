package compress

import (
	"net/http"
	"time"
)

// finish ends the response when its handler is done. After a panic nothing is
// added: a response that has not begun is free for who recovers further out, and
// one that has is seen to be cut, as the end of its encoding is missing.
func (x *exchange) finish(returned bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	phase := x.phase
	x.phase = over
	defer x.drop()
	switch {
	case phase == streaming:
		x.finishStream(returned)
	case phase == waiting && returned:
		x.phase = waiting
		x.finishWhole()
		x.phase = over
	case x.header != nil:
		x.header.free()
		x.header = nil
	}
}

func (x *exchange) finishStream(returned bool) {
	defer x.letGo()
	if !returned {
		return
	}
	if x.declared >= 0 && x.written != x.declared {
		// The server, too, cuts the connection of a body that is too short. It could
		// not know that this one is. The header leaves before.
		_ = http.NewResponseController(x.w).Flush()
		panic(http.ErrAbortHandler)
	}
	if err := x.timed(x.enc.Close); err != nil {
		return // the client is gone
	}
	h := x.w.Header()
	dropDigestTrailers(h)
	if hasTrailers(h) {
		// The server gives a body that fits its buffer a length, which leaves no place
		// for trailers that it did not know of. This one was longer before.
		_ = http.NewResponseController(x.w).Flush()
	}
	x.tell(x.coding, x.written, x.sent)
}

// finishWhole sends a body that was kept back whole.
func (x *exchange) finishWhole() {
	head := x.r.Method == http.MethodHead
	if x.status == 0 {
		if !head || x.w.Header()["Content-Type"] == nil {
			return // who is further out may still answer
		}
		x.begin(http.StatusOK)
		if x.phase != waiting {
			return
		}
	}
	if x.held == nil && head && x.verdict == encode && !x.off {
		_ = x.eat() // the handler left out the body, as it may
		return
	}
	if !x.resolve() || !x.encodeWhole(head) {
		if x.verdict == encode {
			x.verdict = plain
		}
		_ = x.pass()
	}
}

// encodeWhole reports whether the body is worth encoding, and then sends it.
func (x *exchange) encodeWhole(head bool) bool {
	if x.held == nil || len(x.held.b) == 0 || x.declared >= 0 && x.written != x.declared {
		return false
	}
	body := x.held.b
	if len(body) < x.c.opts.MinSize && !x.forced {
		return false
	}
	x.coding = x.c.claim(&x.c.busy, x.accepted, x.coding, x.forced)
	if x.coding == identity {
		return false
	}
	out := takeBuffer(len(body))
	defer func() { out.free() }()
	err := x.encodeInto(out, body)
	if err != nil || len(out.b) >= len(body) && !x.forced {
		x.tell(identity, x.written, x.written)
		return false
	}
	x.phase = passing
	x.commit(func(h http.Header) { x.markEncoded(h, len(out.b)) })
	if x.has&hasTrailer != 0 {
		dropDigestTrailers(x.w.Header())
	}
	if !head {
		_, _ = x.w.Write(out.b)
	}
	x.tell(x.coding, x.written, int64(len(out.b)))
	return true
}

func (x *exchange) encodeInto(out *buffer, body []byte) error {
	defer x.c.busy[x.coding].give()
	pad := padding(x.c.opts.Padding)
	return x.timed(func() (err error) {
		out.b, err = x.c.codecs[x.coding].whole(out.b, body, pad)
		return err
	})
}

// tell reports a result. Hooks are called by the handler's goroutine, as the last
// thing of a response.
func (x *exchange) tell(c coding, in, out int64) {
	if f := x.c.opts.OnResult; f != nil {
		f(c.String(), in, out, x.spent)
	}
}

// timed runs f and adds to the time spent if somebody wants to know.
func (x *exchange) timed(f func() error) error {
	if x.c.opts.OnResult == nil {
		return f()
	}
	start := time.Now()
	err := f()
	x.spent += time.Since(start)
	return err
}
