package health

import (
	"context"
	"sync"
)

// question is put at most once at a time. A file system that is away cannot be
// made to answer, so that asking it a second time would only hold one more
// goroutine and one more thread for as long.
type question[T any] struct {
	mu      sync.Mutex
	pending *reply[T] // nil if none is
}

// reply is what comes of a question.
type reply[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// ask puts the question, unless an answer is still owed.
func (q *question[T]) ask(f func() (T, error)) *reply[T] {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pending != nil {
		return q.pending
	}
	a := &reply[T]{done: make(chan struct{}), err: WithReason(errExited, ReasonPanic)}
	q.pending = a
	go func() {
		defer func() {
			if v := recover(); v != nil {
				a.err = WithReason(errPanic(v), ReasonPanic)
			}
			q.mu.Lock()
			q.pending = nil
			q.mu.Unlock()
			close(a.done)
		}()
		a.value, a.err = f()
	}()
	return a
}

// wait returns the answer, or the error of ctx when that ends first.
func (a *reply[T]) wait(ctx context.Context) (T, error) {
	select {
	case <-a.done:
		return a.value, a.err
	default: // another question may have used up the time
	}
	select {
	case <-a.done:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
