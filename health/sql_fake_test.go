package health_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"sync"
	"testing"
)

// fakeDB is a database of which everything can be broken.
type fakeDB struct {
	noPing bool                            // its driver is no driver.Pinger
	dial   func(ctx context.Context) error // nil: at once
	answer func(ctx context.Context) error // to pings and queries; nil: at once
	broken error                           // what a connection from before a restart says; nil: driver.ErrBadConn
	resets bool                            // the driver finds such a connection when the pool hands it out

	mu      sync.Mutex
	opened  int
	closed  int
	epoch   int
	queries []string
}

func (f *fakeDB) open(t *testing.T) *sql.DB {
	db := sql.OpenDB(f)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func (f *fakeDB) restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.epoch++
}

func (f *fakeDB) counts() (opened, closed int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.opened, f.closed
}

func (f *fakeDB) Driver() driver.Driver { return nil }

func (f *fakeDB) Connect(ctx context.Context) (driver.Conn, error) {
	if f.dial != nil {
		if err := f.dial(ctx); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened++
	c := &fakeConn{db: f, epoch: f.epoch}
	if f.noPing {
		return c, nil
	}
	return &pingConn{c}, nil
}

type fakeConn struct {
	db    *fakeDB
	epoch int
}

func (c *fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (c *fakeConn) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }

func (c *fakeConn) Close() error {
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	c.db.closed++
	return nil
}

// ResetSession is what the pool calls before it hands out a used connection.
func (c *fakeConn) ResetSession(context.Context) error {
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	if c.db.resets && c.epoch != c.db.epoch {
		return driver.ErrBadConn
	}
	return nil
}

func (c *fakeConn) QueryContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	c.db.mu.Lock()
	c.db.queries = append(c.db.queries, query)
	c.db.mu.Unlock()
	return &fakeRows{}, c.ask(ctx)
}

func (c *fakeConn) ask(ctx context.Context) error {
	c.db.mu.Lock()
	old, broken := c.epoch != c.db.epoch, c.db.broken
	c.db.mu.Unlock()
	switch {
	case old && broken != nil:
		return broken
	case old:
		return driver.ErrBadConn
	case c.db.answer != nil:
		return c.db.answer(ctx)
	}
	return nil
}

type pingConn struct{ *fakeConn }

func (c *pingConn) Ping(ctx context.Context) error { return c.ask(ctx) }

type fakeRows struct{ read bool }

func (*fakeRows) Columns() []string { return []string{"one"} }
func (*fakeRows) Close() error      { return nil }
func (r *fakeRows) Next(dest []driver.Value) error {
	if r.read {
		return io.EOF
	}
	r.read, dest[0] = true, int64(1)
	return nil
}
