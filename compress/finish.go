package compress

import (
	"maps"
	"net/http"
)

// finish ends the response when its handler is done. After a panic nothing is
// added: a response that has not begun is free for who recovers further out, and
// one that has is seen to be cut, as the end of its encoding is missing.
func (x *exchange) finish(returned bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	defer x.leave()
	if !returned {
		x.abandon()
		return
	}
	x.adoptTrailers()
	switch x.phase {
	case streaming:
		x.finishStream()
	case waiting:
		x.finishWhole()
	}
}

// abandon leaves the header as the handler left it, for who recovers. That of a HEAD
// whose body was too long to be kept back has begun to leave, as that of GET has.
func (x *exchange) abandon() {
	switch {
	case x.phase == discarding:
		_ = http.NewResponseController(x.w).Flush()
	case x.phase == waiting && x.own != nil:
		h := x.w.Header()
		clear(h)
		maps.Copy(h, x.own)
	}
}

// leave lets go of everything.
func (x *exchange) leave() {
	x.phase = over
	x.letGo()
	x.drop()
	if x.fixed != nil {
		x.fixed.free()
		x.fixed = nil
	}
}

func (x *exchange) finishStream() {
	switch {
	case x.lost:
		return // the client is gone
	case x.declared >= 0 && x.written != x.declared:
		// The server, too, cuts the connection of a body that is too short. It could
		// not know that this one is. The header leaves before.
		_ = http.NewResponseController(x.w).Flush()
		panic(http.ErrAbortHandler)
	}
	if err := x.timed(x.enc.Close); err != nil {
		return
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
	if x.status == 0 {
		if typed := x.w.Header()["Content-Type"] != nil; !typed || !x.head {
			x.finishOpen()
			return
		}
		x.begin(http.StatusOK)
		if x.phase != waiting {
			return
		}
	}
	if x.held == nil && x.head && x.verdict == encode && !x.off.Load() {
		_ = x.discard() // the handler left out the body, as it may
		return
	}
	x.entire = true
	if x.resolve() && x.encodeWhole() {
		return
	}
	if x.verdict == encode {
		x.verdict = plain
	}
	_ = x.pass()
	if x.sent == notSmaller {
		x.tell(identity, x.written, x.written)
	}
}

// finishOpen leaves a response alone that the handler did not begin: who is further
// out may still answer. If nobody does, it is empty.
func (x *exchange) finishOpen() {
	h := x.w.Header()
	var o outline
	o.read(h)
	if o.has&hasType != 0 && x.judge(&o) != never {
		x.c.varies(h, (*[1]string)(x.values[varyValue:]))
	}
}

// encodeWhole reports whether the body is worth encoding, and then sends it.
func (x *exchange) encodeWhole() bool {
	if x.held == nil || len(x.held.b) == 0 || x.declared >= 0 && x.written != x.declared {
		return false
	}
	body := x.held.b
	if len(body) < x.c.opts.MinSize && !x.forced {
		return false
	}
	best := x.c.claim(&x.c.busy, x.coding, x.choices)
	if best == identity {
		return false
	}
	x.coding = best
	out := takeBuffer(len(body))
	defer func() { out.free() }() // it grows
	pad := padding(x.c.opts.Padding)
	err := x.encodeInto(out, body, pad)
	// Without the padding, as identity in the place of a body that was nearly as long
	// would tell how long that was.
	if err != nil || len(out.b)-pad >= len(body) && !x.forced {
		x.sent = notSmaller
		return false
	}
	x.drop()
	x.phase = passing
	x.commit(func(h http.Header) { x.markEncoded(h, len(out.b)) })
	if x.has&hasTrailer != 0 {
		dropDigestTrailers(x.w.Header())
	}
	if !x.head {
		_, _ = x.w.Write(out.b)
	}
	x.tell(x.coding, x.written, int64(len(out.b)))
	return true
}

// notSmaller is in the place of a length.
const notSmaller = -1

func (x *exchange) encodeInto(out *buffer, body []byte, pad int) error {
	defer x.c.busy[x.coding].give()
	return x.timed(func() (err error) {
		out.b, err = x.c.codecs[x.coding].whole(out.b, body, pad)
		return err
	})
}

// tell reports a result, in the handler's goroutine, once the body was handed on.
func (x *exchange) tell(c coding, in, out int64) {
	if f := x.c.opts.OnResult; f != nil {
		f(c.String(), in, out, x.spent)
	}
}
