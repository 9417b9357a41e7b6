package health

import (
	"time"
)

// result is the state of a check after an outcome. It never changes.
type result struct {
	level     level
	reason    string // of the last outcome that was not healthy; empty if the status and the last one are
	err       error  // likewise
	data      map[string]any
	duration  time.Duration // of the run
	checkedAt time.Time
	since     time.Time // of the status
	failures  int       // in a row
	passed    bool      // some run has not failed, this one or an earlier one
	stuck     time.Time // when the run began that has not returned; zero if there is none
	expires   time.Time // when it becomes too old to be believed; zero: never
	renew     time.Time // when the check is due again
}

// isOld reports whether it is too old to be believed.
func (r *result) isOld(now time.Time) bool { return !r.expires.IsZero() && now.After(r.expires) }

// Component is a check as it stands.
type Component struct {
	Name        string
	Status      string // with damping, see [Check].FailureThreshold
	Reason      string // why the last run that failed did, as a class for everybody; empty if all is well
	Err         error  // likewise, for operators: it may hold addresses
	Criticality Criticality
	Data        map[string]any // see [Set]; not to be changed
	Duration    time.Duration  // of the last run
	CheckedAt   time.Time      // when the last run ended; zero before the first
	Since       time.Time      // since when it has this status
	Failures    int            // runs in a row that found it not healthy
	StuckFor    time.Duration  // for how long a run has not returned that should have
}

// component is the check as it stands at a moment. A result that is too old
// says nothing about it: the process may have been stopped, or starved of
// processors.
func (t *task) component(now time.Time) (Component, level) {
	r := t.result.Load()
	if r == nil {
		// Never run: for a moment that is a start, for longer it is a fault.
		c := Component{Name: t.check.Name, Status: StatusUnknown, Reason: ReasonStarting, Criticality: t.check.Criticality, Since: t.created}
		if now.After(t.created.Add(t.check.lifetime())) {
			c.Reason = ReasonStale
		}
		return c, unknown
	}
	c := Component{
		Name: t.check.Name, Status: r.level.String(), Reason: r.reason, Err: r.err, Criticality: t.check.Criticality,
		Data: r.data, Duration: r.duration, CheckedAt: r.checkedAt, Since: r.since, Failures: r.failures,
	}
	if !r.stuck.IsZero() {
		c.StuckFor = now.Sub(r.stuck)
	}
	if r.isOld(now) {
		c.Status, c.Reason, c.Since = StatusUnknown, ReasonStale, r.expires
		return c, unknown
	}
	return c, r.level
}

// believed is until when the check stays as it is now, as far as time goes;
// zero for ever.
func (t *task) believed(now time.Time) time.Time {
	until := t.created.Add(t.check.lifetime())
	if r := t.result.Load(); r != nil {
		until = r.expires
	}
	if until.Before(now) {
		return time.Time{}
	}
	return until
}

// lifetime is how long a result is believed: two rounds, one of which may have
// taken its whole time.
func (c Check) lifetime() time.Duration { return 2*c.Interval + c.Timeout }
