package dbmon

import (
	"context"
	"database/sql/driver"
	"time"
)

// Source is a database that is reached without database/sql, through a driver
// with hooks of its own: [github.com/sluice-go/sluice/dbmon/pgxmon] is made of
// it. What it is told is as good as what the same monitor sees of database/sql.
// It is safe for concurrent use.
//
//	src := mon.NewSource(dbmon.PostgreSQL)
//	conn := src.NewConn(nil)
//	...
//	call := conn.Begin(ctx, text, args) // in the goroutine of the caller
//	n, err := query(ctx, text, args)
//	call.End(n, err)
type Source struct{ src *source }

// NewSource returns a source of statements in a dialect. Without one they are
// read as by [DialectOfDriver] of an unknown driver.
func (m *Monitor) NewSource(d Dialect) *Source {
	if m.opts.Dialect != DialectOfDriver {
		d = m.opts.Dialect
	}
	return &Source{&source{Monitor: m, texts: newTexts(m.table, d)}}
}

// Connect begins the opening of a connection.
func (s *Source) Connect(ctx context.Context) *Call {
	c := new(Call)
	c.k.begin(s.src, nil, ctx, nil, opConnect)
	return c
}

// Waited is told how long a caller waited for a connection of the pool, whether
// there was one or not.
func (s *Source) Waited(d time.Duration) { s.src.totals.waited.add(d) }

// Conn is a connection of a source. Like the connection itself it is for one
// goroutine at a time. It holds nothing that would have to be closed.
type Conn struct {
	c  conn
	tx txState
}

// NewConn returns what stands for a new connection. The plans of its slow reads
// are asked for through plans, which must not be under watch, if there is one;
// see [ExplainOptions].
func (s *Source) NewConn(plans driver.Connector) *Conn {
	c := new(Conn)
	c.c.src, c.c.from = s.src, plans
	return c
}

// Begin begins a query, just before the driver is called and in the goroutine of
// the caller, whose stack tells the call-site. The arguments are not kept.
func (c *Conn) Begin(ctx context.Context, text string, args []any) *Call {
	q := c.c.src.texts.lookup(text)
	call := new(Call)
	call.k.begin(c.c.src, &c.c, ctx, q, q.op)
	call.k.look(arguments{native: args, text: text})
	return call
}

// Batched is a query of a batch, which is one round trip whatever is in it: it is
// counted, and is never a part of an N+1. It began at the given time.
func (c *Conn) Batched(ctx context.Context, text string, args []any, from time.Time) *Call {
	q := c.c.src.texts.lookup(text)
	call := new(Call)
	call.k.begin(c.c.src, &c.c, ctx, q, q.op)
	call.k.unit = nil
	call.k.look(arguments{native: args, text: text})
	call.k.locate()
	if !from.IsZero() {
		call.k.start -= max(0, time.Since(from))
	}
	return call
}

// Prepare begins the preparation of a statement, or of many without a text.
func (c *Conn) Prepare(ctx context.Context, text string) *Call {
	var q *query
	if text != "" {
		q = c.c.src.texts.lookup(text)
	}
	call := new(Call)
	call.k.begin(c.c.src, &c.c, ctx, q, opPrepare)
	return call
}

// Ping begins a ping.
func (c *Conn) Ping(ctx context.Context) *Call {
	call := new(Call)
	call.k.begin(c.c.src, &c.c, ctx, nil, opPing)
	return call
}

// InTransaction is told after each call whether the connection is within a
// transaction now, as the server says. A transaction that ended without a COMMIT
// or a ROLLBACK has failed.
func (c *Conn) InTransaction(open bool) {
	switch {
	case open && c.c.tx == nil:
		c.tx = txState{}
		c.c.began(context.Background(), &c.tx)
	case !open:
		c.c.ended()
	}
}

// Taken is told that the connection leaves the pool, Returned that it goes back.
func (c *Conn) Taken() { c.c.taken() }

// Returned see [Conn.Taken].
func (c *Conn) Returned() {
	if c.c.held {
		c.c.src.totals.held.add(c.c.src.now() - c.c.since)
		c.c.held = false
	}
}

// Call is an operation in progress. It is over after End.
type Call struct {
	k        call
	returned bool
	over     bool
}

// Returned says that the driver's call returned, and that its rows are still to
// be read. Without it, the whole time is that of the call.
func (c *Call) Returned() {
	if !c.returned && !c.over {
		now := c.k.src.now()
		c.k.called, c.returned = now-c.k.start, true
		c.k.left(now)
	}
}

// End ends the call. The time until then is the driver's, also what the
// application took between rows. Rows are those that were read. A second End is
// ignored.
func (c *Call) End(rows int64, err error) {
	if c.over {
		return
	}
	c.over = true
	now := c.k.src.now()
	c.k.busy, c.k.rows = now-c.k.start, max(0, rows)
	if !c.returned {
		c.k.called = c.k.busy
	}
	c.k.left(now)
	c.k.over(now, err)
}

// Cancel takes back a call that was none after all.
func (c *Call) Cancel() {
	c.over = true
	c.k.left(c.k.src.now())
}
