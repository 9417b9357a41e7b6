package dbmon

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// database/sql repeats an operation that met [driver.ErrBadConn]: twice on what
// the pool has, and once more on a new connection. That is one query.
const (
	maxRetries  = 2
	maxWaiting  = 256
	retryWithin = time.Second // else there was none, as on a connection of the caller's own
)

// retries are the calls that may be repeated.
type retries struct {
	waiting atomic.Int64
	mu      sync.Mutex
	calls   []attempt
}

// attempt is a call that met ErrBadConn.
type attempt struct {
	src     *source
	ctx     context.Context
	query   *query
	op      operation
	start   time.Duration
	at      time.Duration // when it failed
	busy    time.Duration
	retries int
	err     error
}

// hold keeps a call, or is false where no further attempt is to be expected.
func (r *retries) hold(k *call, now time.Duration, err error) bool {
	if k.retries >= maxRetries || k.op == opConnect || k.ctx.Err() != nil || !reflect.TypeOf(k.ctx).Comparable() {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.calls) >= maxWaiting {
		return false
	}
	r.calls = append(r.calls, attempt{k.src, k.ctx, k.query, k.op, k.start, now, k.busy, k.retries, err})
	r.waiting.Store(int64(len(r.calls)))
	return true
}

// resume gives a call the time of the attempt before it.
func (r *retries) resume(k *call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, a := range r.calls {
		if a.ctx == k.ctx && a.query == k.query && a.op == k.op {
			k.busy, k.retries = a.busy, a.retries+1
			r.calls = slices.Delete(r.calls, i, i+1)
			r.waiting.Store(int64(len(r.calls)))
			return
		}
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
