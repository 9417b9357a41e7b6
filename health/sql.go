package health

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// SQLOptions configure [SQLWith].
type SQLOptions struct {
	// Query is sent in place of a ping, and its first row is read. It shows more
	// than a ping: that a table is there, that the role may read it.
	// Default: a ping, or "SELECT 1" if the driver has none.
	Query string
	// StuckAfter is for how long runs must have waited in vain for a connection
	// of a full pool before it counts as stuck. The time between two runs counts
	// too, but no more than the first of them waited: nobody looked.
	// Default: 30 s. Negative: off, a full pool only degrades.
	StuckAfter time.Duration
}

// SQL checks a database through the pool that the application uses itself.
//
// It tells a busy pool from a dead database. When no connection becomes free in
// three quarters of the time that the run has, and all of them are in use, the
// check is degraded as [ReasonPoolSaturated]: the database may be in the best of
// health. When that goes on for [SQLOptions].StuckAfter without any run that got
// a connection, it is unhealthy as [ReasonPoolStuck]: they are leaked, or wait
// for a database that does not answer: one that goes silent while requests hold
// all connections looks like a busy pool at first. Connections that a restarted
// server left broken in the pool are replaced, and are no fault.
//
// What counts as proof that connections come back is only what cannot be
// anything else: a connection that a run got, one that was not in use, one that
// the pool closed because of its age. The pool's own figures of waiting are no
// proof, as they also move when requests give up. It hands a connection to any
// of those that wait, by lot, so a run can miss all of them; after a run in vain
// the next ones therefore queue eight times, and give back at once what they do not
// need. If requests wait for w on average, the chance that a busy pool looks
// stuck is about exp(-8t/w), t being the time that runs waited: less than one in a
// million up to a w of t/2, and for a w that long, stuck is the better word.
//
// The facts are open, in_use, idle and max_open connections and wait_count, as
// [sql.DBStats] has them.
func SQL(db *sql.DB) Func { return SQLWith(db, SQLOptions{}) }

// SQLWith is [SQL] with options.
func SQLWith(db *sql.DB, o SQLOptions) Func {
	if db == nil {
		return func(context.Context) error { return errors.New("health: SQL: no database") }
	}
	c := &sqlCheck{db: db, query: o.Query, stuckAfter: cmp.Or(o.StuckAfter, 30*time.Second)}
	return c.run
}

type sqlCheck struct {
	db         *sql.DB
	query      string
	stuckAfter time.Duration

	mu   sync.Mutex
	vain vain
}

func (c *sqlCheck) run(ctx context.Context) error {
	stats := c.db.Stats()
	setPool(ctx, stats) // before, as it may hang, and after
	defer func() { setPool(ctx, c.db.Stats()) }()
	// When a server restarts, all idle connections are broken, and each says so
	// only when it is used. One more may come from a request, the last is new.
	for left := stats.Idle + 1; ; left-- {
		conn, err := c.connect(ctx)
		if err != nil {
			return err
		}
		err = c.ask(ctx, conn)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil: // some drivers call this a bad connection
			return fmt.Errorf("health: the database does not answer: %w", ctx.Err())
		case left == 0 || !isBroken(err):
			return err
		}
	}
}

func setPool(ctx context.Context, stats sql.DBStats) {
	Set(ctx, "open", stats.OpenConnections)
	Set(ctx, "in_use", stats.InUse)
	Set(ctx, "idle", stats.Idle)
	Set(ctx, "wait_count", stats.WaitCount)
	if stats.MaxOpenConnections > 0 {
		Set(ctx, "max_open", stats.MaxOpenConnections)
	}
}

// ask uses the connection and gives it back, or discards it if it is broken.
func (c *sqlCheck) ask(ctx context.Context, conn *sql.Conn) error {
	err := c.ping(ctx, conn)
	if err != nil && isBroken(err) {
		// Not every driver marks it, and the pool would hand it out again.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	_ = conn.Close() // not deferred: it would wait forever for a query that panicked
	return err
}

func (c *sqlCheck) ping(ctx context.Context, conn *sql.Conn) error {
	if c.query == "" {
		// Without a Pinger the pool's ping succeeds without a word to the server.
		// And if a driver panics, only Raw gives the connection back.
		hasPing := false
		err := conn.Raw(func(driverConn any) error {
			p, ok := driverConn.(driver.Pinger)
			if hasPing = ok; !ok {
				return nil
			}
			return p.Ping(ctx)
		})
		if err != nil || hasPing {
			return err
		}
	}
	rows, err := conn.QueryContext(ctx, cmp.Or(c.query, "SELECT 1"))
	if err != nil {
		return err
	}
	defer rows.Close()
	rows.Next() // many drivers send a statement, or hear of its failure, only now
	return rows.Err()
}

// isBroken reports whether err is about a connection that has ended, which says
// nothing yet about the server.
func isBroken(err error) bool {
	if isOne(err, driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE) {
		return true
	}
	var state interface {
		error
		SQLState() string
	}
	// admin_shutdown and crash_shutdown: a PostgreSQL backend says goodbye.
	return errors.As(err, &state) && (state.SQLState() == "57P01" || state.SQLState() == "57P02")
}

// connect gets a connection of the pool, or says what is in the way.
func (c *sqlCheck) connect(ctx context.Context) (*sql.Conn, error) {
	waitCtx := ctx
	if deadline, ok := ctx.Deadline(); ok {
		// The rest is for the ping, and for a verdict before the run has failed.
		var cancel context.CancelFunc
		waitCtx, cancel = context.WithTimeout(ctx, time.Until(deadline)*3/4)
		defer cancel()
	}
	before, start := c.db.Stats(), time.Now()
	conn, err := acquire(waitCtx, c.db, c.queue())
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return nil, err // called off, which says nothing about the pool
	}
	if !isWaitOver(err) || !isFull(before) {
		c.reset() // a place was free
		return conn, err
	}
	after := c.db.Stats()
	return nil, c.verdict(c.miss(start, before, after), after)
}

func (c *sqlCheck) verdict(vain time.Duration, stats sql.DBStats) error {
	if c.stuckAfter > 0 && vain >= c.stuckAfter {
		return WithReason(fmt.Errorf("health: no run got one of the %d connections of the pool for %v",
			stats.MaxOpenConnections, vain.Round(time.Millisecond)), ReasonPoolStuck)
	}
	return Degraded(WithReason(fmt.Errorf("health: all %d connections of the pool are in use",
		stats.MaxOpenConnections), ReasonPoolSaturated))
}

// isFull reports whether all places are taken. Connections that are being opened
// count as in use; nothing tells them apart.
func isFull(s sql.DBStats) bool {
	return s.MaxOpenConnections > 0 && s.InUse >= s.MaxOpenConnections
}

// isWaitOver reports whether err is how the pool ends the wait for a place in it:
// with the plain error of the context. A wrapped one is from the driver, which
// was opening a connection, so that there was a place.
func isWaitOver(err error) bool {
	return err == context.DeadlineExceeded //nolint:errorlint // see above
}

// vain is a row of runs that all queued for a connection and got none.
type vain struct {
	time   time.Duration
	end    time.Time     // of the last run
	waited time.Duration // by the last run
	closed int64         // connections that the pool had closed by then
}

// extraQueue is how often a run queues after one in vain.
const extraQueue = 8

func (c *sqlCheck) queue() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.vain.end.IsZero() {
		return 1
	}
	return extraQueue
}

func (c *sqlCheck) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.vain = vain{}
}

// miss adds a run to the row and returns the length of the row.
func (c *sqlCheck) miss(start time.Time, before, after sql.DBStats) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	v := &c.vain
	if v.end.IsZero() {
		v.closed = closedByPool(before)
	} else {
		v.time += min(start.Sub(v.end), v.waited) // less than zero if two runs overlap
	}
	v.waited = now.Sub(start)
	v.time += v.waited
	v.end = now
	// The pool closes no connection that is in use. One that it has closed since
	// had come back.
	if closed := closedByPool(after); closed != v.closed || !isFull(after) {
		v.time, v.closed = 0, closed
	}
	return v.time
}

func closedByPool(s sql.DBStats) int64 {
	return s.MaxIdleClosed + s.MaxIdleTimeClosed + s.MaxLifetimeClosed
}

// acquire queues n times for a connection. The first answer counts.
func acquire(ctx context.Context, db *sql.DB, n int) (*sql.Conn, error) {
	if n == 1 {
		return db.Conn(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, n)
	for range n {
		go attempt(ctx, db, answers)
	}
	first := <-answers
	cancel()
	for range n - 1 {
		if other := <-answers; other.conn != nil {
			_ = other.conn.Close()
		}
	}
	if first.panicked != nil {
		panic(first.panicked) // where it is caught
	}
	return first.conn, first.err
}

type answer struct {
	conn     *sql.Conn
	err      error
	panicked any
}

func attempt(ctx context.Context, db *sql.DB, answers chan<- answer) {
	a := answer{err: errExited} // in case the driver ends this goroutine
	defer func() {
		a.panicked = recover()
		answers <- a
	}()
	a.conn, a.err = db.Conn(ctx)
}
