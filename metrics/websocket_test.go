package metrics_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/testutil"
	"github.com/sluice-go/sluice/metrics"
)

func coderEcho(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	for {
		kind, p, err := c.Read(context.WithoutCancel(r.Context()))
		if err != nil {
			return
		}
		if err := c.Write(context.WithoutCancel(r.Context()), kind, p); err != nil {
			return
		}
	}
}

func gorillaEcho(w http.ResponseWriter, r *http.Request) {
	c, err := (&gorilla.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	for {
		kind, p, err := c.ReadMessage()
		if err != nil {
			return
		}
		if err := c.WriteMessage(kind, p); err != nil {
			return
		}
	}
}

func socketValue(t *testing.T, s *site, what, route string) float64 {
	t.Helper()
	return value(t, s.m, "websocket_"+what, "route="+route)
}

// Trap 20, with the two libraries that people use, on both ends. The middleware
// in between copies the request, as most do.
func TestAWebSocketIsCountedFromItsUpgradeToItsClose(t *testing.T) {
	const size, times = 10_000, 5
	payload := bytes.Repeat([]byte("p"), size)
	servers := map[string]http.HandlerFunc{"coder": coderEcho, "gorilla": gorillaEcho}
	clients := map[string]func(t *testing.T, url string, mid func()){
		"coder": func(t *testing.T, url string, mid func()) {
			c, _, err := websocket.Dial(t.Context(), url, nil)
			require.NoError(t, err)
			defer c.CloseNow()
			for range times {
				require.NoError(t, c.Write(t.Context(), websocket.MessageBinary, payload))
				_, got, err := c.Read(t.Context())
				require.NoError(t, err)
				require.Equal(t, payload, got)
			}
			mid()
			_ = c.Close(websocket.StatusNormalClosure, "")
		},
		"gorilla": func(t *testing.T, url string, mid func()) {
			c, _, err := gorilla.DefaultDialer.Dial(url, nil)
			require.NoError(t, err)
			defer c.Close()
			for range times {
				require.NoError(t, c.WriteMessage(gorilla.BinaryMessage, payload))
				_, got, err := c.ReadMessage()
				require.NoError(t, err)
				require.Equal(t, payload, got)
			}
			mid()
		},
	}
	for server, echo := range servers {
		for client, talk := range clients {
			t.Run(server+" and "+client, func(t *testing.T) {
				s := serve(t, copyingOnly(metrics.Router(onRoute("GET /ws/{room}", echo))))
				talk(t, "ws"+strings.TrimPrefix(s.URL, "http")+"/ws/7", func() {
					require.EqualValues(t, 1, socketValue(t, s, "connections_active", "/ws/{room}"))
					require.EqualValues(t, 1, socketValue(t, s, "connections_total", "/ws/{room}"))
					require.Equal(t, []string{"1 code=101 method=GET route=/ws/{room}"}, lines(t, s.m, "http_requests_total"), "at once")
				})
				s.await(t, 1)
				eventually(t, "the connection is closed", func() bool { return socketValue(t, s, "connections_active", "/ws/{room}") == 0 })
				in, out := socketValue(t, s, "received_bytes_total", "/ws/{room}"), socketValue(t, s, "sent_bytes_total", "/ws/{room}")
				require.GreaterOrEqual(t, in, float64(size*times))
				require.Less(t, in, float64(size*times+1000))
				require.GreaterOrEqual(t, out, float64(size*times))
				require.Less(t, out, float64(size*times+1000))
				n, _ := histogram(t, s.m, "websocket_connection_duration_seconds", "route=/ws/{room}")
				require.EqualValues(t, 1, n)
				n, _ = histogram(t, s.m, "http_stream_duration_seconds")
				require.Zero(t, n)
				s.requireCounted(t, "1 GET /ws/{room} 101")
				s.requireFailures(t)
				_, out = s.sums(t)
				require.Zero(t, out, "these bytes are counted elsewhere")
			})
		}
	}
}

// hijacked upgrades a raw connection and gives it to f.
func hijacked(f func(net.Conn, *bufio.ReadWriter)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(c, switching)
		f(c, rw)
	}
}

const (
	upgradeRequest = "GET /up HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n"
	switching      = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n"
)

func (s *site) upgrade(t *testing.T, early string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, r := s.dial(t, upgradeRequest+early)
	answer, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	require.Equal(t, 101, answer.StatusCode)
	return c, r
}

// Trap 20: the gauge goes down on Close, even when the handler returned earlier.
func TestAConnectionOutlivesItsHandlerAndIsClosedOnce(t *testing.T) {
	conns := make(chan net.Conn, 1)
	s := serve(t, onRoute("/up", hijacked(func(c net.Conn, _ *bufio.ReadWriter) { conns <- c })))
	s.upgrade(t, "")
	s.await(t, 1)
	c := <-conns
	require.EqualValues(t, 1, socketValue(t, s, "connections_active", "/up"))
	require.Zero(t, value(t, s.m, "http_requests_in_flight"), "the handler returned")
	n, _ := histogram(t, s.m, "websocket_connection_duration_seconds")
	require.Zero(t, n)

	var closing sync.WaitGroup
	var failed sync.Map
	for i := range 8 {
		closing.Go(func() {
			if err := c.Close(); err != nil {
				failed.Store(i, err)
			}
		})
	}
	closing.Wait()
	require.ErrorIs(t, c.Close(), net.ErrClosed, "as the connection underneath has it")
	n, _ = histogram(t, s.m, "websocket_connection_duration_seconds")
	require.EqualValues(t, 1, n)
	s.requireCounted(t, "1 GET /up 101")
	times := 0
	failed.Range(func(_, err any) bool { times++; return errors.Is(err.(error), net.ErrClosed) })
	require.Equal(t, 7, times)
}

// Trap 20: what the client sent right behind its handshake is neither lost nor
// uncounted, however it is read.
func TestEarlyBytesAreKeptAndCountedOnce(t *testing.T) {
	early := strings.Repeat("early", 100)
	readers := map[string]func(net.Conn, *bufio.ReadWriter) []byte{
		"by the buffer": func(_ net.Conn, rw *bufio.ReadWriter) []byte {
			if rw.Reader.Buffered() != len(early) { // as some ask first; it came in one packet
				return nil
			}
			p := make([]byte, len(early)+len("later"))
			_, _ = io.ReadFull(rw, p)
			return p
		},
		"by peeking, then the connection": func(c net.Conn, rw *bufio.ReadWriter) []byte {
			for rw.Reader.Buffered() < len(early) { // may come in pieces
				_, _ = rw.Peek(rw.Reader.Buffered() + 1)
			}
			held, _ := rw.Peek(rw.Reader.Buffered())
			held = bytes.Clone(held)
			rest := make([]byte, len(early)+len("later")-len(held))
			_, _ = io.ReadFull(c, rest)
			return append(held, rest...)
		},
		"by WriteTo of the buffer": func(_ net.Conn, rw *bufio.ReadWriter) []byte {
			var all bytes.Buffer
			_, _ = io.CopyN(&all, rw, int64(len(early)+len("later")))
			return all.Bytes()
		},
	}
	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			got := make(chan []byte, 1)
			s := serve(t, onRoute("/up", hijacked(func(c net.Conn, rw *bufio.ReadWriter) {
				defer c.Close()
				got <- read(c, rw)
				_, _ = rw.WriteString("buffered answer")
				_ = rw.Flush()
			})))
			c, r := s.upgrade(t, early)
			_, err := io.WriteString(c, "later")
			require.NoError(t, err)
			answer, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, "buffered answer", string(answer))
			require.Equal(t, early+"later", string(<-got))
			s.await(t, 1)
			require.EqualValues(t, len(early)+len("later"), socketValue(t, s, "received_bytes_total", "/up"))
			require.EqualValues(t, len(switching)+len("buffered answer"), socketValue(t, s, "sent_bytes_total", "/up"))
			s.requireCounted(t, "1 GET /up 101")
		})
	}
}

func TestTheConnectionKeepsWhatTheOneUnderneathCanDo(t *testing.T) {
	t.Run("TCP", func(t *testing.T) {
		s := serve(t, onRoute("/up", hijacked(func(c net.Conn, _ *bufio.ReadWriter) {
			defer c.Close()
			if _, ok := c.(syscall.Conn); !ok {
				_, _ = io.WriteString(c, "no syscall.Conn ")
			}
			if _, ok := c.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn); !ok {
				_, _ = io.WriteString(c, "no TCP underneath ")
			}
			_, _ = io.WriteString(c, "end")
			_ = c.(interface{ CloseWrite() error }).CloseWrite()
			_, _ = io.Copy(io.Discard, c) // still open the other way
		})))
		c, r := s.upgrade(t, "")
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "end", string(got))
		require.EqualValues(t, 1, socketValue(t, s, "connections_active", "/up"), "half closed is open")
		_, err = io.WriteString(c, "after the half close")
		require.NoError(t, err)
		require.NoError(t, c.(*net.TCPConn).CloseWrite())
		s.await(t, 1)
		require.EqualValues(t, len("after the half close"), socketValue(t, s, "received_bytes_total", "/up"))
		s.requireCounted(t, "1 GET /up 101")
	})
	t.Run("TLS", func(t *testing.T) {
		s, h := measured(t, onRoute("/up", hijacked(func(c net.Conn, rw *bufio.ReadWriter) {
			defer c.Close()
			_, raw := c.(syscall.Conn)
			_, secure := c.(interface{ NetConn() net.Conn }).NetConn().(*tls.Conn)
			_, _ = fmt.Fprint(rw, raw, secure)
			_ = rw.Flush()
			_ = c.(interface{ CloseWrite() error }).CloseWrite()
		})))
		start := httptest.NewTLSServer(h)
		defer start.Close()
		c, err := tls.Dial("tcp", start.Listener.Addr().String(), &tls.Config{RootCAs: start.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com"})
		require.NoError(t, err)
		defer c.Close()
		_, err = io.WriteString(c, upgradeRequest)
		require.NoError(t, err)
		r := bufio.NewReader(c)
		_, err = http.ReadResponse(r, nil)
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "false true", string(got))
		s.await(t, 1)
		require.EqualValues(t, len(switching)+len(got), socketValue(t, s, "sent_bytes_total", "/up"), "what TLS adds is not counted")
		s.requireCounted(t, "1 GET /up 101")
	})
	t.Run("a pipe, which cannot", func(t *testing.T) {
		m := newMetrics(t, metrics.Options{DisableRuntime: true})
		ours, theirs := net.Pipe()
		defer theirs.Close()
		h := m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			c, rw, err := w.(http.Hijacker).Hijack()
			require.NoError(t, err)
			require.Nil(t, rw)
			_, half := c.(interface{ CloseWrite() error })
			_, raw := c.(syscall.Conn)
			require.False(t, half || raw)
			require.NoError(t, c.Close())
		}))
		h.ServeHTTP(hijackable{httptest.NewRecorder(), ours}, httptest.NewRequest("GET", "/", nil))
		requireCounted(t, m, "1 GET unrouted 101")
	})
}

// hijackable gives away a connection without a buffer.
type hijackable struct {
	*httptest.ResponseRecorder
	c net.Conn
}

func (w hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.c == nil {
		return nil, nil, errors.New("in use")
	}
	return w.c, nil, nil
}

func TestAFailedHijackIsNone(t *testing.T) {
	m := newMetrics(t, metrics.Options{DisableRuntime: true})
	h := m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _, err := http.NewResponseController(w).Hijack()
		require.EqualError(t, err, "in use")
		http.Error(w, "no", http.StatusInternalServerError)
	}))
	h.ServeHTTP(hijackable{httptest.NewRecorder(), nil}, httptest.NewRequest("GET", "/", nil))
	requireCounted(t, m, "1 GET unrouted 500")
	require.Empty(t, lines(t, m, "websocket_connections_total"))
}

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
