package health_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

func noHandler(http.ResponseWriter, *http.Request) {}

// Trap 5: a kubelet asks for readiness after the deletion of a pod began, and a
// liveness that turned red would only kill what is to end well.
func TestADrainTurnsReadinessRedAtOnceAndNothingElse(t *testing.T) {
	codes := map[string]int{
		"/health": 503, "/health/readiness": 503, "/readyz": 503, "/healthz": 503,
		"/health/liveness": 200, "/livez": 200, "/health/startup": 200, "/startupz": 200,
	}
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, forDrain(health.DrainOptions{}), noHandler)
		for path := range codes {
			for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
				w := s.probe(method, path)
				require.Equal(t, 200, w.Code, path)
				require.Empty(t, w.Header()["Connection"], path)
			}
		}
		done := make(chan error, 1)
		go func() { done <- s.hc.Drain(t.Context()) }()
		synctest.Wait() // no time has passed
		for path, code := range codes {
			for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
				w := s.probe(method, path)
				require.Equal(t, code, w.Code, path)
				require.Equal(t, []string{"close"}, w.Header()["Connection"], path)
				require.Equal(t, "no-store", w.Header().Get("Cache-Control"), path)
			}
		}
		require.Contains(t, s.probe("GET", "/health/readiness").Body.String(), `"reason":"draining"`)
		for path, code := range map[string]int{"/health/nonsense": 404, "/health/detailed": 403} {
			w := s.probe("GET", path)
			require.Equal(t, code, w.Code)
			require.Equal(t, []string{"close"}, w.Header()["Connection"], path)
		}
		require.Equal(t, []string{"close"}, s.probe("POST", "/health").Header()["Connection"])
		require.NoError(t, result(t, done))
		require.Equal(t, 503, s.ready(), "closed")
		require.Equal(t, 200, s.probe("GET", "/health/liveness").Code)
	})
}

// Trap 6: with one replica, Kubernetes goes on sending requests only as long as
// it is ready (KEP-1669).
func TestAServiceCanStayReadyWhileItDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, forDrain(health.DrainOptions{StayReady: true}), noHandler)
		done := s.drain(t, t.Context())
		for range 40 {
			time.Sleep(100 * time.Millisecond)
			for _, path := range []string{"/health", "/health/readiness", "/readyz"} {
				w := s.probe("GET", path)
				require.Equal(t, 200, w.Code, path)
				require.Equal(t, []string{"close"}, w.Header()["Connection"], path)
			}
			require.Equal(t, "close", s.probe("GET", "/").Header().Get("Connection"))
		}
		require.NoError(t, result(t, done))
		require.Equal(t, 503, s.ready(), "closed at last")
	})
}

// Trap 6: requests arrive for seconds after readiness has turned red, and those
// who send them have to hear of it first.
func TestTheWaitIsCutShortOnlyByProbesAndQuiet(t *testing.T) {
	type call struct {
		at           time.Duration
		method, path string
	}
	readiness := func(at ...time.Duration) (calls []call) {
		for _, at := range at {
			calls = append(calls, call{at, "GET", "/health/readiness"})
		}
		return calls
	}
	requests := func(from, to time.Duration) (calls []call) {
		for at := from; at <= to; at += 500 * time.Millisecond {
			calls = append(calls, call{at, "POST", "/"})
		}
		return calls
	}
	const ms, s = time.Millisecond, time.Second
	three := readiness(10*ms, 20*ms, 30*ms)
	tests := []struct {
		name  string
		o     health.DrainOptions
		calls []call
		want  time.Duration
	}{
		{"nobody asks", health.DrainOptions{}, nil, 5 * s},
		{"three probes and no request", health.DrainOptions{}, three, 1 * s},
		{"two probes", health.DrainOptions{}, three[:2], 5 * s},
		{"the third probe comes late", health.DrainOptions{}, readiness(1*s, 2*s, 3*s), 3 * s},
		{"one probe is enough", health.DrainOptions{Probes: 1}, three[:1], 1 * s},
		{"no number of probes is enough", health.DrainOptions{Probes: -1}, append(three, three...), 5 * s},
		{"requests go on", health.DrainOptions{}, append(requests(100*ms, 5*s), three...), 5 * s},
		{"requests stop", health.DrainOptions{}, append(requests(100*ms, 2100*ms), three...), 3100 * ms},
		{"a longer quiet", health.DrainOptions{Quiet: 3 * s}, append(requests(1*s, 1*s), three...), 4 * s},
		{"a quiet that the wait has no room for", health.DrainOptions{Quiet: 9 * s}, three, 5 * s},
		{"liveness says nothing", health.DrainOptions{}, []call{{ms, "GET", "/livez"}, {ms, "GET", "/livez"}, {ms, "GET", "/livez"}}, 5 * s},
		{"liveness that is red says nothing", health.DrainOptions{}, []call{{ms, "FAIL", ""}, {2 * ms, "GET", "/livez"}, {2 * ms, "GET", "/livez"}, {2 * ms, "GET", "/livez"}}, 5 * s},
		{"a refused method says nothing", health.DrainOptions{}, []call{{ms, "PUT", "/readyz"}, {ms, "PUT", "/readyz"}, {ms, "PUT", "/readyz"}}, 5 * s},
		{"a load balancer that asks with OPTIONS", health.DrainOptions{}, []call{{ms, "OPTIONS", "/health"}, {ms, "OPTIONS", "/health"}, {ms, "OPTIONS", "/health"}}, 1 * s},
		{"aliases", health.DrainOptions{}, []call{{ms, "GET", "/readyz"}, {ms, "HEAD", "/healthz"}, {ms, "GET", "/readyz?verbose"}}, 1 * s},
		{"nobody is told", health.DrainOptions{StayReady: true}, three, 5 * s},
		{"no wait", health.DrainOptions{Wait: -1}, nil, 0},
		{"another wait", health.DrainOptions{Wait: 90 * s, Timeout: 100 * s}, nil, 90 * s},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sv := newService(t, forDrain(tt.o), noHandler)
				for range 5 { // before it begins, probes do not count
					sv.probe("GET", "/health/readiness")
				}
				start := time.Now()
				var all sync.WaitGroup
				for _, c := range tt.calls {
					all.Go(func() {
						time.Sleep(c.at)
						if c.method == "FAIL" {
							sv.hc.Fail(errGone)
							return
						}
						sv.probe(c.method, c.path)
					})
				}
				require.NoError(t, sv.hc.Drain(t.Context()))
				took := time.Since(start)
				all.Wait()
				require.GreaterOrEqual(t, took, tt.want)
				slack := max(tt.o.Quiet, time.Second) / 5 // it looks ten times a quiet
				if tt.want == 5*s || tt.want == 90*s || tt.want == 0 {
					slack = 0
				}
				require.LessOrEqual(t, took, tt.want+slack)
			})
		})
	}
}

// The order that the documentation promises, with each step longer than nothing.
func TestTheStepsOfADrainComeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen notes
		o := forDrain(health.DrainOptions{Wait: 5 * time.Second, Probes: -1})
		o.OnDrain = func() { seen.add("hook") }
		o.Checks = []health.Check{{Name: "pool", Interval: 300 * time.Millisecond, Func: func(context.Context) error {
			if len(seen.list()) > 0 {
				seen.add("check")
			}
			return nil
		}}}
		s := newService(t, o, func(w http.ResponseWriter, r *http.Request) {
			d, _ := time.ParseDuration(r.URL.Query().Get("takes"))
			time.Sleep(d)
			seen.add("answered %s", r.URL.Path)
		}).onPipes(t)
		for _, name := range []string{"first", "second", "third"} {
			s.hc.OnShutdown(name, func(ctx context.Context) error {
				require.NoError(t, ctx.Err())
				seen.add("closes %s", name)
				time.Sleep(time.Second)
				seen.add("closed %s", name)
				return nil
			})
		}
		long := s.get(t, "/long?takes=8s")
		synctest.Wait()
		done := s.drain(t, t.Context(), s.srv)
		time.Sleep(4 * time.Second)
		require.Equal(t, 503, s.ready())
		during := s.get(t, "/during").answer(t, "GET") // still served
		require.True(t, during.Close)
		time.Sleep(2 * time.Second)
		_, err := s.dial()
		require.ErrorIs(t, err, net.ErrClosed, "no new connections")
		require.Equal(t, 503, s.ready(), "which still answers who asks")
		require.True(t, long.answer(t, "GET").Close)
		require.NoError(t, result(t, done))

		// A pool that is closed is no fault to report: checks end before closers run.
		all := seen.list()
		require.Equal(t, "hook", all[0])
		var steps []string
		for i, what := range all {
			if what == "check" {
				require.NotContains(t, all[:i], "closes third", "checks have ended")
				continue
			}
			steps = append(steps, what)
		}
		require.Contains(t, all, "check")
		require.Equal(t, []string{
			"hook", "answered /during", "answered /long",
			"closes third", "closed third", "closes second", "closed second", "closes first", "closed first",
		}, steps)
	})
}

// The fifth that is kept for closers is one of the time after the wait: a long
// wait must not take all of it from requests.
func TestALongWaitLeavesTimeForRunningRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, forDrain(health.DrainOptions{Wait: 22 * time.Second}), func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(2 * time.Second)
			_, _ = io.WriteString(w, "whole")
		}).onPipes(t)
		done := s.drain(t, t.Context(), s.srv)
		time.Sleep(21 * time.Second)
		c := s.get(t, "/") // ends 1 s after the wait, 2 s before the timeout
		body, err := io.ReadAll(c.answer(t, "GET").Body)
		require.NoError(t, err)
		require.Equal(t, "whole", string(body))
		require.NoError(t, result(t, done))
	})
}

func TestAContextThatIsOverCountsAsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, forDrain(health.DrainOptions{}), func(http.ResponseWriter, *http.Request) { time.Sleep(10 * time.Second) }).onPipes(t)
		c := s.get(t, "/")
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		s.hc.OnShutdown("closer", func(ctx context.Context) error { return ctx.Err() })
		done := s.drain(t, ctx, s.srv)
		require.True(t, c.answer(t, "GET").Close)
		require.NoError(t, result(t, done))
		require.WithinDuration(t, start.Add(10*time.Second), time.Now(), time.Second)
	})
}

var errGone = errors.New("somebody pressed the button twice")

func TestAContextThatEndsMidwayEndsTheDrainAtOnce(t *testing.T) {
	for name, after := range map[string]time.Duration{"in the wait": 2 * time.Second, "while requests run": 7 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				s := newService(t, forDrain(health.DrainOptions{}), func(http.ResponseWriter, *http.Request) { <-release }).onPipes(t)
				c := s.get(t, "/")
				synctest.Wait()
				ctx, cancel := context.WithCancelCause(t.Context())
				closed := make(chan error, 1)
				s.hc.OnShutdown("closer", func(ctx context.Context) error {
					time.Sleep(10 * time.Millisecond) // a closer needs some time all the same
					closed <- ctx.Err()
					return nil
				})
				done := s.drain(t, ctx, s.srv)
				time.Sleep(after)
				cancel(errGone)
				start := time.Now()
				err := result(t, done)
				require.Less(t, time.Since(start), time.Second)
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorContains(t, err, "1 requests were cut off")
				require.NoError(t, <-closed, "closers are called all the same")
				_, readErr := c.ReadByte()
				require.ErrorIs(t, readErr, io.EOF)
				close(release)
			})
		})
	}
}

// In real time, as a lock that is waited for does not let virtual time pass.
func TestDrainsAtTheSameTimeAreOne(t *testing.T) {
	s := newService(t, forDrain(health.DrainOptions{Wait: -1}), noHandler).onTCP(t)
	called, release := make(chan struct{}, 8), make(chan struct{})
	s.hc.OnShutdown("broken", func(context.Context) error {
		called <- struct{}{}
		<-release
		return errGone
	})
	done := make(chan error, 8)
	go func() { done <- s.hc.Drain(t.Context(), s.srv) }()
	<-called
	over, cancel := context.WithCancel(t.Context())
	cancel() // only that of the first call counts
	for range 7 {
		go func() { done <- s.hc.Drain(over) }()
	}
	select {
	case <-done:
		require.FailNow(t, "a call did not wait")
	case <-time.After(20 * time.Millisecond):
	}
	close(release)
	for range 8 {
		require.ErrorIs(t, result(t, done), errGone)
	}
	require.ErrorIs(t, s.hc.Drain(t.Context()), errGone)
	require.Empty(t, called)
}

func TestAHookOfTheDrainHoldsNothingUp(t *testing.T) {
	release := make(chan struct{})
	hooks := map[string]func(*health.Checker){
		"blocks":    func(*health.Checker) { <-release },
		"panics":    func(*health.Checker) { panic("boom") },
		"asks back": func(hc *health.Checker) { hc.Report("readiness"); hc.SetReady(true, "") },
	}
	for name, hook := range hooks {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release = make(chan struct{})
				var s *service
				called := make(chan struct{})
				o := forDrain(health.DrainOptions{})
				o.OnDrain = func() { close(called); hook(s.hc) }
				s = newService(t, o, noHandler)
				start := time.Now()
				require.NoError(t, s.hc.Drain(t.Context()))
				require.Equal(t, 5*time.Second, time.Since(start))
				<-called
				close(release)
			})
		})
	}
}

// A request that runs inside the middleware of a service without a server is
// not waited for, and harms nothing when it ends.
func TestADrainWithoutServersEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, forDrain(health.DrainOptions{}), func(http.ResponseWriter, *http.Request) { time.Sleep(time.Minute) })
		w := httptest.NewRecorder()
		running := make(chan struct{})
		go func() {
			defer close(running)
			s.root.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		}()
		start := time.Now()
		require.NoError(t, s.hc.Drain(t.Context()))
		require.Equal(t, 5*time.Second, time.Since(start))
		<-running
		require.Equal(t, "close", w.Header().Get("Connection"))
	})
}
