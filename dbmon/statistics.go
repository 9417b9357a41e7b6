package dbmon

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

// query is what is known of all statements with one fingerprint. Texts and
// prepared statements keep it for as long as they live; its row is in the
// statistics only while there is room.
type query struct {
	fingerprint.Statement
	id string // the fingerprint's, in hex
	op operation

	watch watch
	habit habit

	plan    atomic.Pointer[Plan] // the latest
	planDue atomic.Int64         // on the monitor's clock: before it, there is no further one

	table *table
	mu    sync.Mutex          // guards what row points to, used, and leaving the table
	row   atomic.Pointer[row] // nil while it is not in the table
	used  usage
	seen  usage // what used was when the table last looked, under its lock
}

// record adds an operation that is over.
func (q *query) record(k *call, o outcome) {
	q.mu.Lock()
	if r := q.row.Load(); r != nil {
		q.recordIn(r, k, o)
		q.mu.Unlock()
		return
	}
	q.mu.Unlock()
	q.table.recordAgain(q, k, o)
}

func (q *query) recordIn(r *row, k *call, o outcome) {
	if !r.empty() { // the first call was counted when the row was made
		q.used.times++
	}
	q.used.age = q.table.admitted.Load()
	r.add(k, o)
}

// table holds the rows of at most max queries. The least used makes room, and of
// those that were used as many times, the one for which it was longest ago. Usage
// is halved each time that four times as many queries have come as there is room
// for. A query that is used twice in that time stays, whatever comes by, and one
// that was used long ago does not stay for ever.
type table struct {
	max      int
	admitted atomic.Uint64 // how many queries have come, which is the time of usage

	mu          sync.RWMutex // before the lock of a query
	queries     map[uint64]*query
	heap        []*query  // the least used is first, by seen
	since       time.Time // the last reset
	evictions   uint64    // of rows with calls, since the last reset
	everEvicted atomic.Uint64
	evicted     sums // of the rows that have gone
	times       wideHistogram
}

func newTable(max int) *table {
	return &table{max: max, queries: map[uint64]*query{}, since: time.Now()}
}

// of finds the query of a statement, or makes one.
func (t *table) of(s fingerprint.Statement) *query {
	t.mu.RLock()
	q := t.queries[s.ID]
	t.mu.RUnlock()
	if q != nil {
		return q
	}
	return t.admit(&query{Statement: s, id: queryID(s.ID), op: operation(s.Class), table: t})
}

// queryID always has 16 digits, so that ids can be compared as text.
func queryID(id uint64) string {
	s := strconv.FormatUint(id, 16)
	return "0000000000000000"[len(s):] + s
}

// admit gives a query a row, or returns the one that already has that of its
// fingerprint.
func (t *table) admit(q *query) *query {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.admitLocked(q)
}

// repeats counts a repetition that was found of a query.
func (q *query) repeats(kind RepetitionKind) {
	q.mu.Lock()
	r := q.row.Load()
	if r != nil {
		r.repeats(kind)
	}
	q.mu.Unlock()
	if r == nil {
		q.table.repeatsEvicted(kind)
	}
}

func (t *table) repeatsEvicted(kind RepetitionKind) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.evicted.repeats(kind)
}

// recordAgain records a call of a query that was evicted while others kept it.
func (t *table) recordAgain(q *query, k *call, o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	q = t.admitLocked(q)
	q.mu.Lock()
	q.recordIn(q.row.Load(), k, o)
	q.mu.Unlock()
}

func (t *table) admitLocked(q *query) *query {
	if other := t.queries[q.ID]; other != nil {
		return other
	}
	if t.admitted.Add(1)%t.halfLife() == 0 {
		t.halve()
	}
	var r *row
	if len(t.heap) < t.max {
		r = new(row)
	} else {
		r = t.evict()
	}
	q.mu.Lock()
	q.used = usage{t.remembered(q.used) + 1, t.admitted.Load()}
	q.seen = q.used
	q.row.Store(r)
	q.mu.Unlock()
	t.queries[q.ID] = q
	t.push(q)
	return q
}

// evict takes the row of the least used query away and returns it empty.
func (t *table) evict() *row {
	q := t.leastUsed()
	q.mu.Lock()
	r := q.row.Load()
	q.row.Store(nil)
	q.used.age = t.admitted.Load()
	q.mu.Unlock()
	q.plan.Store(nil) // it is long
	t.pop()
	delete(t.queries, q.ID)
	if !r.empty() {
		t.evictions++
		t.everEvicted.Add(1)
	}
	t.evicted.merge(&r.sums)
	r.times.addTo(&t.times)
	*r = row{}
	return r
}
