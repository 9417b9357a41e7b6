package metrics_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/testutil"
	"github.com/sluice-go/sluice/metrics"
)

// logged is a logger and what it wrote.
func logged() (*slog.Logger, *bytes.Buffer) {
	var b bytes.Buffer
	return slog.New(slog.NewTextHandler(&b, nil)), &b
}

// selfNamed names each route by its path, as nobody should.
var selfNamed = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	metrics.Route(r.URL.Path, answer).ServeHTTP(w, r)
})

// Trap 2: "overflow goes to one fixed value and increments a visible overflow
// counter + one log line".
func TestRoutesBeyondTheLimitShareOneSeries(t *testing.T) {
	logger, log := logged()
	m := newMetrics(t, metrics.Options{MaxRoutes: 2, Logger: logger})
	h := m.Middleware(selfNamed)
	require.Zero(t, readingOf(t, m).value("sluice_label_overflow_total", "recorder", "route"), "visible before it happens")
	for _, method := range []string{"GET", "POST", "BREW"} {
		for i := range 5 {
			ask(h, method, fmt.Sprint("/", i))
		}
	}
	r := readingOf(t, m)
	require.Equal(t, []string{"/0", "/1", "_OTHER"}, r.values("http_requests_total", "route"))
	require.Equal(t, 9.0, r.value("http_requests_total", "method", "_OTHER", "route", "_OTHER", "code", "200"), "whatever the method")
	require.Equal(t, 9.0, r.value("sluice_label_overflow_total", "recorder", "route"))
	require.Equal(t, 1, strings.Count(log.String(), "\n"), log)
	require.Contains(t, log.String(), "level=WARN")
	require.Contains(t, log.String(), "recorder=route limit=MaxRoutes")
}

func TestAddedRoutesKeepTheirPlaceWhenOthersOverflow(t *testing.T) {
	m := newMetrics(t, metrics.Options{MaxRoutes: 1})
	require.NoError(t, m.AddRoutes("GET /kept"))
	h := m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		metrics.Route(r.URL.Path, answer).ServeHTTP(w, r)
	}))
	for _, path := range []string{"/a", "/kept", "/b", "/kept"} {
		ask(h, "GET", path)
	}
	require.Equal(t, []string{"GET /kept 200", "GET /kept 200", "_OTHER _OTHER 200", "_OTHER _OTHER 200"}, counted(t, m))
}

func TestOurOwnRoutesNeedNoRoomAmongTheRoutes(t *testing.T) {
	m := newMetrics(t, metrics.Options{MaxRoutes: 1})
	mux := http.NewServeMux()
	mux.Handle("/a", answer)
	mux.Handle("/b", answer)
	ask(m.Middleware(mux), "GET", "/nothing")
	ask(m.Middleware(answer), "GET", "/plain")
	ask(m.Middleware(mux), "GET", "/a")
	ask(m.Middleware(mux), "GET", "/b")
	require.Equal(t, []string{"/a", "_OTHER", "unmatched", "unrouted"}, readingOf(t, m).values("http_requests_total", "route"))
}

// "Observations that were counted under _OTHER": a stream is one observation.
func TestAStreamBeyondTheLimitOverflowsOnce(t *testing.T) {
	m := newMetrics(t, metrics.Options{MaxRoutes: 1})
	h := m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		metrics.Route(r.URL.Path, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				_ = http.NewResponseController(w).Flush()
			}
		})).ServeHTTP(w, r)
	}))
	ask(h, "GET", "/a")
	ask(h, "GET", "/b")
	require.Equal(t, []string{"GET /a 200", "_OTHER _OTHER 200"}, counted(t, m))
	require.Equal(t, 1.0, readingOf(t, m).value("sluice_label_overflow_total", "recorder", "route"))
}

// Trap 25: "or an attacker with wild latencies grows memory".
func TestNativeHistogramsStaySmallUnderWildValues(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	for i := range 20_000 {
		d := time.Duration(rand.Int64() >> (i % 63)) // each magnitude there is
		m.ObserveQuery(t.Context(), "SELECT", d, nil)
		m.ObserveUpload(metrics.Upload{ContentType: "image/png", Size: int64(d)})
		m.ObserveAI(metrics.AICall{Duration: d, TimeToFirstChunk: d, InputTokens: int(d), OutputTokens: int(d)})
	}
	for name, f := range readingOf(t, m) {
		for _, s := range f.GetMetric() {
			require.LessOrEqual(t, len(s.GetHistogram().GetPositiveDelta()), 160, name)
		}
	}
}

// Trap 26: "_created lines off (they multiply series)".
func TestThereAreNoCreatedSeries(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	recordAll(m, "x", time.Second, 1)
	ask(m.Middleware(at("/x", answer)), "GET", "/x")
	srv := testutil.Start(t, m.Handler())
	for _, accept := range []string{"text/plain", "application/openmetrics-text; version=1.0.0", "application/openmetrics-text; version=0.0.1"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL, nil)
		require.NoError(t, err)
		req.Header.Set("Accept", accept)
		res, err := srv.Client().Do(req)
		require.NoError(t, err)
		page, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		res.Body.Close()
		require.Contains(t, string(page), "errors_total")
		require.NotContains(t, string(page), "_created")
	}
}

// size is how much there is: series as Prometheus counts them with the classic
// buckets, and native buckets.
func size(r reading) (series, native int) {
	for name, f := range r {
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue // those have no labels that anyone chooses
		}
		for _, s := range f.GetMetric() {
			series++
			if f.GetType() == dto.MetricType_HISTOGRAM {
				h := s.GetHistogram()
				series += len(h.GetBucket()) + 2 // +Inf is not among them; _sum, _count
				native += len(h.GetPositiveDelta()) + len(h.GetNegativeDelta())
			}
		}
	}
	return series, native
}

// attack is a client of the worst kind.
type attack struct {
	m    *metrics.Metrics
	rnd  *rand.Rand
	conn net.Conn
	br   *bufio.Reader
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"

// token is fit for a method, a host and a path.
func (a *attack) token() string {
	b := make([]byte, 1+a.rnd.IntN(20))
	for i := range b {
		b[i] = letters[a.rnd.IntN(len(letters))]
	}
	return string(b)
}

// noise is any bytes.
func (a *attack) noise() string {
	b := make([]byte, 1+a.rnd.IntN(20))
	for i := range b {
		b[i] = byte(a.rnd.Uint32())
	}
	return string(b)
}

func (a *attack) send(method, target string) error {
	if _, err := fmt.Fprintf(a.conn, "%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", method, target, a.token()); err != nil {
		return err
	}
	res, err := http.ReadResponse(a.br, &http.Request{Method: method})
	if err != nil {
		return fmt.Errorf("%s %q: %w", method, target, err)
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// round is one of everything; i walks through the status codes and methods.
func (a *attack) round(i int) error {
	known := []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY", "TRACE"}
	err := errors.Join(
		a.send(a.token(), "/none/"+a.token()+"%ff\xff"),
		a.send("CONNECT", []string{"/tree/" + a.token(), "/api/tree/" + a.token(), a.token() + ":443", a.token() + "/tree/" + a.token()}[i%4]),
		a.send(known[i%8], fmt.Sprintf("/named/%d/%s\xff", a.rnd.Uint64(), a.token())),
		a.send("GET", "/status/"+strconv.Itoa(200+i%800)),
	)
	d := time.Duration(a.rnd.Int64())
	ctx := context.Background()
	for _, s := range []func() string{a.token, a.noise} {
		a.m.ObserveQuery(ctx, s(), d, nil)
		a.m.ObserveCache(ctx, s(), s())
		a.m.ObserveError(s(), s())
		a.m.ObserveHealth(s(), s(), d, nil)
		a.m.ObserveHealthTransition(s(), s(), s(), nil)
		a.m.ObserveHealthStuck(s(), i%2 == 0)
		a.m.ObserveRateLimit(ctx, s(), i%2 == 0)
		a.m.ObserveCSPReport(s(), s())
		a.m.ObserveCSPDrop(s(), i)
		a.m.ObserveCompression(s(), int64(d), int64(i), d)
		a.m.ObserveAI(metrics.AICall{Operation: s(), Provider: s(), Model: s(), Duration: d, InputTokens: a.rnd.Int(), TimeToFirstChunk: d, Err: context.Canceled})
		a.m.ObserveRAG(ctx, s(), d, i, context.DeadlineExceeded)
		a.m.ObserveUpload(metrics.Upload{ContentType: s() + "/" + s(), Size: int64(d), Rejected: s()})
	}
	return err
}

// storm runs rounds from several clients.
func storm(t *testing.T, m *metrics.Metrics, srv testutil.Server, rounds int) {
	t.Helper()
	const clients = 8
	faults := make([]error, clients)
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				faults[c] = err
				return
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(time.Minute))
			a := &attack{m: m, rnd: rand.New(rand.NewPCG(uint64(c), uint64(rounds))), conn: conn, br: bufio.NewReader(conn)}
			for i := c; i < rounds && faults[c] == nil; i += clients {
				faults[c] = a.round(i)
			}
		})
	}
	all.Go(func() {
		for range 10 { // while it rages
			if code := ask(m.Handler(), "GET", "/metrics").Code; code != http.StatusOK {
				t.Errorf("a scrape was answered with %d", code)
			}
		}
	})
	all.Wait()
	require.NoError(t, errors.Join(faults...))
}

// heap is what is in use.
func heap() int64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// Traps 1, 2 and 4, and the promise of the package: 10,000 random methods,
// hosts, paths, CONNECTs, codes and values of every recorder leave as many
// series as 1,000 do.
func TestAnAttackerAddsAFixedNumberOfSeries(t *testing.T) {
	const (
		maxRoutes, maxSeries = 10, 10
		fixed                = 5000 // series as Prometheus counts them, with classic buckets; there are about 3,600
	)
	logger, log := logged()
	m := newMetrics(t, metrics.Options{MaxRoutes: maxRoutes, MaxSeries: maxSeries, Logger: logger, DisableRuntime: true})
	mux := http.NewServeMux()
	mux.Handle("/tree/{id}/", answer)
	mux.Handle("/api/", http.StripPrefix("/api", metrics.Router(at("/tree/{id}/", answer))))
	mux.Handle("/named/", selfNamed)
	mux.HandleFunc("GET /status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		w.WriteHeader(code)
	})
	require.NoError(t, m.AddRoutes("GET /status/{code}"))
	srv := testutil.Start(t, m.Middleware(mux))

	storm(t, m, srv, 1000)
	after1000, _ := size(readingOf(t, m))
	heap1000 := heap()
	storm(t, m, srv, 10_000)
	r := readingOf(t, m)
	after10000, native := size(r)
	grown := heap() - heap1000

	require.Equal(t, after1000, after10000)
	require.LessOrEqual(t, after10000, fixed)
	histograms := 0
	for _, f := range r {
		if f.GetType() == dto.MetricType_HISTOGRAM {
			histograms += len(f.GetMetric())
		}
	}
	require.LessOrEqual(t, native, 160*histograms)
	require.Less(t, grown, int64(4<<20), "bytes")
	require.LessOrEqual(t, len(r.values("http_requests_total", "route")), maxRoutes+3)
	require.LessOrEqual(t, len(r.values("http_requests_total", "method")), 11)
	require.LessOrEqual(t, len(r.values("http_requests_total", "code")), 403)
	require.Equal(t, 9, strings.Count(log.String(), "\n"), "one line for each recorder that has a limit:\n%s", log)
	require.Greater(t, r.value("sluice_label_overflow_total", "recorder", "route"), 5000.0)
	for _, recorder := range []string{"query", "cache", "error", "health", "ratelimit", "ai", "rag", "upload"} {
		require.Greater(t, r.value("sluice_label_overflow_total", "recorder", recorder), 5000.0, recorder)
	}
	t.Logf("%d series, %d native buckets, %d bytes more of heap", after10000, native, grown)
}

// "No caller-supplied string can leak": a value may be a piece of a whole body.
func TestATableKeepsNoMoreOfAValueThanItsLabel(t *testing.T) {
	const values, whole = 30, 1 << 20
	for name, cut := range map[string]int{"of values that are too long": whole, "of pieces of something large": 20} {
		t.Run(name, func(t *testing.T) {
			m := newMetrics(t, metrics.Options{DisableRuntime: true})
			h := m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				metrics.Route(r.Header.Get("X"), answer).ServeHTTP(httptest.NewRecorder(), r)
			}))
			record := func(i int) {
				s := (fmt.Sprintf("/%010d/", i) + strings.Repeat("x", whole))[:cut]
				recordAll(m, s, time.Second, 1)
				r := httptest.NewRequest("GET", "/", nil)
				r.Header["X"] = []string{s}
				h.ServeHTTP(httptest.NewRecorder(), r)
				report := (" script-src" + strings.Repeat(" ", whole))[1:11]
				m.ObserveCSPReport(report, "report")
			}
			record(0)
			before := heap()
			for i := range values {
				record(i)
			}
			require.Less(t, heap()-before, int64(4<<20), "bytes")
			runtime.KeepAlive(m)
		})
	}
}

// What is remembered of patterns is bounded in bytes, too.
func TestLongPatternsOfOneRouteTakeLittleMemory(t *testing.T) {
	m := newMetrics(t, metrics.Options{MaxRoutes: 100, DisableRuntime: true})
	h := m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		metrics.Route(r.Header.Get("X"), answer).ServeHTTP(httptest.NewRecorder(), r)
	}))
	before := heap()
	for i := range 1600 {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["X"] = []string{"/" + strings.Repeat("x", 15<<10) + strconv.Itoa(i)}
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	require.Len(t, readingOf(t, m).values("http_requests_total", "route"), 1)
	require.Less(t, heap()-before, int64(4<<20), "bytes")
	runtime.KeepAlive(h)
}

// Sheet (f): "50 routes must stay below 5 000 series in total".
func TestFiftyBusyRoutesStayBelow5000Series(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	mux := http.NewServeMux()
	for i := range 50 {
		pattern := fmt.Sprintf("GET /things/%d/{id}", i)
		require.NoError(t, m.AddRoutes(pattern))
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			code, err := strconv.Atoi(r.PathValue("id"))
			require.NoError(t, err)
			w.WriteHeader(code)
		})
	}
	for i := range 50 {
		for _, code := range []int{200, 404, 500} {
			ask(m.Middleware(mux), "GET", fmt.Sprintf("/things/%d/%d", i, code))
		}
	}
	series, _ := size(readingOf(t, m))
	require.Less(t, series, 5000)
	require.Greater(t, series, 50*3)
}
