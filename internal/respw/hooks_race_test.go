package respw_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/respw"
)

// countingHook counts its runs, and those of all hooks after the end.
type countingHook struct {
	runs, late *atomic.Int32
	ended      *atomic.Bool
}

func (c countingHook) BeforeHeader(_ int, h http.Header) {
	c.runs.Add(1)
	if c.ended.Load() {
		c.late.Add(1)
	}
	h.Set("Hook", "1")
}

// Whoever comes first, a hook that was promised to run runs once and before End
// is done, and one that was refused never runs.
func TestHooksRunAsPromisedWhoeverFixesTheHeader(t *testing.T) {
	fixers := map[string]func(w http.ResponseWriter){
		"WriteHeader": func(w http.ResponseWriter) { w.WriteHeader(204) },
		"Write":       func(w http.ResponseWriter) { _, _ = w.Write(body) },
		"a flush":     func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"the end":     func(http.ResponseWriter) {},
	}
	for name, fix := range fixers {
		for _, returned := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				for i := range 300 {
					hooksAsPromised(t, fix, returned, name == "the end", i%2 == 0)
				}
			})
		}
	}
}

func hooksAsPromised(t *testing.T, fix func(http.ResponseWriter), returned, byEnd, early bool) {
	inner := &guarded{ResponseRecorder: httptest.NewRecorder()}
	w, rec, _ := respw.Wrap(inner, httptest.NewRequest("GET", "/", nil), respw.Now())
	var late atomic.Int32
	var ended atomic.Bool
	var wg sync.WaitGroup
	hooks, promised := make([]countingHook, 8), make([]bool, 8)
	for i := range hooks {
		hooks[i] = countingHook{new(atomic.Int32), &late, &ended}
		register := func() {
			rec.HookSpace(new(respw.Hooks)) // too late for all but one
			promised[i] = rec.OnHeader(hooks[i])
		}
		if i == 0 && early {
			register()
			continue
		}
		wg.Go(register)
	}
	wg.Go(func() { fix(w) })
	rec.End(returned)
	ended.Store(true)
	wg.Wait()
	require.False(t, rec.OnHeader(hooks[0]), "after the end")
	require.Zero(t, late.Load(), "a hook ran after End was done")
	if returned || byEnd {
		require.Equal(t, returned, rec.Committed(), "after a panic the header is open")
	}
	for i, h := range hooks {
		want := int32(0)
		if promised[i] && rec.Committed() {
			want = 1
		}
		require.Equal(t, want, h.runs.Load(), "never twice, never lost, never unpromised")
	}
}

// Two goroutines of a handler write at the same time, as a fan-out that streams
// what comes first. The header leaves with what the hook had to say, whoever's
// write gets to the server first.
func TestASecondWriterWaitsForTheHooksOfTheFirst(t *testing.T) {
	inner := &guarded{ResponseRecorder: httptest.NewRecorder()}
	serve(inner, httptest.NewRequest("GET", "/", nil), func(w http.ResponseWriter, _ *http.Request) {
		var wg sync.WaitGroup
		respw.From(w).OnHeader(hookFunc(func(h http.Header) {
			wg.Go(func() { _, _ = io.WriteString(w, "second") })
			time.Sleep(10 * time.Millisecond) // the second has had the time
			inner.mu.Lock()                   // what the server would look at
			h.Set("Policy", "set")
			inner.mu.Unlock()
		}))
		_, _ = io.WriteString(w, "first")
		wg.Wait()
	})
	require.Equal(t, "set", inner.Result().Header.Get("Policy"), "as the client sees it")
}

func TestWatchersOfTwoLayersHearOnceUnderConcurrentFlushes(t *testing.T) {
	for range 200 {
		inner := &guarded{ResponseRecorder: httptest.NewRecorder()}
		w, rec, _ := respw.Wrap(inner, httptest.NewRequest("GET", "/", nil), respw.Now())
		var carried, late countingWatcher
		rec.Carry("carried", &carried)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { w.(http.Flusher).Flush() })
			wg.Go(func() { _, _ = w.Write(make([]byte, 1500)) })
		}
		rec.Watch(&late)
		wg.Wait()
		require.EqualValues(t, 1, carried.flushed.Load())
		require.LessOrEqual(t, late.flushed.Load(), int32(1))
		require.LessOrEqual(t, carried.outgrew.Load(), int32(1))
		require.Equal(t, "carried", rec.Carrier())
		rec.End(true)
	}
}

type countingWatcher struct {
	replacer
	flushed, outgrew atomic.Int32
}

func (c *countingWatcher) Flushed() { c.flushed.Add(1) }
func (c *countingWatcher) Outgrew() { c.outgrew.Add(1) }

func TestTheCarriedWatcherIsAskedFirst(t *testing.T) {
	var log []string
	w, rec, _ := respw.Wrap(fakes[1], httptest.NewRequest("GET", "/", nil), respw.Now())
	rec.Carry(nil, hook{"carried", &log})
	rec.Watch(hook{"second", &log})
	rec.Watch(hook{"third", &log})
	_, _ = w.Write(make([]byte, 5000))
	w.(http.Flusher).Flush()
	require.Equal(t, []string{"carried outgrew", "second outgrew", "third outgrew", "carried flushed", "second flushed", "third flushed"}, log)
	require.Nil(t, rec.Carrier())
}

// The handler returns while the hooks of a late write run: End waits for them,
// and the write comes too late.
func TestAWriteWhoseHooksTheEndOvertakesIsLate(t *testing.T) {
	inner := fakes[511]
	noted(inner)
	w, rec, _ := respw.Wrap(inner, httptest.NewRequest("GET", "/", nil), respw.Now())
	ended := make(chan struct{})
	rec.OnHeader(hookFunc(func(http.Header) {
		go func() {
			defer close(ended)
			rec.End(true)
		}()
		for w.(interface{ Unwrap() http.ResponseWriter }).Unwrap() != nil {
			runtime.Gosched()
		}
	}))
	_, err := w.Write(body)
	require.ErrorIs(t, err, respw.ErrEnded)
	<-ended
	require.Empty(t, noted(inner))
	require.Equal(t, 200, rec.Status())
}
