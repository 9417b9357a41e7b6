package prom

import (
	"sync"
	"time"

	"github.com/sluice-go/sluice/dbmon"
)

// other is the id of all queries without series of their own.
const other = "other"

// top chooses the queries that have series of their own. A counter must not go
// back, and must not jump where nothing happened. So a query is counted from when
// it came in, and what it is counted for never moves to another series:
//
//	other = all calls - those counted for queries that are in, or have been
type top struct {
	limit int

	mu      sync.Mutex
	since   time.Time // of the statistics
	members map[string]*member
	base    amount // what all had come to before the last reset
	last    amount // what all came to at the last update
	retired amount // what queries were counted for that have left
}

// amount is what a query comes to.
type amount struct {
	calls, errors uint64
	time          time.Duration
}

func amountOf(f dbmon.Figures) amount { return amount{f.Calls, f.Errors, f.Total} }

func (a amount) plus(b amount) amount {
	return amount{a.calls + b.calls, a.errors + b.errors, a.time + b.time}
}

func (a amount) minus(b amount) amount {
	return amount{a.calls - min(a.calls, b.calls), a.errors - min(a.errors, b.errors), max(0, a.time-b.time)}
}

// member is a query that has series of its own.
type member struct {
	operation string
	last      amount // in the statistics
	counted   amount
}

// series is what one query shows.
type series struct {
	id, operation string
	amount
}

// update counts what came since the last time, then lets in the queries that
// took the most time, in the place of those that are far from it. Of two scrapes at
// a time the second looks at what there is after the first.
func (t *top) update(statistics func() dbmon.Statistics) []series {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := statistics()
	if t.members == nil {
		t.members = map[string]*member{}
	}
	if !s.Since.Equal(t.since) { // a reset
		t.since = s.Since
		t.base = t.base.plus(t.last)
		t.last = amount{}
		for _, m := range t.members {
			m.last = amount{}
		}
	}
	t.last = amountOf(s.Total)
	t.count(s.Queries)
	t.choose(s.Queries)

	all := make([]series, 0, len(t.members)+1)
	rest := t.base.plus(t.last).minus(t.retired)
	for id, m := range t.members {
		all = append(all, series{id, m.operation, m.counted})
		rest = rest.minus(m.counted)
	}
	return append(all, series{other, other, rest})
}

// count adds what members have come to since the last time.
func (t *top) count(queries []dbmon.QueryStats) {
	for _, q := range queries {
		m := t.members[q.ID]
		if m == nil {
			continue
		}
		now := amountOf(q.Figures)
		if now.calls < m.last.calls { // it was evicted, and has come back
			m.last = amount{}
		}
		m.counted = m.counted.plus(now.minus(m.last))
		m.last = now
	}
}

// choose lets queries in while there is room. Members leave once they are not
// among twice as many as there is room for, lest some come and go all the time.
func (t *top) choose(queries []dbmon.QueryStats) {
	near := map[string]bool{}
	for _, q := range queries[:min(len(queries), 2*t.limit)] {
		near[q.ID] = true
	}
	for id, m := range t.members {
		if !near[id] {
			t.retired = t.retired.plus(m.counted)
			delete(t.members, id)
		}
	}
	for _, q := range queries[:min(len(queries), t.limit)] {
		if len(t.members) >= t.limit {
			return
		}
		if t.members[q.ID] == nil {
			t.members[q.ID] = &member{operation: q.Operation, last: amountOf(q.Figures)}
		}
	}
}
