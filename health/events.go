package health

import (
	"log/slog"
	"sync"
	"time"
)

// maxEvents is how many calls of hooks may wait for a check. A hook that blocks
// for good must not fill the memory.
const maxEvents = 64

// events calls the hooks of one check, in order and outside of all locks.
type events struct {
	logger *slog.Logger

	mu         sync.Mutex
	queue      []func()
	delivering bool

	complaints seldom // for whoever delivers
}

// add queues a call. It never waits, so that it may be called under a lock.
func (e *events) add(call func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.queue) >= maxEvents {
		e.queue = e.queue[1:]
	}
	e.queue = append(e.queue, call)
}

// deliver makes the calls that wait, unless another goroutine is at it: a hook
// that blocks holds this one goroutine, and no further one.
func (e *events) deliver() {
	for first := true; ; first = false {
		call := e.next(first)
		if call == nil {
			return
		}
		e.call(call)
	}
}

func (e *events) next(first bool) func() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if first && e.delivering {
		return nil
	}
	e.delivering = len(e.queue) > 0
	if !e.delivering {
		e.queue = nil
		return nil
	}
	call := e.queue[0]
	e.queue = e.queue[1:]
	return call
}

// call survives what a hook does to its goroutine: another one goes on with the
// rest.
func (e *events) call(f func()) {
	returned := false
	defer func() {
		if v := recover(); v != nil {
			e.complain(v)
		} else if !returned { // runtime.Goexit
			e.mu.Lock()
			e.delivering = false
			e.mu.Unlock()
			go e.deliver()
		}
	}()
	f()
	returned = true
}

func (e *events) complain(v any) {
	if e.complaints.now() {
		e.logger.Error("health: a hook panicked", "panic", v)
	}
}

// seldom lets a line into the log at most once in ten seconds.
type seldom struct{ last time.Time }

func (s *seldom) now() bool {
	if !s.last.IsZero() && time.Since(s.last) < 10*time.Second {
		return false
	}
	s.last = time.Now()
	return true
}
