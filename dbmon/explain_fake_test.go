package dbmon_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"database/sql"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
)

// planner is a driver that takes its time for queries, answers EXPLAIN, and
// notes what each connection was asked for.
type planner struct {
	answer func(ctx context.Context, text string) (columns []string, row []driver.Value, err error)
	broken string // the step that panics: "open", "begin", "prepare", "query", "next"

	mu     sync.Mutex
	conns  [][]string
	closed int // connectors
}

func (d *planner) Connect(context.Context) (driver.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns = append(d.conns, nil)
	if len(d.conns) > 1 && d.broken == "open" {
		panic("secret-panic")
	}
	return &plannerConn{d, len(d.conns) - 1}, nil
}

func (d *planner) Driver() driver.Driver { return nil }

func (d *planner) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed++
	return nil
}

// log is what a connection was asked for.
func (d *planner) log(conn int) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.conns[conn])
}

func (d *planner) opened() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns)
}

type plannerConn struct {
	d *planner
	n int
}

func (c *plannerConn) note(format string, args ...any) {
	c.d.mu.Lock()
	defer c.d.mu.Unlock()
	c.d.conns[c.n] = append(c.d.conns[c.n], fmt.Sprintf(format, args...))
}

func (c *plannerConn) breaks(step string) {
	c.d.mu.Lock()
	broken := c.d.broken
	c.d.mu.Unlock()
	if c.n > 0 && broken == step {
		panic("secret-panic")
	}
}

func (c *plannerConn) Begin() (driver.Tx, error) { panic("not with BeginTx") }
func (c *plannerConn) BeginTx(_ context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.breaks("begin")
	c.note("begin, read-only %t", o.ReadOnly)
	return c, nil
}
func (c *plannerConn) Commit() error   { c.note("commit"); return nil }
func (c *plannerConn) Rollback() error { c.note("rollback"); return nil }
func (c *plannerConn) Close() error    { c.note("close"); return nil }

func (c *plannerConn) ExecContext(_ context.Context, text string, _ []driver.NamedValue) (driver.Result, error) {
	c.note("exec %s", text)
	return driver.ResultNoRows, nil
}

func (c *plannerConn) CheckNamedValue(*driver.NamedValue) error { return nil } // it takes all

func (c *plannerConn) Prepare(text string) (driver.Stmt, error) {
	c.breaks("prepare")
	return &plannerStmt{c, text}, nil
}

type plannerStmt struct {
	c    *plannerConn
	text string
}

func (s *plannerStmt) Close() error                               { return nil }
func (s *plannerStmt) NumInput() int                              { return -1 }
func (s *plannerStmt) Exec([]driver.Value) (driver.Result, error) { panic("not with ExecContext") }
func (s *plannerStmt) Query([]driver.Value) (driver.Rows, error)  { panic("not with QueryContext") }

func (s *plannerStmt) ExecContext(context.Context, []driver.NamedValue) (driver.Result, error) {
	time.Sleep(200 * time.Millisecond)
	return driver.ResultNoRows, nil
}

func (s *plannerStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.c.breaks("query")
	var values []string
	for _, a := range args {
		values = append(values, fmt.Sprintf("%s%v", a.Name, a.Value))
	}
	s.c.note("query %s with %s", s.text, strings.Join(values, ","))
	r := &plannerRows{s: s}
	if !strings.HasPrefix(s.text, "EXPLAIN") {
		time.Sleep(200 * time.Millisecond)
		r.columns = []string{"n"}
		return r, nil
	}
	var err error
	r.columns, r.row, err = s.c.d.answer(ctx, s.text)
	return r, err
}

type plannerRows struct {
	s       *plannerStmt
	columns []string
	row     []driver.Value
}

func (r *plannerRows) Columns() []string { return r.columns }
func (r *plannerRows) Close() error      { return nil }
func (r *plannerRows) Next(dest []driver.Value) error {
	r.s.c.breaks("next")
	if r.row == nil {
		return io.EOF
	}
	copy(dest, r.row)
	r.row = nil
	return nil
}

// postgresPlan answers as PostgreSQL does.
func postgresPlan(context.Context, string) ([]string, []driver.Value, error) {
	return []string{"QUERY PLAN"}, []driver.Value{[]byte(`[{"Plan": {"Node Type": "Seq Scan", "Relation Name": "users", "Alias": "u",
		"Startup Cost": 0.00, "Total Cost": 35.5, "Plan Rows": 10, "Plan Width": 36, "Filter": "(email = 'secret-mail'::text)"}}]`)}, nil
}

// explained is a database whose slow reads are explained.
type explained struct {
	*planner
	mon   *dbmon.Monitor
	db    *sql.DB
	lines *logged

	mu    sync.Mutex
	plans []dbmon.Plan
}

func explain(t *testing.T, d *planner, o dbmon.Options) *explained {
	if d.answer == nil {
		d.answer = postgresPlan
	}
	w := &explained{planner: d, lines: new(logged)}
	o.Logger = w.lines.logger()
	o.Explain.Enable = true
	if o.Dialect == dbmon.DialectOfDriver {
		o.Dialect = dbmon.PostgreSQL
	}
	if o.Explain.OnPlan == nil {
		o.Explain.OnPlan = func(p dbmon.Plan) { w.mu.Lock(); defer w.mu.Unlock(); w.plans = append(w.plans, p) }
	}
	var err error
	w.mon, err = dbmon.New(o)
	require.NoError(t, err)
	w.db = sql.OpenDB(w.mon.WrapConnector(d))
	t.Cleanup(func() {
		require.NoError(t, w.db.Close())
		require.NoError(t, w.mon.Close())
	})
	return w
}

// read runs a query to its end.
func (w *explained) read(t *testing.T, text string, args ...any) {
	t.Helper()
	w.readOn(t, w.db, text, args...)
}

type reader interface {
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
}

func (w *explained) readOn(t *testing.T, on reader, text string, args ...any) {
	t.Helper()
	rows, err := on.QueryContext(t.Context(), text, args...)
	require.NoError(t, err)
	for rows.Next() {
		continue
	}
	require.NoError(t, rows.Close())
}

func (w *explained) got() []dbmon.Plan {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.plans)
}

var errSecret = errors.New("invalid input: secret-input")
