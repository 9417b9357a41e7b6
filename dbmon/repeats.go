package dbmon

import (
	"slices"
	"sync"
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
	lists uint64 // of the first call that had one

	added bool   // a call is over
	first sample // the first one
	site  *site  // of the first one, if it is known
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
	troubles   uint32    // that the scope had had
	writes     uint32    // likewise
	block      *blockRun // the innermost, or nil
}

// repeats are those of a scope, in the order of their first calls. They stay where
// they are, in pieces that a scope hands on at its end: most queries come once,
// which takes no memory that another scope has not had before.
type repeats struct {
	n      int
	pieces [maxRepeats / pieceSize]*piece
}

const pieceSize = 8

type piece struct {
	ids [pieceSize]uint64 // of the fingerprints, to be looked through
	all [pieceSize]repeat
}

var spare = sync.Pool{New: func() any { return new(piece) }}

func (l *repeats) at(i int) *repeat { return &l.pieces[i/pieceSize].all[i%pieceSize] }

// find returns what is known of a fingerprint, or nil.
func (l *repeats) find(key repeatKey) *repeat {
	for _, p := range l.pieces[:] {
		if p == nil {
			break
		}
		for i, id := range p.ids[:] {
			if id == key.id && p.all[i].key == key {
				return &p.all[i]
			}
		}
	}
	return nil
}

// begin is nil once there are too many.
func (l *repeats) begin(key repeatKey, q *query) *repeat {
	if l.n == maxRepeats {
		return nil
	}
	p := &l.pieces[l.n/pieceSize]
	if *p == nil {
		*p = spare.Get().(*piece)
	}
	(*p).ids[l.n%pieceSize] = key.id
	r := l.at(l.n)
	r.key, r.query = key, q
	l.n++
	return r
}

// free gives the pieces away. Nobody may use a repeat from then on.
func (l *repeats) free() {
	for _, p := range l.pieces[:] {
		if p == nil {
			break
		}
		*p = piece{}
		spare.Put(p)
	}
	*l = repeats{}
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

func (r *repeat) add(s *scope, k *call, block *blockRun) {
	c := sample{
		args: k.args, start: k.start, end: time.Duration(k.active.Load()),
		busy: k.busy, rows: k.rows, troubles: s.troubles, writes: s.writes, block: block,
	}
	threshold := s.threshold(r.key.src.Monitor)
	switch {
	case !r.added: // most come once, which takes no memory
		r.added, r.first, r.site = true, c, k.site
	case len(r.same) == 0:
		r.addSame(r.first, r.site, threshold)
		fallthrough
	default:
		r.addSame(c, k.site, threshold)
	}
	if k.site != nil {
		r.last = r.spot(k.site)
	}
	if r.last != nil {
		r.last.add(c, threshold)
	}
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
	block      *blockRun // of the first
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
		u.start, u.block = c.start, c.block
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
	if r.site == nil && len(r.spots) == 1 && p.best.calls == 0 && u.start-r.first.end <= longPauses {
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
	block    *blockRun // of the first
	enough   bool      // once
}

func (r *repeat) addSame(c sample, at *site, threshold int) {
	e := r.sameArgs(c.args)
	if e == nil {
		return
	}
	stale := e.writes != c.writes || e.troubles != c.troubles || c.start-e.end > longPauses
	switch {
	case e.calls == 0, stale && !e.enough:
		*e = same{args: c.args, block: c.block}
	case stale:
		return // the calls that were enough stay as they are
	}
	e.writes, e.troubles = c.writes, c.troubles
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
