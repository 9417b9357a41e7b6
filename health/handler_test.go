package health_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
	"github.com/sluice-go/sluice/internal/testutil"
)

// answer is what a client got.
type answer struct {
	code   int
	header http.Header
	body   string
}

// get asks a handler without a network between; fields come in pairs.
func get(h http.Handler, target string, fields ...string) answer {
	return request(h, http.MethodGet, target, fields...)
}

func request(h http.Handler, method, target string, fields ...string) answer {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Code, w.Result().Header, w.Body.String()}
}

// over asks a real server, which a client that follows redirects would hide.
func over(t *testing.T, srv testutil.Server, method, path string, fields ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, nil)
	require.NoError(t, err)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	client := *srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, srv.Proto, resp.Proto)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func everybody(*http.Request) bool { return true }
func nobody(*http.Request) bool    { return false }

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

func passing(context.Context) error { return nil }

func failing(context.Context) error { return errors.New("connection lost") }

// hanging is a check that has no result until the checker ends.
func hanging(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

// states are all that readiness can be in, each with the checker that is in it.
var states = map[string]struct {
	code   int
	reason string
	check  health.Func
	then   func(*testing.T, *health.Checker)
}{
	"healthy":   {code: 200, check: passing},
	"degraded":  {code: 200, reason: "other", check: func(ctx context.Context) error { return health.Degraded(failing(ctx)) }},
	"unhealthy": {code: 503, reason: "other", check: failing},
	"unknown":   {code: 503, reason: "starting", check: hanging},
	"not ready": {code: 503, reason: "not_ready", check: passing, then: func(_ *testing.T, hc *health.Checker) { hc.SetReady(false, "by hand") }},
	"draining":  {code: 503, reason: "draining", check: passing, then: drains},
	"closed":    {code: 503, reason: "closed", check: passing, then: func(t *testing.T, hc *health.Checker) { require.NoError(t, hc.Close()) }},
}

// drains begins a drain that waits until the test ends.
func drains(t *testing.T, hc *health.Checker) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- hc.Drain(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

// inState starts a checker and waits until it is in the state.
func inState(t *testing.T, state string, o health.Options) *health.Checker {
	t.Helper()
	s := states[state]
	o.Checks = []health.Check{{Name: "dependency", Func: s.check, Interval: 2 * time.Hour, Timeout: time.Hour}}
	o.Drain = health.DrainOptions{Wait: time.Hour, Timeout: 2 * time.Hour, Probes: -1}
	hc := begin(t, o)
	require.Eventually(t, func() bool {
		r, _ := hc.Report(health.Readiness)
		return (r.Status == health.StatusUnknown) == (state == "unknown")
	}, eventually, tick)
	if s.then != nil {
		s.then(t, hc)
	}
	require.Eventually(t, func() bool {
		r, _ := hc.Report(health.Readiness)
		return r.Reason == s.reason
	}, eventually, tick)
	return hc
}

// Trap 3: HAProxy asks with OPTIONS, in which a 405 is DOWN.
// Trap 4: HEAD is GET without the body, and with its length.
// Trap 9: healthy and degraded are 200, unhealthy and unknown 503.
func TestGetHeadAndOptionsAgreeInEveryState(t *testing.T) {
	for state, want := range states {
		t.Run(state, func(t *testing.T) {
			hc := inState(t, state, health.Options{Details: everybody})
			testutil.BothProtocols(t, hc.Handler(), func(t *testing.T, srv testutil.Server) {
				for _, path := range []string{"/health", "/health/readiness", "/health/detailed", "/healthz", "/readyz", "/readyz?verbose"} {
					got, head := getAndHead(t, srv, path)
					require.Equal(t, want.code, got.code, path)
					require.Equal(t, strconv.Itoa(len(got.body)), got.header.Get("Content-Length"), path)
					require.NotEmpty(t, got.body, path)

					require.Equal(t, want.code, head.code, path)
					require.Empty(t, head.body, path)
					got.header.Del("Date")
					head.header.Del("Date")
					require.Equal(t, got.header, head.header, path)

					options := over(t, srv, http.MethodOptions, path)
					require.Equal(t, want.code, options.code, path)
					require.Empty(t, options.body, path)
					require.Equal(t, "0", options.header.Get("Content-Length"), path)
					require.Equal(t, "GET, HEAD, OPTIONS", options.header.Get("Allow"), path)
					require.Empty(t, options.header.Get("Content-Type"), path)
				}
				require.Equal(t, 200, over(t, srv, http.MethodGet, "/health/liveness").code, "whatever becomes of the dependency")
			})
		})
	}
}

// getAndHead asks until HEAD came between two answers of the same moment: the
// number of digits of a time is a part of the length.
func getAndHead(t *testing.T, srv testutil.Server, path string) (got, head answer) {
	require.Eventually(t, func() bool {
		got = over(t, srv, http.MethodGet, path)
		head = over(t, srv, http.MethodHead, path)
		return over(t, srv, http.MethodGet, path).body == got.body
	}, eventually, tick, path)
	return got, head
}

// Trap 4: RFC 9110 §15.5.6 asks for Allow, and a 405 may be stored by default.
func TestOtherMethodsAreNotAllowed(t *testing.T) {
	hc := begin(t, health.Options{})
	mux := http.NewServeMux()
	hc.Mount(mux)
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {}) // 200 to whatever is left to it
	for name, h := range map[string]http.Handler{"mounted": mux, "handler": hc.Handler()} {
		testutil.BothProtocols(t, h, func(t *testing.T, srv testutil.Server) {
			for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "TRACE"} {
				for _, path := range []string{"/health", "/health/liveness", "/health/readiness", "/health/startup", "/health/detailed", "/livez"} {
					got := over(t, srv, method, path)
					require.Equal(t, 405, got.code, "%s %s %s", name, method, path)
					require.Equal(t, "GET, HEAD, OPTIONS", got.header.Get("Allow"))
					require.Equal(t, "no-store", got.header.Get("Cache-Control"))
				}
				require.Equal(t, 404, over(t, srv, method, "/health/absent").code, "%s %s", name, method)
			}
		})
	}
	for _, method := range []string{"PROPFIND", "get", "HEAD2", "CONNECT"} {
		got := request(hc.Handler(), method, "/health")
		require.Equal(t, 405, got.code, method)
		require.Equal(t, "GET, HEAD, OPTIONS", got.header.Get("Allow"))
	}
}

// Trap 11: no answer may be stored, those to mistakes no more than others.
// Trap 2: a redirect or a 304 counts as a success for most probes.
func TestNoAnswerIsStoredOrCompared(t *testing.T) {
	for state := range states {
		hc := inState(t, state, health.Options{Details: nobody})
		testutil.BothProtocols(t, hc.Handler(), func(t *testing.T, srv testutil.Server) {
			for path, code := range map[string]int{
				"/health": 0, "/health/readiness": 0, "/readyz?verbose": 0, "/health/detailed": 403, "/health/absent": 404, "/": 404,
			} {
				if code == 0 {
					code = states[state].code
				}
				for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
					got := over(t, srv, method, path,
						"If-None-Match", "*", "If-Modified-Since", "Fri, 31 Dec 2199 23:59:59 GMT", "Range", "bytes=0-0", "If-Range", `"x"`, "Cookie", "a=b")
					require.Equal(t, code, got.code, "%s %s", method, path)
					require.Equal(t, []string{"no-store"}, got.header["Cache-Control"], "%s %s", method, path)
					for _, name := range []string{"Etag", "Last-Modified", "Location", "Expires", "Age", "Set-Cookie", "Content-Range", "Content-Encoding"} {
						require.Empty(t, got.header[name], "%s %s: %s", method, path, name)
					}
				}
				require.Equal(t, 405, over(t, srv, "POST", "/health").code)
			}
		})
	}
}

func TestTheFieldThatIsNegotiatedByIsNamed(t *testing.T) {
	h := begin(t, health.Options{Details: everybody}).Handler()
	for _, path := range []string{"/health", "/health/liveness", "/health/detailed"} {
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			require.Equal(t, []string{"Accept"}, request(h, method, path).header["Vary"], "%s %s", method, path)
		}
	}
	require.Empty(t, get(h, "/livez", "Accept", "application/json").header["Vary"], "an alias has one form only")
	require.Equal(t, "text/plain; charset=utf-8", get(h, "/livez", "Accept", "application/json").header.Get("Content-Type"))
}

// Trap 1: the kubelet reads up to 10 KiB of an answer.
func TestPublicAnswersAreShortForAnyNumberOfChecks(t *testing.T) {
	for _, state := range []health.Func{passing, failing} {
		o := health.Options{}
		for i := range 1000 {
			name := fmt.Sprintf("%04d%s", i, strings.Repeat("x", 60))
			o.Checks = append(o.Checks, health.Check{Name: name, Func: state, Groups: []string{"readiness", "startup", "own"}})
		}
		hc := begin(t, o)
		waitForResults(t, hc)
		h := hc.Handler()
		for _, path := range []string{"/health", "/health/liveness", "/health/readiness", "/health/startup", "/health/own", "/healthz", "/readyz", "/livez?verbose", "/readyz?verbose"} {
			for _, accept := range []string{"*/*", "application/health+json", "text/plain"} {
				require.Less(t, len(get(h, path, "Accept", accept).body), 10<<10, "%s %s", path, accept)
			}
		}
	}
}

// waitForResults waits until each check has one.
func waitForResults(t testing.TB, hc *health.Checker) {
	t.Helper()
	require.Eventually(t, func() bool {
		r, _ := hc.Report("")
		return !slices.ContainsFunc(r.Components, func(c health.Component) bool { return c.CheckedAt.IsZero() })
	}, eventually, tick)
}

// A change that a call has made is in the next answer, although answers are kept
// for a tenth of a second.
func TestAChangeIsSeenByTheNextProbe(t *testing.T) {
	hc := begin(t, health.Options{})
	h := hc.Handler()
	for i := range 1000 {
		for _, path := range []string{"/health", "/health/readiness", "/readyz"} {
			require.Equal(t, 200, get(h, path).code, i)
		}
		hc.SetReady(false, "by hand")
		for _, path := range []string{"/health", "/health/readiness", "/readyz"} {
			require.Equal(t, 503, get(h, path).code, i)
		}
		hc.SetReady(true, "")
	}
	hc.Fail(errors.New("broken for good"))
	require.Equal(t, 503, get(h, "/health/liveness").code)
	require.Equal(t, 503, get(h, "/health").code)
	require.Equal(t, 200, get(h, "/health/readiness").code)
	require.NoError(t, hc.Close())
	require.Equal(t, 503, get(h, "/health/readiness").code)
}

func TestTheCodeAndTheBodyOfAnAnswerAgreeWhileThingsChange(t *testing.T) {
	hc := begin(t, health.Options{Checks: []health.Check{{Name: "dependency", Func: passing}}})
	h := hc.Handler()
	waitForResults(t, hc)
	stop := make(chan struct{})
	var flips, probes sync.WaitGroup
	flips.Go(func() {
		for ready := false; ; ready = !ready {
			select {
			case <-stop:
				return
			default:
				hc.SetReady(ready, "by hand")
			}
		}
	})
	expected := map[int]string{200: `{"status":"healthy",`, 503: `{"status":"unhealthy",`}
	for range 4 {
		probes.Go(func() {
			for range 2000 {
				got := get(h, "/health/readiness")
				if !strings.HasPrefix(got.body, expected[got.code]) || got.header.Get("Content-Length") != strconv.Itoa(len(got.body)) {
					t.Errorf("%d %q", got.code, got.body)
				}
			}
		})
	}
	probes.Wait()
	close(stop)
	flips.Wait()
}

// Trap 17: a nil pointer in an error is not nil, and its methods panic, also
// those that errors.As calls.
func TestAnErrorThatIsANilPointerIsAFailure(t *testing.T) {
	for _, mark := range []func(error) error{
		func(err error) error { return err },
		health.Degraded,
		func(err error) error { return health.WithReason(err, "mine") },
		func(err error) error { return fmt.Errorf("wrapped: %w", err) },
		func(err error) error { return errors.Join(err, failing(t.Context())) },
	} {
		hc := begin(t, health.Options{Details: everybody, Checks: []health.Check{
			{Name: "a", Func: func(context.Context) error { var err *url.Error; return mark(err) }},
		}})
		waitForResults(t, hc)
		for _, accept := range []string{"application/json", "application/health+json", "text/plain"} {
			got := get(hc.Handler(), "/health/detailed", "Accept", accept)
			require.NotEmpty(t, got.body)
			require.NotContains(t, got.body, `"healthy"`)
		}
		r, _ := hc.Report("")
		require.NotEmpty(t, r.Reason)
	}
}
