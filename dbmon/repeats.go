package dbmon

import (
	"slices"
	"time"
)

const (
	maxSpots    = 8  // of a fingerprint in a scope
	maxDistinct = 32 // arguments at a spot that are told apart
	maxSame     = 16 // arguments of a fingerprint whose calls are counted

	// captures is how many calls of a fingerprint are looked at one by one. Of
	// more, one in some is; those in between count for where the last one was.
	captures   = 32
	oneInSome  = 16
	longPauses = time.Second // part what is no loop: a stream, a poll, a chat
)

// repeatKey is a fingerprint at one database. It is no *query: that may be
// evicted and made again. It has a source, so that asking each of several
// databases once is no repetition.
type repeatKey struct {
	src *source
	id  uint64
}

// repeat is what is known of a fingerprint in a scope. The scope guards it.
type repeat struct {
	key   repeatKey
	query *query
	hits  int
	lists uint64 // of the first call

	first sample // the first call, if its site is not known
	last  *spot  // of the latest call whose site is known
	spots []*spot
	same  []same
}

// sample is a call that is over.
type sample struct {
	args       uint64 // 0 where there is none
	start, end time.Duration
	busy       time.Duration
	rows       int64
	troubles   uint32 // that the scope had had
	unit       *unit
}

// hit counts a call, and tells whether its site is worth a capture.
func (r *repeat) hit(always bool) bool {
	r.hits++
	habit := &r.query.habit
	switch r.hits {
	case 1:
		return habit.learns() || always
	case 2:
		habit.repeats()
	}
	return r.hits <= captures || r.hits%oneInSome == 0
}

func (r *repeat) add(s *scope, k *call) {
	c := sample{
		args: k.args, start: k.start, end: time.Duration(k.active.Load()),
		busy: k.busy, rows: k.rows, troubles: s.troubles, unit: k.unit,
	}
	threshold := s.threshold(r.key.src.Monitor)
	r.addSame(s, c, k.site, threshold)
	if k.site != nil {
		r.last = r.spot(k.site)
	}
	if r.last == nil {
		r.first = c
		return
	}
	r.last.add(c, threshold)
}

// spot returns that of a site. Where there are too many, one that was met once
// makes room.
func (r *repeat) spot(at *site) *spot {
	for _, p := range r.spots {
		if p.site.id == at.id {
			return p
		}
	}
	p := &spot{site: at}
	if len(r.spots) < maxSpots {
		r.spots = append(r.spots, p)
		return p
	}
	for i, old := range r.spots {
		if old.best.calls == 0 && old.calls <= 1 {
			r.spots[i] = p
			return p
		}
	}
	return p // counted by nobody
}

// spot is a place that makes a query.
type spot struct {
	site *site
	run
	best run // the longest one before
}

// run are calls at a spot without a long pause in between.
type run struct {
	calls      int
	busy       time.Duration
	rows       int64
	start, end time.Duration
	seen       []seenArgs
	block      string // of the first
}

// seenArgs are arguments of a run, and how many troubles there had been.
type seenArgs struct {
	args     uint64
	troubles uint32
}

func (p *spot) add(c sample, threshold int) {
	if p.calls > 0 && c.start-p.end > longPauses {
		if p.calls >= threshold && p.calls > p.best.calls {
			p.best = p.run
		}
		p.run = run{}
	}
	p.run.add(c)
}

// add counts a call, unless it is made again because something failed since.
func (u *run) add(c sample) {
	u.end = max(u.end, c.end)
	if u.again(c) {
		return
	}
	if u.calls++; u.calls == 1 {
		u.start, u.block = c.start, c.unit.block()
	}
	u.busy += c.busy
	u.rows += c.rows
}

func (u *run) again(c sample) bool {
	for i := range u.seen {
		if s := &u.seen[i]; s.args == c.args {
			again := s.troubles != c.troubles
			s.troubles = c.troubles
			return again
		}
	}
	if len(u.seen) < maxDistinct {
		u.seen = append(u.seen, seenArgs{c.args, c.troubles})
	}
	return false
}

// longest is the run of a spot that is judged. The first call belongs to it if it
// cannot have been made anywhere else.
func (r *repeat) longest(p *spot) run {
	if p.best.calls > p.calls {
		return p.best
	}
	u := p.run
	if r.first.args != 0 && len(r.spots) == 1 && p.best.calls == 0 && u.start-r.first.end <= longPauses {
		u.seen = slices.Clone(u.seen)
		u.add(r.first)
	}
	return u
}

// same are calls with the same arguments, from wherever, with nothing in between
// that may have changed what they return.
type same struct {
	args     uint64
	calls    int
	writes   uint32
	troubles uint32
	busy     time.Duration
	rows     int64
	end      time.Duration
	site     *site
	block    string // of the first
	enough   bool   // once
}

func (r *repeat) addSame(s *scope, c sample, at *site, threshold int) {
	e := r.sameArgs(c.args)
	if e == nil {
		return
	}
	stale := e.writes != s.writes || e.troubles != s.troubles || c.start-e.end > longPauses
	switch {
	case e.calls == 0, stale && !e.enough:
		*e = same{args: c.args, block: c.unit.block()}
	case stale:
		return // the calls that were enough stay as they are
	}
	e.writes, e.troubles = s.writes, s.troubles
	e.calls++
	e.busy += c.busy
	e.rows += c.rows
	e.end = max(e.end, c.end)
	if at != nil {
		e.site = at
	}
	e.enough = e.enough || e.calls >= threshold
}

// sameArgs is nil where there is no room for more.
func (r *repeat) sameArgs(args uint64) *same {
	var once *same
	for i := range r.same {
		if r.same[i].args == args {
			return &r.same[i]
		}
		if r.same[i].calls == 1 && once == nil {
			once = &r.same[i]
		}
	}
	if len(r.same) < maxSame {
		r.same = append(r.same, same{})
		return &r.same[len(r.same)-1]
	}
	if once != nil {
		*once = same{}
	}
	return once
}
