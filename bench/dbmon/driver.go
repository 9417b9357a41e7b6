package dbmon

import (
	"context"
	"database/sql/driver"
	"io"
	"reflect"
	"strings"
)

// nullDriver answers at once, and has all that a driver of today has.
type nullDriver struct{}

func (nullDriver) Open(string) (driver.Conn, error) { return nullConn{}, nil }

func (d nullDriver) OpenConnector(string) (driver.Connector, error) { return nullConnector{d}, nil }

type nullConnector struct{ driver nullDriver }

func (c nullConnector) Connect(context.Context) (driver.Conn, error) { return nullConn{}, nil }

func (c nullConnector) Driver() driver.Driver { return c.driver }

type nullConn struct{}

func (nullConn) Prepare(text string) (driver.Stmt, error) { return nullStmt{text}, nil }

func (nullConn) PrepareContext(_ context.Context, text string) (driver.Stmt, error) {
	return nullStmt{text}, nil
}

func (nullConn) Begin() (driver.Tx, error) { return nullTx{}, nil }

func (nullConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) { return nullTx{}, nil }

func (nullConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

func (nullConn) QueryContext(_ context.Context, text string, _ []driver.NamedValue) (driver.Rows, error) {
	return rowsOf(text), nil
}

func (nullConn) CheckNamedValue(*driver.NamedValue) error { return nil }
func (nullConn) Ping(context.Context) error               { return nil }
func (nullConn) ResetSession(context.Context) error       { return nil }
func (nullConn) IsValid() bool                            { return true }
func (nullConn) Close() error                             { return nil }

type nullTx struct{}

func (nullTx) Commit() error   { return nil }
func (nullTx) Rollback() error { return nil }

type nullStmt struct{ text string }

func (nullStmt) NumInput() int { return -1 }
func (nullStmt) Close() error  { return nil }

func (nullStmt) Exec([]driver.Value) (driver.Result, error) { return driver.RowsAffected(1), nil }

func (nullStmt) ExecContext(context.Context, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

func (s nullStmt) Query([]driver.Value) (driver.Rows, error) { return rowsOf(s.text), nil }

func (s nullStmt) QueryContext(context.Context, []driver.NamedValue) (driver.Rows, error) {
	return rowsOf(s.text), nil
}

const manyRows = 100

// manySuffix asks for that many rows, any other statement for one.
const manySuffix = " LIMIT 100"

type nullRows struct{ left int }

func rowsOf(text string) driver.Rows {
	if strings.HasSuffix(text, manySuffix) {
		return &nullRows{manyRows}
	}
	return &nullRows{1}
}

// Values that exist already are free of charge.
var (
	columns              = []string{"id", "name"}
	id      driver.Value = int64(42)
	name    driver.Value = "a thing"
)

func (r *nullRows) Next(dest []driver.Value) error {
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	dest[0], dest[1] = id, name
	return nil
}

func (r *nullRows) Columns() []string { return columns }
func (r *nullRows) Close() error      { return nil }

func (r *nullRows) HasNextResultSet() bool { return false }
func (r *nullRows) NextResultSet() error   { return io.EOF }

func (r *nullRows) ColumnTypeScanType(i int) reflect.Type {
	return reflect.TypeOf([]any{id, name}[i])
}
func (r *nullRows) ColumnTypeDatabaseTypeName(i int) string { return []string{"INT8", "TEXT"}[i] }
func (r *nullRows) ColumnTypeLength(int) (int64, bool)      { return 0, false }
func (r *nullRows) ColumnTypeNullable(int) (bool, bool)     { return false, true }
func (r *nullRows) ColumnTypePrecisionScale(int) (int64, int64, bool) {
	return 0, 0, false
}
