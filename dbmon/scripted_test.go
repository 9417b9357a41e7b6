package dbmon_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
)

// scripted is a driver whose statements say how they behave, in milliseconds of
// sleep: "call 30 next 10 rows 3 close 5 ...". Zero is instant.
type scripted struct {
	skip     bool         // ErrSkip from direct calls
	bad      atomic.Int32 // how many calls are still to meet ErrBadConn
	opened   atomic.Int32
	gone     atomic.Bool // there are no connections any more
	noReturn bool        // no Validator, as pgx
	fail     error
}

func (d *scripted) Driver() driver.Driver { return d }

func (d *scripted) Open(string) (driver.Conn, error) { return d.Connect(context.Background()) }

func (d *scripted) Connect(context.Context) (driver.Conn, error) {
	if d.gone.Load() {
		return nil, errors.New("no connection")
	}
	d.opened.Add(1)
	c := &scriptedConn{d: d}
	if d.noReturn {
		return c, nil
	}
	return validConn{c}, nil
}

type scriptedConn struct{ d *scripted }

type validConn struct{ *scriptedConn }

func (validConn) IsValid() bool { return true }

func (c *scriptedConn) Prepare(text string) (driver.Stmt, error) {
	pause(text, "prepare")
	return &scriptedStmt{c, text}, nil
}
func (c *scriptedConn) Close() error              { return nil }
func (c *scriptedConn) Begin() (driver.Tx, error) { panic("not with BeginTx") }
func (c *scriptedConn) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	return &scriptedTx{}, c.meets(ctx)
}
func (c *scriptedConn) ResetSession(context.Context) error { return nil }
func (c *scriptedConn) Ping(context.Context) error         { return nil }

func (c *scriptedConn) ExecContext(ctx context.Context, text string, _ []driver.NamedValue) (driver.Result, error) {
	if c.d.skip {
		return nil, driver.ErrSkip
	}
	return driver.RowsAffected(1), c.run(ctx, text)
}

func (c *scriptedConn) QueryContext(ctx context.Context, text string, _ []driver.NamedValue) (driver.Rows, error) {
	if c.d.skip {
		return nil, driver.ErrSkip
	}
	return rowsOf(text), c.run(ctx, text)
}

func (c *scriptedConn) run(ctx context.Context, text string) error {
	select {
	case <-time.After(number(text, "call")):
	case <-ctx.Done():
		return ctx.Err()
	}
	return c.meets(ctx)
}

func (c *scriptedConn) meets(context.Context) error {
	if c.d.bad.Add(-1) >= 0 {
		return driver.ErrBadConn
	}
	return c.d.fail
}

type scriptedStmt struct {
	c    *scriptedConn
	text string
}

func (s *scriptedStmt) Close() error                               { return nil }
func (s *scriptedStmt) NumInput() int                              { return -1 }
func (s *scriptedStmt) Exec([]driver.Value) (driver.Result, error) { panic("not with contexts") }
func (s *scriptedStmt) Query([]driver.Value) (driver.Rows, error)  { panic("not with contexts") }
func (s *scriptedStmt) ExecContext(ctx context.Context, _ []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), s.c.run(ctx, s.text)
}
func (s *scriptedStmt) QueryContext(ctx context.Context, _ []driver.NamedValue) (driver.Rows, error) {
	return rowsOf(s.text), s.c.run(ctx, s.text)
}

type scriptedTx struct{}

func (scriptedTx) Commit() error   { time.Sleep(7 * time.Millisecond); return nil }
func (scriptedTx) Rollback() error { time.Sleep(3 * time.Millisecond); return nil }

type scriptedRows struct {
	text string
	left int
}

func rowsOf(text string) *scriptedRows {
	return &scriptedRows{text, int(number(text, "rows") / time.Millisecond)}
}
func (r *scriptedRows) Columns() []string { return []string{"n"} }
func (r *scriptedRows) Close() error      { pause(r.text, "close"); return nil }
func (r *scriptedRows) Next(dest []driver.Value) error {
	pause(r.text, "next")
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	dest[0] = int64(r.left)
	return nil
}

// number is what stands behind a word in the comment of a statement.
func number(text, word string) time.Duration {
	fields := strings.Fields(text)
	for i, f := range fields {
		if f == word {
			d, err := time.ParseDuration(fields[i+1] + "ms")
			if err != nil {
				panic(err)
			}
			return d
		}
	}
	return 0
}

func pause(text, word string) {
	if d := number(text, word); d > 0 {
		time.Sleep(d)
	}
}

// monitored is a scripted database under a monitor, and what the monitor told.
type monitored struct {
	*scripted
	mon *dbmon.Monitor
	db  *sql.DB
	log *logged

	mu    sync.Mutex
	slow  []dbmon.Query
	leaks []dbmon.Leak
	told  []told
}

// told is what OnQuery was told.
type told struct {
	operation string
	d         time.Duration
	err       error
}

func monitor(t testing.TB, d *scripted, o dbmon.Options) *monitored {
	w := &monitored{scripted: d, log: new(logged)}
	o.Logger = w.log.logger()
	o.OnSlowQuery = func(_ context.Context, q dbmon.Query) { w.mu.Lock(); defer w.mu.Unlock(); w.slow = append(w.slow, q) }
	o.OnLeak = func(l dbmon.Leak) { w.mu.Lock(); defer w.mu.Unlock(); w.leaks = append(w.leaks, l) }
	o.OnQuery = func(_ context.Context, op string, d time.Duration, err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.told = append(w.told, told{op, d, err})
	}
	var err error
	w.mon, err = dbmon.New(o)
	require.NoError(t, err)
	w.db = sql.OpenDB(w.mon.WrapConnector(d))
	t.Cleanup(w.close)
	return w
}

func (w *monitored) close() {
	_ = w.db.Close()
	_ = w.mon.Close()
}

// total is the histogram of an operation.
func (w *monitored) total(operation, outcome string) dbmon.Durations {
	for _, o := range w.mon.Totals().Operations {
		if o.Operation == operation && o.Outcome == outcome {
			return o.Durations
		}
	}
	return dbmon.Durations{}
}

// logged is a log as its lines.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// lines are those with a message.
func (l *logged) lines(t testing.TB, message string) (all []map[string]any) {
	for line := range strings.Lines(l.String()) {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		if m["msg"] == message {
			all = append(all, m)
		}
	}
	return all
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(l, nil)) }

// leaked are the leaks so far.
func (w *monitored) leaked() []dbmon.Leak {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.leaks)
}
