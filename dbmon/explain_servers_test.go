package dbmon_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
)

// planned runs a read to its end and waits for its plan.
func (w *classed) planned(t *testing.T, text string, args ...any) string {
	t.Helper()
	w.mu.Lock()
	before := len(w.plans)
	w.mu.Unlock()
	readAll(t, w.DB, text, args...)
	var plan string
	require.Eventually(t, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.plans) > before {
			plan = w.plans[len(w.plans)-1].Text
		}
		return plan != ""
	}, time.Minute, time.Millisecond, "there is no plan for %s", text)
	return plan
}

func readAll(t *testing.T, on reader, text string, args ...any) {
	t.Helper()
	rows, err := on.QueryContext(t.Context(), text, args...)
	require.NoError(t, err, text)
	for rows.Next() {
		continue
	}
	require.NoError(t, rows.Err())
	require.NoError(t, rows.Close())
}

var explaining = dbmon.Options{Explain: dbmon.ExplainOptions{Enable: true, Timeout: 30 * time.Second}}

// Trap d.7: plain EXPLAIN with the same arguments, through a real driver.
func TestPlansOfPostgreSQL(t *testing.T) {
	w := onPostgres(t, explaining)
	runs(t, w.DB,
		"CREATE TABLE users (id int PRIMARY KEY, email text, born timestamptz)",
		"CREATE TABLE orders (id int PRIMARY KEY, owner int, note text)")
	require.Contains(t, w.planned(t, "SELECT email FROM users WHERE id = $1 -- why", 7), "using users_pkey on users")
	for text, args := range map[string][]any{
		"SELECT * FROM users WHERE email = $1 AND born < $2 -- a":                                                          {"secret-1", time.Now()},
		"SELECT * FROM users WHERE id = ANY($1) AND email <> 'secret-2\n(cost=1..2)'":                                      {[]int{1, 2}},
		"/* hint */ WITH u AS (SELECT * FROM users) SELECT * FROM u, u v WHERE u.id=$1":                                    {nil},
		"SELECT count(*) FROM users JOIN orders ON owner = users.id GROUP BY email || 'secret-3' HAVING count(*) > 987654": nil,
		"VALUES (1), (2)": nil,
		"SELECT (SELECT max(id) FROM orders WHERE note LIKE 'secret-4%') FROM users ORDER BY email || 'secret-5'": nil,
		"SELECT * FROM generate_series(1, 314159) WHERE generate_series > 271828":                                 nil,
		`SELECT * FROM users WHERE email = E'\'secret-6' OR email = $$secret-7$$`:                                 nil,
	} {
		plan := w.planned(t, text, args...)
		t.Log(plan)
		require.Contains(t, plan, "(cost=")
		for _, literal := range []string{"secret", "987654", "314159", "271828"} {
			require.NotContains(t, plan, literal, text)
		}
	}
	require.Eventually(t, func() bool {
		var n int
		require.NoError(t, w.QueryRowContext(t.Context(),
			"SELECT count(*) FROM pg_stat_activity WHERE application_name = current_schema()").Scan(&n))
		return n == w.Stats().OpenConnections
	}, time.Minute, time.Millisecond, "connections of plans are closed")
}

// Trap d.7: a plan that has to wait for a lock ends on the server as well.
func TestAPlanDoesNotWaitForALockOfPostgreSQL(t *testing.T) {
	w := onPostgres(t, dbmon.Options{Explain: dbmon.ExplainOptions{Enable: true, Timeout: 50 * time.Millisecond}})
	runs(t, w.DB, "CREATE TABLE users (id int PRIMARY KEY)", "INSERT INTO users VALUES (1)")
	rows, err := w.QueryContext(t.Context(), "SELECT * FROM users")
	require.NoError(t, err)
	require.True(t, rows.Next()) // and not to the end, which would close them
	lock := w.begin(t, nil)
	runs(t, lock, "LOCK TABLE users")
	require.NoError(t, rows.Close())
	require.Eventually(t, func() bool { return len(w.lines.lines(t, "dbmon: no plan")) > 0 }, time.Minute, time.Millisecond)
	require.Equal(t, "timeout", w.lines.lines(t, "dbmon: no plan")[0]["outcome"])
	require.Eventually(t, func() bool {
		var waiting int
		require.NoError(t, lock.QueryRowContext(t.Context(),
			"SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = to_regclass('users')").Scan(&waiting))
		return waiting == 0
	}, time.Minute, time.Millisecond, "nobody waits any more, though the lock is still there")
	require.NoError(t, lock.Rollback())
}

func TestPlansOfMySQL(t *testing.T) {
	w := onMySQL(t, explaining)
	runs(t, w.DB, "CREATE TABLE users (id int PRIMARY KEY, email varchar(100), KEY by_email (email)) ENGINE=InnoDB",
		"INSERT INTO users VALUES (1, 'a'), (2, 'b'), (3, 'c')")
	plan := w.planned(t, "SELECT * FROM users WHERE email = ?", "secret-1")
	require.Contains(t, plan, "key=by_email")
	for text, args := range map[string][]any{
		"SELECT id FROM users WHERE email LIKE '%secret-2' AND id > ?":                     {1},
		"SELECT * FROM users u JOIN users v ON u.id = v.id WHERE v.email IN ('secret-3')":  nil,
		"SELECT count(*) n FROM users GROUP BY email HAVING n > 987654":                    nil,
		"SELECT concat(email, 'secret-4') FROM users":                                      nil,
		`SELECT * FROM users WHERE email = 'secret\'-5' OR email = "secret-6" ORDER BY id`: nil,
	} {
		plan := w.planned(t, text, args...)
		t.Log(plan)
		require.Contains(t, plan, "select_type=")
		require.NotContains(t, plan, "secret", text)
		require.NotContains(t, plan, "987654", text)
	}
}

func TestPlansOfSQLite(t *testing.T) {
	w := onSQLite(t, explaining)
	runs(t, w.DB, "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)", "CREATE INDEX by_email ON users (email)")
	require.Equal(t, "SEARCH users USING COVERING INDEX by_email(email = ?)\n", w.planned(t, "SELECT * FROM users WHERE email = ?", "secret-1"))
	require.Contains(t, w.planned(t, "SELECT * FROM users WHERE email = :mail AND id > 0", sql.Named("mail", "secret-2")), "by_email")
	for _, text := range []string{
		"SELECT * FROM users WHERE lower(email) = 'secret-3'",
		"SELECT * FROM users u JOIN users v ON u.id = v.id WHERE v.email IN ('secret-4')",
		"SELECT * FROM users WHERE id IN (SELECT id FROM users WHERE email = 'secret-5') UNION SELECT 1, 'secret-6'",
		"SELECT value FROM json_each('[\"secret-7\"]')",
	} {
		plan := w.planned(t, text)
		t.Log(plan)
		require.True(t, strings.Contains(plan, "SCAN") || strings.Contains(plan, "SEARCH"), plan)
		require.NotContains(t, plan, "secret", text)
	}
}
