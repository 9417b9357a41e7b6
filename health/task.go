package health

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// task runs one check, never twice at a time.
type task struct {
	checker *Checker
	check   Check
	call    func(context.Context) error
	created time.Time
	events  *events
	panics  seldom // of the log, for the hooks' goroutine alone
	reasons seldom // likewise

	result atomic.Pointer[result] // nil before the first

	mu     sync.Mutex // guards what follows
	damper damper
	timer  *time.Timer // of the next round; nil on demand
	run    *run        // under way, or stuck
	closed bool
}

// run is one call of a check.
type run struct {
	start    time.Time
	facts    *facts
	ctx      context.Context
	cancel   context.CancelFunc
	deadline *time.Timer
	judged   chan struct{} // closed when there is an outcome
	expired  bool          // it came from the deadline; guarded by the task
}

func newTask(c *Checker, check Check) *task {
	t := &task{
		checker: c,
		check:   check,
		call:    check.Func,
		created: time.Now(),
		events:  &events{logger: c.opts.Logger},
		damper:  damper{fail: check.FailureThreshold, succeed: check.SuccessThreshold, level: unknown},
	}
	if check.Internal != nil {
		t.call = check.Internal
	}
	return t
}

// start begins the rounds.
func (t *task) start() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(0, t.round)
}

// round runs the check in the goroutine of the timer. While the last run hangs
// it does not start a second one: a copy of a stuck check would only be stuck
// too, and take a connection with it. The round still counts as failed.
func (t *task) round() {
	t.mu.Lock()
	switch {
	case t.closed:
		t.mu.Unlock()
	case t.run != nil:
		t.missed()
		t.mu.Unlock()
		t.events.deliver()
	default:
		r := t.begin()
		t.mu.Unlock()
		t.execute(r)
	}
}

// missed counts a round that was not run. It took as long as one may take: for how
// long the run hangs is another measure.
func (t *task) missed() {
	t.observe(outcome{level: unhealthy, reason: ReasonTimeout, err: errTimeout}, time.Now().Add(-t.check.Timeout))
}

// ask runs the check on demand, unless its result is still good. It returns a
// channel that is closed when there is a newer one, or nil.
func (t *task) ask() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.result.Load()
	switch {
	case t.closed || last != nil && (last.renew.IsZero() || time.Now().Before(last.renew)):
		return nil
	case t.run != nil && t.run.expired:
		t.missed()
		go t.events.deliver()
		return nil
	case t.run != nil:
		return t.run.judged
	}
	r := t.begin()
	go t.execute(r)
	return r.judged
}

// begin makes a run. Its context descends from the checker and from no request,
// whose client may leave and would take the result with it. It ends a tenth
// before the deadline, so that a check can still say what kept it.
func (t *task) begin() *run {
	r := &run{start: time.Now(), facts: &facts{}, judged: make(chan struct{})}
	ctx := context.WithValue(t.checker.ctx, factsKey{}, r.facts)
	r.ctx, r.cancel = context.WithTimeout(ctx, t.check.Timeout-t.check.Timeout/10)
	r.deadline = time.AfterFunc(t.check.Timeout, func() { t.expire(r) })
	t.run = r
	t.checker.running.Add(1)
	return r
}

func (t *task) execute(r *run) {
	defer t.events.deliver()
	defer t.checker.running.Done()
	returned, err := false, error(nil)
	defer func() {
		if v := recover(); v != nil {
			t.panicked(v, debug.Stack())
			err = WithReason(errPanic(v), ReasonPanic)
		} else if !returned { // runtime.Goexit, as by the FailNow of a test
			err = WithReason(errExited, ReasonPanic)
		}
		t.finish(r, err)
	}()
	err = t.call(r.ctx)
	returned = true
}

func (t *task) panicked(v any, stack []byte) {
	if hook := t.checker.opts.OnPanic; hook != nil {
		t.events.add(func() { hook(t.check.Name, v, stack) })
		return
	}
	t.events.add(func() {
		if t.panics.now() {
			t.logger().Error("health: a check panicked", "check", t.check.Name, "panic", v)
		}
	})
}

// expire judges a run that has not returned.
func (t *task) expire(r *run) {
	t.mu.Lock()
	if t.run != r || t.closed {
		t.mu.Unlock()
		return
	}
	r.expired = true
	r.cancel()
	t.observe(outcome{level: unhealthy, reason: ReasonTimeout, err: errTimeout, data: r.facts.take()}, r.start)
	close(r.judged)
	t.stuck(true)
	t.mu.Unlock()
	t.events.deliver()
}

// finish takes what a run returned.
func (t *task) finish(r *run, err error) {
	r.deadline.Stop()
	r.cancel()
	o := judge(err, r.facts.take())
	t.mu.Lock()
	defer t.mu.Unlock()
	t.run = nil
	switch {
	case r.expired:
		t.late(o)
	case t.closed:
		close(r.judged)
	default:
		t.observe(t.inTime(o, r), r.start)
		close(r.judged)
	}
}

// inTime makes a timeout of a success that came too late for it, where the timer
// of the deadline came later still: after the process was stopped for a while,
// what the run saw is old.
func (t *task) inTime(o outcome, r *run) outcome {
	if o.level == unhealthy || time.Since(r.start) < t.check.Timeout {
		return o
	}
	return outcome{level: unhealthy, reason: ReasonTimeout, err: errTimeout, data: o.data}
}

// late takes the outcome of a run that had been given up. The round has its
// result already; what comes now may tell more about a failure, but a success
// that took too long is none. The next round, which is due soon, will see.
func (t *task) late(o outcome) {
	if t.closed {
		return
	}
	next := *t.result.Load()
	next.stuck = time.Time{}
	if o.level == unhealthy {
		next.err, next.reason = o.err, o.reason
	}
	t.publish(&next)
	t.stuck(false)
}

// observe makes an outcome the result of the check and sets the next round. The
// caller holds mu.
func (t *task) observe(o outcome, start time.Time) {
	now := time.Now()
	last := t.result.Load()
	if last != nil && last.isOld(now) {
		t.damper.forget()
	}
	from := t.damper.level
	changed := t.damper.observe(o.level)
	next := &result{
		level: t.damper.level, reason: o.reason, err: o.err, data: o.data,
		duration: now.Sub(start), checkedAt: now, since: now, failures: t.damper.failures,
		passed: o.level < unknown || last != nil && last.passed,
	}
	if last != nil && !changed {
		next.since = last.since
	}
	if o.level == healthy && next.level != healthy { // success, but not enough of it yet
		next.reason, next.err = last.reason, last.err
	}
	if t.run != nil && t.run.expired {
		next.stuck = t.run.start
	}
	if t.goesOn(next) {
		next.expires = now.Add(t.check.lifetime())
		next.renew = t.next(o.level, start, now)
		t.arm(max(next.renew.Sub(now), 0))
	}
	t.publish(next)
	t.report(from, next, o.err, changed)
	if last != nil && !changed && next.level != healthy && next.reason != last.reason {
		t.events.add(func() { t.logReason(next) })
	}
}

// goesOn reports whether the check has to be run again: one that only says
// whether the process has started is done once it is healthy.
func (t *task) goesOn(r *result) bool {
	return r.level != healthy || len(t.check.Groups) != 1 || t.check.Groups[0] != Startup
}

// next is when the check is due again. Failures are looked at more often, since
// their end is waited for, but not without a pause after a run that took long.
// Chance keeps replicas from running in step.
func (t *task) next(l level, start, now time.Time) time.Time {
	d := t.check.Interval
	if l != healthy {
		start, d = now, min(d, max(d/4, time.Second))
	}
	return start.Add(time.Duration(float64(d) * (0.9 + 0.2*rand.Float64())))
}

func (t *task) arm(d time.Duration) {
	if t.timer != nil && !t.closed {
		t.timer.Reset(d)
	}
}

func (t *task) publish(r *result) {
	t.result.Store(r)
	t.checker.version.Add(1)
}

// report queues the hooks and the log line of a result. The error is that of the
// run, which a success does not share with the status yet.
func (t *task) report(from level, r *result, err error, changed bool) {
	o, name := t.checker.opts, t.check.Name
	if o.OnResult != nil {
		t.events.add(func() { o.OnResult(name, r.level.String(), r.duration, err) })
	}
	if !changed {
		return
	}
	if o.OnTransition != nil {
		t.events.add(func() { o.OnTransition(name, from.String(), r.level.String(), r.err) })
	}
	t.events.add(func() { t.log(from, r) })
}

func (t *task) log(from level, r *result) {
	if from == unknown && r.level == healthy {
		return // as it should be
	}
	severity := slog.LevelInfo
	if r.level != healthy {
		severity = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("check", t.check.Name), slog.String("from", from.String()), slog.String("to", r.level.String())}
	if r.err != nil {
		attrs = append(attrs, slog.String("reason", r.reason), slog.String("error", plain(r.err)))
	}
	t.logger().LogAttrs(context.Background(), severity, "health: a check changed", attrs...)
}

// logReason tells that what is wrong is not what it was.
func (t *task) logReason(r *result) {
	if t.reasons.now() {
		t.logger().Warn("health: a check fails for another reason", "check", t.check.Name, "status", r.level.String(),
			"reason", r.reason, "error", plain(r.err))
	}
}

func (t *task) logger() *slog.Logger { return t.checker.opts.Logger }

// stuck tells that a run does not return, or that it has. The caller holds mu.
func (t *task) stuck(is bool) {
	name := t.check.Name
	if hook := t.checker.opts.OnStuck; hook != nil {
		t.events.add(func() { hook(name, is) })
	}
	if is {
		t.events.add(func() { t.logger().Warn("health: a check does not return", "check", name) })
	}
}

// close ends the rounds. A run under way is told by its context.
func (t *task) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.timer != nil {
		t.timer.Stop()
	}
	if t.run != nil {
		t.run.deadline.Stop()
	}
}
