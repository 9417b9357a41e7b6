package health_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// Trap 37: one hard deadline for everything, and an error that says what was
// left when it came.
func TestTheTimeoutHoldsWhateverHangs(t *testing.T) {
	type hung struct {
		*service
		release chan struct{}
	}
	request := func(t *testing.T, h hung) { h.get(t, "/hang"); synctest.Wait() }
	closer := func(_ *testing.T, h hung) {
		h.hc.OnShutdown("deaf closer", func(context.Context) error { <-h.release; return nil })
	}
	socket := func(t *testing.T, h hung) { // nobody reads a goodbye, nobody writes
		h.send(t, "GET /socket HTTP/1.1\r\nHost: x\r\n\r\n").answer(t, "GET")
	}
	lifted := func(t *testing.T, h hung) { // and the handler lifts the deadline of it
		h.send(t, "GET /socket?lift HTTP/1.1\r\nHost: x\r\n\r\n").answer(t, "GET")
	}
	check := func(_ *testing.T, _ hung) { time.Sleep(3 * time.Second) } // see below
	tests := []struct {
		name   string
		hang   []func(*testing.T, hung)
		within time.Duration
		says   []string
	}{
		{"a request", []func(*testing.T, hung){request}, 22 * time.Second, []string{"health: 1 requests were cut off: context deadline exceeded"}},
		{"two requests", []func(*testing.T, hung){request, request}, 22 * time.Second, []string{"health: 2 requests were cut off"}},
		{"a closer", []func(*testing.T, hung){closer}, 25 * time.Second, []string{"health: shutdown: deaf closer: context deadline exceeded"}},
		{"a socket that is not read", []func(*testing.T, hung){socket}, 9 * time.Second, nil},
		{"a socket whose deadline is lifted", []func(*testing.T, hung){lifted}, 9 * time.Second, nil},
		{"a check", []func(*testing.T, hung){check}, 10 * time.Second, []string{"health: checks have not returned"}},
		{"everything", []func(*testing.T, hung){request, closer, closer, socket, lifted, check}, 25 * time.Second,
			[]string{"1 requests were cut off", "deaf closer: context deadline exceeded", "checks have not returned"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := hung{release: make(chan struct{})}
				o := forDrain(health.DrainOptions{})
				o.Checks = []health.Check{{Name: "deaf check", Timeout: time.Second, Func: func(context.Context) error {
					if tt.says != nil && tt.says[len(tt.says)-1] == "health: checks have not returned" || len(tt.hang) > 3 {
						<-h.release
					}
					return nil
				}}}
				h.service = newService(t, o, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/hang" {
						<-h.release
						return
					}
					c := upgrade(t, w)
					if r.URL.Query().Has("lift") {
						for range 60 {
							time.Sleep(100 * time.Millisecond)
							_ = c.SetWriteDeadline(time.Time{})
						}
					}
					<-h.release
				}).onPipes(t)
				for _, hang := range tt.hang {
					hang(t, h)
				}
				start := time.Now()
				err := h.hc.Drain(t.Context(), h.srv)
				require.LessOrEqual(t, time.Since(start), tt.within)
				if tt.says == nil {
					require.NoError(t, err, "a connection that was cut off is no lost request")
				}
				for _, say := range tt.says {
					require.ErrorContains(t, err, say)
				}
				close(h.release)
				synctest.Wait()
			})
		})
	}
}

// upgrade makes a WebSocket of the request, by hand.
func upgrade(t testing.TB, w http.ResponseWriter) net.Conn {
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", "websocket")
	w.WriteHeader(http.StatusSwitchingProtocols)
	c, _, err := http.NewResponseController(w).Hijack()
	require.NoError(t, err)
	return c
}

// Each gets its turn and time of its own, so that a flush that hangs does not
// keep a pool open.
func TestClosersAreCalledInReverseWhateverTheyDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, forDrain(health.DrainOptions{Wait: -1, Timeout: 10 * time.Second}), noHandler)
		var seen notes
		add := func(name string, f func(context.Context) error) {
			s.hc.OnShutdown(name, func(ctx context.Context) error {
				seen.add("%s", name)
				return f(ctx)
			})
		}
		release := make(chan struct{})
		add("first", func(ctx context.Context) error {
			require.NoError(t, ctx.Err())
			_, bounded := ctx.Deadline()
			require.True(t, bounded)
			time.Sleep(time.Second)
			require.NoError(t, ctx.Err())
			return nil
		})
		add("deaf", func(context.Context) error { <-release; return nil })
		start := time.Now()
		add("obedient", func(ctx context.Context) error {
			require.Zero(t, time.Since(start), "those before took no time")
			<-ctx.Done()
			return ctx.Err()
		})
		add("exits", func(context.Context) error { runtime.Goexit(); return nil })
		add("panics", func(context.Context) error { panic("boom") })
		add("fails", func(context.Context) error { return errGone })
		add("last", func(context.Context) error { return nil })
		err := s.hc.Drain(t.Context())
		require.LessOrEqual(t, time.Since(start), 10*time.Second)
		require.Equal(t, []string{"last", "fails", "panics", "exits", "obedient", "deaf", "first"}, seen.list())
		require.ErrorIs(t, err, errGone)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		for _, say := range []string{
			"health: shutdown: fails: " + errGone.Error(), "health: shutdown: panics: panic: boom", "health: shutdown: exits: ended its goroutine",
			"health: shutdown: obedient: context deadline exceeded", "health: shutdown: deaf: context deadline exceeded",
		} {
			require.ErrorContains(t, err, say)
		}
		require.NotContains(t, err.Error(), "first")
		require.NotContains(t, err.Error(), "last")
		close(release)
	})
}

// A closer that is done must not be called late because the clock was.
func TestAClosersOwnTimeIsAllThatIsLeftToTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, forDrain(health.DrainOptions{Wait: -1, Timeout: 10 * time.Second}), noHandler)
		start := time.Now()
		s.hc.OnShutdown("flush", func(ctx context.Context) error {
			end, _ := ctx.Deadline()
			require.Equal(t, start.Add(10*time.Second), end)
			time.Sleep(9900 * time.Millisecond)
			return nil
		})
		require.NoError(t, s.hc.Drain(t.Context()))
	})
}

// What the listener says is not told as lost requests.
func TestAListenerThatWasClosedBeforeIsNoLostRequest(t *testing.T) {
	s := newService(t, forDrain(health.DrainOptions{Wait: -1}), noHandler)
	l := brokenListener{accepting: make(chan struct{}), closed: make(chan struct{})}
	s.serve(t, l)
	<-l.accepting
	err := s.hc.Drain(t.Context(), s.srv)
	require.ErrorIs(t, err, errListener)
	require.NotContains(t, err.Error(), "cut off")
}

var errListener = errors.New("the listener is broken")

type brokenListener struct{ accepting, closed chan struct{} }

func (l brokenListener) Accept() (net.Conn, error) {
	close(l.accepting)
	<-l.closed
	return nil, net.ErrClosed
}
func (l brokenListener) Close() error {
	close(l.closed)
	return errListener
}
func (l brokenListener) Addr() net.Addr { return &net.UnixAddr{} }

// A connection on which nothing was asked is no request that was lost.
func TestAConnectionWithoutARequestIsNotCountedAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, forDrain(health.DrainOptions{Wait: -1, Timeout: 2 * time.Second}), noHandler).onPipes(t)
		c := s.connect(t)
		synctest.Wait()
		err := s.hc.Drain(t.Context(), s.srv)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "health: connections were cut off")
		_, err = c.ReadByte()
		require.ErrorIs(t, err, io.EOF)
	})
}

// Servers end in the order they are given: the one for operators last.
func TestServersAreShutDownInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, forDrain(health.DrainOptions{Wait: -1}), func(http.ResponseWriter, *http.Request) { time.Sleep(3 * time.Second) }).onPipes(t)
		admin := &service{hc: s.hc, root: s.root, srv: &http.Server{Handler: s.root}}
		admin.onPipes(t)
		running := s.get(t, "/")
		synctest.Wait()
		done := s.drain(t, t.Context(), s.srv, admin.srv)
		time.Sleep(time.Second)
		_, err := s.dial()
		require.ErrorIs(t, err, net.ErrClosed)
		require.Equal(t, 503, admin.get(t, "/health/readiness").answer(t, "GET").StatusCode, "still there while the first one ends")
		require.Equal(t, 200, running.answer(t, "GET").StatusCode)
		require.NoError(t, result(t, done))
		_, err = admin.dial()
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

// Nor does one that hangs keep another from being closed.
func TestAServerThatHangsIsClosedAndSoAreTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := newService(t, forDrain(health.DrainOptions{}), func(http.ResponseWriter, *http.Request) { <-release }).onPipes(t)
		other := (&service{hc: s.hc, root: s.root, srv: &http.Server{Handler: s.root}}).onPipes(t)
		here, there := s.get(t, "/"), other.get(t, "/")
		synctest.Wait()
		err := s.hc.Drain(t.Context(), s.srv, other.srv)
		require.ErrorContains(t, err, "2 requests were cut off")
		for _, c := range []peer{here, there} {
			_, err := c.ReadByte()
			require.ErrorIs(t, err, io.EOF)
		}
		close(release)
	})
}

// Trap 35: without a Middleware nobody knows whether requests still come, so that
// probes alone do not end the wait.
func TestAWaitWithoutAMiddlewareIsNotCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := forDrain(health.DrainOptions{Wait: 5 * time.Second})
		hc, err := health.New(o)
		require.NoError(t, err)
		start, done := time.Now(), make(chan error, 1)
		go func() { done <- hc.Drain(t.Context()) }()
		for range 10 {
			time.Sleep(100 * time.Millisecond)
			w := httptest.NewRecorder()
			hc.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/health/readiness", nil))
			require.Equal(t, 503, w.Code)
		}
		require.NoError(t, result(t, done))
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}
