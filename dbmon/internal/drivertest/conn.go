package drivertest

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// conn does the work of connections of all shapes.
type conn struct {
	db *Driver
	n  int
}

func (c *conn) called(method string, args ...any) error {
	return c.db.called(fmt.Sprint("#", c.n, " conn."+method), args...)
}

func (c *conn) prepared(query string, err error) (driver.Stmt, error) {
	if err != nil {
		return nil, err
	}
	return c.db.newStmt(c.n, query), nil
}

func (c *conn) begun(err error) (driver.Tx, error) {
	if err != nil {
		return nil, err
	}
	return tx{c}, nil
}

func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.prepared(query, c.called("Prepare", query))
}

func (c *conn) Close() error { return c.called("Close") }

func (c *conn) Begin() (driver.Tx, error) { return c.begun(c.called("Begin")) }

func (c *conn) ping(ctx context.Context) error { return c.called("Ping", ctx.Value(key{})) }

func (c *conn) exec(query string, args []driver.Value) (driver.Result, error) {
	return c.db.result(c.n, c.called("Exec", query, args))
}

func (c *conn) execContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.db.result(c.n, c.called("ExecContext", ctx.Value(key{}), query, args))
}

func (c *conn) query(query string, args []driver.Value) (driver.Rows, error) {
	return c.db.rows(c.n, c.called("Query", query, args))
}

func (c *conn) queryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.db.rows(c.n, c.called("QueryContext", ctx.Value(key{}), query, args))
}

func (c *conn) prepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return c.prepared(query, c.called("PrepareContext", ctx.Value(key{}), query))
}

func (c *conn) beginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return c.begun(c.called("BeginTx", ctx.Value(key{}), o))
}

func (c *conn) resetSession(ctx context.Context) error {
	return c.called("ResetSession", ctx.Value(key{}))
}

func (c *conn) isValid() bool { return c.called("IsValid") == nil && !c.db.Invalid }

func (c *conn) checkNamedValue(v *driver.NamedValue) error {
	return c.db.check("conn", v, c.called("CheckNamedValue", *v))
}

// check asks the test.
func (d *Driver) check(by string, v *driver.NamedValue, err error) error {
	if check := d.Check[by]; check != nil && err == nil {
		return check(v)
	}
	return err
}

// tx is a transaction.
type tx struct{ c *conn }

func (t tx) Commit() error   { return t.c.called("Commit") }
func (t tx) Rollback() error { return t.c.called("Rollback") }

func (d *Driver) result(n int, err error) (driver.Result, error) {
	if err != nil {
		return nil, err
	}
	return &result{d, n}, nil
}

// result notes who asks: with some drivers it costs a round trip.
type result struct {
	db *Driver
	n  int
}

func (r *result) LastInsertId() (int64, error) { return 42, r.db.called("result.LastInsertId") }
func (r *result) RowsAffected() (int64, error) { return 7, r.db.called("result.RowsAffected") }

type key struct{}

// WithValue marks a context, to be seen in the log where it arrives.
func WithValue(ctx context.Context, v string) context.Context {
	return context.WithValue(ctx, key{}, v)
}
