package drivertest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
)

// null is a driver that does nothing, without an allocation.
type null struct{ rows nullRows }

func (n *null) Open(string) (driver.Conn, error)             { return n, nil }
func (n *null) Connect(context.Context) (driver.Conn, error) { return n, nil }
func (n *null) Driver() driver.Driver                        { return n }
func (n *null) Close() error                                 { return nil }
func (n *null) Begin() (driver.Tx, error)                    { return n, nil }
func (n *null) Commit() error                                { return nil }
func (n *null) Rollback() error                              { return nil }
func (n *null) Ping(context.Context) error                   { return nil }
func (n *null) ResetSession(context.Context) error           { return nil }
func (n *null) IsValid() bool                                { return true }
func (n *null) Prepare(string) (driver.Stmt, error)          { return nullStmt{n}, nil }
func (n *null) ExecContext(_ context.Context, q string, _ []driver.NamedValue) (driver.Result, error) {
	if q == skipped {
		return nil, driver.ErrSkip
	}
	return driver.ResultNoRows, nil
}
func (n *null) QueryContext(_ context.Context, q string, _ []driver.NamedValue) (driver.Rows, error) {
	if q == skipped {
		return nil, driver.ErrSkip
	}
	n.rows.left = 1
	return &n.rows, nil
}

const skipped = "SELECT a FROM skipped WHERE b = ?"

type nullStmt struct{ *null }

func (s nullStmt) NumInput() int                              { return -1 }
func (s nullStmt) Exec([]driver.Value) (driver.Result, error) { return driver.ResultNoRows, nil }
func (s nullStmt) Query([]driver.Value) (driver.Rows, error)  { s.rows.left = 1; return &s.rows, nil }

type nullRows struct{ left int }

var columns = []string{"a"}

func (r *nullRows) Columns() []string { return columns }
func (r *nullRows) Close() error      { return nil }
func (r *nullRows) Next(dest []driver.Value) error {
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	dest[0] = nil
	return nil
}

// work are the uses of a database whose cost is judged, and what watching adds.
var work = []struct {
	name  string
	adds  float64
	begin func(context.Context, *sql.DB) func()
}{
	{"exec", 0, func(ctx context.Context, db *sql.DB) func() {
		return func() { _, _ = db.ExecContext(ctx, "UPDATE t SET a = ? WHERE b = ?") }
	}},
	{"query and the life of its rows", 1, func(ctx context.Context, db *sql.DB) func() {
		return func() {
			rows, _ := db.QueryContext(ctx, "SELECT a FROM t WHERE b = ?")
			for rows.Next() {
			}
			_ = rows.Close()
		}
	}},
	{"a prepared exec", 0, func(ctx context.Context, db *sql.DB) func() {
		s, _ := db.PrepareContext(ctx, "UPDATE t SET a = ? WHERE b = ?")
		return func() { _, _ = s.ExecContext(ctx) }
	}},
	{"a prepared query", 1, func(ctx context.Context, db *sql.DB) func() {
		s, _ := db.PrepareContext(ctx, "SELECT a FROM t WHERE b = ?")
		return func() {
			rows, _ := s.QueryContext(ctx)
			for rows.Next() {
			}
			_ = rows.Close()
		}
	}},
	{"a ping", 0, func(ctx context.Context, db *sql.DB) func() {
		return func() { _ = db.PingContext(ctx) }
	}},
	{"an exec that the driver skips, with its statement", 1, func(ctx context.Context, db *sql.DB) func() {
		return func() { _, _ = db.ExecContext(ctx, skipped) }
	}},
	{"a query that the driver skips, with its statement and rows", 2, func(ctx context.Context, db *sql.DB) func() {
		return func() {
			rows, _ := db.QueryContext(ctx, skipped)
			_ = rows.Close()
		}
	}},
}

func TestWatchingAddsNoAllocationToAnExecAndOneToAQuery(t *testing.T) {
	m := newMonitor(t)
	for _, tt := range work {
		t.Run(tt.name, func(t *testing.T) {
			allocs := func(c driver.Connector) float64 {
				db := sql.OpenDB(c)
				defer db.Close()
				// A context that never ends takes no goroutine, which could allocate late.
				return testing.AllocsPerRun(1000, tt.begin(context.Background(), db))
			}
			require.LessOrEqual(t, allocs(m.WrapConnector(new(null)))-allocs(new(null)), tt.adds)
		})
	}
}

func BenchmarkWatched(b *testing.B) {
	m, err := dbmon.New(dbmon.Options{})
	require.NoError(b, err)
	defer m.Close()
	for _, w := range work {
		for _, way := range ways[:2] {
			b.Run(w.name+"/"+way.name, func(b *testing.B) {
				db := sql.OpenDB(way.open(m, new(null)))
				defer db.Close()
				f := w.begin(b.Context(), db)
				b.ReportAllocs()
				for b.Loop() {
					f()
				}
			})
		}
	}
}
