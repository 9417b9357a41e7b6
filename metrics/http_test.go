package metrics_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/sluice-go/sluice/metrics"
)

// Trap 8; RFC 9110 §15.2.
func TestTheFirstFinalStatusWinsAndInterimOnesDoNot(t *testing.T) {
	tests := []struct {
		name   string
		status []int
		want   int
	}{
		{"103 and a final status", []int{103, 201}, 201},
		{"several interim ones", []int{103, 102, 103, 404}, 404},
		{"103 and nothing", []int{103}, 200},
		{"two final ones", []int{201, 500}, 201},
		{"an interim one after the final one", []int{202, 103}, 202},
		{"an error that is taken back too late", []int{500, 200}, 500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, onRoute("/x", func(w http.ResponseWriter, _ *http.Request) {
				for _, code := range tt.status {
					w.WriteHeader(code)
				}
			}), func(t *testing.T, s *site) {
				interim := 0
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
					Got1xxResponse: func(int, textproto.MIMEHeader) error { interim++; return nil },
				})
				r, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/x", nil)
				require.NoError(t, err)
				res, _, err := s.send(r)
				require.NoError(t, err)
				s.await(t, 1)
				require.Equal(t, tt.want, res.StatusCode)
				if tt.status[0] < 200 {
					require.NotZero(t, interim, "the client sees interim answers")
				}
				s.requireCounted(t, fmt.Sprintf("1 GET /x %d", tt.want))
			})
		})
	}
}

// Trap 9; what net/http sends when nobody calls WriteHeader.
func TestWhateverBeginsABodyImplies200(t *testing.T) {
	tests := []struct {
		name string
		h    http.HandlerFunc
		size float64
	}{
		{"return", func(http.ResponseWriter, *http.Request) {}, 0},
		{"Write", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")); w.WriteHeader(500) }, 5},
		{"an empty Write", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(nil); w.WriteHeader(500) }, 0},
		{"WriteString", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello"); w.WriteHeader(500) }, 5},
		{"ReadFrom", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, strings.NewReader(strings.Repeat("x", 5000)))
			w.WriteHeader(500)
		}, 5000},
		{"Flush", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); w.WriteHeader(500) }, 0},
		{"FlushError", func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			w.WriteHeader(500)
		}, 0},
		{"all of them", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("12"))
			_, _ = io.WriteString(w, "345")
			_, _ = io.Copy(w, io.LimitReader(strings.NewReader("6789"), 4))
		}, 9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, onRoute("/x", tt.h), func(t *testing.T, s *site) {
				res, body := s.get(t, "/x")
				require.Equal(t, 200, res.StatusCode)
				s.requireCounted(t, "1 GET /x 200")
				_, out := s.sums(t)
				require.Equal(t, tt.size, out)
				require.Len(t, body, int(tt.size))
			})
		})
	}
}

// Trap 12; RFC 9110 §6.4.1.
func TestAnswersWithoutContentCountNoBytesWhateverAHandlerWrites(t *testing.T) {
	tests := []struct {
		method string
		status int
	}{{"HEAD", 200}, {"HEAD", 404}, {"GET", 204}, {"GET", 304}}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.method, " ", tt.status), func(t *testing.T) {
			onBoth(t, onRoute("GET /x", func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = w.Write(make([]byte, 3000))
				_, _ = io.WriteString(w, "more")
				_, _ = io.Copy(w, bytes.NewReader(make([]byte, 3000)))
			}), func(t *testing.T, s *site) {
				res, body := s.do(t, tt.method, "/x", nil)
				require.Equal(t, tt.status, res.StatusCode)
				require.Empty(t, body)
				s.requireCounted(t, fmt.Sprintf("1 %s /x %d", tt.method, tt.status))
				_, out := s.sums(t)
				require.Zero(t, out)
			})
		})
	}
}

// readFromSpy is what lies outside of the middleware; it knows what came through
// the door that leads to sendfile.
type readFromSpy struct {
	http.ResponseWriter
	handed *atomic.Int64
}

func (w readFromSpy) ReadFrom(src io.Reader) (int64, error) {
	n, err := w.ResponseWriter.(io.ReaderFrom).ReadFrom(src)
	w.handed.Add(n)
	return n, err
}

// Trap 11; 100,000 bytes are what other instrumentations count as none.
func TestAFileIsCountedAndStillLeavesBySendfile(t *testing.T) {
	const size = 100_000
	name := filepath.Join(t.TempDir(), "file.bin")
	require.NoError(t, os.WriteFile(name, make([]byte, size), 0o600))
	tests := []struct {
		name, ranges string
		status, n    int
	}{
		{"whole", "", 200, size},
		{"a range", "bytes=1000-50999", 206, 50_000},
		{"the end", "bytes=-10", 206, 10},
		{"no such range", "bytes=200000-", 416, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var handed atomic.Int64
			spy := func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(readFromSpy{w, &handed}, r) })
			}
			s := serveInside(t, spy, onRoute("/file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) }))
			r, err := http.NewRequest("GET", s.URL+"/file", nil)
			require.NoError(t, err)
			if tt.ranges != "" {
				r.Header.Set("Range", tt.ranges)
			}
			res, body, err := s.send(r)
			require.NoError(t, err)
			s.await(t, 1)
			require.Equal(t, tt.status, res.StatusCode)
			if tt.n >= 0 {
				require.Len(t, body, tt.n)
			}
			s.requireCounted(t, fmt.Sprintf("1 GET /file %d", tt.status))
			_, out := s.sums(t)
			require.EqualValues(t, len(body), out)
			if tt.n > 1000 {
				require.GreaterOrEqual(t, handed.Load(), int64(tt.n-512), "all but the first piece is left to the kernel")
			}
		})
	}
}

// optional are the interfaces that a handler may ask its writer for.
func optional(w http.ResponseWriter) map[string]bool {
	all := map[string]bool{}
	_, all["Flush"] = w.(http.Flusher)
	_, all["FlushError"] = w.(interface{ FlushError() error })
	_, all["Hijack"] = w.(http.Hijacker)
	_, all["ReadFrom"] = w.(io.ReaderFrom)
	_, all["Push"] = w.(http.Pusher)
	_, all["WriteString"] = w.(io.StringWriter)
	//lint:ignore SA1019 some handlers still ask for it
	_, all["CloseNotify"] = w.(http.CloseNotifier)
	c := http.NewResponseController(w)
	all["deadlines"] = !errors.Is(c.SetReadDeadline(time.Time{}), http.ErrNotSupported) &&
		!errors.Is(c.SetWriteDeadline(time.Time{}), http.ErrNotSupported)
	all["full duplex"] = !errors.Is(c.EnableFullDuplex(), http.ErrNotSupported)
	return all
}

// Traps 10 and 22; HTTP/2 has no Hijacker, and none is invented.
func TestTheWriterHasExactlyTheInterfacesOfTheOneOutside(t *testing.T) {
	var outside, inside map[string]bool
	spy := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r)
			outside = optional(w)
		})
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // net/http does not drain it in full duplex
		inside = optional(w)
	})
	for _, method := range []string{"GET", "POST"} { // without and with a body
		t.Run(method, func(t *testing.T) {
			for _, proto := range []string{"HTTP/1.1", "HTTP/2"} {
				t.Run(proto, func(t *testing.T) {
					s, measured := measured(t, h)
					start := httptest.NewUnstartedServer(spy(measured))
					start.EnableHTTP2 = proto == "HTTP/2"
					start.StartTLS()
					defer start.Close()
					s.Server.Server = start
					s.do(t, method, "/", strings.NewReader("body"))
					require.Equal(t, outside, inside)
					require.True(t, inside["FlushError"])
					require.Equal(t, proto == "HTTP/1.1", inside["Hijack"])
				})
			}
		})
	}
}

// Trap 10; promhttp swallows this error.
func TestFlushTellsThatTheClientIsGone(t *testing.T) {
	gone, flushed := make(chan struct{}), make(chan error, 1)
	s := serve(t, onRoute("/x", func(w http.ResponseWriter, r *http.Request) {
		<-gone
		<-r.Context().Done()
		_, _ = w.Write(make([]byte, 1<<16))
		c := http.NewResponseController(w)
		_ = c.SetWriteDeadline(time.Unix(1, 0))
		_, _ = w.Write(make([]byte, 1<<16))
		flushed <- c.Flush()
	}))
	c, _ := s.dial(t, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
	c.Close()
	close(gone)
	require.Error(t, <-flushed)
}

// Trap 22; RFC 9110 §6.5.
func TestTrailersPassAndAreNoPartOfTheSize(t *testing.T) {
	onBoth(t, onRoute("/x", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "hello")
		w.Header().Set("X-Sum", r.Trailer.Get("X-In"))
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	}), func(t *testing.T, s *site) {
		r, err := http.NewRequest("POST", s.URL+"/x", io.MultiReader(strings.NewReader("abc")))
		require.NoError(t, err)
		r.Trailer = http.Header{"X-In": {"1"}}
		res, body, err := s.send(r)
		require.NoError(t, err)
		s.await(t, 1)
		require.Equal(t, "hello", body)
		require.Equal(t, "1", res.Trailer.Get("X-Sum"))
		require.Equal(t, "2", res.Trailer.Get("X-Late"))
		s.requireCounted(t, "1 POST /x 200")
		in, out := s.sums(t)
		require.Equal(t, []float64{3, 5}, []float64{in, out})
	})
}

// Trap 22; RFC 9110 §15.
func TestNumbersThatAreNoStatusFoldToOneCode(t *testing.T) {
	for _, code := range []int{600, 777, 990, 991, 998, 999} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			onBoth(t, onRoute("/x", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }), func(t *testing.T, s *site) {
				res, _ := s.get(t, "/x")
				require.Equal(t, code, res.StatusCode)
				s.requireCounted(t, "1 GET /x unknown")
				require.Equal(t, []string{"1 server_error"}, s.outcomes(t))
			})
		})
	}
}

// Trap 22; net/http panics for these.
func TestANumberThatCannotBeSentIsThePanicThatItCauses(t *testing.T) {
	for _, code := range []int{-1, 0, 99, 1000} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			s := serve(t, onRoute("/x", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
			_, err := http.Get(s.URL + "/x")
			require.Error(t, err)
			s.await(t, 1)
			s.requireCounted(t, "1 GET /x 500")
			s.requireFailures(t, "1 panic")
		})
	}
}

func TestOldAndCleartextProtocolsAreCountedAlike(t *testing.T) {
	h := onRoute("/x", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(103)
		_, _ = io.WriteString(w, r.Proto)
	})
	t.Run("HTTP/1.0", func(t *testing.T) {
		s := serve(t, h)
		_, r := s.dial(t, "GET /x HTTP/1.0\r\n\r\n")
		answer, err := io.ReadAll(r)
		require.NoError(t, err)
		s.await(t, 1)
		require.True(t, strings.HasSuffix(string(answer), "HTTP/1.0"))
		s.requireCounted(t, "1 GET /x 200")
		_, out := s.sums(t)
		require.EqualValues(t, len("HTTP/1.0"), out)
	})
	t.Run("h2c", func(t *testing.T) {
		s, measured := measured(t, h)
		var p http.Protocols
		p.SetUnencryptedHTTP2(true)
		start := httptest.NewUnstartedServer(measured)
		start.Config.Protocols = &p
		start.Start()
		defer start.Close()
		tr := &http.Transport{Protocols: &p}
		defer tr.CloseIdleConnections()
		res, err := (&http.Client{Transport: tr}).Get(start.URL + "/x")
		require.NoError(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		s.await(t, 1)
		require.Equal(t, "HTTP/2.0", string(body))
		s.requireCounted(t, "1 GET /x 200")
		_, out := s.sums(t)
		require.EqualValues(t, len("HTTP/2.0"), out)
	})
}

// extendedTransport sends what net/http's takes for an invalid field name.
func extendedTransport(s *site) http.RoundTripper {
	roots := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	//lint:ignore SA1019 see above
	return &http2.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"}} //nolint:staticcheck // see above
}

// Trap 20; RFC 8441 §4. net/http reads the switch for it once, at its start, so
// this runs in a process of its own.
func TestAnExtendedConnectIsAStreamAndNoHijack(t *testing.T) {
	if !strings.Contains(os.Getenv("GODEBUG"), "http2xconnect=1") {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		again.Env = append(os.Environ(), "GODEBUG=http2xconnect=1")
		out, err := again.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Contains(t, string(out), "--- PASS: "+t.Name())
		return
	}
	s := serveH2(t, onRoute("CONNECT /ws", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(":protocol") != "websocket" {
			http.Error(w, "not extended", http.StatusBadRequest)
			return
		}
		c := http.NewResponseController(w)
		_ = c.Flush()
		p := make([]byte, 4)
		for {
			if _, err := io.ReadFull(r.Body, p); err != nil {
				return
			}
			_, _ = w.Write(p)
			_ = c.Flush()
		}
	}))
	in, out := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), "CONNECT", s.URL+"/ws", in)
	require.NoError(t, err)
	r.Header[":protocol"] = []string{"websocket"}
	tr := extendedTransport(s)
	defer (&http.Client{Transport: tr}).CloseIdleConnections()
	res, err := tr.RoundTrip(r)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, []string{"1 route=/ws"}, lines(t, s.m, "http_streams_active"))
	p := make([]byte, 4)
	for range 3 {
		_, err = io.WriteString(out, "ping")
		require.NoError(t, err)
		_, err = io.ReadFull(res.Body, p)
		require.NoError(t, err)
		require.Equal(t, "ping", string(p))
	}
	require.NoError(t, out.Close())
	s.await(t, 1)
	s.requireCounted(t, "1 CONNECT /ws 200")
	got, sent := s.sums(t)
	require.Equal(t, []float64{12, 12}, []float64{got, sent})
	require.Empty(t, lines(t, s.m, "websocket_connections_total"))
	n, _ := histogram(t, s.m, "http_stream_duration_seconds", "route=/ws")
	require.EqualValues(t, 1, n)
}

// Trap 20; ServeMux leaves a path for a pattern only where it redirects
// (golang.org/issue/73688).
func TestAConnectThatAPatternServedHasItsRoute(t *testing.T) {
	m := newMetrics(t, metrics.Options{DisableRuntime: true})
	r := httptest.NewRequest("CONNECT", "/ws", nil)
	w := record(m.Middleware(onRoute("/ws", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) })), r)
	require.Equal(t, 200, w.Code)
	requireCounted(t, m, "1 CONNECT /ws 200")
}

func TestTheRequestThatAHandlerGetsIsWhole(t *testing.T) {
	type key struct{}
	var got, path, pattern string
	ended := make(chan error, 1)
	h := onRoute("/things/{id}", func(_ http.ResponseWriter, r *http.Request) {
		got, _ = r.Context().Value(key{}).(string)
		path, pattern = r.PathValue("id"), r.Pattern
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Header.Get("X-Wait") != "" {
			ended <- nil
			<-r.Context().Done()
			ended <- r.Context().Err()
		}
	})
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			onBoth(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "v")))
			}), func(t *testing.T, s *site) {
				s.do(t, method, "/things/7", strings.NewReader("x"))
				require.Equal(t, []string{"v", "7", "/things/{id}"}, []string{got, path, pattern})

				ctx, cancel := context.WithCancel(t.Context())
				r, err := http.NewRequestWithContext(ctx, method, s.URL+"/things/7", strings.NewReader("x"))
				require.NoError(t, err)
				r.Header.Set("X-Wait", "1")
				go func() { _, _, _ = s.send(r) }()
				<-ended
				cancel()
				require.ErrorIs(t, <-ended, context.Canceled)
				s.await(t, 1)
			})
		})
	}
}

// The request without a body is the server's own: a copy is a second allocation,
// which a plain GET is promised not to pay.
func TestAPlainGetIsNotCopiedOnAnyProtocol(t *testing.T) {
	var outside, inside *http.Request
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { inside = r })
	for _, proto := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(proto, func(t *testing.T) {
			s, measured := measured(t, h)
			start := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				outside = r
				measured.ServeHTTP(w, r)
			}))
			start.EnableHTTP2 = proto == "HTTP/2"
			start.StartTLS()
			defer start.Close()
			s.Server.Server = start
			s.get(t, "/")
			require.Same(t, outside, inside)
		})
	}
}

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
