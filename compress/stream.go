package compress

import (
	"errors"
	"net/http"
	"time"

	"github.com/sluice-go/sluice/internal/respw"
)

// stream sends the header and lets the body go out through an encoder. try does so
// only if what is held gets smaller; otherwise there may be nothing yet to try.
func (x *exchange) stream(try bool) error {
	if !x.resolve() {
		return x.pass()
	}
	if x.head && !try {
		return x.discard()
	}
	if !x.takeEncoder() {
		x.verdict = plain
		return x.pass()
	}
	if try {
		return x.try()
	}
	x.phase = streaming
	x.commit(func(h http.Header) { x.markEncoded(h, -1) })
	if x.held == nil {
		return nil
	}
	defer x.drop()
	return x.timed(func() error {
		_, err := x.enc.Write(x.held.b)
		return err
	})
}

// takeEncoder reports whether there is an encoder for a stream.
func (x *exchange) takeEncoder() bool {
	best := x.c.claim(&x.c.streams, x.coding, x.choices)
	if best == identity {
		return false
	}
	x.coding = best
	enc, err := x.c.codecs[best].stream()
	if err != nil {
		x.c.streams[best].give()
		return false
	}
	x.enc = enc
	x.pad = padding(x.c.opts.Padding)
	if err := enc.begin((*sink)(x), x.pad); err != nil {
		x.letGo()
		return false
	}
	return true
}

// discard answers HEAD as GET would be, but for the length, which would have to be
// worked out (RFC 9110 §9.3.2).
func (x *exchange) discard() error {
	x.phase = discarding
	x.drop()
	x.commit(func(h http.Header) { x.markEncoded(h, -1) })
	return nil
}

// try encodes what is held, and gives up the encoder if it does not get smaller.
func (x *exchange) try() error {
	size := len(x.held.b)
	x.trial = takeBuffer(size)
	err := x.timed(func() error {
		if _, err := x.enc.Write(x.held.b); err != nil {
			return err
		}
		return x.enc.Flush()
	})
	trial := x.trial
	x.trial = nil
	defer trial.free()
	if !x.forced && len(trial.b)-x.pad >= size || err != nil {
		x.letGo()
		x.verdict = plain
		defer x.tell(identity, int64(size), int64(size))
		return x.pass()
	}
	if x.head {
		x.letGo()
		return x.discard()
	}
	x.drop()
	x.phase = streaming
	x.commit(func(h http.Header) { x.markEncoded(h, -1) })
	return x.timed(func() error {
		_, err := (*sink)(x).Write(trial.b)
		return err
	})
}

// encode gives the encoder more of the body.
func (x *exchange) encode(p []byte) (int, error) {
	err := x.timed(func() error {
		_, err := x.enc.Write(p)
		return err
	})
	if err != nil {
		return 0, err
	}
	x.written += int64(len(p))
	if !x.flushes {
		return len(p), nil
	}
	// Nobody has asked for this flush, so nobody is told that it cannot be had.
	if err := x.flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return len(p), err
	}
	return len(p), nil
}

// flush sends everything so far to the client (RFC 9110 §7.7 allows a sender to
// hold it back, which would stop an event stream). Where the writer outside cannot,
// nothing changes.
func (x *exchange) flush() error {
	if x.phase == waiting {
		if !respw.CanFlush(x.w) {
			return http.ErrNotSupported
		}
		if x.status == 0 {
			x.begin(http.StatusOK)
		}
	}
	if x.phase == waiting {
		if err := x.stream(false); err != nil {
			return err
		}
	}
	if x.phase == streaming {
		if err := x.timed(x.enc.Flush); err != nil {
			return err
		}
	}
	return http.NewResponseController(x.w).Flush()
}

// sink is where an encoder writes to.
type sink exchange

func (s *sink) Write(p []byte) (int, error) {
	x := (*exchange)(s)
	if x.trial != nil {
		x.trial = x.trial.append(p)
		return len(p), nil
	}
	x.sent += int64(len(p))
	var start time.Time
	if x.c.opts.OnResult != nil {
		start = time.Now()
	}
	n, err := x.w.Write(p)
	if x.c.opts.OnResult != nil {
		x.spent -= time.Since(start) // a slow client is not a slow encoder
	}
	x.lost = x.lost || err != nil
	return n, err
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

// letGo gives the encoder back, wherever in a body it is.
func (x *exchange) letGo() {
	if x.enc != nil {
		x.c.codecs[x.coding].release(x.enc)
		x.enc = nil
		x.c.streams[x.coding].give()
	}
}

// drop frees what is held.
func (x *exchange) drop() {
	if x.held != nil {
		x.held.free()
		x.held = nil
	}
}
