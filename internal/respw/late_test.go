package respw_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/respw"
	"github.com/sluice-go/sluice/internal/testutil"
)

func TestALateGoroutineReachesNothing(t *testing.T) {
	inner := &guarded{ResponseRecorder: httptest.NewRecorder()}
	var late http.ResponseWriter
	rec := serve(inner, httptest.NewRequest("GET", "/", nil), func(w http.ResponseWriter, _ *http.Request) {
		late = w
		io.WriteString(w, "in time")
	})
	late.Header().Set("Late", "1")
	late.WriteHeader(500)
	_, err := late.Write([]byte("late"))
	require.ErrorIs(t, err, respw.ErrEnded)
	_, err = io.WriteString(late, "late")
	require.ErrorIs(t, err, respw.ErrEnded)
	late.(http.Flusher).Flush()
	require.ErrorIs(t, http.NewResponseController(late).SetWriteDeadline(time.Now()), http.ErrNotSupported)
	require.Equal(t, "in time", inner.Body.String())
	require.Equal(t, 200, rec.Status())
	require.EqualValues(t, 7, rec.Bytes())
	require.False(t, rec.Flushed())
	require.Empty(t, rec.Header().Get("Late"))
	require.False(t, rec.OnHeader(hook{}))
	require.Empty(t, rec.Header(), "HTTP/2 hands out nothing after the end")
}

// Every method of a late writer, on a fake that has them all.
func TestNothingOfALateWriterReachesTheServer(t *testing.T) {
	for _, returned := range []bool{true, false} {
		inner := fakes[511]
		noted(inner)
		w, rec, _ := respw.Wrap(inner, httptest.NewRequest("GET", "/", nil), respw.Now())
		unwrapped := w.(interface{ Unwrap() http.ResponseWriter })
		rec.End(returned)
		w.WriteHeader(500)
		_, err := w.Write(body)
		require.ErrorIs(t, err, respw.ErrEnded)
		_, err = w.(io.StringWriter).WriteString("x")
		require.ErrorIs(t, err, respw.ErrEnded)
		source := strings.NewReader("x")
		_, err = w.(io.ReaderFrom).ReadFrom(source)
		require.ErrorIs(t, err, respw.ErrEnded)
		require.Equal(t, 1, source.Len(), "nothing is read for nobody")
		w.(http.Flusher).Flush()
		require.ErrorIs(t, w.(interface{ FlushError() error }).FlushError(), respw.ErrEnded)
		_, _, err = w.(http.Hijacker).Hijack()
		require.ErrorIs(t, err, respw.ErrEnded)
		require.ErrorIs(t, w.(http.Pusher).Push("/", nil), respw.ErrEnded)
		//lint:ignore SA1019 kept for handlers that still use it
		require.NotNil(t, w.(http.CloseNotifier).CloseNotify())
		require.Nil(t, unwrapped.Unwrap())
		ctl := http.NewResponseController(w)
		require.ErrorIs(t, ctl.SetReadDeadline(time.Now()), http.ErrNotSupported)
		require.Empty(t, noted(inner))
		require.False(t, rec.OnHeader(hook{}))
		require.Equal(t, returned, rec.Committed())
	}
}

func TestASourceThatEndsTheResponseWritesNothing(t *testing.T) {
	inner := fakes[511]
	noted(inner)
	w, rec, _ := respw.Wrap(inner, httptest.NewRequest("GET", "/", nil), respw.Now())
	_, err := w.(io.ReaderFrom).ReadFrom(readerFunc(func(p []byte) (int, error) {
		rec.End(true)
		return copy(p, "late"), nil
	}))
	require.ErrorIs(t, err, respw.ErrEnded)
	require.Empty(t, noted(inner))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A hook may take its time. A write that starts meanwhile is late, and one that
// was under way has the hook's fields.
func TestTheEndAndItsHooksAreOneStep(t *testing.T) {
	t.Run("a write that starts while the hooks of the end run", func(t *testing.T) {
		inner := &guarded{ResponseRecorder: httptest.NewRecorder()}
		lateErr := make(chan error, 1)
		serve(inner, httptest.NewRequest("GET", "/", nil), func(w http.ResponseWriter, _ *http.Request) {
			respw.From(w).OnHeader(hookFunc(func(http.Header) {
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, err := io.WriteString(w, "LATE")
					lateErr <- err
				}()
				<-done
			}))
		})
		require.ErrorIs(t, <-lateErr, respw.ErrEnded)
		require.Empty(t, inner.Body.String())
	})
	t.Run("a handler that returns while the hooks of a write run", func(t *testing.T) {
		inner := httptest.NewRecorder()
		inHook, wrote := make(chan struct{}), make(chan struct{})
		var hooked atomic.Bool
		serve(inner, httptest.NewRequest("GET", "/", nil), func(w http.ResponseWriter, _ *http.Request) {
			respw.From(w).OnHeader(hookFunc(func(h http.Header) {
				close(inHook)
				time.Sleep(10 * time.Millisecond) // the handler has long returned
				h.Set("Policy", "set")
				hooked.Store(true)
			}))
			go func() {
				defer close(wrote)
				_, _ = io.WriteString(w, "x")
			}()
			<-inHook
		})
		require.True(t, hooked.Load(), "the end waited")
		<-wrote
		require.Equal(t, "set", inner.Header().Get("Policy"))
	})
}

type hookFunc func(http.Header)

func (f hookFunc) BeforeHeader(_ int, h http.Header) { f(h) }

func TestAHookMayAskTheRecorder(t *testing.T) {
	inner := httptest.NewRecorder()
	rec := serve(inner, httptest.NewRequest("GET", "/", nil), func(w http.ResponseWriter, _ *http.Request) {
		rec := respw.From(w)
		rec.OnHeader(hookFunc(func(h http.Header) {
			require.Equal(t, 200, rec.Status())
			require.False(t, rec.OnHeader(hookFunc(func(http.Header) {})), "too late")
			rec.Header().Set("Asked", "1")
		}))
		w.WriteHeader(200)
	})
	require.Equal(t, 200, rec.Status())
	require.Equal(t, "1", inner.Header().Get("Asked"))
}

// guarded stands for a server whose writer bears concurrent use, so that the
// race detector sees only what the recorder does.
type guarded struct {
	*httptest.ResponseRecorder
	mu sync.Mutex
}

func (w *guarded) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ResponseRecorder.Write(p)
}

func (w *guarded) WriteString(s string) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ResponseRecorder.WriteString(s)
}

func (w *guarded) WriteHeader(s int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ResponseRecorder.WriteHeader(s)
}

func (w *guarded) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ResponseRecorder.Flush()
}

func TestLateWritesAreRaceFree(t *testing.T) {
	for range 200 {
		inner := &guarded{ResponseRecorder: httptest.NewRecorder()}
		var wg sync.WaitGroup
		rec := serve(inner, httptest.NewRequest("GET", "/", nil), func(w http.ResponseWriter, _ *http.Request) {
			for range 4 {
				wg.Go(func() {
					for range 20 {
						io.WriteString(w, "x")
						w.WriteHeader(500)
						w.(http.Flusher).Flush()
					}
				})
			}
			w.WriteHeader(200)
		})
		_, _, _, _ = rec.Status(), rec.Bytes(), rec.Flushed(), rec.Hijacked()
		rec.FirstByte()
		wg.Wait()
		inner.mu.Lock()
		require.EqualValues(t, inner.Body.Len(), rec.Bytes())
		inner.mu.Unlock()
	}
}

// A pooled writer would let the late goroutine of one request write into the
// response of another. Over a real server, with the detector on.
func TestALateWriteNeverReachesAnotherResponse(t *testing.T) {
	var late sync.WaitGroup
	srv := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ended := make(chan struct{})
		defer close(ended)
		serve(w, r, func(w http.ResponseWriter, r *http.Request) {
			late.Go(func() {
				<-ended
				for range 10 {
					io.WriteString(w, "LATE")
				}
			})
			io.WriteString(w, r.URL.Path)
		})
	}))
	var clients sync.WaitGroup
	for c := range 4 {
		clients.Go(func() {
			for range 250 {
				path := "/" + string(rune('a'+c))
				res, err := srv.Client().Get(srv.URL + path)
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || string(body) != path {
					t.Errorf("%q, %v", body, err)
				}
			}
		})
	}
	clients.Wait()
	late.Wait()
}
