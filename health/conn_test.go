package health_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
	"github.com/sluice-go/sluice/internal/testutil"
)

// taken serves connections that the handler takes over as they are.
func taken(t testing.TB, o health.DrainOptions, f func(net.Conn, *bufio.ReadWriter)) *service {
	return newService(t, forDrain(o), func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		f(c, rw)
	})
}

// Trap 36: what is no WebSocket gets no frame, and time to end by itself.
func TestATunnelIsClosedAfterItsGrace(t *testing.T) {
	answers := map[string]func(w http.ResponseWriter) net.Conn{
		"answered by the handler itself": func(w http.ResponseWriter) net.Conn {
			c, _, err := http.NewResponseController(w).Hijack()
			require.NoError(t, err)
			_, err = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			require.NoError(t, err)
			return c
		},
		"answered before it is taken": func(w http.ResponseWriter) net.Conn {
			w.WriteHeader(http.StatusOK)
			require.NoError(t, http.NewResponseController(w).Flush())
			c, _, err := http.NewResponseController(w).Hijack()
			require.NoError(t, err)
			return c
		},
		"another protocol": func(w http.ResponseWriter) net.Conn {
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "test")
			w.WriteHeader(http.StatusSwitchingProtocols)
			c, _, err := http.NewResponseController(w).Hijack()
			require.NoError(t, err)
			return c
		},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// What the other side says may look like anything.
				disguise := "HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n\x81\x05hello"
				s := newService(t, forDrain(health.DrainOptions{Wait: -1}), noHandler)
				s.srv.Handler = s.hc.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { // a mux has no path for CONNECT
					c := answer(w)
					defer c.Close()
					ours, theirs := net.Pipe()
					defer ours.Close()
					go func() { // the other side of the tunnel
						_, _ = io.WriteString(theirs, disguise)
						_, _ = io.Copy(theirs, theirs)
						_ = theirs.Close()
					}()
					go func() { _, _ = io.Copy(ours, c); _ = ours.Close() }()
					_, _ = io.Copy(c, ours)
				}))
				s.onPipes(t)
				p := s.send(t, "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
				require.Less(t, p.answer(t, "CONNECT").StatusCode, 300)
				got := make([]byte, len(disguise))
				_, err := io.ReadFull(p, got)
				require.NoError(t, err)
				require.Equal(t, disguise, string(got))
				start := time.Now()
				done := s.drain(t, t.Context(), s.srv)
				for i := range 5 { // it goes on working meanwhile
					echo := fmt.Sprintf("piece %d", i)
					_, err := io.WriteString(p, echo)
					require.NoError(t, err)
					got := make([]byte, len(echo))
					_, err = io.ReadFull(p, got)
					require.NoError(t, err)
					require.Equal(t, echo, string(got))
					time.Sleep(500 * time.Millisecond)
				}
				p.requireEOF(t)
				require.NoError(t, result(t, done))
				require.WithinDuration(t, start.Add(3*time.Second), time.Now(), 100*time.Millisecond)
			})
		})
	}
}

// A tunnel that ends by itself is not waited for any longer.
func TestATunnelThatEndsIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := taken(t, health.DrainOptions{Wait: -1}, func(c net.Conn, _ *bufio.ReadWriter) {
			time.Sleep(time.Second)
			_ = c.Close()
		}).onPipes(t)
		s.get(t, "/")
		synctest.Wait()
		start := time.Now()
		require.NoError(t, s.hc.Drain(t.Context(), s.srv))
		require.Equal(t, time.Second, time.Since(start))
	})
}

// A connection outlives its handler, and is known until it is closed.
func TestAConnectionIsKnownUntilItsClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := make(chan net.Conn, 2)
		s := taken(t, health.DrainOptions{Wait: -1}, func(c net.Conn, _ *bufio.ReadWriter) { conns <- c }).onPipes(t)
		closed, open := s.get(t, "/"), s.get(t, "/")
		first := <-conns
		second := <-conns
		require.NoError(t, first.Close())
		require.NotPanics(t, func() { _ = first.Close() })
		start := time.Now()
		require.NoError(t, s.hc.Drain(t.Context(), s.srv))
		require.Equal(t, 3*time.Second, time.Since(start), "of the second one")
		_, err := second.Write([]byte("x"))
		require.Error(t, err)
		for _, p := range []peer{closed, open} {
			_, err := p.ReadByte()
			require.ErrorIs(t, err, io.EOF)
		}
	})
}

// What a handler that only writes must learn, lest it goes on for ever.
func TestAWriteAfterTheEndFails(t *testing.T) {
	for name, end := range map[string]func(net.Conn){"cut off": func(net.Conn) {}, "closed by the handler": func(c net.Conn) { _ = c.Close() }} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wrote, ended := make(chan error, 1), make(chan struct{})
				s := newService(t, forDrain(health.DrainOptions{Wait: -1}), func(w http.ResponseWriter, _ *http.Request) {
					defer close(ended)
					c := upgrade(t, w)
					time.Sleep(time.Second) // the goodbye was said
					n, err := c.Write([]byte("\x81\x01x"))
					require.Equal(t, 3, n)
					wrote <- err
					end(c)
					for err == nil {
						_, err = c.Write([]byte("\x81\x01x"))
						time.Sleep(time.Millisecond)
					}
					require.ErrorIs(t, err, net.ErrClosed)
				}).onPipes(t)
				p := s.get(t, "/")
				require.Equal(t, 101, p.answer(t, "GET").StatusCode)
				done := s.begin(t.Context(), s.srv)
				got, err := io.ReadAll(p)
				require.NoError(t, err)
				require.Equal(t, "\x88\x02\x03\xe9", string(got), "what follows a Close frame is not sent")
				require.NoError(t, <-wrote)
				require.NoError(t, result(t, done))
				<-ended
			})
		})
	}
}

// A frame that comes from ReadFrom is a frame, and so is the pause in it.
func TestAHandlerThatCopiesIsToldBetweenFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		frames := []byte("\x82\x05hello\x82\x7e\x00\x05world")
		source, sink := io.Pipe()
		s := newService(t, forDrain(health.DrainOptions{Wait: -1}), func(w http.ResponseWriter, _ *http.Request) {
			c := upgrade(t, w)
			defer c.Close()
			_, _ = c.(io.ReaderFrom).ReadFrom(source)
		}).onPipes(t)
		p := s.get(t, "/")
		require.Equal(t, 101, p.answer(t, "GET").StatusCode)
		go func() {
			_, _ = sink.Write(frames[:9]) // into the head of the second frame
			time.Sleep(2 * time.Second)
			_, _ = sink.Write(frames[9:])
		}()
		_, err := p.Peek(9)
		require.NoError(t, err)
		start := time.Now()
		done := s.begin(t.Context(), s.srv)
		got := make([]byte, len(frames)+4)
		_, err = io.ReadFull(p, got)
		require.NoError(t, err)
		require.Equal(t, string(frames)+"\x88\x02\x03\xe9", string(got))
		require.Equal(t, 2*time.Second, time.Since(start))
		p.requireEOF(t)
		require.NoError(t, result(t, done))
		require.NoError(t, sink.Close())
		synctest.Wait()
	})
}

// What the client sent right behind its request is not lost, however it is read.
func TestEarlyBytesReachTheHandler(t *testing.T) {
	early := bytes.Repeat([]byte("early"), 100)
	for name, read := range map[string]func(net.Conn, *bufio.ReadWriter) io.Reader{
		"by the buffer": func(_ net.Conn, rw *bufio.ReadWriter) io.Reader { return rw },
		"through the connection": func(c net.Conn, rw *bufio.ReadWriter) io.Reader {
			return io.MultiReader(io.LimitReader(rw, int64(rw.Reader.Buffered())), c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := taken(t, health.DrainOptions{Wait: -1}, func(c net.Conn, rw *bufio.ReadWriter) {
				defer c.Close()
				got := make([]byte, len(early)+len("later"))
				_, _ = io.ReadFull(read(c, rw), got)
				_, _ = rw.Write(got)
				_ = rw.Flush()
			}).onTCP(t)
			p := s.send(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n%s", early)
			_, err := io.WriteString(p, "later")
			require.NoError(t, err)
			got, err := io.ReadAll(p)
			require.NoError(t, err)
			require.Equal(t, string(early)+"later", string(got))
		})
	}
}

// A megabyte each way, through the kernel where it can do that.
func TestACopyBothWaysIsWhole(t *testing.T) {
	const size = 1<<20 + 17
	s := taken(t, health.DrainOptions{Wait: -1}, func(c net.Conn, _ *bufio.ReadWriter) {
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		_, _ = io.Copy(c, c)
	}).onTCP(t)
	p := s.get(t, "/")
	require.Equal(t, 200, p.answer(t, "CONNECT").StatusCode)
	sent := make([]byte, size)
	for i := range sent {
		sent[i] = byte(i * 7)
	}
	var writing sync.WaitGroup
	writing.Go(func() { _, _ = p.Write(sent); _ = p.Conn.(*net.TCPConn).CloseWrite() })
	got, err := io.ReadAll(p)
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got))
	writing.Wait()
}

// prefilled gives away a connection whose buffer holds part of an answer, and so
// cannot be looked at.
type prefilled struct {
	deaf
	c net.Conn
}

func (w prefilled) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	rw := bufio.NewReadWriter(bufio.NewReader(w.c), bufio.NewWriter(w.c))
	_, _ = rw.WriteString("held back ")
	return w.c, rw, nil
}

func TestWhatCannotBeSeenIsNotInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, forDrain(health.DrainOptions{Wait: -1}), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Upgrade", "websocket")
			w.WriteHeader(http.StatusSwitchingProtocols)
			c, rw, err := w.(http.Hijacker).Hijack()
			require.NoError(t, err)
			time.Sleep(time.Second)
			_, _ = c.Write([]byte("\x81\x00"))
			_, _ = rw.WriteString("and whole")
			_ = rw.Flush()
		})
		ours, theirs := net.Pipe()
		go s.root.ServeHTTP(prefilled{deaf{http.Header{}}, ours}, httptest.NewRequest("GET", "/", nil))
		synctest.Wait()
		done := s.begin(t.Context())
		got, err := io.ReadAll(theirs)
		require.NoError(t, err)
		require.Equal(t, "\x81\x00held back and whole", string(got))
		require.NoError(t, result(t, done))
	})
}

func TestAConnectionKeepsWhatTheOneUnderneathCanDo(t *testing.T) {
	abilities := func(c net.Conn) string {
		_, raw := c.(syscall.Conn)
		_, half := c.(interface{ CloseWrite() error })
		under := c.(interface{ NetConn() net.Conn }).NetConn()
		return fmt.Sprintf("%t %t %T", raw, half, under)
	}
	got := make(chan string, 1)
	h := newDrainable(t, health.DrainOptions{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		require.NoError(t, err)
		got <- abilities(c)
		_ = c.Close()
	}))
	plain := testutil.Start(t, h)
	_, err := plain.Client().Get(plain.URL)
	require.Error(t, err)
	require.Equal(t, "true true *net.TCPConn", <-got)
	secure := httptest.NewTLSServer(h)
	defer secure.Close()
	_, err = secure.Client().Get(secure.URL)
	require.Error(t, err)
	require.Equal(t, fmt.Sprintf("false true %T", &tls.Conn{}), <-got)
}
