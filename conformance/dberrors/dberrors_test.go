package dberrors_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
)

// watched is a database, with what hooks were told of it.
type watched struct {
	*sql.DB
	mu    sync.Mutex
	slow  []dbmon.Query
	hooks []error
	plans []dbmon.Plan
}

func watch(t *testing.T, driver, dsn string) *watched {
	t.Helper()
	w := &watched{}
	mon, err := dbmon.New(dbmon.Options{
		SlowQuery:   time.Nanosecond,
		Logger:      slog.New(slog.NewTextHandler(io.Discard, nil)),
		OnSlowQuery: func(_ context.Context, q dbmon.Query) { w.mu.Lock(); defer w.mu.Unlock(); w.slow = append(w.slow, q) },
		Explain: dbmon.ExplainOptions{Enable: true, Timeout: 30 * time.Second, OnPlan: func(p dbmon.Plan) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.plans = append(w.plans, p)
		}},
		OnQuery: func(_ context.Context, _ string, _ time.Duration, err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.hooks = append(w.hooks, err)
		},
	})
	require.NoError(t, err)
	w.DB, err = mon.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, w.Close())
		require.NoError(t, mon.Close())
	})
	return w
}

type runner interface {
	ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error)
}

func runs(t *testing.T, on runner, texts ...string) {
	t.Helper()
	for _, text := range texts {
		_, err := on.ExecContext(t.Context(), text)
		require.NoError(t, err, text)
	}
}

// fails runs a statement that must not work, and returns its class and the error.
func (w *watched) fails(t *testing.T, ctx context.Context, on runner, text string) (class string, err error) {
	t.Helper()
	_, err = on.ExecContext(ctx, text)
	require.Error(t, err, text)
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(t, w.slow)
	return w.slow[len(w.slow)-1].Outcome, err
}

func (w *watched) class(t *testing.T, on runner, text string) string {
	t.Helper()
	class, _ := w.fails(t, t.Context(), on, text)
	return class
}

func (w *watched) lastHook() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hooks[len(w.hooks)-1]
}

// outOfTime runs a statement that would take very long, and returns what the hook
// was told. Where the time was over before the driver was asked, it asks again.
func (w *watched) outOfTime(t *testing.T, text string) error {
	t.Helper()
	told := func() int { w.mu.Lock(); defer w.mu.Unlock(); return len(w.hooks) }
	for wait := 20 * time.Millisecond; wait < time.Minute; wait *= 2 {
		before := told()
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		_, err := w.ExecContext(ctx, text)
		cancel()
		require.Error(t, err)
		if told() > before {
			return w.lastHook()
		}
	}
	return nil
}

func (w *watched) begin(t *testing.T, o *sql.TxOptions) *sql.Tx {
	t.Helper()
	tx, err := w.BeginTx(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback() })
	return tx
}

func postgres(t *testing.T) *watched {
	t.Helper()
	server := os.Getenv("SLUICE_TEST_POSTGRES_URL")
	if server == "" {
		t.Skip("SLUICE_TEST_POSTGRES_URL is not set")
	}
	admin, err := sql.Open("postgres", server)
	require.NoError(t, err)
	schema := "dberrors_" + strings.ToLower(rand.Text())
	runs(t, admin, "CREATE SCHEMA "+schema)
	t.Cleanup(func() {
		_, err := admin.Exec("DROP SCHEMA " + schema + " CASCADE")
		require.NoError(t, err)
		require.NoError(t, admin.Close())
	})
	u, err := url.Parse(server)
	require.NoError(t, err)
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	w := watch(t, "postgres", u.String())
	runs(t, w,
		"CREATE TABLE parent (id int PRIMARY KEY, name text NOT NULL)",
		"CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent, n int CHECK (n > 0))",
		"INSERT INTO parent VALUES (1, 'a'), (2, 'b')")
	return w
}

func TestErrorsOfPQAreOfClasses(t *testing.T) {
	w := postgres(t)
	for text, want := range map[string]string{
		"INSERT INTO parent VALUES (1, 'b')":  "unique_violation",
		"INSERT INTO parent VALUES (3, NULL)": "constraint",
		"INSERT INTO child VALUES (1, 9, 1)":  "constraint",
		"INSERT INTO child VALUES (1, 1, -1)": "constraint",
		"SELEC 1":                             "syntax",
		"SELECT * FROM no_such_table":         "syntax",
		"SELECT 1/(SELECT 0)":                 "error",
	} {
		require.Equal(t, want, w.class(t, w, text), text)
	}
	require.Equal(t, "read_only", w.class(t, w.begin(t, &sql.TxOptions{ReadOnly: true}), "INSERT INTO parent VALUES (3, 'c')"))

	other, tx := w.begin(t, nil), w.begin(t, nil)
	runs(t, other, "LOCK TABLE child")
	runs(t, tx, "SET LOCAL lock_timeout = 20")
	require.Equal(t, "lock_timeout", w.class(t, tx, "UPDATE child SET n = 2"))
	require.NoError(t, other.Rollback())

	one, two := w.begin(t, &sql.TxOptions{Isolation: sql.LevelSerializable}), w.begin(t, &sql.TxOptions{Isolation: sql.LevelSerializable})
	runs(t, one, "SELECT * FROM parent")
	runs(t, two, "SELECT * FROM parent")
	runs(t, one, "UPDATE parent SET name = 'x' WHERE id = 1")
	require.NoError(t, one.Commit())
	require.Equal(t, "serialization", w.class(t, two, "UPDATE parent SET name = 'y' WHERE id = 1"))
}

// Trap d.3: lib/pq returns the server's 57014 where the context ended a query,
// which matches no context error. With the context alive it is a time limit.
func TestAnInterruptedQueryOfPQIsTheContextsDoing(t *testing.T) {
	w := postgres(t)
	tx := w.begin(t, nil)
	runs(t, tx, "SET LOCAL statement_timeout = 20")
	class, err := w.fails(t, t.Context(), tx, "SELECT pg_sleep(60)")
	require.Equal(t, "timeout", class)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, w.lastHook(), context.DeadlineExceeded)

	ctx, leave := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; n == 0; {
			time.Sleep(time.Millisecond)
			if w.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(61)'").Scan(&n) != nil {
				return
			}
		}
		leave()
	}()
	class, err = w.fails(t, ctx, w, "SELECT pg_sleep(61)")
	<-done
	leave()
	require.Equal(t, "canceled", class)
	require.NotErrorIs(t, err, context.Canceled, "the caller gets what the driver returned")
	require.ErrorIs(t, w.lastHook(), context.Canceled, "a hook gets what it can know it by")
	var code *pq.Error
	require.ErrorAs(t, w.lastHook(), &code)
	require.Equal(t, "57014", string(code.Code))

	require.ErrorIs(t, w.outOfTime(t, "SELECT pg_sleep(62)"), context.DeadlineExceeded)
}

func TestADeadlockOfPQIsToBeRepeated(t *testing.T) {
	w := postgres(t)
	one, two := w.begin(t, nil), w.begin(t, nil)
	for _, tx := range []*sql.Tx{one, two} {
		runs(t, tx, "SET LOCAL deadlock_timeout = 20")
	}
	runs(t, one, "UPDATE parent SET name = 'x' WHERE id = 1")
	runs(t, two, "UPDATE parent SET name = 'x' WHERE id = 2")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = one.ExecContext(t.Context(), "UPDATE parent SET name = 'y' WHERE id = 2")
		_ = one.Rollback()
	}()
	_, _ = two.ExecContext(t.Context(), "UPDATE parent SET name = 'y' WHERE id = 1")
	_ = two.Rollback()
	<-done
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, q := range w.slow {
		if q.Outcome == "serialization" {
			n++
		}
	}
	require.Positive(t, n)
}

func TestAConnectionThatTheServerEndedIsABadOne(t *testing.T) {
	w := postgres(t)
	c, err := w.Conn(t.Context())
	require.NoError(t, err)
	var pid int
	require.NoError(t, c.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid))
	_, err = w.ExecContext(t.Context(), "SELECT pg_terminate_backend($1, 10000)", pid)
	require.NoError(t, err)
	_, err = c.ExecContext(t.Context(), "SELECT 'gone'")
	require.Error(t, err)
	_ = c.Close()
	// What may be repeated is counted when nobody has.
	require.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.slow[len(w.slow)-1].Outcome == "bad_connection"
	}, time.Minute, time.Millisecond)
}

// The drivers of SQLite differ in their names, their data source names, and in
// how their errors hold the codes.
func TestErrorsOfTheDriversOfSQLiteAreOfClasses(t *testing.T) {
	for driver, options := range sqlites {
		t.Run(driver, func(t *testing.T) {
			w := watch(t, driver, "file:"+filepath.ToSlash(filepath.Join(t.TempDir(), "db"))+options)
			runs(t, w,
				"CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
				"CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent, n INTEGER CHECK (n > 0))",
				"INSERT INTO parent VALUES (1, 'a')")
			for text, want := range map[string]string{
				"INSERT INTO parent VALUES (1, 'b')":  "unique_violation",
				"INSERT INTO parent VALUES (2, 'a')":  "unique_violation",
				"INSERT INTO parent VALUES (2, NULL)": "constraint",
				"INSERT INTO child VALUES (1, 9, 1)":  "constraint",
				"INSERT INTO child VALUES (1, 1, -1)": "constraint",
			} {
				require.Equal(t, want, w.class(t, w, text), text)
			}
			writer := w.begin(t, nil)
			runs(t, writer, "INSERT INTO parent VALUES (3, 'c')")
			require.Equal(t, "lock_timeout", w.class(t, w, "INSERT INTO parent VALUES (4, 'd')"))
			require.NoError(t, writer.Rollback())

			reader := w.begin(t, nil)
			var n int
			require.NoError(t, reader.QueryRowContext(t.Context(), "SELECT count(*) FROM parent").Scan(&n))
			runs(t, w, "INSERT INTO parent VALUES (5, 'e')")
			require.Equal(t, "serialization", w.class(t, reader, "INSERT INTO parent VALUES (6, 'f')"), "a snapshot that is too old")

			err := w.outOfTime(t, "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c")
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	}
}

// Trap d.7: plain EXPLAIN with the same arguments, through the driver.
func TestReadsAreExplainedThroughTheseDrivers(t *testing.T) {
	planned := func(t *testing.T, w *watched, text, want string, args ...any) {
		rows, err := w.QueryContext(t.Context(), text, args...)
		require.NoError(t, err)
		require.False(t, rows.Next())
		require.NoError(t, rows.Close())
		require.Eventually(t, func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.plans) > 0 && strings.Contains(w.plans[len(w.plans)-1].Text, want)
		}, time.Minute, time.Millisecond)
	}
	t.Run("postgres", func(t *testing.T) {
		planned(t, postgres(t), "SELECT n FROM child WHERE id = $1", "Index Scan using child_pkey on child", 7)
	})
	for driver, options := range sqlites {
		t.Run(driver, func(t *testing.T) {
			w := watch(t, driver, "file:"+filepath.ToSlash(filepath.Join(t.TempDir(), "db"))+options)
			runs(t, w, "CREATE TABLE child (id INTEGER PRIMARY KEY, n INTEGER)")
			planned(t, w, "SELECT n FROM child WHERE id = ?", "SEARCH child USING INTEGER PRIMARY KEY", 7)
		})
	}
}
