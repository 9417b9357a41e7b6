package dbmon

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
	"github.com/sluice-go/sluice/internal/reqinfo"
)

// unit is what queries belong to: a scope, and a named block. There may be only
// one of them. It is found by the context.
type unit struct {
	scope *scope
	run   *blockRun
}

func unitOf(ctx context.Context) *unit {
	found, _ := reqinfo.Scope(ctx)
	u, _ := found.(*unit)
	return u
}

// repeated is told of each call that returned, in the goroutine of the caller.
func (u *unit) repeated(k *call, a arguments) {
	if u == nil || u.scope == nil || !k.query.Reads || k.query.SkipLocked || k.op >= opPrepare {
		return
	}
	if u.scope.threshold(k.src.Monitor) > 0 {
		u.scope.hit(k, a)
	}
}

// over is told of each call that is over, those without a text too.
func (u *unit) over(k *call, o outcome) {
	if u == nil {
		return
	}
	block := u.run.add(k, o)
	if u.scope != nil {
		u.scope.over(k, o, block)
	}
}

// block is the name of the innermost block, or empty.
func (u *unit) block() string {
	if u == nil {
		return ""
	}
	return u.run.innermost().String()
}

// Scope begins a scope of queries for work without HTTP, such as a job: what is
// repeated within it is reported by end, which may be called again. A scope within
// another one is counted by itself. Queries that end later are not counted.
func Scope(ctx context.Context) (scoped context.Context, end func()) {
	s := newScope(unitOf(ctx))
	ctx = reqinfo.WithScope(ctx, &s.unit)
	s.ctx, s.info = ctx, reqinfo.From(ctx)
	return ctx, s.end
}

const (
	maxRepeats = 256 // fingerprints of a scope that are counted
	maxReports = 32  // of a scope
)

// scope counts the queries that belong together. Goroutines share it.
type scope struct {
	unit    unit // what queries of the scope belong to that are in no further block
	ctx     context.Context
	info    *reqinfo.Info
	witness *witness // of the test that the scope is part of, or nil

	mu       sync.Mutex
	ended    bool
	troubles uint32 // calls that failed, and transactions that were rolled back
	writes   uint32
	repeats  repeats
	found    []finding // at the end
	tallies  []tally
	onlyOne  [1]tally
}

// tally is what a scope had to do with one monitor.
type tally struct {
	m       *Monitor
	queries int
	busy    time.Duration
}

// newScope makes a scope that is within outer, which may be nil.
func newScope(outer *unit) *scope {
	s := new(scope)
	s.unit.scope = s
	if outer != nil {
		s.unit.run = outer.run
		if outer.scope != nil {
			s.witness = outer.scope.witness
		}
	}
	s.tallies = s.onlyOne[:0]
	return s
}

// threshold is from how many calls on a query is repeated, negative where nobody
// wants to know. A test that asks is told in any case.
func (s *scope) threshold(m *Monitor) int {
	t := m.opts.NPlusOne.Threshold
	if t < 0 && s.witness != nil {
		return defaultThreshold
	}
	return t
}

// hit counts a read that returned, and notes what it takes to compare it with
// others.
func (s *scope) hit(k *call, a arguments) {
	var lists uint64
	if k.query.habit.of(k.query.Text).has(listing) {
		lists = a.lists()
	}
	if wantsSite, counts := s.note(k, lists); counts {
		k.args = a.hash()
		if wantsSite {
			k.site = k.src.repetitions.sites.here()
		}
	}
}

func (s *scope) note(k *call, lists uint64) (wantsSite, counts bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false, false
	}
	key := repeatKey{k.src, k.query.ID}
	r := s.repeats.find(key)
	if r == nil {
		if r = s.repeats.begin(key, k.query); r == nil {
			return false, false
		}
	}
	if lists != 0 { // of one and the same list it is as good as none
		r.lists = cmp.Or(r.lists, lists)
		if lists != r.lists {
			return false, false
		}
	}
	k.repeat = r
	return r.hit(s.witness != nil), true
}

func (s *scope) over(k *call, o outcome, block *blockRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	switch {
	case o != ok || k.op == opRollback:
		s.troubles++
		return
	case k.query == nil || k.op >= opPrepare:
		return
	}
	t := s.tally(k.src.Monitor)
	t.queries++
	t.busy += k.busy
	if k.repeat != nil {
		k.repeat.add(s, k, block)
	} else if mayWrite(k) {
		s.writes++
	}
}

// mayWrite is true for what may make the next read of the same return something
// else.
func mayWrite(k *call) bool {
	if k.query.Reads {
		return false
	}
	switch fingerprint.Class(k.op) {
	case fingerprint.Begin, fingerprint.Commit, fingerprint.Savepoint, fingerprint.Set, fingerprint.Show, fingerprint.Explain:
		return false
	default:
		return true
	}
}

func (s *scope) tally(m *Monitor) *tally {
	for i := range s.tallies {
		if s.tallies[i].m == m {
			return &s.tallies[i]
		}
	}
	s.tallies = append(s.tallies, tally{m: m})
	return &s.tallies[len(s.tallies)-1]
}

// end reports what was repeated. From then on nothing is counted.
func (s *scope) end() {
	s.mu.Lock()
	ended := s.ended
	if !ended {
		s.found = s.judge()
		s.ended = true
		s.repeats.free()
	}
	s.mu.Unlock()
	if ended {
		return
	}
	for _, f := range s.found {
		s.report(f)
	}
}

// isOpen is false after the end.
func (s *scope) isOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.ended
}
