package health_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

var modelGroups = []string{"", health.Liveness, health.Readiness, health.Startup, "one", "two"}

// world is a checker with the twins of its checks.
type world struct {
	t        *testing.T
	random   *rand.Rand
	onDemand bool
	checker  *health.Checker
	handler  http.Handler
	twins    []*twin // sorted by name
	release  chan struct{}
	letGo    func()
	asking   sync.WaitGroup

	failed, notReady, closed, started bool
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, random: rand.New(rand.NewPCG(seed, 7)), onDemand: seed%3 == 2, release: make(chan struct{})}
	w.letGo = sync.OnceFunc(func() { close(w.release) })
	byName := map[string]*twin{}
	for i := range 1 + w.random.IntN(6) {
		name := fmt.Sprint("check ", i)
		byName[name] = newTwin(t, w.random, name, w.onDemand, w.release)
		w.twins = append(w.twins, byName[name])
	}
	o := health.Options{
		OnDemand: w.onDemand,
		OnResult: func(name, status string, d time.Duration, err error) {
			byName[name].hear(true, fmt.Sprintf("result %s %v %s", status, d, text(err)))
		},
		OnTransition: func(name, from, to string, err error) {
			byName[name].hear(false, fmt.Sprintf("%s to %s %s", from, to, text(err)))
		},
		OnStuck: func(name string, stuck bool) { byName[name].hear(false, fmt.Sprintf("stuck %t", stuck)) },
		OnPanic: func(name string, _ any, _ []byte) { byName[name].hear(false, "panic") },
	}
	for _, twin := range w.twins {
		o.Checks = append(o.Checks, twin.check)
	}
	w.random.Shuffle(len(o.Checks), func(i, j int) { o.Checks[i], o.Checks[j] = o.Checks[j], o.Checks[i] })
	w.checker = beginOpen(t, o)
	w.handler = w.checker.Handler()
	t.Cleanup(func() { // after a failure: a bubble waits for what hangs in it
		w.letGo()
		_ = w.checker.Close()
	})
	return w
}

// compare looks for differences between the checker and what it should be now.
func (w *world) compare() {
	now := time.Now()
	for _, twin := range w.twins {
		twin.advance(now)
		same(w.t, 0, twin.overlaps, "two runs at a time")
	}
	for _, group := range modelGroups {
		var components []health.Component
		status, reason := w.own(group)
		from := health.Critical // what the process says of itself comes before all
		for _, twin := range w.twins {
			if group != "" && !slices.Contains(twin.check.Groups, group) {
				continue
			}
			c := twin.component(now)
			components = append(components, c)
			if weight := twin.weight(group, c); worse(weight, status) {
				status, reason = weight, c.Reason
				from = c.Criticality
			} else if weight == status && c.Criticality < from && status != health.StatusHealthy {
				reason, from = c.Reason, c.Criticality // critical checks come first
			}
		}
		if group == health.Startup {
			w.started = w.started || !worse(status, health.StatusDegraded)
			if w.started {
				status, reason = health.StatusHealthy, ""
			}
		}
		w.compareGroup(group, now, components, status, reason)
	}
}

func (w *world) compareGroup(group string, now time.Time, components []health.Component, status, reason string) {
	r, ok := w.checker.Report(group)
	if !ok {
		require.Empty(w.t, components)
		return
	}
	same(w.t, now, r.Time, group)
	same(w.t, status, r.Status, group)
	same(w.t, reason, r.Reason, group)
	same(w.t, status == health.StatusHealthy, reason == "", "a reason for each status but healthy")
	same(w.t, len(components), len(r.Components), group)
	for i, c := range r.Components {
		if group == "" {
			w.twins[i].compare(now, c)
			continue
		}
		c.Err, c.Data = nil, nil
		same(w.t, components[i], c, group)
	}
}

// own is what the process says about itself.
func (w *world) own(group string) (status, reason string) {
	switch gated := group == "" || group == health.Readiness; {
	case w.failed && (group == "" || group == health.Liveness):
		return health.StatusUnhealthy, health.ReasonFailed
	case gated && w.closed:
		return health.StatusUnhealthy, health.ReasonClosed
	case gated && w.notReady:
		return health.StatusUnhealthy, health.ReasonNotReady
	}
	return health.StatusHealthy, ""
}

// step goes to the next thing that is known to happen, or stops before it.
func (w *world) step() {
	now := time.Now()
	next := now.Add(time.Duration(w.random.Int64N(int64(3 * time.Second))))
	if w.onDemand && w.random.IntN(100) == 0 {
		next = now.Add(time.Duration(w.random.Int64N(int64(2 * time.Minute))))
	}
	for _, twin := range w.twins {
		if twin.run == nil {
			continue
		}
		at := twin.run.start.Add(twin.run.after)
		if deadline := twin.run.start.Add(twin.check.Timeout); !twin.given && deadline.Before(at) {
			at = deadline
		}
		if at.After(now) && at.Before(next) {
			next = at
		}
	}
	settle(next.Sub(now))
	w.compare()
}

// act does what users of a checker do.
func (w *world) act() {
	switch n := w.random.IntN(1000); {
	case n < 20:
		w.notReady = !w.notReady
		w.checker.SetReady(!w.notReady, "by hand")
	case n == 20 && w.random.IntN(10) == 0:
		w.failed = true
		w.checker.Fail(errors.New("for good"))
	case n < 300:
		w.ask(modelGroups[w.random.IntN(len(modelGroups))])
	}
	w.compare()
}

// ask probes. On demand that runs what is due, and only that.
func (w *world) ask(group string) {
	if _, ok := w.checker.Report(group); !ok {
		return
	}
	now := time.Now()
	var runs, rounds []*twin
	for _, twin := range w.twins {
		if !w.onDemand || twin.done || group != "" && !slices.Contains(twin.check.Groups, group) {
			continue
		}
		switch due := twin.seen.IsZero() || now.After(twin.due[1]); {
		case due && twin.run == nil:
			runs = append(runs, twin)
		case due && twin.given:
			rounds = append(rounds, twin)
		}
	}
	patience := time.Duration(w.random.Int64N(int64(20 * time.Second)))
	w.asking.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		path := "/health"
		if group != "" {
			path += "/" + group
		}
		_, took := askWith(ctx, w.handler, path)
		if took > patience || !w.onDemand && took > 0 {
			w.t.Errorf("a probe of %q with a patience of %v took %v", group, patience, took)
		}
	})
	settle(0)
	w.compare()
	for _, twin := range runs {
		require.Equal(w.t, now, twin.began, "%s was due, and is asked for", twin.check.Name)
	}
	for _, twin := range rounds {
		require.Equal(w.t, now, twin.seen, "%s was due, and is asked for", twin.check.Name)
	}
}

// end closes the checker, which waits for what will end in time.
func (w *world) end() {
	start := time.Now()
	var left time.Duration
	for _, twin := range w.twins {
		if twin.run != nil && twin.run.kind != listens {
			left = max(left, twin.run.start.Add(twin.run.after).Sub(start))
		}
	}
	w.closed = true
	err := w.checker.Close()
	require.Equal(w.t, left > 5*time.Second, err != nil, "%v to wait for", left)
	require.Equal(w.t, min(left, 5*time.Second), time.Since(start))
	w.asking.Wait()
	require.Equal(w.t, min(left, 5*time.Second), time.Since(start), "nobody waits for an answer of a closed checker")
	require.Equal(w.t, http.StatusServiceUnavailable, codeOf(w.handler, "/readyz"))
	w.letGo()
	begun := make([]int, len(w.twins))
	for i, twin := range w.twins {
		begun[i] = twin.number
	}
	settle(time.Hour)
	for i, twin := range w.twins {
		require.Equal(w.t, begun[i], twin.number, "nothing begins after Close")
		require.Zero(w.t, twin.inFlight)
	}
	require.Equal(w.t, "unhealthy closed", standOf(w.t, w.checker, health.Readiness))
}

// TestTheCheckerDoesWhatItsModelDoes compares a checker with its documentation,
// instant by instant, over hours of checks that pass, degrade, fail, hang, come
// back late or never, panic, and end their goroutines.
func TestTheCheckerDoesWhatItsModelDoes(t *testing.T) {
	worlds := 12
	if testing.Short() {
		worlds = 4
	}
	runs := 0
	for seed := range uint64(worlds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, seed)
				settle(0)
				w.compare()
				for end := time.Now().Add(time.Hour); time.Now().Before(end); {
					w.step()
					w.act()
				}
				for _, twin := range w.twins {
					runs += twin.number
				}
				w.end()
			})
		})
	}
	t.Log(runs, "runs in", worlds, "hours")
}
