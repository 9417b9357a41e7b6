package health_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
	"github.com/sluice-go/sluice/internal/testutil"
)

// RFC 6455 §5.4: a control frame may stand between the fragments of a message,
// and a long message must not hold up the drain.
func TestALongMessageIsBrokenOffBetweenTwoFragments(t *testing.T) {
	const piece = 10_000
	next := make(chan struct{})
	begin := map[string]func(http.ResponseWriter, *http.Request) (io.WriteCloser, func()){
		"gorilla": func(w http.ResponseWriter, r *http.Request) (io.WriteCloser, func()) {
			c, err := (&gorilla.Upgrader{WriteBufferSize: 1024, EnableCompression: true}).Upgrade(w, r, nil)
			require.NoError(t, err)
			m, err := c.NextWriter(gorilla.BinaryMessage)
			require.NoError(t, err)
			return m, func() {
				_, _, err := c.ReadMessage()
				require.True(t, gorilla.IsCloseError(err, gorilla.CloseGoingAway), "the peer's answer: %v", err)
				_ = c.Close()
			}
		},
		"coder": func(w http.ResponseWriter, r *http.Request) (io.WriteCloser, func()) {
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionNoContextTakeover})
			require.NoError(t, err)
			m, err := c.Writer(context.Background(), websocket.MessageBinary)
			require.NoError(t, err)
			return m, func() {
				_, _, err := c.Read(context.Background())
				require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err), "the peer's answer: %v", err)
				_ = c.CloseNow()
			}
		},
	}
	for name, begin := range begin {
		for _, deflate := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", deflate ", deflate), func(t *testing.T) {
				s := newService(t, forDrain(health.DrainOptions{Wait: -1}), func(w http.ResponseWriter, r *http.Request) {
					m, end := begin(w, r)
					for range next {
						_, err := m.Write(bytes.Repeat([]byte("m"), piece))
						require.NoError(t, err, "the handler is not disturbed")
					}
					require.NoError(t, m.Close())
					end()
				}).onTCP(t)
				next = make(chan struct{})
				p := shake(t, s, "/", deflate)
				next <- struct{}{}
				next <- struct{}{} // the first piece is written
				done := s.begin(t.Context(), s.srv)
				s.awaitGone(t)
				for range 5 {
					next <- struct{}{}
				}
				close(next)
				frames := readFrames(t, p)
				require.NoError(t, result(t, done))
				requireOneGoodbye(t, frames, 1001)
				if !deflate {
					require.GreaterOrEqual(t, len(frames), 2)
					require.Zero(t, frames[0].first&0x80, "a fragment")
				}
			})
		}
	}
}

// awaitGone waits until the listener is closed.
func (s *service) awaitGone(t testing.TB) {
	t.Helper()
	require.Eventually(t, func() bool {
		c, err := s.dial()
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	}, eventually, tick)
}

// RFC 6455 §5.5.1: no frame follows a Close frame, not a second one either.
func TestAServerThatSaidGoodbyeItselfSaysItOnce(t *testing.T) {
	said, gone := make(chan struct{}), make(chan struct{})
	servers := map[string]http.HandlerFunc{
		"gorilla": func(w http.ResponseWriter, r *http.Request) {
			c, err := (&gorilla.Upgrader{}).Upgrade(w, r, nil)
			require.NoError(t, err)
			defer c.Close()
			require.NoError(t, c.WriteMessage(gorilla.CloseMessage, gorilla.FormatCloseMessage(gorilla.CloseNormalClosure, "bye")))
			close(said)
			<-gone
			_, _, _ = c.ReadMessage()
		},
		"coder": func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			require.NoError(t, err)
			defer c.CloseNow()
			time.AfterFunc(20*time.Millisecond, func() { close(said) }) // Close waits for the answer
			_ = c.Close(websocket.StatusNormalClosure, "bye")
		},
	}
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			said, gone = make(chan struct{}), make(chan struct{})
			s := newService(t, forDrain(health.DrainOptions{Wait: -1}), server).onTCP(t)
			p := shake(t, s, "/", false)
			<-said
			done := s.begin(t.Context(), s.srv)
			s.awaitGone(t)
			close(gone)
			frames := readFrames(t, p)
			require.NoError(t, result(t, done))
			require.Len(t, frames, 1)
			requireOneGoodbye(t, frames, 1000)
		})
	}
}

// A request that was running when the servers were shut down may still become a
// WebSocket, and is then told at once.
func TestAnUpgradeThatComesTooLateIsToldToGo(t *testing.T) {
	for name, echoes := range map[string]http.HandlerFunc{"coder": coderEchoes, "gorilla": gorillaEchoes} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t, forDrain(health.DrainOptions{Wait: -1}), func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(2 * time.Second)
					echoes(w, r)
				}).onPipes(t)
				done := make(chan error, 1)
				time.AfterFunc(time.Second, func() { done <- s.hc.Drain(t.Context(), s.srv) })
				start := time.Now()
				p := shake(t, s, "/", false)
				require.Equal(t, 2*time.Second, time.Since(start))
				frames := readFrames(t, p)
				require.Equal(t, 2*time.Second, time.Since(start), "at once")
				require.NoError(t, result(t, done))
				require.Len(t, frames, 1)
				requireOneGoodbye(t, frames, 1001)
			})
		})
	}
}

// While requests are still taken, so are WebSockets.
func TestAnUpgradeInTheWaitWorksUntilItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, forDrain(health.DrainOptions{}), gorillaEchoes).onPipes(t)
		done := s.drain(t, t.Context(), s.srv)
		c := dialGorilla(t, s, "/") // which checks the handshake: Connection: Upgrade is left alone
		time.Sleep(2 * time.Second)
		require.NoError(t, c.WriteMessage(gorilla.TextMessage, []byte("hello")))
		_, got, err := c.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, "hello", string(got))
		requireGoneAway(t, c)
		require.NoError(t, result(t, done))
	})
}

// The middleware may be there twice; the goodbye is not.
func TestTwoMiddlewaresSayGoodbyeOnce(t *testing.T) {
	for name, talker := range talkers {
		t.Run(name, func(t *testing.T) {
			s := newService(t, forDrain(health.DrainOptions{Wait: -1}), noHandler)
			s.srv.Handler = s.hc.Middleware(s.hc.Middleware(talker))
			s.onTCP(t)
			p := shake(t, s, "/", false)
			_, err := p.Peek(1)
			require.NoError(t, err)
			done := s.begin(t.Context(), s.srv)
			frames := readFrames(t, p)
			require.NoError(t, result(t, done))
			requireOneGoodbye(t, frames, 1001)
		})
	}
}

// A gateway writes the answer of another server, and copies what follows.
func TestAWebSocketThroughAReverseProxyIsToldToGo(t *testing.T) {
	backend := testutil.Start(t, talkers["coder"])
	to, err := url.Parse(backend.URL)
	require.NoError(t, err)
	p := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }}
	s := newService(t, forDrain(health.DrainOptions{Wait: -1}), p.ServeHTTP).onTCP(t)
	c := shake(t, s, "/", false)
	_, err = c.Peek(1)
	require.NoError(t, err)
	done := s.begin(t.Context(), s.srv)
	frames := readFrames(t, c)
	require.NoError(t, result(t, done))
	requireOneGoodbye(t, frames, 1001)
}
