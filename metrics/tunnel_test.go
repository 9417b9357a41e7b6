package metrics_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/testutil"
	"github.com/sluice-go/sluice/metrics"
)

// More than what is moved between two counts, both ways at once.
func TestATunnelCountsWhatItCopies(t *testing.T) {
	const size = 5<<20 + 12345
	origin, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer origin.Close()
	go func() {
		for {
			c, err := origin.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	s := serve(t, onRoute("/up", hijacked(func(c net.Conn, rw *bufio.ReadWriter) {
		defer c.Close()
		up, err := net.Dial("tcp", origin.Addr().String())
		if err != nil {
			return
		}
		defer up.Close()
		var both sync.WaitGroup
		both.Go(func() {
			_, _ = io.Copy(up, io.MultiReader(io.LimitReader(rw, int64(rw.Reader.Buffered())), c))
			_ = up.(*net.TCPConn).CloseWrite()
		})
		_, _ = io.Copy(c, up)
		both.Wait()
	})))
	c, r := s.upgrade(t, "")
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(make([]byte, size))
		_ = c.(*net.TCPConn).CloseWrite()
		sent <- err
	}()
	n, err := io.Copy(io.Discard, r)
	require.NoError(t, err)
	require.NoError(t, <-sent)
	require.EqualValues(t, size, n)
	s.await(t, 1)
	require.EqualValues(t, size, socketValue(t, s, "received_bytes_total", "/up"))
	require.EqualValues(t, size+len(switching), socketValue(t, s, "sent_bytes_total", "/up"))
	s.requireCounted(t, "1 GET /up 101")
}

// WriteTo and ReadFrom at the edge of the piece that they count by.
func TestCopiesOfWholePiecesEnd(t *testing.T) {
	for _, size := range []int{0, 1, 1<<20 - 1, 1 << 20, 1<<20 + 1, 2 << 20} {
		m := newMetrics(t, metrics.Options{DisableRuntime: true})
		ours, theirs := net.Pipe()
		var peer sync.WaitGroup
		peer.Go(func() {
			_, _ = io.Copy(io.Discard, io.LimitReader(theirs, int64(size)))
			_, _ = theirs.Write(make([]byte, size))
			theirs.Close()
		})
		h := m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			require.NoError(t, err)
			defer c.Close()
			n, err := c.(io.ReaderFrom).ReadFrom(struct{ io.Reader }{bytes.NewReader(make([]byte, size))})
			require.NoError(t, err)
			require.EqualValues(t, size, n)
			n, err = c.(io.WriterTo).WriteTo(io.Discard)
			require.NoError(t, err)
			require.EqualValues(t, size, n)
		}))
		h.ServeHTTP(hijackable{httptest.NewRecorder(), ours}, httptest.NewRequest("GET", "/", nil))
		peer.Wait()
		require.EqualValues(t, size, value(t, m, "websocket_received_bytes_total"))
		require.EqualValues(t, size, value(t, m, "websocket_sent_bytes_total"))
		requireIdle(t, m)
	}
}

func TestAReverseProxyTunnelsWebSockets(t *testing.T) {
	backend := testutil.Start(t, http.HandlerFunc(coderEcho))
	to, err := url.Parse(backend.URL)
	require.NoError(t, err)
	p := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }}
	s := serve(t, onRoute("/ws", p.ServeHTTP))
	c, _, err := websocket.Dial(t.Context(), s.URL+"/ws", nil)
	require.NoError(t, err)
	require.NoError(t, c.Write(t.Context(), websocket.MessageText, bytes.Repeat([]byte("x"), 5000)))
	_, got, err := c.Read(t.Context())
	require.NoError(t, err)
	require.Len(t, got, 5000)
	require.EqualValues(t, 1, socketValue(t, s, "connections_active", "/ws"))
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
	s.await(t, 1)
	require.GreaterOrEqual(t, socketValue(t, s, "received_bytes_total", "/ws"), 5000.0)
	require.GreaterOrEqual(t, socketValue(t, s, "sent_bytes_total", "/ws"), 5000.0)
	s.requireCounted(t, "1 GET /ws 101")
}

// Traps 18 and 20: the panic of an upgraded connection is one all the same.
func TestAPanicAfterTheUpgradeIsCounted(t *testing.T) {
	for name, v := range map[string]any{"panic": "boom", "aborted": http.ErrAbortHandler} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, onRoute("/up", hijacked(func(c net.Conn, _ *bufio.ReadWriter) {
				defer c.Close()
				panic(v)
			})))
			s.upgrade(t, "")
			s.await(t, 1)
			s.requireCounted(t, "1 GET /up 101")
			s.requireFailures(t, "1 "+name)
		})
	}
}

// A CONNECT proxy answers before it hijacks.
func TestATunnelThatWasAnsweredKeepsItsCode(t *testing.T) {
	s := serve(t, metrics.Route("CONNECT", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
	})))
	c, r := s.dial(t, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
	res, err := http.ReadResponse(r, &http.Request{Method: "CONNECT"})
	require.NoError(t, err)
	require.Equal(t, 200, res.StatusCode)
	_, err = io.WriteString(c, "ping")
	require.NoError(t, err)
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	s.await(t, 1)
	require.EqualValues(t, 1, value(t, s.m, "http_requests_total", "code=200", "method=CONNECT"))
	require.EqualValues(t, 4, value(t, s.m, "websocket_received_bytes_total"))
	requireIdle(t, s.m)
}

// Traps 20 and 21: virtual time.
func TestTheLifetimeOfAConnectionIsNoLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMetrics(t, metrics.Options{DisableRuntime: true})
		ours, theirs := net.Pipe()
		defer theirs.Close()
		var c net.Conn
		h := m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(250 * time.Millisecond)
			c, _, _ = w.(http.Hijacker).Hijack()
			time.Sleep(time.Hour)
		}))
		h.ServeHTTP(hijackable{httptest.NewRecorder(), ours}, httptest.NewRequest("GET", "/", nil))
		time.Sleep(time.Hour)
		require.NoError(t, c.Close())
		_, latency := histogram(t, m, "http_request_duration_seconds", "outcome=success")
		require.InDelta(t, .25, latency, 1e-6)
		_, lifetime := histogram(t, m, "websocket_connection_duration_seconds")
		require.InDelta(t, 7200, lifetime, 1e-6)
		n, _ := histogram(t, m, "http_stream_duration_seconds")
		require.Zero(t, n)
		requireCounted(t, m, "1 GET unrouted 101")
	})
}

// Trap 20: two instances wrap the connection twice, and each sees it close.
func TestTwoInstancesBothFollowAConnection(t *testing.T) {
	inner := newMetrics(t, metrics.Options{DisableRuntime: true})
	s := serve(t, inner.Middleware(onRoute("/ws", gorillaEcho)))
	c, _, err := gorilla.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.URL, "http")+"/ws", nil)
	require.NoError(t, err)
	require.NoError(t, c.WriteMessage(gorilla.TextMessage, []byte("hello")))
	_, _, err = c.ReadMessage()
	require.NoError(t, err)
	for _, m := range []*metrics.Metrics{s.m, inner} {
		require.Equal(t, []string{"1 route=/ws"}, lines(t, m, "websocket_connections_active"))
	}
	require.NoError(t, c.Close())
	s.await(t, 1)
	s.requireCounted(t, "1 GET /ws 101")
	requireCounted(t, inner, "1 GET /ws 101")
	for _, what := range []string{"received", "sent"} {
		family := "websocket_" + what + "_bytes_total"
		require.Equal(t, value(t, s.m, family), value(t, inner, family))
	}
}

// A visit that is over sees what a later one does with the same writer.
func TestAnUpgradeAfterAFirstAttemptIsCountedOnce(t *testing.T) {
	outer := newMetrics(t, metrics.Options{DisableRuntime: true})
	first := true
	s, h := measured(t, onRoute("/up", func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			return
		}
		hijacked(func(c net.Conn, _ *bufio.ReadWriter) { c.Close() })(w, r)
	}))
	s.Server = testutil.Start(t, outer.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		h.ServeHTTP(w, r)
	})))
	s.upgrade(t, "")
	s.await(t, 2)
	require.EqualValues(t, 1, value(t, outer, "websocket_connections_total"))
	require.EqualValues(t, 1, value(t, s.m, "websocket_connections_total"))
	requireIdle(t, s.m)
}

func TestAnExcludedConnectionIsLeftAlone(t *testing.T) {
	s := serve(t, metrics.Exclude(hijacked(func(c net.Conn, _ *bufio.ReadWriter) {
		defer c.Close()
		if _, ok := c.(*net.TCPConn); ok {
			_, _ = io.WriteString(c, "plain")
		}
	})))
	_, r := s.upgrade(t, "")
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "plain", string(got))
	s.await(t, 1)
	s.requireCounted(t)
	require.Empty(t, lines(t, s.m, "websocket_connections_total"))
}
