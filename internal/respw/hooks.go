package respw

import (
	"bufio"
	"net"
	"net/http"
	"sync"
)

// A HeaderHook is told that the response header is about to be fixed with the
// given final status. It may change the header, which is its last chance, and
// must neither write nor panic. Hooks run innermost layer first, as if each layer had a
// wrapper of its own: the outer layer sees what the inner ones set and has the
// last word.
type HeaderHook interface {
	BeforeHeader(status int, h http.Header)
}

// A Watcher is told, each at most once, how a response begins to leave before
// its handler is done. Watchers are asked outermost layer first, in the goroutine
// of the handler, and must not write.
type Watcher interface {
	// Outgrew is called when the body outgrew the server's buffer.
	Outgrew()
	// Flushed is called right before the first flush.
	Flushed()
	// Hijacked is called when the handler takes over the connection, and may
	// replace it.
	Hijacked(conn net.Conn, rw *bufio.ReadWriter) (net.Conn, *bufio.ReadWriter)
}

// Hooks is room for the hooks of one recorder. Most requests of a service with
// one layer have none.
type Hooks struct {
	mu       sync.Mutex
	headers  []HeaderHook
	watchers []Watcher
	space    [4]HeaderHook // the usual stack needs no second allocation
}

// HookSpace gives room for hooks that is part of something allocated anyway.
func (r *Recorder) HookSpace(room *Hooks) { r.hooks.CompareAndSwap(nil, room) }

func (r *Recorder) hookRoom() *Hooks {
	if r.hooks.Load() == nil {
		r.HookSpace(new(Hooks))
	}
	return r.hooks.Load()
}

// OnHeader registers a hook and reports whether it will run; it will not once
// the header is fixed.
func (r *Recorder) OnHeader(h HeaderHook) bool {
	hooks := r.hookRoom()
	hooks.mu.Lock()
	defer hooks.mu.Unlock()
	// Whoever fixes the header from here on sees the flags, and waits for mu.
	if !r.update(statusMask|flagEnded, flagHooked|flagListed) {
		return false
	}
	if hooks.headers == nil {
		hooks.headers = hooks.space[:0]
	}
	hooks.headers = append(hooks.headers, h)
	return true
}

// FirstHook is OnHeader for a layer that has made the recorder and not handed on its
// writer yet: it needs no room, and no lock.
func (r *Recorder) FirstHook(h HeaderHook) {
	r.firstHook = h
	r.state.Or(flagHooked)
}

// Watch registers a watcher. It comes too late for what has happened already.
func (r *Recorder) Watch(w Watcher) {
	hooks := r.hookRoom()
	hooks.mu.Lock()
	defer hooks.mu.Unlock()
	hooks.watchers = append(hooks.watchers, w)
}

// wait returns when no header hook is running.
func (r *Recorder) wait() {
	r.fixing.Lock()
	defer r.fixing.Unlock()
}

// beforeHeader runs the hooks. The status is fixed, so that there will be no more.
func (r *Recorder) beforeHeader(status int, header http.Header) {
	if r.state.Load()&flagListed != 0 {
		room := r.hooks.Load()
		room.mu.Lock()
		listed := room.headers
		room.mu.Unlock()
		for i := len(listed) - 1; i >= 0; i-- { // slices.Backward costs a call for each
			listed[i].BeforeHeader(status, header)
		}
	}
	if r.firstHook != nil {
		r.firstHook.BeforeHeader(status, header)
	}
}

func (r *Recorder) outgrew() {
	for w := range r.watching {
		w.Outgrew()
	}
}

func (r *Recorder) flushed() {
	for w := range r.watching {
		w.Flushed()
	}
}

// watching yields the watchers, the outermost first.
func (r *Recorder) watching(yield func(Watcher) bool) {
	if r.watcher != nil && !yield(r.watcher) {
		return
	}
	hooks := r.hooks.Load()
	if hooks == nil {
		return
	}
	hooks.mu.Lock()
	watchers := hooks.watchers
	hooks.mu.Unlock()
	for _, w := range watchers {
		if !yield(w) {
			return
		}
	}
}
