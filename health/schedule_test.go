package health_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

var errDown = errors.New("down")

func pass(context.Context) error { return nil }

func fail(context.Context) error { return errDown }

// settle lets everything happen that is due now. Two timers of the same instant
// fire in any order, which the nanosecond leaves behind.
func settle(d time.Duration) {
	time.Sleep(d + time.Nanosecond)
	synctest.Wait()
}

// Trap 13: a check that ignores its context has failed when its time is over, is
// shown as stuck, and is never called a second time meanwhile.
func TestAStuckCheckFailsAtItsDeadlineAndIsNotStartedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var calls atomic.Int32
		hc := begin(t, health.Options{Checks: []health.Check{{
			Name: "db", Interval: 10 * time.Second, Timeout: 2 * time.Second,
			Func: func(ctx context.Context) error {
				if calls.Add(1) > 1 {
					return nil
				}
				health.Set(ctx, "stage", "begun")
				<-release
				health.Set(ctx, "stage", "too late to tell")
				return nil
			},
		}}})

		settle(2*time.Second - 2)
		require.Equal(t, "unknown starting", standOf(t, hc, health.Readiness))

		settle(1)
		require.Equal(t, "unhealthy timeout", standOf(t, hc, health.Readiness))
		c := componentOf(t, hc, "db")
		require.Equal(t, 1, c.Failures)
		require.Equal(t, 2*time.Second, c.Duration)
		require.InDelta(t, 2*time.Second, c.StuckFor, 10)
		require.Equal(t, "begun", c.Data["stage"])

		time.Sleep(time.Hour)
		c = componentOf(t, hc, "db")
		require.EqualValues(t, 1, calls.Load())
		require.InDelta(t, time.Hour, c.StuckFor, float64(3*time.Second))
		require.Equal(t, health.ReasonTimeout, c.Reason)
		require.InDelta(t, 3600/2.5, c.Failures, 3600/2.5/10, "each round that was due counts as failed")
		require.Less(t, time.Since(c.CheckedAt), 3*time.Second, "the result does not grow old while it is known to be stuck")

		close(release)
		settle(0)
		c = componentOf(t, hc, "db")
		require.Zero(t, c.StuckFor)
		require.Equal(t, health.StatusUnhealthy, c.Status, "a success that took an hour is none")
		settle(2750 * time.Millisecond)
		require.EqualValues(t, 2, calls.Load())
		require.Equal(t, health.StatusHealthy, componentOf(t, hc, "db").Status)
	})
}

// Trap 13: what takes exactly its time has taken too long, whichever of the
// deadline and the run is seen first. After the process was stopped both have
// happened.
func TestARunThatTakesItsWholeTimeHasFailed(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			hc := begin(t, health.Options{Checks: []health.Check{{
				Name: "db", Interval: time.Second, Timeout: 100 * time.Millisecond,
				Func: func(context.Context) error {
					time.Sleep(100 * time.Millisecond)
					return nil
				},
			}}})
			settle(100 * time.Millisecond)
			require.Equal(t, "unhealthy timeout", standOf(t, hc, health.Readiness))
			require.Zero(t, componentOf(t, hc, "db").StuckFor)
		})
	}
}

// The context of a run ends before its deadline, so that it can say what kept it.
func TestACheckCanSayWhatKeptIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hc := begin(t, health.Options{Checks: []health.Check{{
			Name: "db", Interval: 10 * time.Second, Timeout: time.Second,
			Func: func(ctx context.Context) error {
				deadline, ok := ctx.Deadline()
				require.True(t, ok)
				require.Equal(t, 900*time.Millisecond, time.Until(deadline))
				<-ctx.Done()
				time.Sleep(50 * time.Millisecond)
				return health.Degraded(health.WithReason(ctx.Err(), health.ReasonPoolSaturated))
			},
		}}})
		settle(950 * time.Millisecond)
		require.Equal(t, "degraded pool_saturated", standOf(t, hc, health.Readiness))
	})
}

// Trap 14: a late outcome says more about a failure, and never turns it into a
// success.
func TestALateOutcomeNeverOverwritesAVerdict(t *testing.T) {
	for _, test := range []struct {
		name         string
		outcome      func() error
		reason, text string
	}{
		{"a success changes nothing", func() error { return nil }, health.ReasonTimeout, "health: the check did not return in time"},
		{"a lesser fault changes nothing", func() error { return health.Degraded(errDown) }, health.ReasonTimeout, "health: the check did not return in time"},
		{"a failure tells more", func() error { return health.WithReason(errDown, health.ReasonAuth) }, health.ReasonAuth, "down"},
		{"a panic too", func() error { panic("oops") }, health.ReasonPanic, "health: the check panicked: oops"},
		{"and the end of its goroutine", func() error { runtime.Goexit(); return nil }, health.ReasonPanic, "health: the check ended its goroutine"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				hc := begin(t, health.Options{Checks: []health.Check{{
					Name: "db", Interval: 40 * time.Second, Timeout: time.Second,
					Func: func(context.Context) error {
						if calls.Add(1) > 1 {
							return nil
						}
						time.Sleep(5 * time.Second)
						return test.outcome()
					},
				}}})
				settle(time.Second)
				before := componentOf(t, hc, "db")
				settle(4 * time.Second)
				after := componentOf(t, hc, "db")
				require.Equal(t, health.StatusUnhealthy, after.Status)
				require.Equal(t, test.reason, after.Reason)
				require.EqualError(t, after.Err, test.text)
				require.Zero(t, after.StuckFor)
				require.Equal(t, before.CheckedAt, after.CheckedAt, "it is no fresh look")
				require.Equal(t, before.Failures, after.Failures)
				settle(7 * time.Second)
				require.Equal(t, "healthy", standOf(t, hc, health.Readiness), "the next round decides")
			})
		})
	}
}

// Trap 14: a check that always takes longer than it may stays red, rather than
// turning green each time it has finally returned.
func TestACheckThatIsAlwaysTooSlowDoesNotFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes atomic.Int32
		hc := begin(t, health.Options{
			OnTransition: func(string, string, string, error) { changes.Add(1) },
			Checks: []health.Check{{Name: "db", Interval: 10 * time.Second, Timeout: 2 * time.Second, Func: func(context.Context) error {
				time.Sleep(3 * time.Second)
				return nil
			}}},
		})
		for range 3600 {
			settle(time.Second)
			require.NotEqual(t, health.StatusHealthy, componentOf(t, hc, "db").Status)
		}
		require.EqualValues(t, 1, changes.Load())
	})
}

// Trap 15: the context of a run comes from the checker, and ends with it.
func TestTheContextOfARunEndsWithTheChecker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ctx context.Context
		hc := beginOpen(t, health.Options{Checks: []health.Check{{Name: "db", Func: func(c context.Context) error {
			ctx = c
			<-c.Done()
			return c.Err()
		}}}})
		settle(time.Second)
		require.NoError(t, ctx.Err())
		require.NoError(t, hc.Close())
		require.ErrorIs(t, ctx.Err(), context.Canceled)
		require.Equal(t, health.StatusUnknown, componentOf(t, hc, "db").Status, "what is called off is no verdict")
	})
}

// Trap 17: neither a panic nor the end of the goroutine ends the rounds.
func TestACheckSurvivesWhatItDoesToItsGoroutine(t *testing.T) {
	for name, die := range map[string]func(){
		"panic":       func() { panic("oops") },
		"panic(nil)":  func() { panic(nil) },
		"nil pointer": func() { _ = (*http.Request)(nil).Method },
		"Goexit":      runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var dead atomic.Bool
				dead.Store(true)
				hc := begin(t, health.Options{Checks: []health.Check{{Name: "db", Func: func(context.Context) error {
					if dead.Load() {
						die()
					}
					return nil
				}}}})
				settle(0)
				require.Equal(t, "unhealthy panic", standOf(t, hc, health.Readiness))
				settle(time.Minute)
				require.GreaterOrEqual(t, componentOf(t, hc, "db").Failures, 60/3)
				dead.Store(false)
				settle(3 * time.Second)
				require.Equal(t, "healthy", standOf(t, hc, health.Readiness))
			})
		})
	}
}

// Trap 19: healthy checks keep their interval, the others are looked at four
// times as often but not above once a second, and chance keeps replicas apart.
func TestRoundsComeInTime(t *testing.T) {
	for _, test := range []struct {
		name     string
		interval time.Duration
		outcome  func(context.Context) error
		want     time.Duration
	}{
		{"healthy", 10 * time.Second, pass, 10 * time.Second},
		{"failing", 10 * time.Second, fail, 2500 * time.Millisecond},
		{"degraded", 10 * time.Second, func(context.Context) error { return health.Degraded(errDown) }, 2500 * time.Millisecond},
		{"failing, and no more than once a second", 2 * time.Second, fail, time.Second},
		{"failing, and no less than at its interval", 300 * time.Millisecond, fail, 300 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var starts []time.Time
				hc := beginOpen(t, health.Options{Checks: []health.Check{{
					Name: "db", Interval: test.interval, Timeout: test.interval / 2,
					Func: func(ctx context.Context) error {
						starts = append(starts, time.Now())
						return test.outcome(ctx)
					},
				}}})
				time.Sleep(1000 * test.want)
				require.NoError(t, hc.Close())
				shortest, longest, sum := time.Hour, time.Duration(0), time.Duration(0)
				for i := range starts[1:] {
					d := starts[i+1].Sub(starts[i])
					shortest, longest, sum = min(shortest, d), max(longest, d), sum+d
				}
				require.GreaterOrEqual(t, shortest, test.want*9/10)
				require.Less(t, shortest, test.want*92/100, "chance uses the room it has")
				require.LessOrEqual(t, longest, test.want*11/10)
				require.Greater(t, longest, test.want*108/100)
				require.InDelta(t, test.want, sum/time.Duration(len(starts)-1), float64(test.want)/100)
			})
		})
	}
}

// Trap 19: replicas that start at the same moment are soon spread over the whole
// interval.
func TestReplicasDoNotRunInStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const replicas, slots = 100, 10
		var last [replicas]time.Time
		for i := range replicas {
			begin(t, health.Options{Checks: []health.Check{{Name: "db", Func: func(context.Context) error {
				last[i] = time.Now()
				return nil
			}}}})
		}
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		var load [slots]int
		for _, at := range last {
			load[int(time.Since(at)/time.Second)%slots]++
		}
		for _, n := range load {
			require.InDelta(t, replicas/slots, n, 15, "%v", load)
		}
	})
}

// Two rounds never overlap, even when a run takes longer than what is left of
// the interval.
func TestASlowButHealthyCheckIsNotRunTwiceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most, calls atomic.Int32
		hc := beginOpen(t, health.Options{Checks: []health.Check{{
			Name: "db", Interval: time.Second, Timeout: 999 * time.Millisecond,
			Func: func(context.Context) error {
				calls.Add(1)
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				time.Sleep(995 * time.Millisecond)
				return nil
			},
		}}})
		time.Sleep(1000 * time.Second)
		require.NoError(t, hc.Close())
		require.EqualValues(t, 1, most.Load())
		require.InDelta(t, 1000/1.025, calls.Load(), 25)
	})
}

// Trap 16: without a result there is none, and it does not stay a start for ever.
func TestAResultIsBelievedForTwoRoundsAndATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hc := begin(t, health.Options{OnDemand: true, Checks: []health.Check{{
			Name: "db", Interval: 10 * time.Second, Timeout: time.Second, FailureThreshold: 3, Func: pass,
		}}})
		require.Equal(t, "unknown starting", standOf(t, hc, health.Readiness))
		time.Sleep(21*time.Second + 1)
		require.Equal(t, "unknown stale", standOf(t, hc, health.Readiness))
		require.Equal(t, http.StatusOK, codeOf(hc.Handler(), "/health/readiness"), "whoever asks gets a new one")
		checked := time.Now()
		time.Sleep(21 * time.Second)
		require.Equal(t, "healthy", standOf(t, hc, health.Readiness))
		time.Sleep(time.Nanosecond)
		require.Equal(t, "unknown stale", standOf(t, hc, health.Readiness))
		require.Equal(t, checked.Add(21*time.Second), componentOf(t, hc, "db").Since)
		require.Equal(t, checked, componentOf(t, hc, "db").CheckedAt)
	})
}

// Trap 16: after a gap there is no status that an outcome could be weighed
// against, so that the first one counts at once.
func TestAFailureAfterAGapIsNotDamped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		var changes diary
		hc := begin(t, health.Options{
			OnDemand:     true,
			OnTransition: func(_, from, to string, _ error) { changes.add("%s %s", from, to) },
			Checks: []health.Check{{Name: "db", FailureThreshold: 3, Func: func(context.Context) error {
				if down.Load() {
					return errDown
				}
				return nil
			}}},
		})
		h := hc.Handler()
		require.Equal(t, http.StatusOK, codeOf(h, "/health/readiness"))
		time.Sleep(time.Minute)
		down.Store(true)
		require.Equal(t, http.StatusServiceUnavailable, codeOf(h, "/health/readiness"))
		require.Equal(t, "unhealthy other", standOf(t, hc, health.Readiness))
		settle(0)
		require.Equal(t, []string{"unknown healthy", "unknown unhealthy"}, changes.read())
	})
}

// A page that was rendered before a result became too old is not served after.
func TestARenderedAnswerDoesNotOutliveItsResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan struct{}, 1)
		asked <- struct{}{}
		hc := begin(t, health.Options{OnDemand: true, Checks: []health.Check{{
			Name: "db", Interval: 10 * time.Second, Timeout: time.Second,
			Func: func(ctx context.Context) error {
				select {
				case <-asked:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			},
		}}})
		h, err := hc.GroupHandler(health.Readiness)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, codeOf(h, "/"))
		gone, leave := context.WithCancel(t.Context())
		leave() // so that nobody waits for the run
		ask := func() int {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(gone, http.MethodGet, "/", nil))
			return w.Code
		}
		time.Sleep(21*time.Second - 10*time.Millisecond)
		require.Equal(t, http.StatusOK, ask())
		time.Sleep(10*time.Millisecond + 1)
		require.Equal(t, http.StatusServiceUnavailable, ask())
	})
}
