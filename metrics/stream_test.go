package metrics_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/testutil"
	"github.com/sluice-go/sluice/metrics"
)

// Traps 21 and 27: virtual time, so that sums are exact.
func TestTheLifetimeOfAStreamIsNoLatency(t *testing.T) {
	wait := func(s float64) { time.Sleep(time.Duration(s * float64(time.Second))) }
	flush := func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }
	tests := []struct {
		name              string
		h                 http.HandlerFunc
		latency, lifetime float64 // lifetime 0: no stream
	}{
		{"a plain answer", func(w http.ResponseWriter, _ *http.Request) { wait(.5); _, _ = io.WriteString(w, "x"); wait(1) }, 1.5, 0},
		{"a large plain answer", func(w http.ResponseWriter, _ *http.Request) { wait(.5); _, _ = w.Write(make([]byte, 1<<20)); wait(1) }, 1.5, 0},
		{"an event stream", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			wait(.25)
			for range 100 {
				_, _ = io.WriteString(w, "data: x\n\n")
				flush(w)
				wait(60)
			}
		}, .25, 6000.25},
		{"a flush of the header alone", func(w http.ResponseWriter, _ *http.Request) { wait(.25); flush(w); wait(3600) }, .25, 3600.25},
		{"a flush by the old interface", func(w http.ResponseWriter, _ *http.Request) { wait(.25); w.(http.Flusher).Flush(); wait(3600) }, .25, 3600.25},
		{"a flush in the middle of a body", func(w http.ResponseWriter, _ *http.Request) {
			wait(.25)
			_, _ = io.WriteString(w, "begin")
			wait(.25)
			flush(w)
			wait(10)
		}, .5, 10.5},
		{"a body that outgrew the buffer before its flush", func(w http.ResponseWriter, _ *http.Request) {
			wait(.25)
			_, _ = w.Write(make([]byte, 5000))
			wait(5)
			flush(w)
			wait(5)
		}, .25, 10.25},
		{"an event stream without flush", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "Text/Event-Stream; charset=utf-8")
			wait(.25)
			for range 60 {
				_, _ = w.Write(make([]byte, 3000))
				wait(1)
			}
		}, .25, 60.25},
		{"a short event stream that leaves as a whole", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: x\n\n")
			wait(2)
		}, 2, 0},
		{"a media type that only begins alike", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream2")
			_, _ = w.Write(make([]byte, 5000))
			wait(2)
		}, 2, 0},
		{"a stream that panics", func(w http.ResponseWriter, _ *http.Request) {
			wait(.25)
			flush(w)
			wait(100)
			panic(http.ErrAbortHandler)
		}, .25, 100.25},
		{"interim answers are no first byte", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(103)
			wait(.25)
			flush(w)
			wait(1)
		}, .25, 1.25},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMetrics(t, metrics.Options{DisableRuntime: true})
				func() {
					defer func() { _ = recover() }()
					m.Middleware(onRoute("/x", tt.h)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/x", nil))
				}()
				n, latency := histogram(t, m, "http_request_duration_seconds")
				require.EqualValues(t, 1, n)
				require.InDelta(t, tt.latency, latency, 1e-6)
				n, lifetime := histogram(t, m, "http_stream_duration_seconds", "route=/x")
				require.Equal(t, tt.lifetime > 0, n == 1)
				require.InDelta(t, tt.lifetime, lifetime, 1e-6)
				requireIdle(t, m)
			})
		})
	}
}

// Trap 21: on the wire, and with the client at the end of it.
func TestAStreamIsActiveAsLongAsItsHandlerRuns(t *testing.T) {
	next := make(chan struct{})
	onBoth(t, copyingOnly(metrics.Router(onRoute("GET /events/{id}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			_, _ = io.WriteString(w, "data: x\n\n")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
			if r.PathValue("id") == "short" {
				return
			}
		}
	}))), func(t *testing.T, s *site) {
		open := func(path string) (io.Closer, *bufio.Reader, context.CancelFunc) {
			ctx, leave := context.WithCancel(t.Context())
			r, err := http.NewRequestWithContext(ctx, "GET", s.URL+path, nil)
			require.NoError(t, err)
			res, err := s.Client().Do(r)
			require.NoError(t, err)
			body := bufio.NewReader(res.Body)
			_, err = body.ReadString('\n')
			require.NoError(t, err)
			return res.Body, body, leave
		}
		body, _, leave := open("/events/long")
		defer leave()
		defer body.Close()
		require.Equal(t, []string{"1 route=/events/{id}"}, lines(t, s.m, "http_streams_active"))
		require.EqualValues(t, 1, value(t, s.m, "http_requests_in_flight"))
		require.Equal(t, []string{"1 success"}, s.outcomes(t), "at once, and not hours later")
		n, _ := histogram(t, s.m, "http_stream_duration_seconds")
		require.Zero(t, n, "not before it is over")

		short, r, _ := open("/events/short")
		defer short.Close()
		require.EqualValues(t, 2, value(t, s.m, "http_streams_active"))
		// Either handler may take the first token; the long one asks for more.
		ended := false
		for !ended {
			select {
			case next <- struct{}{}:
			case <-s.ended:
				ended = true
			case <-time.After(10 * time.Second):
				require.FailNow(t, "the short stream did not end")
			}
		}
		_, err := io.ReadAll(r)
		require.NoError(t, err)
		require.EqualValues(t, 1, value(t, s.m, "http_streams_active"))

		leave()
		s.await(t, 1)
		s.requireCounted(t, "2 GET /events/{id} 200")
		require.Equal(t, []string{"2 success"}, s.outcomes(t))
		s.requireFailures(t)
		n, _ = histogram(t, s.m, "http_stream_duration_seconds", "route=/events/{id}")
		require.EqualValues(t, 2, n)
	})
}

func TestAStreamThroughAReverseProxyIsAStream(t *testing.T) {
	release := make(chan struct{})
	backend := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: x\n\n")
		_ = http.NewResponseController(w).Flush()
		<-release
		_, _ = io.WriteString(w, "data: y\n\n")
	}))
	to, err := url.Parse(backend.URL)
	require.NoError(t, err)
	for _, every := range []time.Duration{0, time.Millisecond, -1} { // a positive one flushes from a timer
		t.Run(every.String(), func(t *testing.T) {
			p := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, FlushInterval: every}
			s := serve(t, onRoute("/{what}", p.ServeHTTP))
			res, err := s.Client().Get(s.URL + "/x")
			require.NoError(t, err)
			defer res.Body.Close()
			eventually(t, "the stream is active", func() bool { return value(t, s.m, "http_streams_active", "route=/{what}") == 1 })
			release <- struct{}{}
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.Equal(t, "data: x\n\ndata: y\n\n", string(body))
			s.await(t, 1)
			s.requireCounted(t, "1 GET /{what} 200")
			n, _ := histogram(t, s.m, "http_stream_duration_seconds")
			require.EqualValues(t, 1, n)
		})
	}
}

// What is counted at its first flush needs its name by then.
func TestAStreamHasTheNameThatRoutePatternGives(t *testing.T) {
	m := newMetrics(t, metrics.Options{DisableRuntime: true, RoutePattern: func(*http.Request) string { return "/named/{id}" }})
	record(m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		require.Equal(t, []string{"1 route=/named/{id}"}, lines(t, m, "http_streams_active"))
	})), httptest.NewRequest("GET", "/named/7", nil))
	requireCounted(t, m, "1 GET /named/{id} 200")
}

func TestAnExcludedStreamIsNoStream(t *testing.T) {
	s := serve(t, metrics.Exclude(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "x")
	})))
	s.get(t, "/")
	s.requireCounted(t)
	n, _ := histogram(t, s.m, "http_stream_duration_seconds")
	require.Zero(t, n)
}

// idleWriter may be used by several goroutines, unlike net/http's.
type idleWriter struct{ h http.Header }

func (w *idleWriter) Header() http.Header         { return w.h }
func (w *idleWriter) WriteHeader(int)             {}
func (w *idleWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *idleWriter) Flush()                      {}

// gaugeSpy is a registry that remembers one gauge, as a gather is too slow to
// catch it in the act.
type gaugeSpy struct {
	*prometheus.Registry
	streams *prometheus.GaugeVec
}

func (r *gaugeSpy) Register(c prometheus.Collector) error {
	if g, ok := c.(*prometheus.GaugeVec); ok {
		d := make(chan *prometheus.Desc, 1)
		g.Describe(d)
		if strings.Contains((<-d).String(), `"http_streams_active"`) {
			r.streams = g
		}
	}
	return r.Registry.Register(c)
}

// Trap 13: flushes that meet the end of their handler. It is a matter of luck
// whether they meet, so that this finds most faults and not each time.
func TestAFlushAtTheEndLeavesNoStreamBehindAndNeverFewerThanNone(t *testing.T) {
	spy := &gaugeSpy{Registry: prometheus.NewRegistry()}
	m := newMetrics(t, metrics.Options{DisableRuntime: true, Registerer: spy})
	gauge := spy.streams.WithLabelValues("/x")
	var least atomic.Int64
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				var now dto.Metric
				_ = gauge.Write(&now)
				least.Store(min(least.Load(), int64(now.Gauge.GetValue())))
				runtime.Gosched()
			}
		}
	})
	for i := range 2000 {
		var late sync.WaitGroup
		m.Middleware(onRoute("/x", func(w http.ResponseWriter, _ *http.Request) {
			late.Go(w.(http.Flusher).Flush)
			for range i % 10 { // ends at various moments
				runtime.Gosched()
			}
		})).ServeHTTP(&idleWriter{h: http.Header{}}, httptest.NewRequest("GET", "/x", nil))
		late.Wait()
	}
	close(stop)
	watch.Wait()
	require.Zero(t, least.Load(), "streams")
	requireIdle(t, m)
}

func TestManyStreamsComeAndGo(t *testing.T) {
	s := serve(t, onRoute("/{id}", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	const n = 20
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	for i := range n {
		r, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprint(s.URL, "/", i), nil)
		require.NoError(t, err)
		res, err := s.Client().Do(r)
		require.NoError(t, err)
		defer res.Body.Close()
	}
	require.EqualValues(t, n, value(t, s.m, "http_streams_active"))
	leave()
	s.await(t, n)
	s.requireCounted(t, fmt.Sprint(n, " GET /{id} 200"))
	s.requireFailures(t)
}
