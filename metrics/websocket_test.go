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
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

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
