package health_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// askWith asks with a context of its own and reports how long it took.
func askWith(ctx context.Context, h http.Handler, path string) (code int, took time.Duration) {
	start := time.Now()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
	return w.Code, time.Since(start)
}

func TestOnDemandNothingRunsUntilSomebodyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		hc := begin(t, health.Options{OnDemand: true, Checks: []health.Check{{Name: "db", Func: func(context.Context) error {
			calls.Add(1)
			return nil
		}}}})
		time.Sleep(time.Hour)
		_, _ = hc.Report(health.Readiness)
		require.Equal(t, http.StatusOK, codeOf(hc.Handler(), "/health/liveness"))
		require.Zero(t, calls.Load())
		require.Equal(t, http.StatusOK, codeOf(hc.Handler(), "/readyz"))
		require.EqualValues(t, 1, calls.Load())
	})
}

func TestOnDemandAllWhoAskShareOneRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		hc := begin(t, health.Options{OnDemand: true, Checks: []health.Check{{Name: "db", Func: func(context.Context) error {
			calls.Add(1)
			time.Sleep(time.Second)
			return nil
		}}}})
		h := hc.Handler()
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				path := []string{"/health", "/health/readiness", "/readyz", "/healthz"}[i%4]
				code, took := askWith(t.Context(), h, path)
				require.Equal(t, http.StatusOK, code)
				require.Equal(t, time.Second-time.Duration(i)*time.Millisecond, took)
			})
		}
		all.Wait()
		require.EqualValues(t, 1, calls.Load())
	})
}

func TestOnDemandAllChecksOfAGroupRunAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := health.Options{OnDemand: true}
		for _, name := range []string{"a", "b", "c", "d"} {
			o.Checks = append(o.Checks, health.Check{Name: name, Func: func(context.Context) error {
				time.Sleep(time.Second)
				return nil
			}})
		}
		code, took := askWith(t.Context(), begin(t, o).Handler(), "/health")
		require.Equal(t, http.StatusOK, code)
		require.Equal(t, time.Second, took)
	})
}

func TestOnDemandAResultIsUsedAgainForItsInterval(t *testing.T) {
	for _, test := range []struct {
		name    string
		outcome func(context.Context) error
		want    time.Duration
	}{
		{"healthy", pass, 10 * time.Second},
		{"failing", fail, 2500 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				hc := begin(t, health.Options{OnDemand: true, Checks: []health.Check{{Name: "db", Func: func(ctx context.Context) error {
					calls.Add(1)
					return test.outcome(ctx)
				}}}})
				h := hc.Handler()
				codeOf(h, "/health")
				time.Sleep(test.want*9/10 - time.Millisecond)
				codeOf(h, "/health")
				require.EqualValues(t, 1, calls.Load())
				time.Sleep(test.want/5 + 2*time.Millisecond)
				codeOf(h, "/health")
				require.EqualValues(t, 2, calls.Load())
			})
		})
	}
}

// Trap 15: a client that leaves takes nobody's result with it.
func TestOnDemandAClientThatLeavesSpoilsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hc := begin(t, health.Options{OnDemand: true, Checks: []health.Check{{Name: "db", Func: func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
				return nil
			}
		}}}})
		h := hc.Handler()
		hasty, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		code, took := askWith(hasty, h, "/health/readiness")
		require.Equal(t, 100*time.Millisecond, took, "it waits no longer than it wants to")
		require.Equal(t, http.StatusServiceUnavailable, code, "nothing is known yet")
		code, took = askWith(t.Context(), h, "/health/readiness")
		require.Equal(t, 900*time.Millisecond, took, "the run went on")
		require.Equal(t, http.StatusOK, code)
	})
}

// Trap 13, on demand: callers wait for the deadline once, and then learn of the
// timeout without waiting.
func TestOnDemandAStuckCheckHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var calls atomic.Int32
		hc := begin(t, health.Options{OnDemand: true, Checks: []health.Check{{Name: "db", Func: func(context.Context) error {
			calls.Add(1)
			<-release
			return nil
		}}}})
		h := hc.Handler()
		code, took := askWith(t.Context(), h, "/health/readiness")
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.Equal(t, 2*time.Second, took)
		for range 1000 {
			code, took = askWith(t.Context(), h, "/health/readiness")
			require.Equal(t, http.StatusServiceUnavailable, code)
			require.Zero(t, took)
			require.Equal(t, "unhealthy timeout", standOf(t, hc, health.Readiness))
			time.Sleep(time.Second)
		}
		require.EqualValues(t, 1, calls.Load())
		require.InDelta(t, 1000/3, componentOf(t, hc, "db").Failures, 35, "one for each time that it was due and asked for")

		close(release)
		settle(3 * time.Second)
		require.Equal(t, http.StatusOK, codeOf(h, "/health/readiness"))
	})
}

// A check that only says whether the process has started is done once it has
// passed, on demand too.
func TestOnDemandAStartIsNotLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		hc := begin(t, health.Options{OnDemand: true, Checks: []health.Check{{
			Name: "migrations", Groups: []string{health.Startup},
			Func: func(context.Context) error {
				calls.Add(1)
				return nil
			},
		}}})
		for range 100 {
			require.Equal(t, http.StatusOK, codeOf(hc.Handler(), "/health/startup"))
			time.Sleep(time.Minute)
		}
		require.EqualValues(t, 1, calls.Load())
		require.Equal(t, "healthy", standOf(t, hc, ""))
	})
}

// Trap 20, on demand: who waits for a check that hangs is not left waiting when
// the checker closes.
func TestOnDemandCloseLetsEverybodyGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hc := beginOpen(t, health.Options{OnDemand: true, Checks: []health.Check{{Name: "db", Func: func(context.Context) error {
			<-release
			return nil
		}}}})
		h := hc.Handler()
		var waiting sync.WaitGroup
		waiting.Go(func() {
			code, took := askWith(t.Context(), h, "/health/readiness")
			require.Equal(t, http.StatusServiceUnavailable, code)
			require.Equal(t, time.Second, took)
		})
		time.Sleep(time.Second)
		require.Error(t, hc.Close())
		waiting.Wait()
		close(release)
	})
}

func TestOnDemandAClosedCheckerAnswersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		hc := beginOpen(t, health.Options{OnDemand: true, Checks: []health.Check{{Name: "db", Func: func(ctx context.Context) error {
			calls.Add(1)
			<-ctx.Done()
			return ctx.Err()
		}}}})
		h := hc.Handler()
		var waiting sync.WaitGroup
		waiting.Go(func() {
			code, took := askWith(t.Context(), h, "/health/readiness")
			require.Equal(t, http.StatusServiceUnavailable, code)
			require.Equal(t, time.Second, took, "who waits is not left waiting")
		})
		time.Sleep(time.Second)
		require.NoError(t, hc.Close())
		waiting.Wait()
		code, took := askWith(t.Context(), h, "/health/readiness")
		require.Equal(t, http.StatusServiceUnavailable, code)
		require.Zero(t, took)
		require.EqualValues(t, 1, calls.Load(), "no run begins after Close")
		require.Equal(t, "unhealthy closed", standOf(t, hc, health.Readiness))
	})
}
