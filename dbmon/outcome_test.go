package dbmon_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/sluice-go/sluice/dbmon"
)

// classed is a real database, and the outcome of each query there was.
type classed struct {
	*sql.DB
	mon   *dbmon.Monitor
	lines *logged

	mu    sync.Mutex
	ended []dbmon.Query
	plans []dbmon.Plan
}

func class(t *testing.T, o dbmon.Options, open func(mon *dbmon.Monitor) *sql.DB) *classed {
	t.Helper()
	w := &classed{lines: new(logged)}
	o.SlowQuery = time.Nanosecond
	o.Logger = w.lines.logger()
	o.OnSlowQuery = func(_ context.Context, q dbmon.Query) { w.mu.Lock(); defer w.mu.Unlock(); w.ended = append(w.ended, q) }
	o.Explain.OnPlan = func(p dbmon.Plan) { w.mu.Lock(); defer w.mu.Unlock(); w.plans = append(w.plans, p) }
	var err error
	w.mon, err = dbmon.New(o)
	require.NoError(t, err)
	w.DB = open(w.mon)
	t.Cleanup(func() {
		require.NoError(t, w.Close())
		require.NoError(t, w.mon.Close())
	})
	return w
}

// last is the outcome of the latest query.
func (w *classed) last(t *testing.T) string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NotEmpty(t, w.ended)
	return w.ended[len(w.ended)-1].Outcome
}

// outcomes are those of all queries whose text has a word.
func (w *classed) outcomes(word string) (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range w.ended {
		if strings.Contains(q.Text, word) {
			all = append(all, q.Outcome)
		}
	}
	return all
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

// fails runs a statement that must not work, and returns its outcome.
func (w *classed) fails(t *testing.T, on runner, text string, args ...any) string {
	t.Helper()
	_, err := on.ExecContext(t.Context(), text, args...)
	require.Error(t, err)
	return w.last(t)
}

func (w *classed) begin(t *testing.T, o *sql.TxOptions) *sql.Tx {
	t.Helper()
	tx, err := w.BeginTx(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback() })
	return tx
}

func (w *classed) conn(t *testing.T) *sql.Conn {
	t.Helper()
	c, err := w.Conn(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// contexts tries what a context does to a statement that would take very long.
// It has a word that no other has, and a number. running says when the server is
// at it; without, it is given some time.
func (w *classed) contexts(t *testing.T, format, word string, running func(text string) bool) {
	// until interrupts the statement, and does so again where the driver was not
	// even asked.
	until := func(t *testing.T, text string, leaves func(wait time.Duration) (context.Context, func())) string {
		before := len(w.outcomes(word))
		for wait := 20 * time.Millisecond; wait < time.Minute; wait *= 2 {
			ctx, end := leaves(wait)
			_, err := w.ExecContext(ctx, text)
			end()
			require.Error(t, err)
			if all := w.outcomes(word); len(all) > before {
				return all[before]
			}
		}
		return "never asked"
	}
	t.Run("a deadline", func(t *testing.T) {
		require.Equal(t, "timeout", until(t, fmt.Sprintf(format, 61), func(wait time.Duration) (context.Context, func()) {
			return context.WithTimeout(t.Context(), wait)
		}))
	})
	t.Run("a caller who leaves", func(t *testing.T) {
		text := fmt.Sprintf(format, 62) // a server may still be at the other one
		require.Equal(t, "canceled", until(t, text, func(wait time.Duration) (context.Context, func()) {
			ctx, leave := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				for began := time.Now(); running != nil && !running(text) || running == nil && time.Since(began) < wait; {
					time.Sleep(time.Millisecond)
				}
				leave()
			}()
			return ctx, func() { <-done }
		}))
	})
}

// deadlock has two transactions wait for each other, and returns how their
// statements ended.
func (w *classed) deadlock(t *testing.T, prepare ...string) []string {
	t.Helper()
	runs(t, w.DB, "DELETE FROM child", "DELETE FROM parent", "INSERT INTO parent (id, name) VALUES (101, 'a'), (102, 'b')")
	one, two := w.begin(t, nil), w.begin(t, nil)
	for _, tx := range []*sql.Tx{one, two} {
		runs(t, tx, prepare...)
	}
	runs(t, one, "UPDATE parent SET name = 'x1' WHERE id = 101")
	runs(t, two, "UPDATE parent SET name = 'x2' WHERE id = 102")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := one.ExecContext(t.Context(), "UPDATE parent SET name = 'deadlock1' WHERE id = 102 AND id > 0")
		_ = err
		_ = one.Rollback()
	}()
	_, _ = two.ExecContext(t.Context(), "UPDATE parent SET name = 'deadlock2' WHERE id = 101 AND id > 0")
	_ = two.Rollback()
	<-done
	return w.outcomes("AND id > ?")
}

// Trap d.3, with the errors of a real driver and server.
func TestOutcomesOnPostgreSQL(t *testing.T) {
	w := onPostgres(t, dbmon.Options{})
	runs(t, w.DB,
		"CREATE TABLE parent (id int PRIMARY KEY, name text NOT NULL)",
		"CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent, n int CHECK (n > 0))",
		"INSERT INTO parent VALUES (1, 'a')")
	for text, want := range map[string]string{
		"INSERT INTO parent VALUES (1, 'b')":    "unique_violation",
		"INSERT INTO parent VALUES (2, NULL)":   "constraint",
		"INSERT INTO child VALUES (1, 9, 1)":    "constraint",
		"INSERT INTO child VALUES (1, 1, -1)":   "constraint",
		"SELEC 1":                               "syntax",
		"SELECT * FROM no_such_table":           "syntax",
		"SELECT 1/(SELECT count(*) FROM child)": "error",
	} {
		require.Equal(t, want, w.fails(t, w.DB, text), text)
	}
	require.Equal(t, "read_only", w.fails(t, w.begin(t, &sql.TxOptions{ReadOnly: true}), "INSERT INTO parent VALUES (3, 'c')"))

	t.Run("a time limit of the server", func(t *testing.T) {
		tx := w.begin(t, nil)
		runs(t, tx, "SET LOCAL statement_timeout = 20")
		require.Equal(t, "timeout", w.fails(t, tx, "SELECT pg_sleep(60)"))
	})
	t.Run("somebody else's lock", func(t *testing.T) {
		other, tx := w.begin(t, nil), w.begin(t, nil)
		runs(t, other, "LOCK TABLE child")
		runs(t, tx, "SET LOCAL lock_timeout = 20")
		require.Equal(t, "lock_timeout", w.fails(t, tx, "UPDATE child SET n = 2"))
	})
	t.Run("a deadlock", func(t *testing.T) {
		require.Contains(t, w.deadlock(t, "SET LOCAL deadlock_timeout = 20"), "serialization")
	})
	t.Run("transactions in each other's way", func(t *testing.T) {
		runs(t, w.DB, "INSERT INTO parent VALUES (7, 'a')")
		one, two := w.begin(t, &sql.TxOptions{Isolation: sql.LevelSerializable}), w.begin(t, &sql.TxOptions{Isolation: sql.LevelSerializable})
		for _, tx := range []*sql.Tx{one, two} {
			runs(t, tx, "SELECT * FROM parent")
		}
		runs(t, one, "UPDATE parent SET name = 'b' WHERE id = 7")
		require.NoError(t, one.Commit())
		require.Equal(t, "serialization", w.fails(t, two, "UPDATE parent SET name = 'c' WHERE id = 7"))
	})
	t.Run("a server that ends the connection", func(t *testing.T) {
		c := w.conn(t)
		var pid int
		require.NoError(t, c.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid))
		runs(t, w.DB, "SELECT pg_terminate_backend("+strconv.Itoa(pid)+", 10000)")
		_, err := c.ExecContext(t.Context(), "SELECT 'gone'")
		require.Error(t, err)
		require.NoError(t, w.mon.Close(), "an attempt that nobody repeats is counted now, if it waits")
		require.Equal(t, []string{"bad_connection"}, w.outcomesSince("bad_connection"))
	})
	w.contexts(t, "SELECT pg_sleep(%d)", "pg_sleep(", func(text string) bool {
		var n int
		require.NoError(t, w.QueryRowContext(t.Context(),
			"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = $1", text).Scan(&n))
		return n > 0
	})
}

// outcomesSince are all of one outcome.
func (w *classed) outcomesSince(outcome string) (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range w.ended {
		if q.Outcome == outcome {
			all = append(all, q.Outcome)
		}
	}
	return all
}

func TestOutcomesOnMySQL(t *testing.T) {
	w := onMySQL(t, dbmon.Options{})
	runs(t, w.DB,
		"CREATE TABLE parent (id int PRIMARY KEY, name varchar(20) NOT NULL) ENGINE=InnoDB",
		"CREATE TABLE child (id int PRIMARY KEY, parent int, n int CHECK (n > 0), FOREIGN KEY (parent) REFERENCES parent(id)) ENGINE=InnoDB",
		"INSERT INTO parent VALUES (1, 'a')")
	for text, want := range map[string]string{
		"INSERT INTO parent VALUES (1, 'b')":  "unique_violation",
		"INSERT INTO parent VALUES (2, NULL)": "constraint",
		"INSERT INTO child VALUES (1, 9, 1)":  "constraint",
		"INSERT INTO child VALUES (1, 1, -1)": "constraint",
		"SELEC 1":                             "syntax",
		"SELECT * FROM no_such_table":         "syntax",
	} {
		require.Equal(t, want, w.fails(t, w.DB, text), text)
	}
	require.Equal(t, "read_only", w.fails(t, w.begin(t, &sql.TxOptions{ReadOnly: true}), "INSERT INTO parent VALUES (3, 'c')"))

	t.Run("a time limit of the server", func(t *testing.T) {
		c := w.conn(t)
		runs(t, c, "SET SESSION max_statement_time = 0.02")
		require.Equal(t, "timeout", w.fails(t, c, "SELECT SLEEP(60) FROM parent WHERE BENCHMARK(1000000000, SHA2('x', 512)) = 0"))
		runs(t, c, "SET SESSION max_statement_time = 0")
	})
	t.Run("somebody else's lock", func(t *testing.T) {
		other, tx := w.begin(t, nil), w.begin(t, nil)
		runs(t, other, "SELECT * FROM parent WHERE id = 1 FOR UPDATE")
		require.Equal(t, "lock_timeout", w.fails(t, tx, "SELECT * FROM parent WHERE id = 1 FOR UPDATE NOWAIT"))
	})
	t.Run("a deadlock", func(t *testing.T) { require.Contains(t, w.deadlock(t), "serialization") })
	t.Run("a server that ends the connection", func(t *testing.T) {
		c := w.conn(t)
		var id int
		require.NoError(t, c.QueryRowContext(t.Context(), "SELECT CONNECTION_ID()").Scan(&id))
		runs(t, w.DB, "KILL CONNECTION "+strconv.Itoa(id))
		_, err := c.ExecContext(t.Context(), "SELECT 'gone'")
		require.Error(t, err)
		require.NoError(t, w.mon.Close(), "an attempt that nobody repeats is counted now, if it waits")
		require.Equal(t, []string{"bad_connection"}, w.outcomesSince("bad_connection"))
	})
	w.contexts(t, "SELECT SLEEP(%d)", "sleep(", func(text string) bool {
		var n int
		require.NoError(t, w.QueryRowContext(t.Context(),
			"SELECT count(*) FROM information_schema.processlist WHERE info = ?", text).Scan(&n))
		return n > 0
	})
}

func TestOutcomesOnSQLite(t *testing.T) {
	w := onSQLite(t, dbmon.Options{})
	runs(t, w.DB,
		"CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
		"CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent, n INTEGER CHECK (n > 0))",
		"INSERT INTO parent VALUES (1, 'a')")
	for text, want := range map[string]string{
		"INSERT INTO parent VALUES (1, 'b')":  "unique_violation",
		"INSERT INTO parent VALUES (2, 'a')":  "unique_violation",
		"INSERT INTO parent VALUES (2, NULL)": "constraint",
		"INSERT INTO child VALUES (1, 9, 1)":  "constraint",
		"INSERT INTO child VALUES (1, 1, -1)": "constraint",
		"SELEC 1":                             "syntax",
		"SELECT * FROM no_such_table":         "syntax",
	} {
		require.Equal(t, want, w.fails(t, w.DB, text), text)
	}
	t.Run("somebody else's lock", func(t *testing.T) {
		runs(t, w.begin(t, nil), "INSERT INTO parent VALUES (3, 'c')")
		require.Equal(t, "lock_timeout", w.fails(t, w.DB, "INSERT INTO parent VALUES (4, 'd')"))
	})
	t.Run("a snapshot that is too old to be written to", func(t *testing.T) {
		tx := w.begin(t, nil)
		var n int
		require.NoError(t, tx.QueryRowContext(t.Context(), "SELECT count(*) FROM parent").Scan(&n))
		runs(t, w.DB, "INSERT INTO parent VALUES (5, 'e')")
		require.Equal(t, "serialization", w.fails(t, tx, "INSERT INTO parent VALUES (6, 'f')"))
	})
	t.Run("read-only", func(t *testing.T) {
		c := w.conn(t)
		runs(t, c, "PRAGMA query_only = 1")
		require.Equal(t, "read_only", w.fails(t, c, "INSERT INTO parent VALUES (7, 'g')"))
		runs(t, c, "PRAGMA query_only = 0")
	})
	w.contexts(t, "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) + %d FROM c", "RECURSIVE", nil)
}

func onPostgres(t *testing.T, o dbmon.Options) *classed {
	t.Helper()
	server := os.Getenv("SLUICE_TEST_POSTGRES_URL")
	if server == "" {
		t.Skip("SLUICE_TEST_POSTGRES_URL is not set")
	}
	admin, err := sql.Open("pgx", server)
	require.NoError(t, err)
	schema := "dbmon_" + strings.ToLower(rand.Text())
	_, err = admin.Exec("CREATE SCHEMA " + schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.Exec("DROP SCHEMA " + schema + " CASCADE")
		require.NoError(t, err)
		require.NoError(t, admin.Close())
	})
	config, err := pgx.ParseConfig(server)
	require.NoError(t, err)
	config.RuntimeParams["search_path"], config.RuntimeParams["application_name"] = schema, schema
	return class(t, o, func(mon *dbmon.Monitor) *sql.DB { return sql.OpenDB(mon.WrapConnector(stdlib.GetConnector(*config))) })
}

func onMySQL(t *testing.T, o dbmon.Options) *classed {
	t.Helper()
	server := os.Getenv("SLUICE_TEST_MYSQL_URL")
	if server == "" {
		t.Skip("SLUICE_TEST_MYSQL_URL is not set")
	}
	u, err := url.Parse(server)
	require.NoError(t, err)
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr, config.DBName = u.User.Username(), "tcp", u.Host, strings.Trim(u.Path, "/")
	config.Passwd, _ = u.User.Password()
	open := func() (c *mysql.Config) { copied := *config; return &copied }
	connector, err := mysql.NewConnector(open())
	require.NoError(t, err)
	admin := sql.OpenDB(connector)
	name := "dbmon_" + strings.ToLower(rand.Text())
	_, err = admin.Exec("CREATE DATABASE " + name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.Exec("DROP DATABASE " + name)
		require.NoError(t, err)
		require.NoError(t, admin.Close())
	})
	config.DBName = name
	inner, err := mysql.NewConnector(open())
	require.NoError(t, err)
	return class(t, o, func(mon *dbmon.Monitor) *sql.DB { return sql.OpenDB(mon.WrapConnector(inner)) })
}

func onSQLite(t *testing.T, o dbmon.Options) *classed {
	t.Helper()
	dsn := "file:" + filepath.ToSlash(filepath.Join(t.TempDir(), "db")) + "?_pragma=foreign_keys(1)&_pragma=journal_mode(wal)&_pragma=busy_timeout(10)"
	return class(t, o, func(mon *dbmon.Monitor) *sql.DB {
		db, err := mon.Open("sqlite", dsn)
		require.NoError(t, err)
		return db
	})
}
