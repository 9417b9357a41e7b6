package health_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// outcome is what a run comes to.
type outcome struct{ status, reason, text string }

var timedOut = outcome{health.StatusUnhealthy, health.ReasonTimeout, "health: the check did not return in time"}

type kind int

const (
	passes kind = iota
	degrades
	fails
	panics
	exits
	listens // to its context
)

// never is longer than any test.
const never = 10_000 * time.Hour

// act is one run of a check, as it was written before it began.
type act struct {
	number int
	kind   kind
	start  time.Time
	after  time.Duration // it ends
}

func (a *act) outcome() outcome {
	switch a.kind {
	case degrades:
		return outcome{health.StatusDegraded, fmt.Sprint("d", a.number), fmt.Sprint("degraded ", a.number)}
	case fails:
		return outcome{health.StatusUnhealthy, fmt.Sprint("f", a.number), fmt.Sprint("failed ", a.number)}
	case panics:
		return outcome{health.StatusUnhealthy, health.ReasonPanic, fmt.Sprint("health: the check panicked: ", a.number)}
	case exits:
		return outcome{health.StatusUnhealthy, health.ReasonPanic, "health: the check ended its goroutine"}
	case listens:
		return outcome{health.StatusUnhealthy, health.ReasonTimeout, context.DeadlineExceeded.Error()}
	default:
		return outcome{status: health.StatusHealthy}
	}
}

// heard is what a hook was told, and when.
type heard struct {
	at     time.Time
	result bool
	text   string
}

// actor plays a check: it makes up what each run does.
type actor struct {
	timeout, interval time.Duration
	release           chan struct{}

	mu       sync.Mutex
	random   *rand.Rand
	mood     int
	number   int
	begun    []*act // that the twin does not know yet
	inFlight int
	overlaps int
	told     []heard
}

func (a *actor) play(ctx context.Context) error {
	act := a.begin()
	defer a.end()
	health.Set(ctx, "run", act.number)
	switch {
	case act.kind == listens:
		<-ctx.Done()
		return ctx.Err()
	case act.after == never:
		<-a.release
	default:
		time.Sleep(act.after)
	}
	switch act.kind {
	case degrades:
		return health.Degraded(health.WithReason(errors.New(act.outcome().text), act.outcome().reason))
	case fails:
		return health.WithReason(errors.New(act.outcome().text), act.outcome().reason)
	case panics:
		panic(act.number)
	case exits:
		runtime.Goexit()
	}
	return nil
}

func (a *actor) begin() *act {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.number++
	if a.inFlight++; a.inFlight > 1 {
		a.overlaps++
	}
	act := a.write()
	a.begun = append(a.begun, act)
	return act
}

func (a *actor) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inFlight--
}

// write makes up a run. Moods last for some runs, so that thresholds are met.
func (a *actor) write() *act {
	if a.random.IntN(8) == 0 {
		a.mood = a.random.IntN(5)
	}
	act := &act{number: a.number, start: time.Now()}
	kinds := [][]kind{
		{passes, passes, passes, passes, passes, passes, passes, degrades, fails},
		{passes, degrades, degrades, degrades, fails},
		{fails, fails, fails, degrades, panics, exits, listens, passes},
		{passes, passes, degrades, fails, panics, exits},
		{passes, fails, panics, listens, listens},
	}[a.mood]
	act.kind = kinds[a.random.IntN(len(kinds))]
	act.after = a.duration(act.kind)
	return act
}

// duration is never exactly the timeout, as then it depends on chance whether
// the run was stuck.
func (a *actor) duration(k kind) time.Duration {
	up := func(d time.Duration) time.Duration { return time.Duration(a.random.Int64N(int64(d))) }
	switch n := a.random.IntN(100); {
	case k == listens:
		return a.timeout - a.timeout/10
	case a.mood == 3 && n < 40: // slow, but in time
		return a.timeout*9/10 + up(a.timeout/10-1)
	case a.mood == 4 && n < 60: // late
		return a.timeout + 1 + up(3*a.interval)
	case a.mood == 4 && n < 62:
		return never
	case n < 10:
		return 0
	default:
		return up(a.timeout * 9 / 10)
	}
}

// take gives a run that has begun to the twin.
func (a *actor) take() (*act, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.begun) == 0 {
		return nil, false
	}
	next := a.begun[0]
	a.begun = a.begun[1:]
	return next, true
}

func (a *actor) hear(result bool, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told = append(a.told, heard{time.Now(), result, text})
}

func (a *actor) allHeard() []heard {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.told
}

// text is that of an error, as the twin has it.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// newTwin makes up a check and plays it.
func newTwin(t *testing.T, random *rand.Rand, name string, onDemand bool, release chan struct{}) *twin {
	c := health.Check{
		Name: name, Groups: []string{}, Criticality: health.Criticality(random.IntN(3)), Shared: random.IntN(3) == 0,
		Interval:         200*time.Millisecond + time.Duration(random.Int64N(int64(15*time.Second))),
		FailureThreshold: 1 + random.IntN(4), SuccessThreshold: 1 + random.IntN(4),
	}
	c.Timeout = time.Duration(float64(c.Interval) * (0.05 + 0.9*random.Float64()))
	for _, group := range []string{health.Readiness, health.Startup, "one", "two"} {
		if random.IntN(2) == 0 {
			c.Groups = append(c.Groups, group)
		}
	}
	a := &actor{timeout: c.Timeout, interval: c.Interval, release: release, random: rand.New(rand.NewPCG(random.Uint64(), 0))}
	if random.IntN(2) == 0 {
		c.Func = a.play
	} else {
		c.Internal = a.play
		c.Groups = append(c.Groups, health.Liveness)
	}
	require.Less(t, c.Timeout, c.Interval)
	return &twin{t: t, check: c, onDemand: onDemand, actor: a, created: time.Now()}
}
