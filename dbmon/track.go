package dbmon

import (
	"context"
	"database/sql/driver"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// tracker follows what a connection is used for. What the janitor reads is
// guarded by mu; database/sql sees to it that there is one user at a time.
type tracker struct {
	open atomic.Pointer[rows] // there is seldom more than one
	mu   sync.Mutex
	more []*rows
	tx   *txState
	hand bool // a statement has begun a transaction

	held  bool          // away from the pool
	since time.Duration // when it left it
	calls uint64
}

// arrived is told of a new connection.
func (c *conn) arrived() { c.src.leaks.add(c) }

// gone is told that the connection is closed.
func (c *conn) gone() {
	c.src.leaks.remove(c)
	if c.tx != nil {
		c.tx.how = txFailed
		c.ended()
	}
	c.returned()
}

// taken is told that the connection leaves the pool.
func (c *conn) taken() { c.hand, c.held, c.since = false, true, c.src.now() }

// used is told of each call. The first on a new connection is when it left the
// pool, as that is told of others only.
func (c *conn) used(now time.Duration) {
	c.calls++
	if !c.held {
		c.held, c.since = true, now
	}
}

// returned is told that the connection goes back to the pool. Drivers that need
// not be asked whether a connection is still good do not get to know.
func (c *conn) returned() {
	if _, told := c.inner.(driver.Validator); told && c.held {
		c.src.totals.held.add(c.src.now() - c.since)
	}
	c.held, c.hand = false, false
}

// heard is told of each statement that is over.
func (c *conn) heard(op operation) {
	switch op {
	case opBegin:
		c.hand = true
	case opCommit, opRollback:
		c.hand = false
	}
}

// opened is told of rows that a query returned, closedRows of their end.
func (c *conn) opened(r *rows) {
	if c.open.CompareAndSwap(nil, r) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.more = append(c.more, r)
}

func (c *conn) closedRows(r *rows) {
	if c.open.CompareAndSwap(r, nil) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.more = slices.DeleteFunc(c.more, func(o *rows) bool { return o == r })
}

// txOutcome is how a transaction ended, of a closed set.
type txOutcome uint8

const (
	committed txOutcome = iota
	rolledBack
	txFailed // neither COMMIT nor ROLLBACK was heard of, or it met an error
	txOutcomes
)

func (o txOutcome) String() string {
	return [...]string{"committed", "rolled_back", "failed"}[o]
}

// txState is what is known of a transaction.
type txState struct {
	start    time.Duration
	busy     time.Duration
	how      txOutcome
	site     *site
	active   atomic.Int64 // as in call
	last     atomic.Pointer[query]
	reported bool // by the janitor
}

// worked is told of each call in the transaction that is over.
func (t *txState) worked(k *call, how outcome) {
	t.busy += k.busy
	if k.query != nil {
		t.last.Store(k.query)
	}
	switch {
	case k.op == opCommit && how == ok:
		t.how = committed
	case k.op == opRollback && how == ok:
		t.how = rolledBack
	case k.op == opCommit, k.op == opRollback:
		t.how = txFailed
	}
}

// began is told of a transaction once it has begun. It is rare enough to note
// the place.
func (c *conn) began(_ context.Context, t *txState) {
	t.start, t.site, t.how = c.src.now(), newSite(), txFailed
	t.active.Store(int64(t.start))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tx = t
}

// ended is told of the end of the transaction, after its last call.
func (c *conn) ended() {
	t := c.tx
	if t == nil {
		return
	}
	c.mu.Lock()
	c.tx = nil
	c.mu.Unlock()
	total := c.src.now() - t.start
	c.src.totals.transactions[t.how].add(total)
	c.src.totals.idle.add(max(0, total-t.busy))
}
