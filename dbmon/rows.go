package dbmon

import (
	"database/sql/driver"
	"io"
	"reflect"
	"time"
)

// rows are a result under watch, without their optional methods. The call that
// returned them goes on within them, which makes a query one allocation.
type rows struct {
	_ [0]func() // no comparison, which the compiler would write for every shape
	call
	inner    driver.Rows
	more     bool // there is another result
	done     bool
	reported bool // by the janitor
}

// plainRows have no optional method, and the layout of every shape.
type plainRows struct{ rows }

// newRows returns rows for a query that is about to begin.
func (c *conn) newRows() *plainRows {
	r := c.spare
	if r == nil {
		return new(plainRows)
	}
	c.spare = nil
	return r
}

// opens takes what a query returned under watch. Rows for which there is no
// result wait for the next query: a driver that skips does so before each.
func (c *conn) opens(r *plainRows, inner driver.Rows, args arguments, err error) (driver.Rows, error) {
	r.queried(args, err)
	if err != nil {
		if err == driver.ErrSkip { //nolint:errorlint // database/sql compares it by identity, too
			*r = plainRows{}
			c.spare = r
		}
		return nil, err
	}
	r.inner = inner
	c.opened(&r.rows)
	if t := reflect.TypeOf(inner); t != c.rowsType {
		c.rowsType, c.rowsShape = t, rowsShapeOf(inner)
	}
	return r.shaped(c.rowsShape), nil
}

func (r *rows) Columns() []string { return r.inner.Columns() }

func (r *rows) Close() error {
	if r.done {
		return r.inner.Close()
	}
	r.done = true
	from := time.Duration(r.active.Load()) // database/sql closes rows at their end at once
	if !r.ended || r.more {
		from = r.enter()
	}
	err := r.inner.Close()
	r.closed(from, err)
	r.conn.closedRows(r)
	return err
}

// Next does not keep dest: what is in there may be memory of the driver.
func (r *rows) Next(dest []driver.Value) error {
	from := r.enter()
	err := r.inner.Next(dest)
	r.row(from, err)
	return err
}

func (r *rows) hasNextResultSet() bool {
	r.more = r.inner.(driver.RowsNextResultSet).HasNextResultSet()
	return r.more
}

func (r *rows) nextResultSet() error {
	from := r.enter()
	err := r.inner.(driver.RowsNextResultSet).NextResultSet()
	now := r.src.now()
	r.busy += now - from
	r.left(now)
	r.more = false
	switch err {
	case nil:
		r.ended = false
	case io.EOF: //nolint:errorlint // as database/sql does
	default:
		r.err = err
	}
	return err
}

func (r *rows) columnTypeScanType(i int) reflect.Type {
	return r.inner.(driver.RowsColumnTypeScanType).ColumnTypeScanType(i)
}

func (r *rows) columnTypeDatabaseTypeName(i int) string {
	return r.inner.(driver.RowsColumnTypeDatabaseTypeName).ColumnTypeDatabaseTypeName(i)
}

func (r *rows) columnTypeLength(i int) (int64, bool) {
	return r.inner.(driver.RowsColumnTypeLength).ColumnTypeLength(i)
}

func (r *rows) columnTypeNullable(i int) (nullable, ok bool) {
	return r.inner.(driver.RowsColumnTypeNullable).ColumnTypeNullable(i)
}

func (r *rows) columnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	return r.inner.(driver.RowsColumnTypePrecisionScale).ColumnTypePrecisionScale(i)
}
