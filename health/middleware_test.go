package health_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/felixge/httpsnoop"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
	"github.com/sluice-go/sluice/internal/testutil"
	"github.com/sluice-go/sluice/metrics"
)

func newDrainable(t testing.TB, o health.DrainOptions) *health.Checker {
	t.Helper()
	hc, err := health.New(forDrain(o))
	require.NoError(t, err)
	t.Cleanup(func() { _ = hc.Close() })
	return hc
}

// draining is a checker on which Drain has begun, and goes on to wait until the
// test ends.
func draining(t testing.TB) *health.Checker {
	t.Helper()
	begun := make(chan struct{})
	o := forDrain(health.DrainOptions{Wait: time.Hour, Timeout: 2 * time.Hour})
	o.OnDrain = func() { close(begun) }
	hc, err := health.New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- hc.Drain(ctx) }()
	<-begun
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	return hc
}

// interfaces are those that code asserts on a writer, and what a
// ResponseController finds on it.
func interfaces(w http.ResponseWriter) map[string]bool {
	has := map[string]bool{}
	_, has["Flusher"] = w.(http.Flusher)
	_, has["FlushError"] = w.(interface{ FlushError() error })
	_, has["Hijacker"] = w.(http.Hijacker)
	_, has["ReaderFrom"] = w.(io.ReaderFrom)
	_, has["Pusher"] = w.(http.Pusher)
	_, has["StringWriter"] = w.(io.StringWriter)
	//lint:ignore SA1019 kept for handlers that still use it
	_, has["CloseNotifier"] = w.(http.CloseNotifier)
	c := http.NewResponseController(w)
	for name, err := range map[string]error{
		"SetReadDeadline": c.SetReadDeadline(time.Time{}), "SetWriteDeadline": c.SetWriteDeadline(time.Time{}),
		"EnableFullDuplex": c.EnableFullDuplex(), "Flush": c.Flush(),
	} {
		has[name] = !errors.Is(err, http.ErrNotSupported)
	}
	return has
}

// The middleware is told from a bare writer by nobody, as httpsnoop has it.
func TestTheMiddlewareKeepsTheInterfacesOfTheWriter(t *testing.T) {
	for name, hc := range map[string]*health.Checker{"as usual": newDrainable(t, health.DrainOptions{}), "draining": draining(t)} {
		t.Run(name, func(t *testing.T) {
			results := make(chan [2]map[string]bool, 1)
			h := http.HandlerFunc(func(bare http.ResponseWriter, r *http.Request) {
				var ours map[string]bool
				hc.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { ours = interfaces(w) })).ServeHTTP(bare, r)
				results <- [2]map[string]bool{interfaces(httpsnoop.Wrap(bare, httpsnoop.Hooks{})), ours}
			})
			require.NotEmpty(t, interfaces(httptest.NewRecorder()))
			testutil.BothProtocols(t, h, func(t *testing.T, srv testutil.Server) {
				res, err := srv.Client().Get(srv.URL)
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
				both := <-results
				require.Equal(t, both[0], both[1])
				require.Equal(t, srv.Proto == "HTTP/1.1", both[1]["Hijacker"])
			})
			for _, bare := range []http.ResponseWriter{deaf{http.Header{}}, httptest.NewRecorder(), onlyHijack{deaf{http.Header{}}}} {
				h.ServeHTTP(bare, httptest.NewRequest("GET", "/", nil))
				both := <-results
				require.Equal(t, both[0], both[1], "%T", bare)
			}
		})
	}
}

type onlyHijack struct{ deaf }

func (onlyHijack) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, errGone }

// A hijack that fails leaves a request, which can still be answered.
func TestAFailedHijackIsAnsweredLikeAnyRequest(t *testing.T) {
	w := onlyHijack{deaf{http.Header{}}}
	draining(t).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _, err := w.(http.Hijacker).Hijack()
		require.ErrorIs(t, err, errGone)
		http.Error(w, "no", http.StatusInternalServerError)
	})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	require.Equal(t, "close", w.header.Get("Connection"))
}

// realistic has the methods of net/http's HTTP/1.1 writer, and keeps nothing.
type realistic struct{ deaf }

func (realistic) Flush()                                       {}
func (realistic) FlushError() error                            { return nil }
func (realistic) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, errGone }
func (realistic) ReadFrom(r io.Reader) (int64, error)          { return io.Copy(io.Discard, r) }
func (realistic) WriteString(s string) (int, error)            { return len(s), nil }
func (realistic) CloseNotify() <-chan bool                     { return nil }

func TestTheMiddlewareCostsOneAllocation(t *testing.T) {
	body := []byte("hello")
	handlers := map[string]http.HandlerFunc{
		"writes":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) },
		"nothing": noHandler,
		"refuses": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"streams": func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); _, _ = w.Write(body) },
	}
	for name, hc := range map[string]*health.Checker{"as usual": newDrainable(t, health.DrainOptions{}), "draining": draining(t)} {
		for what, h := range handlers {
			w, r := realistic{deaf{http.Header{}}}, httptest.NewRequest("GET", "/", nil)
			require.Zero(t, testing.AllocsPerRun(200, func() { h.ServeHTTP(w, r) }), "the handler itself")
			wrapped := hc.Middleware(h)
			require.LessOrEqual(t, testing.AllocsPerRun(1000, func() { wrapped.ServeHTTP(w, r) }), 1.0, "%s, %s", name, what)
		}
	}
}

func TestAPanicPassesTheMiddlewareUnchanged(t *testing.T) {
	boom := errors.New("boom")
	for name, hc := range map[string]*health.Checker{"as usual": newDrainable(t, health.DrainOptions{}), "draining": draining(t)} {
		for _, v := range []any{boom, "text", http.ErrAbortHandler} {
			t.Run(fmt.Sprint(name, " ", v), func(t *testing.T) {
				w := httptest.NewRecorder()
				require.PanicsWithValue(t, v, func() {
					hc.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(v) })).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
				})
				require.Empty(t, w.Header(), "nothing was answered")
			})
		}
		t.Run(name+" Goexit", func(t *testing.T) {
			var gone sync.WaitGroup
			returned := false
			gone.Go(func() {
				hc.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() })).
					ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
				returned = true
			})
			gone.Wait()
			require.False(t, returned)
		})
	}
}

// What ended in any way is no longer counted as running.
func TestNoWayToEndARequestIsForgotten(t *testing.T) {
	hc := newDrainable(t, health.DrainOptions{Wait: -1, Timeout: 100 * time.Millisecond})
	s := &service{hc: hc, srv: &http.Server{}}
	ends := map[string]http.HandlerFunc{
		"return": noHandler,
		"panic":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"exit":   func(http.ResponseWriter, *http.Request) { runtime.Goexit() },
		"hijack": func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			require.NoError(t, err)
			require.NoError(t, c.Close())
		},
	}
	hang := make(chan struct{})
	s.srv.Handler = hc.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if end := ends[r.URL.Path[1:]]; end != nil {
			end(w, r)
			return
		}
		http.NewResponseController(w).Flush()
		<-hang
	}))
	s.onTCP(t)
	for path := range ends {
		if path == "exit" {
			continue // net/http leaves such a connection open, see below
		}
		p := s.get(t, "/"+path)
		_ = p.SetReadDeadline(time.Now().Add(eventually))
		_, _ = p.ReadByte()
	}
	var gone sync.WaitGroup
	gone.Go(func() { s.srv.Handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/exit", nil)) })
	gone.Wait()
	p := s.get(t, "/hang")
	require.Equal(t, 200, p.answer(t, "GET").StatusCode)
	require.ErrorContains(t, hc.Drain(t.Context(), s.srv), "health: 1 requests were cut off")
	close(hang)
}

func TestTheMiddlewareStartsNoGoroutine(t *testing.T) {
	for name, hc := range map[string]*health.Checker{"as usual": newDrainable(t, health.DrainOptions{}), "draining": draining(t)} {
		var before, during int
		h := hc.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { during = runtime.NumGoroutine() }))
		require.Eventually(t, func() bool { // those of other tests may still be ending
			before = runtime.NumGoroutine()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
			return during == before && runtime.NumGoroutine() == before
		}, eventually, tick, name)
	}
}

// counted are the series of a family, as "value label=value ...".
func counted(t testing.TB, m *metrics.Metrics, family string) (series []string) {
	t.Helper()
	all, err := m.Gatherer().Gather()
	require.NoError(t, err)
	for _, f := range all {
		if f.GetName() != family {
			continue
		}
		for _, s := range f.Metric {
			series = append(series, fmt.Sprint(valueOf(s), labelsOf(s)))
		}
	}
	return series
}

func valueOf(s *dto.Metric) float64 { return s.GetCounter().GetValue() + s.GetGauge().GetValue() }

func labelsOf(s *dto.Metric) (text string) {
	for _, l := range s.Label {
		text += " " + l.GetName() + "=" + l.GetValue()
	}
	return text
}

// In either order both see what the other one sees.
func TestTheMiddlewareAndMetricsWorkInsideEachOther(t *testing.T) {
	for _, order := range []string{"health outside", "metrics outside"} {
		t.Run(order, func(t *testing.T) {
			m, err := metrics.New(metrics.Options{DisableRuntime: true})
			require.NoError(t, err)
			hc := newDrainable(t, health.DrainOptions{Wait: -1})
			mux := http.NewServeMux()
			mux.HandleFunc("GET /things/{id}", func(w http.ResponseWriter, r *http.Request) {
				if r.PathValue("id") == "none" {
					http.NotFound(w, r)
				}
			})
			mux.HandleFunc("GET /ws/{room}", gorillaEchoes)
			mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("boom") })
			recovering := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() {
					if recover() != nil {
						w.WriteHeader(http.StatusInternalServerError)
					}
				}()
				mux.ServeHTTP(w, r)
			})
			s := &service{hc: hc, srv: &http.Server{Handler: hc.Middleware(m.Middleware(recovering))}}
			if order == "metrics outside" {
				s.srv.Handler = m.Middleware(hc.Middleware(recovering))
			}
			s.onTCP(t)
			for path, code := range map[string]int{"/things/1": 200, "/things/none": 404, "/panic": 500, "/nowhere": 404} {
				require.Equal(t, code, s.get(t, path).answer(t, "GET").StatusCode)
			}
			c := dialGorilla(t, s, "/ws/7")
			require.NoError(t, c.WriteMessage(1, []byte("hello")))
			_, echo, err := c.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, "hello", string(echo))
			require.Equal(t, []string{"1 route=/ws/{room}"}, counted(t, m, "websocket_connections_active"))

			done := s.begin(t.Context(), s.srv)
			requireGoneAway(t, c)
			require.NoError(t, result(t, done))
			require.Eventually(t, func() bool {
				return strings.Join(counted(t, m, "websocket_connections_active"), "") == "0 route=/ws/{room}"
			}, eventually, tick)
			require.Equal(t, []string{"1 route=/ws/{room}"}, counted(t, m, "websocket_connections_total"))
			require.ElementsMatch(t, []string{
				"1 code=200 method=GET route=/things/{id}", "1 code=404 method=GET route=/things/{id}", "1 code=500 method=GET route=/panic",
				"1 code=404 method=GET route=unmatched", "1 code=101 method=GET route=/ws/{room}",
			}, counted(t, m, "http_requests_total"))
		})
	}
}
