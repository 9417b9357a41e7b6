package drivertest_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluice-go/sluice/dbmon"
	"github.com/sluice-go/sluice/dbmon/internal/drivertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// optional are the interfaces that database/sql asserts on a connection, a
// statement and rows.
var (
	ofConn = []reflect.Type{
		reflect.TypeFor[driver.Pinger](),
		//lint:ignore SA1019 old drivers have it
		reflect.TypeFor[driver.Execer](),
		reflect.TypeFor[driver.ExecerContext](),
		//lint:ignore SA1019 old drivers have it
		reflect.TypeFor[driver.Queryer](),
		reflect.TypeFor[driver.QueryerContext](),
		reflect.TypeFor[driver.ConnPrepareContext](),
		reflect.TypeFor[driver.ConnBeginTx](),
		reflect.TypeFor[driver.SessionResetter](),
		reflect.TypeFor[driver.Validator](),
		reflect.TypeFor[driver.NamedValueChecker](),
	}
	ofStmt = []reflect.Type{
		reflect.TypeFor[driver.StmtExecContext](),
		reflect.TypeFor[driver.StmtQueryContext](),
		reflect.TypeFor[driver.NamedValueChecker](),
		//lint:ignore SA1019 old drivers have it
		reflect.TypeFor[driver.ColumnConverter](),
	}
	ofRows = append([]reflect.Type{
		reflect.TypeFor[driver.RowsNextResultSet](),
		reflect.TypeFor[driver.RowsColumnTypeScanType](),
		reflect.TypeFor[driver.RowsColumnTypeDatabaseTypeName](),
		reflect.TypeFor[driver.RowsColumnTypeLength](),
		reflect.TypeFor[driver.RowsColumnTypeNullable](),
		reflect.TypeFor[driver.RowsColumnTypePrecisionScale](),
	}, scanners...)
)

// subsets are all shapes of letters.
func subsets(letters string) (all []string) {
	for s := range 1 << len(letters) {
		var shape strings.Builder
		for i, l := range letters {
			if s&(1<<i) != 0 {
				shape.WriteRune(l)
			}
		}
		all = append(all, shape.String())
	}
	return all
}

func newMonitor(t testing.TB) *dbmon.Monitor {
	m, err := dbmon.New(dbmon.Options{LeakAfter: -1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// connect returns a connection under watch, and that of the driver.
func connect(t testing.TB, m *dbmon.Monitor, d *drivertest.Driver) (watched, inner driver.Conn) {
	watched, err := m.WrapConnector(drivertest.Connector{DB: d}).Connect(t.Context())
	require.NoError(t, err)
	return watched, dbmon.Raw(watched).(driver.Conn)
}

// Trap d.1: the wrapper has what the driver has, never more and never less.
func TestEveryShapeHasTheMethodsOfTheDriverAndNoOther(t *testing.T) {
	m := newMonitor(t)
	conns, stmts, results := subsets(drivertest.ConnShapes), subsets(drivertest.StmtShapes), subsets(rowsShapes)
	require.Len(t, conns, 1024)
	require.Len(t, stmts, 16)
	require.Len(t, results, 1<<len(rowsShapes))
	for _, shape := range conns {
		watched, inner := connect(t, m, &drivertest.Driver{Conn: shape})
		same(t, shape, ofConn, len(shape), watched, inner)
		require.NoError(t, watched.Close())
	}
	bare := &drivertest.Driver{}
	for _, shape := range stmts {
		d := &drivertest.Driver{Stmt: shape}
		watched, _ := connect(t, m, d)
		s, err := watched.Prepare("SELECT 1")
		require.NoError(t, err)
		own, err := d.NewConn().Prepare("SELECT 1")
		require.NoError(t, err)
		same(t, shape, ofStmt, len(shape), s, own)
		require.NoError(t, watched.Close())
	}
	for _, shape := range results {
		d := &drivertest.Driver{Rows: shape}
		watched, inner := connect(t, m, d)
		same(t, shape, ofRows, len(shape), rowsOf(t, watched), rowsOf(t, inner))
		require.NoError(t, watched.Close())
	}
	watched, inner := connect(t, m, bare)
	//lint:ignore SA1019 the fake has no other
	tx, err := watched.Begin()
	require.NoError(t, err)
	//lint:ignore SA1019 the fake has no other
	own, err := inner.Begin()
	require.NoError(t, err)
	require.Equal(t, methods(reflect.TypeOf(own)), methods(reflect.TypeOf(tx)))
	require.NoError(t, watched.Close())
}

func rowsOf(t *testing.T, c driver.Conn) driver.Rows {
	s, err := c.Prepare("SELECT 1")
	require.NoError(t, err)
	//lint:ignore SA1019 the fake has no other
	r, err := s.Query(nil)
	require.NoError(t, err)
	return r
}

// same compares the interfaces, and then all methods: none but Raw is new.
func same(t *testing.T, shape string, optional []reflect.Type, want int, watched, inner any) {
	var n int
	for _, i := range optional {
		has := reflect.TypeOf(inner).Implements(i)
		if has {
			n++
		}
		require.Equal(t, has, reflect.TypeOf(watched).Implements(i), "%q: %v", shape, i)
	}
	require.Equal(t, want, n, "the fake of %q", shape)
	got := slices.DeleteFunc(methods(reflect.TypeOf(watched)), func(name string) bool { return name == "Raw" })
	require.Equal(t, methods(reflect.TypeOf(inner)), got, "%q", shape)
}

func methods(t reflect.Type) (names []string) {
	for i := range t.NumMethod() {
		names = append(names, t.Method(i).Name)
	}
	return names
}

var errTold = errors.New("told by the fake")

// TestEveryMethodOfEveryShapeIsTheSameMethodOfTheDriver calls all methods of all
// shapes, once so that they return something, and once so that they fail.
func TestEveryMethodOfEveryShapeIsTheSameMethodOfTheDriver(t *testing.T) {
	m := newMonitor(t)
	for _, shape := range subsets(drivertest.ConnShapes) {
		forwards(t, shape, func(d *drivertest.Driver) (watched, inner any) {
			d.Conn = shape
			return connect(t, m, d)
		})
	}
	for _, shape := range subsets(drivertest.StmtShapes) {
		forwards(t, shape, func(d *drivertest.Driver) (watched, inner any) {
			d.Stmt = shape
			w, i := connect(t, m, d)
			ws, err := w.Prepare("SELECT 1")
			require.NoError(t, err)
			is, err := i.Prepare("SELECT 1")
			require.NoError(t, err)
			return ws, is
		})
	}
	for _, shape := range subsets(rowsShapes) {
		forwards(t, shape, func(d *drivertest.Driver) (watched, inner any) {
			d.Rows, d.Sets = shape, [][][]driver.Value{{{int64(1), "x"}, {int64(2), "y"}, {int64(3), "z"}}, {{int64(4), "z"}}}
			w, i := connect(t, m, d)
			return rowsOf(t, w), rowsOf(t, i)
		})
	}
}

func forwards(t *testing.T, shape string, pair func(*drivertest.Driver) (watched, inner any)) {
	d := &drivertest.Driver{Fails: map[string][]error{}}
	watched, inner := pair(d)
	kind, names := kindOf(inner), methods(reflect.TypeOf(inner))
	slices.SortFunc(names, last("Close"))
	for _, name := range names {
		for _, fails := range []error{nil, errTold, driver.ErrSkip, driver.ErrBadConn, fmt.Errorf("wrapped: %w", driver.ErrBadConn)} {
			if name == "Close" && fails != nil {
				continue
			}
			d.Log()
			d.Fails[kind+name] = []error{fails, fails}
			want := call(inner, name)
			wantLog := d.Log()
			got := call(watched, name)
			require.Equal(t, wantLog, d.Log(), "%q %s", shape, name)
			require.Equal(t, len(want), len(got))
			for i := range want {
				equal(t, want[i], got[i], shape+" "+name)
			}
			d.Fails[kind+name] = nil
		}
	}
}

// last sorts one to the end.
func last(name string) func(a, b string) int {
	rank := func(s string) int {
		if s == name {
			return 1
		}
		return 0
	}
	return func(a, b string) int { return rank(a) - rank(b) }
}

func kindOf(v any) string {
	switch v.(type) {
	case driver.Conn:
		return "conn."
	case driver.Stmt:
		return "stmt."
	default:
		return "rows."
	}
}

// call calls a method with arguments of its types.
func call(v any, name string) []reflect.Value {
	m := reflect.ValueOf(v).MethodByName(name)
	var args []reflect.Value
	for i := range m.Type().NumIn() {
		switch in := m.Type().In(i); in {
		case reflect.TypeFor[context.Context]():
			args = append(args, reflect.ValueOf(drivertest.WithValue(context.Background(), "mark")))
		case reflect.TypeFor[string]():
			args = append(args, reflect.ValueOf("SELECT 1"))
		case reflect.TypeFor[[]driver.Value]():
			args = append(args, reflect.ValueOf([]driver.Value{int64(1), "x"}))
		case reflect.TypeFor[[]driver.NamedValue]():
			args = append(args, reflect.ValueOf([]driver.NamedValue{{Ordinal: 1, Value: int64(1)}, {Name: "n", Ordinal: 2, Value: "x"}}))
		case reflect.TypeFor[*driver.NamedValue]():
			args = append(args, reflect.ValueOf(&driver.NamedValue{Ordinal: 1, Value: int64(1)}))
		case reflect.TypeFor[any](): // the destination of a scan
			args = append(args, reflect.ValueOf(new(any)))
		default:
			args = append(args, reflect.Zero(in))
		}
	}
	return m.Call(args)
}

// equal compares what two calls returned. Errors and results are the driver's own;
// statements, rows and transactions are under watch, if there are any.
func equal(t *testing.T, want, got reflect.Value, where string) {
	switch w := want.Interface().(type) {
	case error:
		require.True(t, got.Interface() == any(w), "%s: %v is not %v", where, got, w)
	case driver.Stmt, driver.Rows, driver.Tx:
		require.False(t, got.IsNil(), where)
	case driver.Result:
		require.Equal(t, reflect.TypeOf(w), reflect.TypeOf(got.Interface()), where)
	case driver.ValueConverter:
		require.Equal(t, w, got.Interface(), where)
	default:
		require.Equal(t, want.Interface(), got.Interface(), where)
	}
}
