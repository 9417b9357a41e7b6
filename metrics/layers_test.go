package metrics_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/metrics"
)

func TestTwoInstancesBothCountAndDoNotDisturbEachOther(t *testing.T) {
	inner := newMetrics(t, metrics.Options{DisableRuntime: true})
	onBoth(t, inner.Middleware(onRoute("/x", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		w.WriteHeader(201)
		_, _ = w.Write(make([]byte, n))
	})), func(t *testing.T, s *site) {
		before, _ := histogram(t, inner, "http_request_size_bytes")
		s.do(t, "POST", "/x", strings.NewReader("12345"))
		s.requireCounted(t, "1 POST /x 201")
		in, out := s.sums(t)
		require.Equal(t, []float64{5, 5}, []float64{in, out})
		requireCounted(t, inner, fmt.Sprintf("%d POST /x 201", before+1))
	})
}

// gzipped is a foreign compressor with as little as it needs.
type gzipped struct {
	http.ResponseWriter
	z *gzip.Writer
}

func (w gzipped) Write(p []byte) (int, error) { return w.z.Write(p) }

type gzippedUnwrap struct{ gzipped }

func (w gzippedUnwrap) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Trap 12; what left the middleware is wire bytes outside of a compressor, and
// plain ones inside of it.
func TestACompressorInsideMakesWireBytesAndOneOutsideDoesNot(t *testing.T) {
	compressor := func(unwrap bool) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				z := gzip.NewWriter(w)
				defer z.Close()
				g := gzipped{w, z}
				if unwrap {
					next.ServeHTTP(gzippedUnwrap{g}, r)
				} else {
					next.ServeHTTP(g, r)
				}
			})
		}
	}
	h := onRoute("/x", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 50_000)) })
	for _, unwrap := range []bool{false, true} {
		t.Run(fmt.Sprint("unwrap ", unwrap), func(t *testing.T) {
			outer := newMetrics(t, metrics.Options{DisableRuntime: true})
			s := serveInside(t, func(next http.Handler) http.Handler { return outer.Middleware(compressor(unwrap)(next)) }, h)
			res, body := s.get(t, "/x")
			require.True(t, res.Uncompressed)
			require.Len(t, body, 50_000)
			s.requireCounted(t, "1 GET /x 200")
			_, out := s.sums(t)
			require.EqualValues(t, 50_000, out)
			eventually(t, "the outer one has counted", func() bool { return value(t, outer, "http_requests_total") == 1 })
			_, wire := histogram(t, outer, "http_response_size_bytes")
			require.Greater(t, wire, 0.0)
			require.Less(t, wire, 1000.0)
			require.Equal(t, []string{"1 code=200 method=GET route=/x"}, lines(t, outer, "http_requests_total"))
		})
	}
}

func TestOddRequestsAndWritersAreCounted(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202); _, _ = io.WriteString(w, "hello") })
	tests := []struct {
		name string
		r    *http.Request
	}{
		{"without URL, header and body", &http.Request{Method: "GET"}},
		{"with a nil body", &http.Request{Method: "GET", Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}},
		{"with a body and no URL", &http.Request{Method: "GET", Body: io.NopCloser(strings.NewReader("x"))}},
		{"without a method", &http.Request{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, o := range []metrics.Options{{DisableRuntime: true}, {DisableRuntime: true, AllowExemplars: true}} {
				m := newMetrics(t, o)
				w := record(m.Middleware(m.Middleware(metrics.Router(h))), tt.r)
				require.Equal(t, 202, w.Code)
				require.Equal(t, "hello", w.Body.String())
				require.EqualValues(t, 2, value(t, m, "http_requests_total", "code=202", "route=unrouted"))
				requireIdle(t, m)
			}
		})
	}
}

// finder swallows the 404 of a handler that is tried first.
type finder struct {
	http.ResponseWriter
	missed bool
}

func (w *finder) WriteHeader(code int) {
	if w.missed = code == http.StatusNotFound; !w.missed {
		w.ResponseWriter.WriteHeader(code)
	}
}

func (w *finder) Write(p []byte) (int, error) {
	if w.missed {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

func (w *finder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// An outer instance must not lose what happens on the second attempt.
func TestAHandlerThatIsTriedAfterAnotherIsSeenByAll(t *testing.T) {
	inner := newMetrics(t, metrics.Options{DisableRuntime: true})
	stream := func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() }
	for name, layer := range map[string]func(http.Handler) http.Handler{"routers": metrics.Router, "instances": inner.Middleware} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(name+" "+method, func(t *testing.T) {
				s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					f := &finder{ResponseWriter: w}
					layer(onRoute("/first/{id}", stream)).ServeHTTP(f, r)
					if f.missed {
						w.Header().Del("Content-Type")
						layer(onRoute("/second/{id}", stream)).ServeHTTP(w, r)
					}
				}))
				for _, path := range []string{"/first/1", "/second/2"} {
					res, _ := s.do(t, method, path, strings.NewReader("x"))
					require.Equal(t, 200, res.StatusCode)
				}
				s.requireCounted(t, "1 "+method+" /first/{id} 200", "1 "+method+" /second/{id} 200")
				n, _ := histogram(t, s.m, "http_stream_duration_seconds")
				require.EqualValues(t, 2, n, "streams")
			})
		}
	}
}

func TestAHugeHeaderPassesUnchanged(t *testing.T) {
	onBoth(t, onRoute("/x", func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			if strings.HasPrefix(name, "X-Many-") {
				w.Header()[name] = values
			}
		}
	}), func(t *testing.T, s *site) {
		r, err := http.NewRequest("GET", s.URL+"/x", nil)
		require.NoError(t, err)
		for i := range 2000 {
			r.Header.Set("X-Many-"+strconv.Itoa(i), strings.Repeat("v", 100))
		}
		res, _, err := s.send(r)
		require.NoError(t, err)
		s.await(t, 1)
		require.GreaterOrEqual(t, len(res.Header), 2000)
		s.requireCounted(t, "1 GET /x 200")
	})
}

func TestHandlersThatChangeTheirRequestChangeNoLabel(t *testing.T) {
	tests := []struct {
		name   string
		change func(*http.Request)
	}{
		{"a method override", func(r *http.Request) { r.Method = "DELETE" }},
		{"another path", func(r *http.Request) { r.URL.Path = "/other" }},
		{"a body of its own", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("much longer than before")) }},
		{"no body", func(r *http.Request) { r.Body = nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, onRoute("/x", func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				tt.change(r)
				if r.Body != nil {
					_, _ = io.Copy(io.Discard, r.Body)
				}
			}), func(t *testing.T, s *site) {
				s.do(t, "POST", "/x", strings.NewReader("123"))
				s.requireCounted(t, "1 POST /x 200")
				in, _ := s.sums(t)
				require.EqualValues(t, 3, in)
			})
		})
	}
}

func TestOneInstanceServes64ClientsAtOnce(t *testing.T) {
	mux := http.NewServeMux()
	for i := range 8 {
		mux.HandleFunc(fmt.Sprintf("/r%d/{id}", i), func(w http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body)
			if r.PathValue("id") == "flush" {
				w.(http.Flusher).Flush()
			}
			w.WriteHeader(200 + i)
			_, _ = w.Write(make([]byte, n))
		})
	}
	m := newMetrics(t, metrics.Options{DisableRuntime: true})
	h := m.Middleware(mux)
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for i := range 50 {
				path := fmt.Sprintf("/r%d/%d", g%8, i)
				if i%10 == 0 {
					path = fmt.Sprintf("/r%d/flush", g%8)
				}
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", path, strings.NewReader("0123456789")))
				if i%25 == 0 {
					_, _ = m.Gatherer().Gather()
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 64*50, value(t, m, "http_requests_total"))
	for _, family := range []string{"http_request_size_bytes", "http_response_size_bytes"} {
		n, sum := histogram(t, m, family)
		require.EqualValues(t, 64*50, n)
		if family == "http_request_size_bytes" {
			require.EqualValues(t, 64*50*10, sum)
		}
	}
	streams, _ := histogram(t, m, "http_stream_duration_seconds")
	require.EqualValues(t, 64*5, streams)
	requireIdle(t, m)
}
