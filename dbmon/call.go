package dbmon

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"math"
	"sync/atomic"
	"time"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// call is one operation in progress. It lives on the stack, or in the rows that
// it returns. The order is:
//
//	k.begin(src, conn, ctx, query, op)
//	... the call to the driver
//	k.exec(args, err)            for what returns no rows: it is over
//	k.queried(args, err)         for what returns rows: with an error it is over
//	from := k.enter()            before each Next, and before Close
//	k.row(from, err)             after each Next, and NextResultSet
//	k.closed(from, err)          after Close: it is over
//
// A driver that answers [driver.ErrSkip] has done nothing, and there is no call:
// database/sql goes on to prepare the statement.
type call struct {
	src    *source
	conn   *conn           // nil where there is none of database/sql
	ctx    context.Context // of the caller
	unit   *unit           // what the query belongs to, or nil
	info   *reqinfo.Info   // of the request, or nil
	query  *query          // nil where there is no text
	site   *site           // where it was made, if somebody wanted to know
	tx     *txState
	op     operation
	ended  bool    // the last row was seen
	kept   *kept   // for a plan, if there may be one
	repeat *repeat // what the scope knows of the query, if it is counted
	args   uint64  // a hash of the text and the arguments, if somebody wanted to know
	shape  string  // of the arguments, if somebody wanted to know

	start    time.Duration // on the monitor's clock
	called   time.Duration // inside of the driver, until the call returned
	firstRow time.Duration // inside of the driver, until the first row was there
	busy     time.Duration // inside of the driver so far
	rows     int64
	retries  int
	err      error
	active   atomic.Int64 // when the driver was left, or inside; for the janitor
}

// inside is in the place of a time while the driver is at work.
const inside = math.MaxInt64

// arguments are those of a call, in the form that it has them.
type arguments struct {
	named  []driver.NamedValue
	plain  []driver.Value
	native []any  // of a driver that is not one of database/sql
	text   string // of the statement
}

func (a arguments) len() int { return len(a.named) + len(a.plain) + len(a.native) }

func (a arguments) at(i int) driver.Value {
	switch {
	case a.named != nil:
		return a.named[i].Value
	case a.native != nil:
		return a.native[i]
	default:
		return a.plain[i]
	}
}

func (k *call) begin(src *source, c *conn, ctx context.Context, q *query, op operation) {
	k.src, k.conn, k.ctx, k.query, k.op = src, c, ctx, q, op
	k.locate()
	if src.retries.waiting.Load() != 0 {
		src.retries.resume(k)
	}
	k.start = src.now()
	if c != nil {
		c.used(k.start)
		if k.tx = c.tx; k.tx != nil {
			k.tx.active.Store(inside)
		}
	}
}

// locate finds what the call belongs to.
func (k *call) locate() {
	scope, info := reqinfo.Scope(k.ctx)
	k.unit, _ = scope.(*unit)
	k.info = info
}

// exec ends a call that returns no rows.
func (k *call) exec(a arguments, err error) {
	if now, over := k.returned(a, err); over {
		k.over(now, err)
	}
}

// queried ends a call that returned no rows for its error.
func (k *call) queried(a arguments, err error) {
	if now, over := k.returned(a, err); over && err != nil {
		k.over(now, err)
	}
}

// returned is false where the call does not count, or not yet.
func (k *call) returned(a arguments, err error) (now time.Duration, counts bool) {
	now = k.src.now()
	k.busy += now - k.start
	k.called = k.busy
	k.left(now)
	if err != nil {
		if err == driver.ErrSkip { //nolint:errorlint // database/sql compares it by identity, too
			k.src.retries.skipped(k, now)
			return now, false
		}
		if k.tx == nil && errors.Is(err, driver.ErrBadConn) && k.src.retries.hold(k, now, err) {
			return now, false
		}
	}
	k.err = nil // of the attempt before
	if k.query != nil {
		k.look(a)
	}
	return now, true
}

// look notes about a call what cannot be known any more when it is over.
func (k *call) look(a arguments) {
	if k.unit != nil {
		k.unit.repeated(k, a)
	}
	if k.query.watch.wants(k.conn) {
		if k.site == nil {
			k.site = newSite()
			if k.unit != nil {
				k.site.read() // a scope compares it with others
			}
		}
		k.query.watch.site.Store(k.site)
	}
	if k.src.opts.DescribeArguments {
		k.shape = describe(a)
	}
	if k.src.explain != nil {
		k.src.explain.keep(k, a)
	}
}

// left notes that the driver has nothing to do at the moment.
func (k *call) left(now time.Duration) {
	k.active.Store(int64(now))
	if k.tx != nil {
		k.tx.active.Store(int64(now))
	}
}

// enter is when the driver goes on with its rows.
func (k *call) enter() time.Duration {
	k.active.Store(inside)
	if k.tx != nil {
		k.tx.active.Store(inside)
	}
	return k.src.now()
}

// row is told what a step to the next row brought.
func (k *call) row(from time.Duration, err error) {
	now := k.src.now()
	k.busy += now - from
	switch err {
	case nil:
		if k.rows++; k.rows == 1 {
			k.firstRow = k.busy
		}
	case io.EOF: //nolint:errorlint // as database/sql does
		k.ended = true
	default:
		k.err = err
	}
	k.left(now)
}

// closed ends a call that returned rows. Rows that are closed because their
// context ended have not told so by an error.
func (k *call) closed(from time.Duration, err error) {
	now := k.src.now()
	k.busy += now - from
	k.left(now)
	switch {
	case k.err != nil:
		err = k.err
	case err == nil && !k.ended:
		err = k.ctx.Err()
	}
	k.over(now, err)
}

func (k *call) over(now time.Duration, err error) {
	src := k.src
	how := outcomeOf(k.ctx, err)
	src.totals.add(k, how)
	if k.tx != nil {
		k.tx.worked(k, how)
	} else if k.conn != nil && k.query != nil && how == ok {
		k.conn.heard(k.op)
	}
	if k.unit != nil {
		k.unit.over(k, how)
	}
	if k.query != nil {
		if k.op != opPrepare {
			k.info.AddQuery(k.busy)
		}
		k.query.record(k, how)
		if slow := src.opts.SlowQuery; slow > 0 && k.busy >= slow {
			src.slow(k, how, now, err)
		}
		if k.kept != nil {
			src.explain.over(k, src.opts.SlowQuery > 0 && k.busy >= src.opts.SlowQuery)
		}
	}
	if src.opts.OnQuery != nil {
		src.tellQuery(k, how, err)
	}
}
