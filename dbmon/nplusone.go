package dbmon

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
)

// NPlusOneOptions say what is reported as N+1, and where.
//
// A read is a repetition when the same place of the application makes it again and
// again within a [Scope] or a request, with other arguments each time. The place is
// the innermost lines of the application on the stack, without the libraries in
// between. The same read with the same arguments, from wherever, is a [Duplicate].
//
// No repetition are: writes, reads that lock, and what failed or is made again
// because something failed; batches, whose lists of values change; pages, chunks
// and ranges with many rows each; what several places do, or one after pauses of
// more than a second; reads of the system catalogs and by tools for migrations; calls
// of functions that read no table; and what is made without a scope or after its end.
// What is read again after a write is no duplicate.
type NPlusOneOptions struct {
	// Threshold is from how many calls on a query is repeated. Negative: nobody
	// looks.
	// Default: 5.
	Threshold int
	// MinTotal is how much time the calls must have taken together.
	// Default: 0, any.
	MinTotal time.Duration
	// Ignore is asked of each repetition, and true for those that are meant to be.
	// Default: none is.
	Ignore func(r Repetition) bool
	// Header adds a Server-Timing field to responses behind [Monitor.Middleware]:
	// the number and time of the queries so far, and how many of them were
	// repeated. It is for development: the field tells clients how busy a database
	// is.
	// Default: false.
	Header bool
}

const defaultThreshold = 5

func (o NPlusOneOptions) withDefaults() NPlusOneOptions {
	o.Threshold = cmp.Or(o.Threshold, defaultThreshold)
	return o
}

func (o NPlusOneOptions) validate() error {
	var faults []error
	if o.Threshold == 1 {
		faults = append(faults, errors.New("dbmon: NPlusOne.Threshold: must be 2 or more"))
	}
	if o.MinTotal < 0 {
		faults = append(faults, errors.New("dbmon: NPlusOne.MinTotal: must not be negative"))
	}
	return errors.Join(faults...)
}

// RepetitionKind is why a query was repeated.
type RepetitionKind string

// The kinds.
const (
	// NPlusOne is a query for each of many things. One query can ask for all.
	NPlusOne RepetitionKind = "n+1"
	// Duplicate is a query whose answer was known. It can be kept.
	Duplicate RepetitionKind = "duplicate"
)

func (k RepetitionKind) advice() string {
	if k == Duplicate {
		return "keep the first answer for the request"
	}
	return "ask for all in one query: a join, IN or ANY"
}

// index is the place of a kind in counters.
func (k RepetitionKind) index() int {
	if k == Duplicate {
		return 1
	}
	return 0
}

// Repetition is a query that was repeated in a scope. It has no value of an
// argument or of a literal.
type Repetition struct {
	// Database is [Options.Name].
	Database string
	Kind     RepetitionKind
	// ID is the fingerprint, 16 hexadecimal digits; Text is what it was made
	// from, at most 2 KB.
	ID, Text string
	// Operation is the class of the statement.
	Operation string
	// Count is how many calls there were, and Distinct with how many different
	// arguments, counted up to 32.
	Count, Distinct int
	// Total is their time in the driver.
	Total time.Duration
	// Rows that were read.
	Rows int64
	// CallSite is the line of the application that made the calls, and Stack that
	// line with those that called it, at most eight. Of duplicates it is one of
	// possibly many.
	CallSite string
	Stack    []string
	// Block is the innermost [Track], Route and TraceID are those of the request,
	// where they are known.
	Block, Route, TraceID string
}

// finding is a repetition before it is put into words.
type finding struct {
	kind     RepetitionKind
	src      *source
	query    *query
	site     *site
	block    *blockRun
	calls    int
	distinct int
	busy     time.Duration
	rows     int64
}

// judge finds what was repeated. The caller holds the lock.
func (s *scope) judge() (found []finding) {
	if s.ended {
		return s.found // the header may leave later
	}
	for i := range s.repeats.n {
		r := s.repeats.at(i)
		if r.hits < 2 || r.query.habit.of(r.query.Text).has(catalog) {
			continue
		}
		before := len(found)
		found = s.judgeSpots(r, found)
		if len(found) == before {
			found = s.judgeSame(r, found)
		}
		if len(found) >= maxReports {
			return found[:maxReports]
		}
	}
	return found
}

func (s *scope) judgeSpots(r *repeat, found []finding) []finding {
	m := r.key.src.Monitor
	habit := r.query.habit.of(r.query.Text)
	if !habit.has(tabled) { // a call of a function, which may well do something
		return found
	}
	bulk := habit.bulk()
	for _, p := range r.spots {
		u := r.longest(p)
		if u.calls < s.threshold(m) || len(u.seen) < 2 || u.busy < m.opts.NPlusOne.MinTotal || p.site.migrates {
			continue
		}
		if u.rows >= bulk*int64(u.calls-1) { // the last piece may be empty
			continue
		}
		found = append(found, finding{NPlusOne, r.key.src, r.query, p.site, u.block, u.calls, len(u.seen), u.busy, u.rows})
	}
	return found
}

func (s *scope) judgeSame(r *repeat, found []finding) []finding {
	if !r.query.habit.of(r.query.Text).has(tabled) {
		return found
	}
	f := finding{kind: Duplicate, src: r.key.src, query: r.query}
	for i := range r.same {
		e := &r.same[i]
		if !e.enough || e.site != nil && e.site.migrates {
			continue
		}
		f.site, f.block = cmp.Or(f.site, e.site), cmp.Or(f.block, e.block)
		f.distinct++
		f.calls += e.calls
		f.busy += e.busy
		f.rows += e.rows
	}
	if f.calls == 0 || f.busy < f.src.opts.NPlusOne.MinTotal {
		return found
	}
	return append(found, f)
}

// report tells everybody who wants to know of a repetition.
func (s *scope) report(f finding) {
	m := f.src.Monitor
	r := Repetition{
		Database: m.opts.Name, Kind: f.kind, ID: f.query.id, Text: f.query.Text, Operation: f.query.op.String(),
		Count: f.calls, Distinct: f.distinct, Total: f.busy, Rows: f.rows, CallSite: f.site.String(),
		Block: f.block.String(), TraceID: s.info.Trace().TraceID,
	}
	r.Route, _ = s.info.RouteInside()
	if f.site != nil {
		r.Stack = slices.Clone(f.site.lines)
	}
	if m.opts.NPlusOne.Ignore != nil && m.ignores(r) {
		return
	}
	m.repetitions.counts[f.kind.index()].Add(1)
	f.query.repeats(f.kind)
	s.witness.add(r)
	m.repetitions.log(s.ctx, f, r)
	if m.opts.OnNPlusOne != nil {
		m.tellRepetition(s.ctx, r)
	}
}

// repetitions are what a monitor knows of all scopes.
type repetitions struct {
	counts [2]atomic.Uint64 // by the index of the kind
	sites  sites
}

// totals are the counts by kind.
func (n *repetitions) totals() map[string]uint64 {
	return map[string]uint64{
		string(NPlusOne):  n.counts[NPlusOne.index()].Load(),
		string(Duplicate): n.counts[Duplicate.index()].Load(),
	}
}

func (n *repetitions) log(ctx context.Context, f finding, r Repetition) {
	m := f.src.Monitor
	now := m.now()
	key := gateKey{line: repetitionLine, query: f.query.ID}
	if f.site != nil {
		key.site = f.site.id
	}
	untold, pass := m.gates.pass(key, now)
	if !pass {
		return
	}
	defer m.survive(logger)
	attrs := []slog.Attr{
		slog.String("db", r.Database), slog.String("kind", string(r.Kind)), slog.String("operation", r.Operation),
		slog.Int("count", r.Count), slog.Int("distinct", r.Distinct), slog.Duration("total", r.Total), slog.Int64("rows", r.Rows),
		slog.String("query_id", r.ID), slog.String("query", r.Text), slog.String("advice", r.Kind.advice()),
	}
	for _, a := range [...]struct{ name, value string }{
		{"block", r.Block}, {"route", r.Route}, {"trace_id", r.TraceID}, {"call_site", r.CallSite},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.name, a.value))
		}
	}
	if len(r.Stack) > 1 {
		attrs = append(attrs, slog.Any("called_from", r.Stack[1:]))
	}
	if untold > 0 {
		attrs = append(attrs, slog.Int64("untold", untold))
	}
	m.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "dbmon: repeated query", attrs...)
}
