package dbmon

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

// ExplainOptions say which plans are asked for. The zero value asks for none.
//
// Where it is enabled, a read that was slow is explained, never run again (with
// MySQL and MariaDB, reads with subqueries have no plan, since EXPLAIN would run
// those): EXPLAIN without ANALYZE, with the same arguments, once it is over and its rows are
// closed, and not where it was in a transaction. It is one statement that only
// reads, as far as its text shows, on a connection of its own that is opened for
// it and closed again, in a read-only transaction that is rolled back, within a
// time limit that the server knows as well. There is never more than one at a
// time. A plan is kept without the values in it.
//
// What a session has changed, as search_path or temporary tables, is unknown on
// that connection: such a query has no plan, or that of another table. SQLite in
// memory is a database for each connection, and has none.
type ExplainOptions struct {
	// Enable asks for plans.
	// Default: false.
	Enable bool
	// Timeout is for one plan, from connecting to the end: 1 ms to 1 minute.
	// Default: 1 second.
	Timeout time.Duration
	// Every is how long a plan is good for: each fingerprint is explained once in
	// this time, whether there was a plan for it or not. At least 1 second; 1000
	// fingerprints in this time are the most.
	// Default: 1 hour.
	Every time.Duration
	// OnPlan is told of each plan.
	// Default: nobody is told.
	OnPlan func(Plan)
}

func (o ExplainOptions) withDefaults() ExplainOptions {
	o.Timeout = cmp.Or(o.Timeout, time.Second)
	o.Every = cmp.Or(o.Every, time.Hour)
	return o
}

// validate finds all faults of options that have their defaults. A plan that may
// take for ever or that is asked for all the time is no safe one.
func (o ExplainOptions) validate() error {
	var faults []error
	if o.Timeout < time.Millisecond || o.Timeout > time.Minute {
		faults = append(faults, errors.New("dbmon: Explain.Timeout: must be from 1 ms to 1 minute"))
	}
	if o.Every < time.Second {
		faults = append(faults, errors.New("dbmon: Explain.Every: must be 1 s or more"))
	}
	return errors.Join(faults...)
}

// Plan is how the database would have run a query that was slow. Values are
// replaced by "?".
type Plan struct {
	// Database is [Options.Name].
	Database string `json:"-"`
	// QueryID and Query are the fingerprint.
	QueryID string `json:"-"`
	Query   string `json:"-"`
	// Duration is that of the query which was slow.
	Duration time.Duration `json:"duration_ns"`
	// Text is the plan, indented, at most 16 KB of it.
	Text string `json:"text"`
	// At is when it was asked for.
	At time.Time `json:"at"`
}

// What is kept of a query until it is over, at most.
const (
	maxPlanArguments = 64
	maxPlanInput     = 64 << 10
	maxPlans         = 1000 // fingerprints in [ExplainOptions.Every]
)

// explainer asks for plans, one at a time, in the background. A nil one does
// nothing.
type explainer struct {
	m      *Monitor
	o      ExplainOptions
	ctx    context.Context // until Close
	cancel context.CancelFunc
	jobs   chan job // one may wait
	done   chan struct{}
	spare  sync.Pool // of *kept
	failed gate

	mu  sync.Mutex
	due map[uint64]time.Duration // when a fingerprint may be explained again
}

// job is a plan to ask for.
type job struct {
	query    *query
	from     driver.Connector
	dialect  fingerprint.Dialect
	kept     *kept
	duration time.Duration
}

// kept is what a plan takes to ask for.
type kept struct {
	text string
	args []driver.NamedValue
}

func newExplainer(m *Monitor) *explainer {
	if !m.opts.Explain.Enable {
		return nil
	}
	e := &explainer{
		m: m, o: m.opts.Explain, jobs: make(chan job, 1), done: make(chan struct{}), due: map[uint64]time.Duration{},
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	go e.run()
	return e
}

func (e *explainer) close() {
	if e != nil {
		e.cancel()
		select {
		case <-e.done:
		case <-time.After(e.o.Timeout): // a driver that does not listen to its context
		}
	}
}

// keep copies what a plan would take, where there might be one: the arguments
// are only known while the call lasts, and their memory may be used again.
func (e *explainer) keep(k *call, a arguments) {
	if e == nil || !k.query.Reads || k.op != opSelect || k.tx != nil || k.conn == nil || k.conn.hand || k.conn.from == nil || k.kept != nil {
		return
	}
	if k.src.texts.dialect == fingerprint.Unknown || len(a.text) == 0 || len(a.text) > maxPlanInput || a.len() > maxPlanArguments {
		return
	}
	if k.src.now() < time.Duration(k.query.planDue.Load()) {
		return
	}
	p, _ := e.spare.Get().(*kept)
	if p == nil {
		p = new(kept)
	}
	if !p.copy(a) {
		e.drop(p)
		return
	}
	p.text, k.kept = a.text, p
}

// drop takes back what was kept of a query that was fast.
func (e *explainer) drop(p *kept) {
	clear(p.args)
	p.text, p.args = "", p.args[:0]
	e.spare.Put(p)
}

// over is told of a call of which something was kept. It never waits: a plan that
// there is no place for is asked for when the query is slow the next time.
func (e *explainer) over(k *call, slow bool) {
	p := k.kept
	k.kept = nil
	if !slow || e.ctx.Err() != nil || !e.enter(k, p) {
		e.drop(p)
	}
}

// enter is false where there is no place for a plan, or there was one already.
func (e *explainer) enter(k *call, p *kept) bool {
	if k.src.texts.dialect == fingerprint.MySQL && mayRun(k.query.Text) {
		return false
	}
	now, id := k.src.now(), k.query.ID
	e.mu.Lock()
	defer e.mu.Unlock()
	if due, found := e.due[id]; found && now < due {
		k.query.planDue.Store(int64(due)) // its row may have gone and come back
		return false
	}
	if len(e.due) >= maxPlans {
		for id, due := range e.due {
			if now >= due {
				delete(e.due, id)
			}
		}
		if len(e.due) >= maxPlans {
			return false
		}
	}
	select {
	case e.jobs <- job{k.query, k.conn.from, k.src.texts.dialect, p, k.busy}:
	default:
		return false
	}
	e.due[id] = now + e.o.Every
	k.query.planDue.Store(int64(now + e.o.Every))
	return true
}

// mayRun is true where EXPLAIN of MySQL and MariaDB runs parts of the query to find
// its plan: subqueries, in FROM too.
func mayRun(text string) bool {
	return strings.Count(text, "SELECT") != 1 || strings.HasSuffix(text, fingerprint.More)
}

func (e *explainer) run() {
	defer close(e.done)
	for {
		select {
		case <-e.ctx.Done():
			return
		case j := <-e.jobs:
			if e.ctx.Err() == nil {
				e.explain(j)
			}
		}
	}
}

// explain asks for a plan, and tells of it. What went wrong is told as a class:
// the text of an error may quote values.
func (e *explainer) explain(j job) {
	ctx, cancel := context.WithTimeout(e.ctx, e.o.Timeout)
	defer cancel()
	p := Plan{Database: e.m.opts.Name, QueryID: j.query.id, Query: j.query.Text, Duration: j.duration, At: time.Now()}
	text, err := planOf(ctx, j)
	if err != nil {
		if untold, pass := e.failed.pass(e.m.now()); pass && e.ctx.Err() == nil {
			defer e.m.survive(logger)
			e.m.opts.Logger.Warn("dbmon: no plan", slog.String("db", p.Database), slog.String("query_id", p.QueryID),
				slog.String("query", p.Query), slog.String("outcome", outcomeOf(ctx, err).String()), slog.Int64("untold", untold))
		}
		return
	}
	p.Text = text
	j.query.plan.Store(&p)
	defer e.m.survive(logger)
	e.m.opts.Logger.Info("dbmon: plan of a slow query", slog.String("db", p.Database), slog.String("query_id", p.QueryID),
		slog.String("query", p.Query), slog.Duration("duration", p.Duration), slog.String("plan", p.Text))
	if e.o.OnPlan != nil {
		e.m.tellPlan(p)
	}
}

// opSelect is the only operation with a plan.
const opSelect = operation(fingerprint.Select)

// errPanic stands for a panic of a driver. What it said may be anything.
func errPanic(p any) error { return fmt.Errorf("dbmon: the driver panicked: %T", p) }
