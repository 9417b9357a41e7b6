package health_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// Peers that do not do what they should must not hold up the end of a process.
func TestAPeerThatNeverAnswersTheGoodbyeIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, forDrain(health.DrainOptions{Wait: -1}), gorillaEchoes).onPipes(t)
		p := shake(t, s, "/", false)
		start := time.Now()
		done := s.begin(t.Context(), s.srv)
		goodbye := make([]byte, 4)
		_, err := io.ReadFull(p, goodbye)
		require.NoError(t, err)
		require.Equal(t, "\x88\x02\x03\xe9", string(goodbye))
		require.Zero(t, time.Since(start), "at once")
		for { // it goes on talking, and the handler goes on answering, to nobody
			if _, err := p.Write([]byte("\x81\x81\x00\x00\x00\x00x")); err != nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		p.requireEOF(t)
		require.WithinDuration(t, start.Add(3*time.Second), time.Now(), 200*time.Millisecond)
		require.NoError(t, result(t, done))
	})
}

// One deaf peer takes nothing from the others.
func TestAPeerThatReadsNothingDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, forDrain(health.DrainOptions{Wait: -1}), gorillaEchoes).onPipes(t)
		for range 20 {
			shake(t, s, "/", false) // and never reads again: on a pipe the first byte blocks
		}
		c := dialGorilla(t, s, "/")
		start := time.Now()
		done := s.begin(t.Context(), s.srv)
		requireGoneAway(t, c)
		require.Zero(t, time.Since(start))
		require.NoError(t, result(t, done))
		require.LessOrEqual(t, time.Since(start), 4*time.Second, "1 s for the goodbye, 3 s to close")
	})
}

// The Close of TLS waits 5 s for a peer to take its alert.
func TestPeersThatReadNothingOfTLSAreCutOffTogether(t *testing.T) {
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	client := certified.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.ServerName = "example.com"
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, forDrain(health.DrainOptions{Wait: -1}), func(w http.ResponseWriter, r *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			require.NoError(t, err)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		})
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		s.dial = func() (net.Conn, error) {
			c, err := l.dial()
			return tls.Client(c, client), err
		}
		s.serve(t, tls.NewListener(l, &tls.Config{Certificates: certified.TLS.Certificates}))
		for range 20 {
			p := s.get(t, "/")
			require.Equal(t, 200, p.answer(t, "CONNECT").StatusCode)
		}
		start := time.Now()
		require.NoError(t, s.hc.Drain(t.Context(), s.srv))
		require.LessOrEqual(t, time.Since(start), 4*time.Second)
	})
}

// The same with real buffers that are full, and handlers that block in a write,
// or have given up.
func TestFullBuffersKeepTheBound(t *testing.T) {
	handlers := map[string]func(*gorilla.Conn, chan struct{}){
		"blocked in a write": func(c *gorilla.Conn, full chan struct{}) {
			close(full) // almost: the drain is welcome at any time
			for c.WriteMessage(gorilla.BinaryMessage, make([]byte, 100_000)) == nil {
			}
			_ = c.Close()
		},
		"has given up": func(c *gorilla.Conn, full chan struct{}) {
			_ = c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
			for c.WriteMessage(gorilla.BinaryMessage, make([]byte, 100_000)) == nil {
			}
			close(full)
			_, _, _ = c.ReadMessage() // until the connection is cut off
			_ = c.Close()
		},
	}
	for name, fill := range handlers {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", TLS ", secure), func(t *testing.T) {
				const peers = 4
				full, ended := make(chan chan struct{}, peers), make(chan struct{}, peers)
				hc := newDrainable(t, health.DrainOptions{Wait: -1, Timeout: 2 * time.Second})
				srv := httptest.NewUnstartedServer(hc.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					c, err := (&gorilla.Upgrader{}).Upgrade(w, r, nil)
					require.NoError(t, err)
					is := make(chan struct{})
					full <- is
					fill(c, is)
					ended <- struct{}{}
				})))
				if secure {
					srv.StartTLS()
				} else {
					srv.Start()
				}
				t.Cleanup(srv.Close)
				s := &service{hc: hc, dial: func() (net.Conn, error) {
					if secure {
						return tls.Dial("tcp", srv.Listener.Addr().String(), srv.Client().Transport.(*http.Transport).TLSClientConfig)
					}
					return net.Dial("tcp", srv.Listener.Addr().String())
				}}
				if secure {
					srv.Client().Transport.(*http.Transport).TLSClientConfig.ServerName = "example.com"
				}
				for range peers {
					shake(t, s, "/", false)
					<-<-full
				}
				start := time.Now()
				require.NoError(t, hc.Drain(t.Context(), srv.Config))
				require.Less(t, time.Since(start), 3*time.Second)
				for range peers {
					select {
					case <-ended:
					case <-time.After(eventually):
						require.FailNow(t, "a handler does not end")
					}
				}
			})
		}
	}
}

// Thousands are told at the same time.
func TestManyWebSocketsAreToldAtOnce(t *testing.T) {
	const many = 2000
	synctest.Test(t, func(t *testing.T) {
		var handlers sync.WaitGroup
		handlers.Add(many)
		s := newService(t, forDrain(health.DrainOptions{Wait: -1}), func(w http.ResponseWriter, _ *http.Request) {
			defer handlers.Done()
			c := upgrade(t, w)
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}).onPipes(t)
		peers := make([]peer, many)
		for i := range peers {
			peers[i] = s.get(t, "/")
			require.Equal(t, 101, peers[i].answer(t, "GET").StatusCode)
		}
		start := time.Now()
		done := s.begin(t.Context(), s.srv)
		var reading sync.WaitGroup
		for _, p := range peers {
			reading.Go(func() {
				var got bytes.Buffer
				_, _ = io.CopyN(&got, p, 4)
				require.Equal(t, "\x88\x02\x03\xe9", got.String())
				_ = p.Close()
			})
		}
		reading.Wait()
		require.NoError(t, result(t, done))
		require.Less(t, time.Since(start), 100*time.Millisecond)
		handlers.Wait()
	})
}
