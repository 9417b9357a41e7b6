package pgxmon_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluice-go/sluice/dbmon"
	"github.com/sluice-go/sluice/dbmon/pgxmon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watched is a monitor, and what it saw of PostgreSQL.
type watched struct {
	mon    *dbmon.Monitor
	tracer *pgxmon.Tracer
	config *pgxpool.Config

	mu      sync.Mutex
	queries []dbmon.Query
	repeats []dbmon.Repetition
	plans   []dbmon.Plan
}

// server returns a monitor for an empty schema of a real server.
func server(t *testing.T, o dbmon.Options) *watched {
	t.Helper()
	url := os.Getenv("SLUICE_TEST_POSTGRES_URL")
	if url == "" {
		t.Skip("SLUICE_TEST_POSTGRES_URL is not set")
	}
	schema := "pgxmon_" + strings.ToLower(rand.Text())
	admin, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	_, err = admin.Exec(t.Context(), "CREATE SCHEMA "+schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.Exec(context.Background(), "DROP SCHEMA "+schema+" CASCADE")
		require.NoError(t, err)
		require.NoError(t, admin.Close(context.Background()))
	})
	w := &watched{}
	o.SlowQuery = time.Nanosecond // all of them
	o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	o.OnSlowQuery = func(_ context.Context, q dbmon.Query) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.queries = append(w.queries, q)
	}
	o.OnNPlusOne = func(_ context.Context, r dbmon.Repetition) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.repeats = append(w.repeats, r)
	}
	o.Explain.OnPlan = func(p dbmon.Plan) { w.mu.Lock(); defer w.mu.Unlock(); w.plans = append(w.plans, p) }
	w.mon, err = dbmon.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.mon.Close()) })
	w.tracer = pgxmon.New(w.mon)
	w.config, err = pgxpool.ParseConfig(url)
	require.NoError(t, err)
	w.config.ConnConfig.RuntimeParams["search_path"] = schema
	w.config.ConnConfig.Tracer = w.tracer
	return w
}

func (w *watched) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	c, err := pgx.ConnectConfig(t.Context(), w.config.ConnConfig)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close(context.Background())) })
	_, err = c.Exec(t.Context(), "CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL)")
	require.NoError(t, err)
	return c
}

// line is what is said of a query, but for its time.
type line struct {
	operation, text, outcome string
	rows                     int64
}

// seen are the queries since the last look.
func (w *watched) seen() (lines []line) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range w.queries {
		lines = append(lines, line{q.Operation, q.Text, q.Outcome, q.Rows})
	}
	w.queries = nil
	return lines
}

// total is how often an operation ended in a way.
func (w *watched) total(operation, outcome string) uint64 {
	for _, o := range w.mon.Totals().Operations {
		if o.Operation == operation && o.Outcome == outcome {
			return o.Count
		}
	}
	return 0
}

func exec(t *testing.T, c *pgx.Conn, sql string, args ...any) {
	t.Helper()
	_, err := c.Exec(t.Context(), sql, args...)
	require.NoError(t, err, sql)
}

const (
	insert = "INSERT INTO users VALUES (?, ?)"
	byID   = "SELECT name FROM users WHERE id = ?"
)

func TestQueriesAreSeenWithTheirRows(t *testing.T) {
	w := server(t, dbmon.Options{})
	c := w.connect(t)
	ctx := t.Context()
	w.seen()
	exec(t, c, "INSERT INTO users VALUES ($1, $2), ($3, $4)", 1, "a", 2, "b")
	var name string
	require.NoError(t, c.QueryRow(ctx, "SELECT name FROM users WHERE id = $1", 1).Scan(&name))
	require.ErrorIs(t, c.QueryRow(ctx, "SELECT name FROM users WHERE id = $1", 9).Scan(&name), pgx.ErrNoRows)
	rows, err := c.Query(ctx, "SELECT name FROM users ORDER BY id")
	require.NoError(t, err)
	_, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NoError(t, c.QueryRow(ctx, "SELECT name FROM users WHERE id = @id", pgx.NamedArgs{"id": 2}).Scan(&name))
	require.Equal(t, "b", name)
	require.NoError(t, c.QueryRow(ctx, "SELECT name FROM users WHERE id = $1", pgx.QueryExecModeExec, 2).Scan(&name))
	_, err = c.Exec(ctx, "SELECT name FROM users WHERE id = @id", pgx.StrictNamedArgs{})
	require.Error(t, err)

	prepared := func(lines []line) (others []line) {
		for _, l := range lines {
			if l.operation != "PREPARE" {
				others = append(others, l)
			}
		}
		return others
	}
	require.Equal(t, []line{
		{"INSERT", insert, "ok", 0},
		{"SELECT", byID, "ok", 1},
		{"SELECT", byID, "ok", 0},
		{"SELECT", "SELECT name FROM users ORDER BY id", "ok", 2},
		{"SELECT", byID, "ok", 1},
		{"SELECT", byID, "ok", 1},
		{"SELECT", byID, "error", 0},
	}, prepared(w.seen()))
	require.EqualValues(t, 1, w.total("CONNECT", "ok"))
	for _, q := range w.mon.Statistics().Queries {
		if q.Text == byID {
			require.EqualValues(t, 5, q.Calls)
			require.EqualValues(t, 3, q.Rows)
			require.EqualValues(t, 1, q.Errors)
			require.Positive(t, q.Total)
		}
	}
}

func TestErrorsOfPgxAreOfClasses(t *testing.T) {
	w := server(t, dbmon.Options{})
	c := w.connect(t)
	exec(t, c, "INSERT INTO users VALUES (1, 'a')")
	last := func() string {
		all := w.seen()
		require.NotEmpty(t, all)
		return all[len(all)-1].outcome
	}
	for sql, want := range map[string]string{
		"INSERT INTO users VALUES (1, 'b')":  "unique_violation",
		"INSERT INTO users VALUES (2, NULL)": "constraint",
		"SELEC 1":                            "syntax",
		"SELECT 1/(SELECT 0)":                "error",
	} {
		_, err := c.Exec(t.Context(), sql)
		require.Error(t, err)
		require.Equal(t, want, last(), sql)
	}
	ctx, leave := context.WithCancel(t.Context())
	leave()
	_, err := c.Exec(ctx, "SELECT 2")
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, "canceled", last())

	config := w.config.ConnConfig.Copy()
	config.Password, config.User = "wrong", "nobody_of_this_name"
	_, err = pgx.ConnectConfig(t.Context(), config)
	require.Error(t, err)
	require.EqualValues(t, 1, w.total("CONNECT", "denied"))

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err = c.Exec(ctx, "SELECT pg_sleep(60)") // pgx closes the connection
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, "timeout", last())
	_, err = c.Exec(t.Context(), "SELECT 3")
	require.Error(t, err)
	require.Equal(t, "bad_connection", last())
}

func TestPreparedStatementsAreKnownByName(t *testing.T) {
	w := server(t, dbmon.Options{})
	c := w.connect(t)
	w.seen()
	for range 2 { // the second one is prepared already
		_, err := c.Prepare(t.Context(), "by_id", "SELECT name FROM users WHERE id = $1")
		require.NoError(t, err)
	}
	exec(t, c, "by_id", 1)
	_, err := c.Prepare(t.Context(), "bad", "SELEC")
	require.Error(t, err)
	require.Equal(t, []line{
		{"PREPARE", byID, "ok", 0},
		{"SELECT", byID, "ok", 0},
		{"PREPARE", "OTHER", "syntax", 0},
	}, w.seen())
	require.EqualValues(t, 1, w.total("PREPARE", "syntax"))
}

func TestEachQueryOfABatchIsAQuery(t *testing.T) {
	for name, mode := range map[string]pgx.QueryExecMode{
		"by cached statements": pgx.QueryExecModeCacheStatement, "by descriptions": pgx.QueryExecModeDescribeExec,
		"at once": pgx.QueryExecModeExec, "as one text": pgx.QueryExecModeSimpleProtocol,
	} {
		t.Run(name, func(t *testing.T) {
			w := server(t, dbmon.Options{})
			w.config.ConnConfig.DefaultQueryExecMode = mode
			c := w.connect(t)
			w.seen()
			b := &pgx.Batch{}
			b.Queue("INSERT INTO users VALUES ($1, $2)", 1, "a")
			b.Queue("SELECT name FROM users WHERE id = $1", 1)
			b.Queue("SELECT pg_sleep(0.05)")
			b.Queue("SELECT name FROM users WHERE id = @id", pgx.NamedArgs{"id": 9})
			began := time.Now()
			require.NoError(t, c.SendBatch(t.Context(), b).Close())
			took := time.Since(began)
			w.mu.Lock()
			var times time.Duration
			for _, q := range w.queries {
				times += q.Duration
			}
			w.mu.Unlock()
			require.LessOrEqual(t, times, took, "each has its own time")
			require.Equal(t, []line{
				{"INSERT", insert, "ok", 0},
				{"SELECT", byID, "ok", 1},
				{"SELECT", "SELECT pg_sleep(?)", "ok", 1},
				{"SELECT", byID, "ok", 0},
			}, w.seen())

			b = &pgx.Batch{}
			b.Queue("SELECT name FROM users WHERE id = $1", 1)
			b.Queue("INSERT INTO users VALUES ($1, $2)", 1, "again")
			b.Queue("SELECT 'never'")
			require.Error(t, c.SendBatch(t.Context(), b).Close())
			require.Equal(t, []line{{"SELECT", byID, "ok", 1}, {"INSERT", insert, "unique_violation", 0}}, w.seen())
		})
	}
}

// Trap c: batch and COPY are invisible to most tracers.
func TestABatchThatFailsOutsideOfItsQueriesIsSeen(t *testing.T) {
	w := server(t, dbmon.Options{})
	c := w.connect(t)
	b := &pgx.Batch{}
	b.Queue("SELECT 1")
	b.Queue("SELECT * FROM no_such_table")
	require.Error(t, c.SendBatch(t.Context(), b).Close())
	require.EqualValues(t, 1, w.total("PREPARE", "syntax"), "it failed before any was run")

	exec(t, c, "CREATE TABLE notes (id int, owner int REFERENCES users DEFERRABLE INITIALLY DEFERRED)")
	b = &pgx.Batch{}
	b.Queue("INSERT INTO notes VALUES (1, 99)")
	require.Error(t, c.SendBatch(t.Context(), b).Close())
	require.EqualValues(t, 1, w.total("COMMIT", "constraint")+w.total("INSERT", "constraint"), "it failed at the end of its transaction")
}

func TestACopyIsOneOperation(t *testing.T) {
	w := server(t, dbmon.Options{})
	c := w.connect(t)
	w.seen()
	three := [][]any{{1, "a"}, {2, "b"}, {3, "secret"}}
	n, err := c.CopyFrom(t.Context(), pgx.Identifier{"users"}, []string{"id", "name"}, pgx.CopyFromRows(three))
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
	_, err = c.CopyFrom(t.Context(), pgx.Identifier{"users"}, []string{"id", "name"}, pgx.CopyFromRows(three))
	require.Error(t, err)
	var copies []line
	for _, l := range w.seen() {
		if l.operation == "COPY" {
			copies = append(copies, l)
		}
		require.NotContains(t, l.text, "secret")
	}
	require.Equal(t, []line{{"COPY", "COPY", "ok", 3}, {"COPY", "COPY", "unique_violation", 0}}, copies)
	require.EqualValues(t, 3, w.mon.Totals().Rows["COPY"])
}

func TestTransactionsAreWhatTheServerSays(t *testing.T) {
	w := server(t, dbmon.Options{})
	c := w.connect(t)
	ctx := t.Context()
	require.NoError(t, pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO users VALUES (1, 'a')")
		return err
	}))
	inside := 0
	w.mu.Lock()
	for _, q := range w.queries {
		if q.InTransaction && (q.Operation == "INSERT" || q.Operation == "COMMIT") {
			inside++
		}
	}
	w.mu.Unlock()
	require.Equal(t, 2, inside)
	require.Error(t, pgx.BeginFunc(ctx, c, func(pgx.Tx) error { return errors.New("no") }))
	exec(t, c, "BEGIN") // by hand
	_, err := c.Exec(ctx, "SELEC")
	require.Error(t, err)
	exec(t, c, "COMMIT") // the server rolls back
	exec(t, c, "SELECT 1")

	totals := w.mon.Totals()
	require.EqualValues(t, 2, totals.Transactions["committed"].Count, "as far as the statements say")
	require.EqualValues(t, 1, totals.Transactions["rolled_back"].Count)
	require.EqualValues(t, 3, totals.IdleInTransaction.Count)
}

func TestThePoolIsMeasured(t *testing.T) {
	w := server(t, dbmon.Options{})
	w.config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), w.config)
	require.NoError(t, err)
	defer pool.Close()
	ctx := t.Context()
	c, err := pool.Acquire(ctx)
	require.NoError(t, err)
	_, err = c.Exec(ctx, "SELECT 1")
	require.NoError(t, err)

	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err = pool.Acquire(short)
	require.Error(t, err)
	totals := w.mon.Totals()
	require.EqualValues(t, 2, totals.Waited.Count, "also who gave up has waited")
	require.GreaterOrEqual(t, totals.Waited.Sum, 20*time.Millisecond)
	require.Zero(t, totals.Held.Count)
	c.Release()
	held := w.mon.Totals().Held
	require.EqualValues(t, 1, held.Count)
	require.GreaterOrEqual(t, held.Sum, 20*time.Millisecond)

	c, err = pool.Acquire(ctx)
	require.NoError(t, err)
	_, err = c.Exec(ctx, "BEGIN")
	require.NoError(t, err)
	c.Release() // with the transaction open: the pool closes the connection
	require.EqualValues(t, 1, w.mon.Totals().Transactions["failed"].Count)
	_, err = pool.Exec(ctx, "SELECT 2")
	require.NoError(t, err)
	require.EqualValues(t, 3, w.mon.Totals().Held.Count)
}

func TestRepeatedQueriesAreAnNPlusOneButNotInABatch(t *testing.T) {
	w := server(t, dbmon.Options{})
	c := w.connect(t)
	for id := range 20 {
		exec(t, c, "INSERT INTO users VALUES ($1, 'a')", id)
	}
	ctx, end := dbmon.Scope(t.Context())
	ctx, done := dbmon.Track(ctx, "load_users")
	b := &pgx.Batch{}
	for id := range 20 {
		b.Queue("SELECT name FROM users WHERE id = $1", id)
	}
	require.NoError(t, c.SendBatch(ctx, b).Close())
	done()
	end()
	require.Empty(t, w.repeats, "a batch is one round trip")
	require.EqualValues(t, 20, w.mon.Blocks()[0].Queries)

	ctx, end = dbmon.Scope(t.Context())
	for id := range 20 {
		var name string
		require.NoError(t, c.QueryRow(ctx, "SELECT name FROM users WHERE id = $1", id).Scan(&name))
	}
	end()
	require.Len(t, w.repeats, 1)
	require.Equal(t, 20, w.repeats[0].Count)
	require.Contains(t, w.repeats[0].CallSite, "pgxmon_test.go")
}

func TestSlowReadsOfPgxAreExplained(t *testing.T) {
	w := server(t, dbmon.Options{Explain: dbmon.ExplainOptions{Enable: true, Timeout: 30 * time.Second}})
	c := w.connect(t)
	var name string
	require.ErrorIs(t, c.QueryRow(t.Context(), "SELECT name FROM users WHERE name = @name AND id < 987654",
		pgx.NamedArgs{"name": "secret"}).Scan(&name), pgx.ErrNoRows)
	require.Eventually(t, func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.plans) == 1 }, time.Minute, time.Millisecond)
	require.Contains(t, w.plans[0].Text, "on users  (cost=")
	require.NotContains(t, w.plans[0].Text, "secret")
	require.NotContains(t, w.plans[0].Text, "987654")
	require.EqualValues(t, 1, w.total("CONNECT", "ok"), "the connection of the plan is not watched")
}

func TestTwoMonitorsMayWatchOneConnection(t *testing.T) {
	w := server(t, dbmon.Options{})
	other, err := dbmon.New(dbmon.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	w.config.ConnConfig.Tracer = multitracer.New(w.tracer, pgxmon.New(other))
	c := w.connect(t)
	b := &pgx.Batch{}
	b.Queue("SELECT 1")
	require.NoError(t, c.SendBatch(t.Context(), b).Close())
	require.NoError(t, pgx.BeginFunc(t.Context(), c, func(pgx.Tx) error { return nil }))
	mine, theirs := w.mon.Totals(), other.Totals()
	require.Len(t, theirs.Operations, len(mine.Operations))
	for i, o := range mine.Operations {
		require.Equal(t, o.Operation, theirs.Operations[i].Operation)
		require.Equal(t, o.Count, theirs.Operations[i].Count, o.Operation)
	}
	require.EqualValues(t, 1, theirs.Transactions["committed"].Count)
}
