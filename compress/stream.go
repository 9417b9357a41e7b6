package compress

import (
	"net/http"
	"time"
)

// stream sends the header and lets the body go out through an encoder. try does so
// only if what is held gets smaller; otherwise there may be nothing yet to try.
func (x *exchange) stream(try bool) error {
	if !x.resolve() {
		return x.pass()
	}
	if x.r.Method == http.MethodHead {
		return x.eat()
	}
	best := x.coding
	x.coding = x.c.claim(&x.c.streams, x.accepted, best, x.forced)
	if x.coding == identity {
		x.verdict = plain
		return x.pass()
	}
	var err error
	if x.enc, err = x.c.codecs[x.coding].stream(); err == nil {
		err = x.enc.begin((*sink)(x), padding(x.c.opts.Padding))
	}
	if err != nil {
		x.letGo()
		x.verdict = plain
		return x.pass()
	}
	if try {
		return x.try()
	}
	x.phase = streaming
	x.commit(func(h http.Header) { x.markEncoded(h, -1) })
	return x.encodeHeld()
}

// eat answers HEAD as GET would be, but for the length, which would have to be
// worked out (RFC 9110 §9.3.2).
func (x *exchange) eat() error {
	x.phase = eating
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
	if !x.forced && len(trial.b) >= size || err != nil {
		x.letGo()
		x.verdict = plain
		return x.pass()
	}
	x.drop()
	x.phase = streaming
	x.commit(func(h http.Header) { x.markEncoded(h, -1) })
	_, err = (*sink)(x).Write(trial.b)
	return err
}

// encodeHeld gives the encoder what is held.
func (x *exchange) encodeHeld() error {
	if x.held == nil {
		return nil
	}
	defer x.drop()
	return x.timed(func() error {
		_, err := x.enc.Write(x.held.b)
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
	if x.flushes {
		return len(p), x.flush()
	}
	return len(p), nil
}

// flush sends everything so far to the client (RFC 9110 §7.7 allows a sender to
// hold it back, which would stop an event stream).
func (x *exchange) flush() error {
	if x.phase == waiting && x.status == 0 {
		x.begin(http.StatusOK)
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
	if x.c.opts.OnResult == nil {
		return x.w.Write(p)
	}
	start := time.Now()
	n, err := x.w.Write(p)
	x.spent -= time.Since(start) // a slow client is not a slow encoder
	return n, err
}

// letGo gives the encoder back, wherever in a body it is.
func (x *exchange) letGo() {
	if x.enc != nil {
		x.c.codecs[x.coding].release(x.enc)
		x.enc = nil
	}
	x.c.streams[x.coding].give()
}

// drop frees what is held.
func (x *exchange) drop() {
	if x.held != nil {
		x.held.free()
		x.held = nil
	}
}
