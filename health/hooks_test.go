package health_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// diary collects what hooks are told.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	lines := d.lines
	d.lines = nil
	return lines
}

// hooks writes all of them into the diary.
func (d *diary) hooks() health.Options {
	return health.Options{
		OnResult: func(check, status string, took time.Duration, err error) {
			d.add("%s result %s %v %v", check, status, took, err)
		},
		OnTransition: func(check, from, to string, err error) { d.add("%s %s to %s %v", check, from, to, err) },
		OnStuck:      func(check string, stuck bool) { d.add("%s stuck %t", check, stuck) },
		OnPanic:      func(check string, value any, stack []byte) { d.add("%s panic %v %t", check, value, len(stack) > 0) },
	}
}

// Trap 18: hooks are told of everything, in order.
func TestHooksAreToldEverythingInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		runs := []func(){
			func() {},
			func() { panic("oops") },
			func() { time.Sleep(5 * time.Second) },
			runtime.Goexit,
			func() {},
		}
		var calls atomic.Int32
		o := d.hooks()
		o.Checks = []health.Check{{Name: "db", Interval: 40 * time.Second, Timeout: 4 * time.Second, Func: func(context.Context) error {
			runs[min(int(calls.Add(1)), len(runs))-1]()
			return nil
		}}}
		begin(t, o)
		settle(100 * time.Second)
		require.Equal(t, []string{
			"db result healthy 0s <nil>",
			"db unknown to healthy <nil>",
			"db panic oops true",
			"db result unhealthy 0s health: the check panicked: oops",
			"db healthy to unhealthy health: the check panicked: oops",
			"db result unhealthy 4s health: the check did not return in time",
			"db stuck true",
			"db stuck false",
			"db result unhealthy 0s health: the check ended its goroutine",
			"db result healthy 0s <nil>",
			"db unhealthy to healthy <nil>",
		}, d.read())
	})
}

// Trap 17: the hook gets the value and the stack of a panic.
func TestThePanicHookGetsTheStack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var value any
		var stack string
		begin(t, health.Options{
			OnPanic: func(_ string, v any, s []byte) { value, stack = v, string(s) },
			Checks:  []health.Check{{Name: "db", Func: func(context.Context) error { return explode() }}},
		})
		settle(0)
		require.Equal(t, 42, value)
		require.Contains(t, stack, "health_test.explode")
	})
}

func explode() error { panic(42) }

// Trap 18: a hook that blocks holds up the hooks of its own check and nothing
// else: no run, no answer, no other check. What it misses is the oldest.
func TestAHookThatBlocksHoldsUpOnlyTheHooksOfItsCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var slow, fast []int
		count := func(into *[]int) func(d time.Duration) {
			return func(d time.Duration) { *into = append(*into, int(d)) }
		}
		tell := map[string]func(time.Duration){"slow": count(&slow), "fast": count(&fast)}
		var runs [2]atomic.Int32
		check := func(name string, n *atomic.Int32) health.Check {
			return health.Check{Name: name, Interval: time.Minute, Func: func(context.Context) error {
				time.Sleep(time.Duration(n.Add(1))) // the run is known by how long it took
				return nil
			}}
		}
		hc := begin(t, health.Options{
			OnResult: func(name, _ string, d time.Duration, _ error) {
				if name == "slow" {
					<-release
				}
				tell[name](d)
			},
			Checks: []health.Check{check("slow", &runs[0]), check("fast", &runs[1])},
		})
		goroutines := runtime.NumGoroutine()
		settle(200 * time.Minute)
		require.InDelta(t, 200, runs[0].Load(), 10)
		require.Len(t, fast, int(runs[1].Load()))
		require.Empty(t, slow)
		require.Equal(t, "healthy", standOf(t, hc, ""))
		require.LessOrEqual(t, runtime.NumGoroutine(), goroutines+1, "one goroutine waits, not one for each run")

		close(release)
		synctest.Wait()
		n := int(runs[0].Load())
		require.Len(t, slow, 1+64)
		require.Equal(t, []int{1, n - 63, n - 62}, slow[:3], "the one that blocked, and the newest 64")
		require.IsIncreasing(t, slow)
		require.Equal(t, n, slow[64])
	})
}

// Trap 18: what a hook does to its goroutine ends neither the rounds nor the
// hooks, and the log hears of a panic at most every ten seconds.
func TestHooksSurviveWhatTheyDoToTheirGoroutine(t *testing.T) {
	for name, die := range map[string]func(){"panic": func() { panic("oops") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				var results, transitions, stuck atomic.Int32
				hc := begin(t, health.Options{
					Logger:       slog.New(slog.NewTextHandler(&log, nil)),
					OnResult:     func(string, string, time.Duration, error) { results.Add(1); die() },
					OnTransition: func(string, string, string, error) { transitions.Add(1); die() },
					OnStuck:      func(string, bool) { stuck.Add(1); die() },
					Checks: []health.Check{{Name: "db", Interval: time.Second, Timeout: 100 * time.Millisecond, Func: func(context.Context) error {
						time.Sleep(120 * time.Millisecond)
						return nil
					}}},
				})
				settle(150 * time.Millisecond)
				require.EqualValues(t, 1, results.Load())
				require.EqualValues(t, 1, transitions.Load(), "the next hook does not wait for the next run")
				require.EqualValues(t, 2, stuck.Load())
				settle(5 * time.Second)
				require.GreaterOrEqual(t, results.Load(), int32(5))
				require.Equal(t, "unhealthy timeout", standOf(t, hc, ""))
				require.LessOrEqual(t, strings.Count(log.String(), "a hook panicked"), 1)
			})
		})
	}
}

// Trap 18: a hook may call the checker.
func TestAHookMayCallTheChecker(t *testing.T) {
	calls := map[string]func(*health.Checker){
		"Report":   func(hc *health.Checker) { hc.Report("") },
		"SetReady": func(hc *health.Checker) { hc.SetReady(false, "the hook says so") },
		"Fail":     func(hc *health.Checker) { hc.Fail(errDown) },
		"Handler":  func(hc *health.Checker) { codeOf(hc.Handler(), "/health") },
		"Close":    func(hc *health.Checker) { _ = hc.Close() },
		"Drain":    func(hc *health.Checker) { _ = hc.Drain(context.Background()) },
	}
	for _, onDemand := range []bool{false, true} {
		for name, call := range calls {
			t.Run(fmt.Sprintf("%s on demand %t", name, onDemand), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ready := make(chan struct{})
					var hc *health.Checker
					var kinds [4]atomic.Int32
					use := func(kind int) {
						<-ready
						call(hc)
						kinds[kind].Add(1)
					}
					n := 0
					hc = begin(t, health.Options{
						OnDemand:     onDemand,
						Drain:        health.DrainOptions{Wait: -1},
						OnResult:     func(string, string, time.Duration, error) { use(0) },
						OnTransition: func(string, string, string, error) { use(1) },
						OnStuck:      func(string, bool) { use(2) },
						OnPanic:      func(string, any, []byte) { use(3) },
						Checks: []health.Check{{Name: "db", Func: func(context.Context) error {
							if n++; n == 1 {
								panic("oops")
							}
							time.Sleep(2500 * time.Millisecond)
							return nil
						}}},
					})
					close(ready)
					for range 20 {
						codeOf(hc.Handler(), "/health")
						settle(time.Second)
					}
					for kind := range kinds {
						if kind != 2 || name != "Close" && name != "Drain" {
							require.NotZero(t, kinds[kind].Load(), "hook %d", kind)
						}
					}
				})
			})
		}
	}
}

// A check that panics does not flood the log.
func TestAPanicIsLoggedOnceInTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		hc := beginOpen(t, health.Options{
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Checks: []health.Check{{Name: "db", Interval: time.Second, Func: func(context.Context) error { panic("oops") }}},
		})
		settle(time.Minute)
		require.NoError(t, hc.Close())
		require.InDelta(t, 6, strings.Count(log.String(), "a check panicked"), 1, "%s", log.String())
	})
}

// The log hears of changes, with the reason, and not of each run.
func TestTheLogHearsOfChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var db reported
		hc := beginOpen(t, health.Options{
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Checks: []health.Check{{Name: "db", Func: db.check}},
		})
		settle(time.Minute)
		require.Empty(t, log.String(), "that all is well is no news")
		db.set(health.WithReason(fmt.Errorf("postgres://me:secret@db/x: %w", errDown), health.ReasonRefused))
		settle(time.Minute)
		db.set(nil)
		settle(time.Minute)
		require.NoError(t, hc.Close())
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		require.Len(t, lines, 2)
		require.Contains(t, lines[0], "level=WARN")
		require.Contains(t, lines[0], "check=db from=healthy to=unhealthy reason=refused")
		require.NotContains(t, lines[0], "secret")
		require.Contains(t, lines[1], "level=INFO")
		require.Contains(t, lines[1], "from=unhealthy to=healthy")
	})
}

// A check that stays red for another reason says so, but not more often than an
// operator can read.
func TestAnotherReasonIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var runs atomic.Int32
		hc := beginOpen(t, health.Options{
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Checks: []health.Check{{Name: "cache", Interval: 4 * time.Second, Timeout: time.Second, Func: func(context.Context) error {
				return health.WithReason(errDown, []string{"refused", "auth"}[runs.Add(1)%2])
			}}},
		})
		settle(time.Minute)
		require.NoError(t, hc.Close())
		require.Contains(t, log.String(), "reason=refused")
		require.Contains(t, log.String(), "reason=auth")
		require.InDelta(t, 6, strings.Count(log.String(), "for another reason"), 1, "one in ten seconds")
		require.Greater(t, int(runs.Load()), 40)
	})
}
