package metrics_test

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/sluice-go/sluice/metrics"
)

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
