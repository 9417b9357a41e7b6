package dbmon

import (
	"bytes"
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// database/sql repeats an operation that met [driver.ErrBadConn]: twice on what
// the pool has, and once more on a new connection. That is one query.
const (
	maxRetries  = 2
	maxWaiting  = 256
	retryWithin = time.Second // else there was none, as where no connection could be made
)

// retries are the calls that database/sql is about to repeat. It does so in the
// goroutine of the caller, by which the attempts of one operation are known: many
// callers may share a context.
type retries struct {
	waiting atomic.Int64
	mu      sync.Mutex
	calls   []attempt
	closed  bool // nobody would look after them
}

// attempt is a call that met ErrBadConn.
type attempt struct {
	goroutine string
	src       *source
	ctx       context.Context
	query     *query
	op        operation
	start     time.Duration
	at        time.Duration // when it failed
	busy      time.Duration
	retries   int
	err       error
}

// hold keeps a call, or is false where no further attempt is to be expected.
func (r *retries) hold(k *call, now time.Duration, err error) bool {
	if k.retries >= maxRetries || !isRetried() {
		return false
	}
	return r.keep(attempt{goroutine(), k.src, k.ctx, k.query, k.op, k.start, now, k.busy, k.retries, err})
}

func (r *retries) keep(a attempt) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || len(r.calls) >= maxWaiting {
		return false
	}
	r.calls = append(r.calls, a)
	r.waiting.Store(int64(len(r.calls)))
	return true
}

// resume gives a call the time of the attempt before it.
func (r *retries) resume(k *call) {
	here := goroutine()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, a := range r.calls {
		if a.goroutine == here && a.src == k.src && a.query == k.query && a.op == k.op {
			k.busy, k.retries, k.err = a.busy, a.retries+1, a.err
			r.calls = slices.Delete(r.calls, i, i+1)
			r.waiting.Store(int64(len(r.calls)))
			return
		}
	}
}

// skipped takes back what a call resumed that was none: the statement will be
// prepared, and run under the same name.
func (r *retries) skipped(k *call, now time.Duration) {
	if k.retries > 0 {
		r.keep(attempt{goroutine(), k.src, k.ctx, k.query, k.op, k.start, now, k.busy, k.retries - 1, k.err})
	}
}

// expire ends the calls that nobody repeated before the given time.
func (r *retries) expire(before time.Duration) {
	if r.waiting.Load() == 0 {
		return
	}
	r.mu.Lock()
	var expired []attempt
	r.calls = slices.DeleteFunc(r.calls, func(a attempt) bool {
		if a.at < before {
			expired = append(expired, a)
		}
		return a.at < before
	})
	r.waiting.Store(int64(len(r.calls)))
	r.mu.Unlock()
	for _, a := range expired {
		// Whether the context has ended since makes no difference.
		k := call{src: a.src, ctx: context.WithoutCancel(a.ctx), query: a.query, op: a.op, start: a.start, busy: a.busy, called: a.busy, retries: a.retries}
		k.locate()
		k.over(a.at, a.err)
	}
}

// close ends all that is waiting, and takes no more.
func (r *retries) close(now time.Duration) {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.expire(now + 1)
}

// isRetried is true where database/sql is about to repeat the operation: not on a
// connection that the application holds, as in a transaction.
func isRetried() bool {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, "database/sql.(*DB).retry") {
			return true
		}
		if !more {
			return false
		}
	}
}

// goroutine is the name of the current one, as in a stack trace. Nothing cheaper
// tells them apart; it is asked for when a connection was broken.
func goroutine() string {
	var buf [64]byte
	name, _, _ := bytes.Cut(buf[:runtime.Stack(buf[:], false)], []byte("["))
	return string(name)
}
