package health_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// goroutinesEndBelow waits until no more than n goroutines are left. It counts
// from the test's own, as require.Eventually would add others.
func goroutinesEndBelow(t *testing.T, n int, what string) {
	t.Helper()
	for end := time.Now().Add(eventually); runtime.NumGoroutine() > n; time.Sleep(tick) {
		require.True(t, time.Now().Before(end), "%d goroutines instead of %d: %s", runtime.NumGoroutine(), n, what)
	}
}

// Trap 13 and the crowd: however many ask about a dead dependency, it is called
// once an interval, everybody is answered, and no goroutine stays.
func TestACrowdThatAsksAboutADeadDependency(t *testing.T) {
	const crowd = 10_000
	for _, test := range []struct {
		name     string
		onDemand bool
		listens  bool // the dependency's client gives up in time
	}{
		{"in the background", false, true},
		{"in the background, and stuck", false, false},
		{"on demand", true, true},
		{"on demand, and stuck", true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			outside := runtime.NumGoroutine()
			release := make(chan struct{})
			var calls, running, most atomic.Int32
			hc := beginOpen(t, health.Options{OnDemand: test.onDemand, Checks: []health.Check{{
				Name: "db", Interval: time.Second, Timeout: 300 * time.Millisecond,
				Func: func(ctx context.Context) error {
					calls.Add(1)
					most.Store(max(most.Load(), running.Add(1)))
					defer running.Add(-1)
					if !test.listens {
						ctx = context.WithoutCancel(ctx)
					}
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-release:
						return nil
					}
				},
			}}})
			h := hc.Handler()
			start := time.Now()
			var all sync.WaitGroup
			var answered, slow atomic.Int32
			for range crowd {
				all.Go(func() {
					for range 3 {
						code, took := askWith(context.Background(), h, "/health/readiness")
						if code == http.StatusServiceUnavailable {
							answered.Add(1)
						}
						if took > eventually {
							slow.Add(1)
						}
						time.Sleep(100 * time.Millisecond)
					}
				})
			}
			all.Wait()
			took := time.Since(start)
			require.EqualValues(t, 3*crowd, answered.Load())
			require.Zero(t, slow.Load())
			require.EqualValues(t, 1, most.Load())
			if test.listens {
				require.LessOrEqual(t, calls.Load(), int32(1+took/(900*time.Millisecond)), "in %v", took)
			} else {
				require.EqualValues(t, 1, calls.Load())
			}
			goroutinesEndBelow(t, outside+1, "the probes leave none but that of the check")
			close(release)
			require.NoError(t, hc.Close())
			goroutinesEndBelow(t, outside, "and the checker none at all")
		})
	}
}

// A thousand checks have a goroutine each while they run, and none while they do
// not.
func TestAThousandChecksAreIdle(t *testing.T) {
	const checks = 1000
	outside := runtime.NumGoroutine()
	release := make(chan struct{})
	var begun atomic.Int32
	var o health.Options
	for i := range checks {
		o.Checks = append(o.Checks, health.Check{Name: fmt.Sprint("check ", i), Interval: time.Hour, Timeout: time.Minute, Func: func(context.Context) error {
			begun.Add(1)
			<-release
			return nil
		}})
	}
	hc := beginOpen(t, o)
	require.Eventually(t, func() bool { return begun.Load() == checks }, eventually, tick)
	goroutinesEndBelow(t, outside+checks, "a goroutine for each check") // which all wait for release
	close(release)
	goroutinesEndBelow(t, outside, "idle checks have no goroutine")
	require.Equal(t, "healthy", standOf(t, hc, ""))
	require.NoError(t, hc.Close())
	goroutinesEndBelow(t, outside, "nor have closed ones")
}

// Amidst changes everybody is answered, and nobody is given what was no longer
// true when they asked.
func TestACrowdAmidstChanges(t *testing.T) {
	var o health.Options
	for i := range 300 {
		o.Checks = append(o.Checks, health.Check{Name: fmt.Sprint("check ", i), Interval: time.Hour, Func: pass})
	}
	hc := begin(t, o)
	require.Eventually(t, func() bool { return standOf(t, hc, "") == "healthy" }, eventually, tick)
	h, err := hc.GroupHandler(health.Readiness)
	require.NoError(t, err)
	done := make(chan struct{})
	var changing, all sync.WaitGroup
	changing.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				hc.SetReady(true, "") // changes nothing, but nobody knows
			}
		}
	})
	for range 1000 {
		all.Go(func() { require.Equal(t, http.StatusOK, codeOf(h, "/")) })
	}
	all.Wait()
	close(done)
	changing.Wait()
	for i := range 1000 {
		ready := i%2 == 0
		hc.SetReady(ready, "")
		require.Equal(t, ready, codeOf(h, "/") == http.StatusOK, "what was set before asking is in the answer")
	}
}
