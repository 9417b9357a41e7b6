package dbmon

import (
	"context"
	"database/sql/driver"
)

// stmt is a prepared statement under watch, without its optional methods. Its
// query was looked up when it was prepared.
type stmt struct {
	conn  *conn
	query *query
	text  string
	inner driver.Stmt
}

// plainStmt has no optional method, and the layout of every shape.
type plainStmt struct{ stmt }

// stmt takes what Prepare returned under watch.
func (c *conn) stmt(q *query, text string, inner driver.Stmt, err error) (driver.Stmt, error) {
	if err != nil {
		return nil, err
	}
	s := &plainStmt{stmt{c, q, text, inner}}
	return s.as(stmtShapeOf(inner)), nil
}

func (s *stmt) Close() error { return s.inner.Close() }

func (s *stmt) NumInput() int { return s.inner.NumInput() }

func (s *stmt) Exec(args []driver.Value) (driver.Result, error) {
	c := s.conn
	var k call
	k.begin(c.src, c, context.Background(), s.query, s.query.op)
	//lint:ignore SA1019 database/sql calls it where there is no ExecContext
	res, err := s.inner.Exec(args)
	k.exec(arguments{plain: args, text: s.text}, err)
	return res, err
}

func (s *stmt) execContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	c := s.conn
	var k call
	k.begin(c.src, c, ctx, s.query, s.query.op)
	res, err := s.inner.(driver.StmtExecContext).ExecContext(ctx, args)
	k.exec(arguments{named: args, text: s.text}, err)
	return res, err
}

func (s *stmt) Query(args []driver.Value) (driver.Rows, error) {
	c := s.conn
	r := c.newRows()
	r.begin(c.src, c, context.Background(), s.query, s.query.op)
	//lint:ignore SA1019 database/sql calls it where there is no QueryContext
	inner, err := s.inner.Query(args)
	return c.opens(r, inner, arguments{plain: args, text: s.text}, err)
}

func (s *stmt) queryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	c := s.conn
	r := c.newRows()
	r.begin(c.src, c, ctx, s.query, s.query.op)
	inner, err := s.inner.(driver.StmtQueryContext).QueryContext(ctx, args)
	return c.opens(r, inner, arguments{named: args, text: s.text}, err)
}

func (s *stmt) checkNamedValue(v *driver.NamedValue) error {
	return s.inner.(driver.NamedValueChecker).CheckNamedValue(v)
}

func (s *stmt) columnConverter(i int) driver.ValueConverter {
	//lint:ignore SA1019 some drivers have no other
	return s.inner.(driver.ColumnConverter).ColumnConverter(i)
}
