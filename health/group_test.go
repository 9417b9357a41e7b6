package health_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// reported is a check that says what outcome holds.
type reported struct{ outcome atomic.Pointer[error] }

func (r *reported) set(err error) { r.outcome.Store(&err) }

func (r *reported) check(context.Context) error {
	if err := r.outcome.Load(); err != nil {
		return *err
	}
	return nil
}

// Trap 7: liveness has no dependency among its inputs, and without checks it is
// healthy.
func TestLivenessIsOfTheProcessAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hc := begin(t, health.Options{Checks: []health.Check{
			{Name: "db", Func: fail},
			{Name: "cache", Func: fail, Groups: []string{health.Readiness, health.Startup, "storage"}},
			{Name: "config", Internal: fail},
		}})
		settle(time.Minute)
		require.Equal(t, "unhealthy other", standOf(t, hc, ""))
		require.Equal(t, "healthy", standOf(t, hc, health.Liveness))
		require.Equal(t, http.StatusOK, codeOf(hc.Handler(), "/livez"))
		hc.SetReady(false, "no")
		require.Equal(t, "healthy", standOf(t, hc, health.Liveness))
		hc.Fail(errors.New("deadlock"))
		require.Equal(t, "unhealthy failed", standOf(t, hc, health.Liveness))
		require.Equal(t, http.StatusServiceUnavailable, codeOf(hc.Handler(), "/livez"))
	})

	_, err := health.New(health.Options{Checks: []health.Check{{Name: "db", Func: pass, Groups: []string{health.Liveness}}}})
	require.ErrorContains(t, err, "liveness")
}

// Trap 7: an internal check decides about liveness, but not before it has said
// something: a slow start is no reason for a restart.
func TestLivenessIsHealthyUntilSomethingSpeaksAgainstIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hangs atomic.Bool
		hc := begin(t, health.Options{Checks: []health.Check{{
			Name: "loop", Groups: []string{health.Liveness}, Internal: func(ctx context.Context) error {
				if time.Sleep(time.Second); hangs.Load() {
					<-ctx.Done()
					return ctx.Err()
				}
				return nil
			},
		}}})
		require.Equal(t, "healthy", standOf(t, hc, health.Liveness))
		require.Equal(t, "unknown starting", standOf(t, hc, ""))
		settle(time.Second)
		require.Equal(t, "healthy", standOf(t, hc, health.Liveness))
		hangs.Store(true)
		settle(15 * time.Second)
		require.Equal(t, "unhealthy timeout", standOf(t, hc, health.Liveness))
	})
}

// Trap 8: readiness is red until each critical check has a result; one without
// checks is green.
func TestReadinessWaitsForEachCriticalCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		after := func(d time.Duration) health.Func {
			return func(context.Context) error { time.Sleep(d); return nil }
		}
		hc := begin(t, health.Options{Checks: []health.Check{
			{Name: "fast", Func: after(100 * time.Millisecond)},
			{Name: "slow", Func: after(time.Second)},
			{Name: "helpful", Func: after(1500 * time.Millisecond), Criticality: health.Degrading},
			{Name: "shown", Func: after(1800 * time.Millisecond), Criticality: health.Informational},
		}})
		h := hc.Handler()
		settle(200 * time.Millisecond)
		require.Equal(t, "unknown starting", standOf(t, hc, health.Readiness))
		require.Equal(t, http.StatusServiceUnavailable, codeOf(h, "/readyz"))
		settle(800 * time.Millisecond)
		require.Equal(t, "degraded starting", standOf(t, hc, health.Readiness))
		require.Equal(t, http.StatusOK, codeOf(h, "/readyz"))
		settle(500 * time.Millisecond)
		require.Equal(t, "healthy", standOf(t, hc, health.Readiness))

		require.Equal(t, "healthy", standOf(t, begin(t, health.Options{}), health.Readiness))
	})
}

// Trap 8: the start is over when each of its checks has passed once, at whatever
// time, and stays so.
func TestStartupIsLatchedWhenAllHavePassedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a, b reported
		a.set(errDown)
		b.set(errDown)
		both := []string{health.Startup, health.Readiness}
		hc := begin(t, health.Options{Checks: []health.Check{
			{Name: "a", Func: a.check, Groups: both}, {Name: "b", Func: b.check, Groups: both},
		}})
		h := hc.Handler()
		expect := func(code int, stand string) {
			t.Helper()
			settle(15 * time.Second)
			require.Equal(t, code, codeOf(h, "/startupz"))
			require.Equal(t, stand, standOf(t, hc, health.Startup))
		}
		expect(http.StatusServiceUnavailable, "unhealthy other")
		a.set(nil)
		expect(http.StatusServiceUnavailable, "unhealthy other")
		a.set(errDown)
		b.set(nil)
		expect(http.StatusOK, "healthy")
		b.set(errDown)
		expect(http.StatusOK, "healthy")
		hc.SetReady(false, "no")
		expect(http.StatusOK, "healthy")
		require.Equal(t, http.StatusServiceUnavailable, codeOf(h, "/readyz"))
	})
}

// What only says whether the process has started is not looked at any more when
// it has passed: it neither grows old nor stays red for a threshold.
func TestACheckOfTheStartIsDoneOnceItIsHealthy(t *testing.T) {
	for _, test := range []struct {
		name     string
		check    health.Check
		outcomes []error // the last one stays
		calls    int32
	}{
		{"at the first run", health.Check{}, []error{nil, errDown}, 1},
		{"after failures", health.Check{}, []error{errDown, errDown, nil, errDown}, 3},
		{"after as many as the threshold wants", health.Check{SuccessThreshold: 3}, []error{errDown, nil, nil, nil, errDown}, 4},
		{"not while it is degraded", health.Check{}, []error{health.Degraded(errDown), health.Degraded(errDown), nil, errDown}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				c := test.check
				c.Name, c.Groups = "migrations", []string{health.Startup}
				c.Func = func(context.Context) error {
					n := calls.Add(1)
					return test.outcomes[min(int(n), len(test.outcomes))-1]
				}
				hc := begin(t, health.Options{Checks: []health.Check{c}})
				settle(10 * time.Hour)
				require.Equal(t, test.calls, calls.Load())
				require.Equal(t, "healthy", standOf(t, hc, health.Startup))
				require.Equal(t, "healthy", standOf(t, hc, ""), "it is part of the whole for ever")
			})
		})
	}
}

// Trap 9: what each status is as a code, in every form.
func TestStatusesAreCodes(t *testing.T) {
	for _, test := range []struct {
		status string
		code   int
		check  health.Func
		word   string // of health+json: pass and warn go with 2xx, fail with 5xx
	}{
		{health.StatusHealthy, http.StatusOK, pass, "pass"},
		{health.StatusDegraded, http.StatusOK, func(context.Context) error { return health.Degraded(errDown) }, "warn"},
		{health.StatusUnhealthy, http.StatusServiceUnavailable, fail, "fail"},
		{health.StatusUnknown, http.StatusServiceUnavailable, func(ctx context.Context) error { <-ctx.Done(); return nil }, "fail"},
	} {
		t.Run(test.status, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hc := begin(t, health.Options{Checks: []health.Check{{Name: "db", Func: test.check, Groups: []string{health.Readiness, health.Startup, "own"}}}})
				settle(0)
				r, _ := hc.Report("")
				require.Equal(t, test.status, r.Status)
				for _, path := range []string{"/health", "/health/readiness", "/health/startup", "/health/own", "/healthz", "/readyz", "/startupz"} {
					require.Equal(t, test.code, codeOf(hc.Handler(), path), path)
				}
				w := httptest.NewRecorder()
				q := httptest.NewRequest(http.MethodGet, "/health", nil)
				q.Header.Set("Accept", "application/health+json")
				hc.Handler().ServeHTTP(w, q)
				require.Equal(t, test.code, w.Code)
				require.Contains(t, w.Body.String(), `"status":"`+test.word+`"`)
			})
		})
	}
}

// Traps 10 and 25: what every pair of a status and a criticality makes of a group.
func TestACheckMeansForAGroupWhatItsCriticalityAllows(t *testing.T) {
	outcomes := map[string]health.Func{
		"healthy": pass, "degraded": func(context.Context) error { return health.Degraded(errDown) }, "unhealthy": fail,
		"unknown": func(ctx context.Context) error { <-ctx.Done(); return nil },
	}
	same := map[string]string{"healthy": "healthy", "degraded": "degraded", "unhealthy": "unhealthy", "unknown": "unknown"}
	lesser := map[string]string{"healthy": "healthy", "degraded": "degraded", "unhealthy": "degraded", "unknown": "degraded"}
	// Trap 25: not all replicas at once. Trap 8: but not before the first result.
	shared := map[string]string{"healthy": "healthy", "degraded": "degraded", "unhealthy": "degraded", "unknown": "unknown"}
	nothing := map[string]string{"healthy": "healthy", "degraded": "healthy", "unhealthy": "healthy", "unknown": "healthy"}
	for _, test := range []struct {
		criticality      health.Criticality
		shared           bool
		readiness, other map[string]string
	}{
		{health.Critical, false, same, same},
		{health.Degrading, false, lesser, lesser},
		{health.Informational, false, nothing, nothing},
		{health.Critical, true, shared, same},
		{health.Degrading, true, lesser, lesser},
		{health.Informational, true, nothing, nothing},
	} {
		for status, f := range outcomes {
			t.Run(fmt.Sprintf("criticality %d shared %t %s", test.criticality, test.shared, status), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					hc := begin(t, health.Options{Checks: []health.Check{{
						Name: "db", Func: f, Criticality: test.criticality, Shared: test.shared, Groups: []string{health.Readiness, "own"},
					}}})
					settle(0)
					require.Equal(t, status, componentOf(t, hc, "db").Status, "it is shown as it is")
					for group, want := range map[string]string{health.Readiness: test.readiness[status], "own": test.other[status], "": test.other[status]} {
						r, _ := hc.Report(group)
						require.Equal(t, want, r.Status, "%q", group)
						require.Equal(t, want == "healthy", r.Reason == "", "a reason for what is not healthy, and for nothing else")
					}
				})
			})
		}
	}
}

// Trap 10: the worst counts, whatever the order and the number of checks, and
// of two that are as bad the first by name says why.
func TestTheWorstOfAllCounts(t *testing.T) {
	kinds := map[string]health.Func{
		"healthy":   pass,
		"degraded":  func(context.Context) error { return health.Degraded(health.WithReason(errDown, "degraded")) },
		"unknown":   func(ctx context.Context) error { <-ctx.Done(); return nil },
		"unhealthy": func(context.Context) error { return health.WithReason(errDown, "unhealthy") },
	}
	order := []string{"healthy", "degraded", "unknown", "unhealthy"}
	reasons := map[string]string{"unknown": "starting", "degraded": "degraded", "unhealthy": "unhealthy", "healthy": ""}
	for _, first := range order {
		for _, second := range order {
			for _, third := range order {
				synctest.Test(t, func(t *testing.T) {
					hc := begin(t, health.Options{Checks: []health.Check{
						{Name: "c", Func: kinds[third]}, {Name: "a", Func: kinds[first]}, {Name: "b", Func: kinds[second]},
					}})
					settle(0)
					want := order[max(slices.Index(order, first), slices.Index(order, second), slices.Index(order, third))]
					r, _ := hc.Report("")
					require.Equal(t, want, r.Status, "%s %s %s", first, second, third)
					require.Equal(t, reasons[want], r.Reason)
				})
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		because := func(reason string) health.Func {
			return func(context.Context) error { return health.WithReason(errDown, reason) }
		}
		hc := begin(t, health.Options{Checks: []health.Check{{Name: "z", Func: because("z")}, {Name: "m", Func: because("m")}}})
		settle(0)
		require.Equal(t, "unhealthy m", standOf(t, hc, ""))
	})
}

// A status that is not healthy always has a reason, also while runs succeed that
// are not yet enough of them.
func TestARecoveryKeepsTheReasonUntilItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var db reported
		db.set(health.WithReason(errDown, health.ReasonRefused))
		var told diary
		hc := begin(t, health.Options{
			OnResult: func(_, status string, _ time.Duration, err error) { told.add("%s %v", status, err) },
			Checks:   []health.Check{{Name: "db", Func: db.check, SuccessThreshold: 3}},
		})
		settle(0)
		db.set(nil)
		settle(2750 * time.Millisecond)
		c := componentOf(t, hc, "db")
		require.Equal(t, health.StatusUnhealthy, c.Status)
		require.Equal(t, 0, c.Failures)
		require.Equal(t, health.ReasonRefused, c.Reason)
		require.EqualError(t, c.Err, "down")
		require.Equal(t, "unhealthy refused", standOf(t, hc, health.Readiness))
		require.Equal(t, []string{"unhealthy down", "unhealthy <nil>"}, told.read(), "the hook is told of the run")
		settle(22 * time.Second)
		require.Equal(t, "healthy", standOf(t, hc, health.Readiness))
		require.NoError(t, componentOf(t, hc, "db").Err)
	})
}

func TestReadyByHandAndFailedForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hc := begin(t, health.Options{Checks: []health.Check{{Name: "db", Func: pass, Groups: []string{health.Readiness, "own"}}}})
		settle(0)
		hc.SetReady(false, "the cache is filled")
		require.Equal(t, "unhealthy not_ready", standOf(t, hc, health.Readiness))
		require.Equal(t, "unhealthy not_ready", standOf(t, hc, ""))
		require.Equal(t, "healthy", standOf(t, hc, "own"))
		hc.SetReady(true, "")
		require.Equal(t, "healthy", standOf(t, hc, health.Readiness))

		hc.Fail(nil)
		hc.Fail(errDown)
		hc.SetReady(true, "")
		require.Equal(t, "unhealthy failed", standOf(t, hc, health.Liveness))
		require.Equal(t, "unhealthy failed", standOf(t, hc, ""))
		require.Equal(t, "healthy", standOf(t, hc, health.Readiness))
	})
}

func TestAReportIsOfAGroupThatIsThere(t *testing.T) {
	hc := begin(t, health.Options{Checks: []health.Check{{Name: "b", Func: pass, Groups: []string{"own"}}, {Name: "a", Func: pass, Groups: []string{}}}})
	_, ok := hc.Report("none")
	require.False(t, ok)
	r, ok := hc.Report("own")
	require.True(t, ok)
	require.Len(t, r.Components, 1)
	r, _ = hc.Report("")
	require.Equal(t, "a", r.Components[0].Name, "sorted by name")
	require.Len(t, r.Components, 2)
	require.WithinDuration(t, time.Now(), r.Time, time.Minute)
}

// Trap 10: what only degrades does not hide what is critical.
func TestTheReasonIsThatOfACriticalCheckFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		because := func(reason string) health.Func {
			return func(context.Context) error { return health.Degraded(health.WithReason(errDown, reason)) }
		}
		hc := begin(t, health.Options{Checks: []health.Check{
			{Name: "a", Func: because("lesser"), Criticality: health.Degrading},
			{Name: "b", Func: because("greater")},
			{Name: "c", Func: because("later")},
		}})
		settle(0)
		require.Equal(t, "degraded greater", standOf(t, hc, health.Readiness))
	})
}

func TestACriticalityHasAName(t *testing.T) {
	require.Equal(t, "critical degrading informational Criticality(7)",
		fmt.Sprint(health.Critical, " ", health.Degrading, " ", health.Informational, " ", health.Criticality(7)))
}
