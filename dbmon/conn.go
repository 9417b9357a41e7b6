package dbmon

import (
	"context"
	"database/sql/driver"
	"errors"
	"reflect"
)

// conn is a connection under watch. What database/sql sees is its shape, which
// has those of its optional methods that the driver has, so that database/sql
// itself does without what is missing.
type conn struct {
	src   *source
	from  driver.Connector
	inner driver.Conn
	tracker
	spare *plainRows // of a query that the driver skipped

	rowsType  reflect.Type // of the latest result, and its shape
	rowsShape rowsShape
}

// Raw is for [Raw].
func (c *conn) Raw() driver.Conn { return c.inner }

func (c *conn) Prepare(text string) (driver.Stmt, error) {
	q := c.src.texts.lookup(text)
	var k call
	k.begin(c.src, c, context.Background(), q, opPrepare)
	s, err := c.inner.Prepare(text)
	k.exec(arguments{}, err)
	return c.stmt(q, text, s, err)
}

func (c *conn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	q := c.src.texts.lookup(text)
	var k call
	k.begin(c.src, c, ctx, q, opPrepare)
	s, err := c.inner.(driver.ConnPrepareContext).PrepareContext(ctx, text)
	k.exec(arguments{}, err)
	return c.stmt(q, text, s, err)
}

func (c *conn) Close() error {
	c.gone()
	return c.inner.Close()
}

func (c *conn) Begin() (driver.Tx, error) {
	ctx := context.Background()
	var k call
	k.begin(c.src, c, ctx, nil, opBegin)
	//lint:ignore SA1019 database/sql calls it where there is no BeginTx
	t, err := c.inner.Begin()
	k.exec(arguments{}, err)
	return c.newTx(ctx, t, err)
}

func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	var k call
	k.begin(c.src, c, ctx, nil, opBegin)
	t, err := c.inner.(driver.ConnBeginTx).BeginTx(ctx, o)
	k.exec(arguments{}, err)
	return c.newTx(ctx, t, err)
}

func (c *conn) Ping(ctx context.Context) error {
	var k call
	k.begin(c.src, c, ctx, nil, opPing)
	err := c.inner.(driver.Pinger).Ping(ctx)
	k.exec(arguments{}, err)
	return err
}

func (c *conn) Exec(text string, args []driver.Value) (driver.Result, error) {
	q := c.src.texts.lookup(text)
	var k call
	k.begin(c.src, c, context.Background(), q, q.op)
	//lint:ignore SA1019 some drivers have no other
	res, err := c.inner.(driver.Execer).Exec(text, args)
	k.exec(arguments{plain: args, text: text}, err)
	return res, err
}

func (c *conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	q := c.src.texts.lookup(text)
	var k call
	k.begin(c.src, c, ctx, q, q.op)
	res, err := c.inner.(driver.ExecerContext).ExecContext(ctx, text, args)
	k.exec(arguments{named: args, text: text}, err)
	return res, err
}

func (c *conn) Query(text string, args []driver.Value) (driver.Rows, error) {
	q := c.src.texts.lookup(text)
	r := c.newRows()
	r.begin(c.src, c, context.Background(), q, q.op)
	//lint:ignore SA1019 some drivers have no other
	inner, err := c.inner.(driver.Queryer).Query(text, args)
	return c.opens(r, inner, arguments{plain: args, text: text}, err)
}

func (c *conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	q := c.src.texts.lookup(text)
	r := c.newRows()
	r.begin(c.src, c, ctx, q, q.op)
	inner, err := c.inner.(driver.QueryerContext).QueryContext(ctx, text, args)
	return c.opens(r, inner, arguments{named: args, text: text}, err)
}

// ResetSession is the first that is done with a connection that leaves the pool.
func (c *conn) ResetSession(ctx context.Context) error {
	err := c.inner.(driver.SessionResetter).ResetSession(ctx)
	if !errors.Is(err, driver.ErrBadConn) { // any other is ignored by database/sql
		c.taken()
	}
	return err
}

// IsValid is the last that is done with a connection that goes into the pool.
func (c *conn) IsValid() bool {
	c.returned()
	return c.inner.(driver.Validator).IsValid()
}

func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	return c.inner.(driver.NamedValueChecker).CheckNamedValue(v)
}
