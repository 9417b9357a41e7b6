package health_test

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// Trap 20: Close leaves no goroutine (synctest would find one), turns readiness
// red, leaves liveness alone, and may be called again.
func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs, hooks atomic.Int32
		hc := beginOpen(t, health.Options{
			OnResult: func(string, string, time.Duration, error) { hooks.Add(1) },
			Checks: []health.Check{
				{Name: "db", Func: func(context.Context) error { runs.Add(1); return nil }},
				{Name: "slow", Func: func(ctx context.Context) error {
					runs.Add(1)
					<-ctx.Done()
					return ctx.Err()
				}},
				{Name: "loop", Internal: pass, Groups: []string{health.Liveness}},
			},
		})
		h := hc.Handler()
		settle(time.Minute)
		for !inFlight(hc, &runs) {
			settle(100 * time.Millisecond)
		}
		before := hooks.Load()
		start := time.Now()
		require.NoError(t, hc.Close())
		require.Zero(t, time.Since(start), "what listens to its context is not waited for")
		settled := runs.Load()
		for range 3 {
			require.NoError(t, hc.Close())
			require.Equal(t, "unhealthy closed", standOf(t, hc, health.Readiness))
			require.Equal(t, http.StatusServiceUnavailable, codeOf(h, "/readyz"))
			require.Equal(t, "healthy", standOf(t, hc, health.Liveness))
			require.Equal(t, http.StatusOK, codeOf(h, "/livez"), "not even when the results have grown old")
			time.Sleep(time.Hour)
		}
		require.Equal(t, settled, runs.Load())
		require.Equal(t, before, hooks.Load())
		hc.SetReady(true, "")
		require.Equal(t, "unhealthy closed", standOf(t, hc, health.Readiness))
	})
}

// inFlight waits for a moment at which the slow check is under way.
func inFlight(hc *health.Checker, runs *atomic.Int32) bool {
	before := runs.Load()
	settle(time.Second)
	return runs.Load() > before
}

// Trap 20: a failed liveness stays red after Close.
func TestCloseHidesNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hc := beginOpen(t, health.Options{})
		hc.Fail(errDown)
		require.NoError(t, hc.Close())
		require.Equal(t, "unhealthy failed", standOf(t, hc, health.Liveness))
	})
}

// Trap 20: Close is bounded, and does not leave more goroutines the more often it
// is called.
func TestCloseDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hc := beginOpen(t, health.Options{Checks: []health.Check{{Name: "db", Func: func(context.Context) error {
			<-release
			return nil
		}}}})
		settle(0)
		goroutines := runtime.NumGoroutine()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				start := time.Now()
				err := hc.Close()
				require.EqualError(t, err, "health: checks have not returned")
				require.Equal(t, 5*time.Second, time.Since(start))
			})
		}
		all.Wait()
		synctest.Wait() // those that were waited for are on their way out
		require.LessOrEqual(t, runtime.NumGoroutine(), goroutines+1)
		close(release)
		require.NoError(t, hc.Close())
	})
}

// Trap 20: nothing begins after Close, whenever it comes.
func TestCloseAtAnyMoment(t *testing.T) {
	for delay := range 300 {
		synctest.Test(t, func(t *testing.T) {
			var runs, running atomic.Int32
			o := health.Options{OnDemand: delay%3 == 0}
			for _, name := range []string{"a", "b", "c"} {
				o.Checks = append(o.Checks, health.Check{Name: name, Interval: 100 * time.Millisecond, Timeout: 20 * time.Millisecond, Func: func(ctx context.Context) error {
					runs.Add(1)
					running.Add(1)
					defer running.Add(-1)
					select {
					case <-time.After(15 * time.Millisecond):
					case <-ctx.Done():
					}
					return nil
				}})
			}
			hc := beginOpen(t, o)
			h := hc.Handler()
			var asking sync.WaitGroup
			for i := range 10 {
				asking.Go(func() {
					time.Sleep(time.Duration(i) * 30 * time.Millisecond)
					codeOf(h, "/health")
				})
			}
			time.Sleep(time.Duration(delay) * time.Millisecond)
			require.NoError(t, hc.Close())
			require.Zero(t, running.Load())
			before := runs.Load()
			asking.Wait()
			time.Sleep(time.Second)
			require.Equal(t, before, runs.Load())
		})
	}
}
