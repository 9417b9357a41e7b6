package health_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// rank orders the statuses of the model, the worst last.
var rank = []string{health.StatusHealthy, health.StatusDegraded, health.StatusUnknown, health.StatusUnhealthy}

// same is require.Equal for what is asked a million times: that one looks up who
// calls it, each time.
func same(t *testing.T, want, got any, what string) {
	if !reflect.DeepEqual(want, got) {
		require.Equal(t, want, got, "%q", what)
	}
}

func worse(a, b string) bool { return slices.Index(rank, a) > slices.Index(rank, b) }

func worst(all ...string) string {
	return slices.MaxFunc(all, func(a, b string) int { return slices.Index(rank, a) - slices.Index(rank, b) })
}

func best(all ...string) string {
	return slices.MinFunc(all, func(a, b string) int { return slices.Index(rank, a) - slices.Index(rank, b) })
}

// twin is what the documentation says of a check. It is told when runs begin,
// knows beforehand what each does, and says what has to come of it.
type twin struct {
	t        *testing.T
	check    health.Check
	onDemand bool
	created  time.Time
	*actor

	run     *act // under way, or stuck
	given   bool // up
	began   time.Time
	rounds  int // that found it stuck
	done    bool
	passed  bool
	due     [2]time.Time // the next round comes between them
	recent  []string     // outcomes that count for the status
	want    []heard      // from hooks
	settled int          // of these, how many were compared

	status, reason, text string
	since, seen          time.Time
	took                 time.Duration
	failures             int
	data                 any
}

func (w *twin) life() time.Duration { return 2*w.check.Interval + w.check.Timeout }

// advance finds out what has happened by now.
func (w *twin) advance(now time.Time) {
	for w.step(now) {
	}
	if w.onDemand || w.done {
		return
	}
	if now.After(w.due[1]) {
		require.NotNil(w.t, w.run, "%s: no run since %v", w.check.Name, w.due[1])
		require.False(w.t, w.given, "%s: stuck, and no round since %v", w.check.Name, w.due[1])
	}
}

func (w *twin) step(now time.Time) bool {
	if w.run == nil {
		return w.begin()
	}
	end, deadline := w.run.start.Add(w.run.after), w.run.start.Add(w.check.Timeout)
	switch {
	case !w.given && end.Before(deadline):
		if end.After(now) {
			return false
		}
		w.panicked(end)
		w.observe(end, w.run.outcome())
		w.run = nil
	case !w.given:
		if deadline.After(now) {
			return false
		}
		w.given, w.rounds = true, 0
		w.observe(deadline, timedOut)
		w.tell(deadline, false, "stuck true")
	default:
		if at, ok := w.round(); ok && at.Before(end) {
			w.inTime(at)
			w.rounds++
			w.observe(at, timedOut)
			return true
		}
		if end.After(now) {
			return false
		}
		w.late(end)
	}
	return true
}

// begin takes a run that the check says has begun.
func (w *twin) begin() bool {
	next, ok := w.take()
	if !ok {
		return false
	}
	require.False(w.t, w.done, "%s is done", w.check.Name)
	if w.seen.IsZero() && !w.onDemand {
		require.Equal(w.t, w.created, next.start, "the first run begins at once")
	} else if !w.seen.IsZero() {
		w.inTime(next.start)
	}
	w.run, w.given, w.began = next, false, next.start
	return true
}

// inTime says when a round may come. On demand it comes when somebody asks.
func (w *twin) inTime(at time.Time) {
	require.False(w.t, at.Before(w.due[0]), "%s: %v is too early, %v", w.check.Name, at, w.due)
	require.False(w.t, !w.onDemand && at.After(w.due[1]), "%s: %v is too late, %v", w.check.Name, at, w.due)
}

// round is the next thing that hooks heard of, if it is that a round was due.
func (w *twin) round() (time.Time, bool) {
	all := w.allHeard()
	if len(all) <= len(w.want) || !all[len(w.want)].result {
		return time.Time{}, false
	}
	return all[len(w.want)].at, true
}

func (w *twin) observe(at time.Time, o outcome) {
	from := w.status
	if from == "" || at.After(w.seen.Add(w.life())) {
		from, w.recent = health.StatusUnknown, nil
	}
	w.recent = append(w.recent, o.status)
	if w.failures++; o.status == health.StatusHealthy {
		w.failures = 0
	}
	w.status = w.damped(from)
	w.took, w.data = at.Sub(w.began), w.run.number
	if w.rounds > 0 && w.given { // a round that was not run
		w.took, w.data = w.check.Timeout, nil
	}
	if o.status != health.StatusHealthy || w.status == health.StatusHealthy {
		w.reason, w.text = o.reason, o.text
	}
	w.passed = w.passed || worse(health.StatusUnknown, o.status)
	w.done = w.status == health.StatusHealthy && slices.Equal(w.check.Groups, []string{health.Startup})
	if w.status != from || w.seen.IsZero() {
		w.since = at
	}
	w.seen = at
	w.schedule(at, o)
	w.tell(at, true, fmt.Sprintf("result %s %v %s", w.status, w.took, o.text))
	if w.status != from {
		w.tell(at, false, fmt.Sprintf("%s to %s %s", from, w.status, w.text))
	}
}

// damped is the status as the thresholds are defined.
func (w *twin) damped(status string) string {
	n, f, s := len(w.recent), w.check.FailureThreshold, w.check.SuccessThreshold
	if n == 1 {
		return w.recent[0]
	}
	if n >= f {
		status = worst(status, best(w.recent[n-f:]...))
	}
	if n >= s {
		status = best(status, worst(w.recent[n-s:]...))
	}
	return status
}

func (w *twin) schedule(at time.Time, o outcome) {
	base, d := w.began, w.check.Interval
	if o.status != health.StatusHealthy {
		base, d = at, min(d, max(d/4, time.Second))
	}
	for i, share := range []time.Duration{9, 11} {
		w.due[i] = base.Add(d / 10 * share).Add(time.Duration(2*i-1) * time.Microsecond)
		if w.due[i].Before(at) {
			w.due[i] = at
		}
	}
}

// late is the end of a run that was given up.
func (w *twin) late(at time.Time) {
	w.panicked(at)
	if o := w.run.outcome(); o.status == health.StatusUnhealthy {
		w.reason, w.text = o.reason, o.text
	}
	w.run, w.given, w.rounds = nil, false, 0
	w.tell(at, false, "stuck false")
}

func (w *twin) panicked(at time.Time) {
	if w.run.kind == panics {
		w.tell(at, false, "panic")
	}
}

func (w *twin) tell(at time.Time, result bool, text string) {
	w.want = append(w.want, heard{at, result, text})
}

// component is the check as it has to be shown.
func (w *twin) component(now time.Time) health.Component {
	c := health.Component{Name: w.check.Name, Criticality: w.check.Criticality, Status: health.StatusUnknown}
	if w.seen.IsZero() {
		c.Reason, c.Since = health.ReasonStarting, w.created
		if now.After(w.created.Add(w.life())) {
			c.Reason = health.ReasonStale
		}
		return c
	}
	c.Status, c.Reason, c.Since = w.status, w.reason, w.since
	c.Duration, c.CheckedAt, c.Failures = w.took, w.seen, w.failures
	if w.given {
		c.StuckFor = now.Sub(w.began)
	}
	if end := w.seen.Add(w.life()); !w.done && now.After(end) {
		c.Status, c.Reason, c.Since = health.StatusUnknown, health.ReasonStale, end
	}
	return c
}

// weight is what the check means for a group.
func (w *twin) weight(group string, c health.Component) string {
	switch {
	case w.check.Criticality == health.Informational,
		group == health.Liveness && c.Reason == health.ReasonStarting && w.seen.IsZero(),
		group == health.Startup && w.passed:
		return health.StatusHealthy
	case w.check.Criticality == health.Degrading,
		w.check.Shared && group == health.Readiness && c.Reason != health.ReasonStarting:
		return best(c.Status, health.StatusDegraded)
	}
	return c.Status
}

// compare looks for differences between the check and its twin.
func (w *twin) compare(now time.Time, c health.Component) {
	want := w.component(now)
	text, data := "", any(nil)
	if c.Err != nil {
		text = c.Err.Error()
	}
	data = c.Data["run"]
	c.Err, c.Data = nil, nil
	same(w.t, want, c, w.check.Name)
	same(w.t, w.text, text, w.check.Name)
	same(w.t, w.data, data, w.check.Name)
	all := w.allHeard()
	same(w.t, w.want[w.settled:], all[min(w.settled, len(all)):], w.check.Name)
	w.settled = len(w.want)
}
