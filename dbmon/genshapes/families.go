package main

import (
	"fmt"
	"strings"
)

// family is what has shapes.
type family struct {
	name    string
	fake    string // that of the tests
	bits    int    // of the type that holds a shape
	methods []method
}

// method is an optional interface. In its code, $ is what does the work.
type method struct{ letter, iface, code string }

// source is the code of the methods on typ.
func (m method) source(typ, comment string, does func(method string) string) string {
	var b strings.Builder
	for code := range strings.SplitSeq(m.code, "\n") {
		name, _, _ := strings.Cut(code, "(")
		fmt.Fprintf(&b, "%sfunc (v *%s) %s\n\n", comment, typ, strings.ReplaceAll(code, "$", "v."+does(name)))
	}
	return b.String()
}

// core is the method of the core, lower that of the type itself.
func core(method string) string  { return "core." + method }
func lower(method string) string { return strings.ToLower(method[:1]) + method[1:] }
func title(name string) string   { return strings.ToUpper(name[:1]) + name[1:] }

// The optional interfaces of database/sql/driver. RowsColumnScanner is the last
// of its family, as it came with Go 1.27.
var (
	conns = family{"a connection", "conn", 16, []method{
		{"P", "Pinger", "Ping(ctx context.Context) error { return $(ctx) }"},
		{"E", "Execer", "Exec(query string, args []driver.Value) (driver.Result, error) { return $(query, args) }"},
		{"X", "ExecerContext", "ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) { return $(ctx, query, args) }"},
		{"Q", "Queryer", "Query(query string, args []driver.Value) (driver.Rows, error) { return $(query, args) }"},
		{"R", "QueryerContext", "QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) { return $(ctx, query, args) }"},
		{"S", "ConnPrepareContext", "PrepareContext(ctx context.Context, query string) (driver.Stmt, error) { return $(ctx, query) }"},
		{"B", "ConnBeginTx", "BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) { return $(ctx, opts) }"},
		{"T", "SessionResetter", "ResetSession(ctx context.Context) error { return $(ctx) }"},
		{"V", "Validator", "IsValid() bool { return $() }"},
		{"C", "NamedValueChecker", "CheckNamedValue(value *driver.NamedValue) error { return $(value) }"},
	}}
	stmts = family{"a statement", "stmt", 8, []method{
		{"X", "StmtExecContext", "ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) { return $(ctx, args) }"},
		{"R", "StmtQueryContext", "QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) { return $(ctx, args) }"},
		{"C", "NamedValueChecker", "CheckNamedValue(value *driver.NamedValue) error { return $(value) }"},
		{"V", "ColumnConverter", "ColumnConverter(i int) driver.ValueConverter { return $(i) }"},
	}}
	results = family{"rows", "rows", 8, []method{
		{"N", "NextResultSet", "HasNextResultSet() bool { return $() }\nNextResultSet() error { return $() }"},
		{"T", "ColumnTypeScanType", "ColumnTypeScanType(i int) reflect.Type { return $(i) }"},
		{"D", "ColumnTypeDatabaseTypeName", "ColumnTypeDatabaseTypeName(i int) string { return $(i) }"},
		{"L", "ColumnTypeLength", "ColumnTypeLength(i int) (int64, bool) { return $(i) }"},
		{"U", "ColumnTypeNullable", "ColumnTypeNullable(i int) (nullable, ok bool) { return $(i) }"},
		{"P", "ColumnTypePrecisionScale", "ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) { return $(i) }"},
		{"S", "ColumnScanner", "NextRow() error { return $() }\nScanColumn(ctx driver.ScanContext, i int, dest any) error { return $(ctx, i, dest) }"},
	}}
)
