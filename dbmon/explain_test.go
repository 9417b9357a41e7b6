package dbmon_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
)

const slowRead = "SELECT * FROM users u WHERE email = $1"

func TestPlansAreNotAskedForUnlessSomebodyWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &planner{}
		mon, err := dbmon.New(dbmon.Options{Dialect: dbmon.PostgreSQL, Logger: new(logged).logger()})
		require.NoError(t, err)
		db := sql.OpenDB(mon.WrapConnector(d))
		rows, err := db.QueryContext(t.Context(), slowRead, "x")
		require.NoError(t, err)
		require.NoError(t, rows.Close())
		synctest.Wait()
		require.Equal(t, 1, d.opened())
		require.NoError(t, db.Close())
		require.NoError(t, mon.Close())
	})
}

// Trap d.7: never ANALYZE; on another connection than the caller's; after the
// caller is done; a time limit of the server's as well; never for good.
func TestASlowReadIsExplainedOnAConnectionOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := explain(t, &planner{}, dbmon.Options{})
		rows, err := w.db.QueryContext(t.Context(), slowRead, "secret-mail")
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, 1, w.opened(), "the caller is not done")
		require.NoError(t, rows.Close())
		synctest.Wait()

		require.Equal(t, []string{"query " + slowRead + " with secret-mail"}, w.log(0))
		require.Equal(t, []string{
			"begin, read-only true",
			"exec SET LOCAL statement_timeout = 1000",
			"query EXPLAIN (FORMAT JSON) " + slowRead + " with secret-mail",
			"rollback",
			"close",
		}, w.log(1))
		require.Zero(t, w.closed, "the connector is the application's")
		for _, o := range w.mon.Totals().Operations {
			require.EqualValues(t, 1, o.Count, "%s: the monitor does not watch itself", o.Operation)
		}

		require.Len(t, w.got(), 1)
		p := w.got()[0]
		require.Equal(t, "Seq Scan on users u  (cost=0.00..35.50 rows=10 width=36)\n  Filter: (email = ?::text)\n", p.Text)
		require.Equal(t, "main", p.Database)
		require.Len(t, p.QueryID, 16)
		require.Contains(t, p.Query, "SELECT * FROM users")
		require.Equal(t, 200*time.Millisecond, p.Duration)
		require.Equal(t, p.Text, w.mon.Statistics().Queries[0].Plan.Text)
		line := w.lines.lines(t, "dbmon: plan of a slow query")
		require.Len(t, line, 1)
		require.Equal(t, p.QueryID, line[0]["query_id"])
		require.Equal(t, p.Text, line[0]["plan"])
		require.NotContains(t, w.lines.String(), "secret")
	})
}

// Trap d.7: reads only, a single statement, never inside of the caller's Tx.
func TestWhatIsNotExplained(t *testing.T) {
	n := 7
	for _, tt := range []struct {
		name string
		o    dbmon.Options
		run  func(t *testing.T, w *explained)
	}{
		{"a fast read", dbmon.Options{SlowQuery: time.Second}, func(t *testing.T, w *explained) { w.read(t, slowRead, "x") }},
		{"where nothing is slow", dbmon.Options{SlowQuery: -1}, func(t *testing.T, w *explained) { w.read(t, slowRead, "x") }},
		{"a write", dbmon.Options{}, func(t *testing.T, w *explained) { w.read(t, "UPDATE users SET a = 1 RETURNING id") }},
		{"a write in a CTE", dbmon.Options{}, func(t *testing.T, w *explained) {
			w.read(t, "WITH d AS (DELETE FROM users RETURNING id) SELECT * FROM d")
		}},
		{"a lock", dbmon.Options{}, func(t *testing.T, w *explained) { w.read(t, "SELECT * FROM users FOR UPDATE") }},
		{"a function that writes", dbmon.Options{}, func(t *testing.T, w *explained) { w.read(t, "SELECT nextval('s')") }},
		{"two statements", dbmon.Options{}, func(t *testing.T, w *explained) { w.read(t, "SELECT 1; SELECT 2") }},
		{"EXPLAIN ANALYZE", dbmon.Options{}, func(t *testing.T, w *explained) { w.read(t, "explain analyze SELECT 1") }},
		{"a utility", dbmon.Options{}, func(t *testing.T, w *explained) { w.read(t, "SHOW search_path") }},
		{"within a transaction", dbmon.Options{}, func(t *testing.T, w *explained) {
			tx, err := w.db.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			w.readOn(t, tx, slowRead, "x")
			require.NoError(t, tx.Commit())
		}},
		{"within a transaction that a statement has begun", dbmon.Options{}, func(t *testing.T, w *explained) {
			c, err := w.db.Conn(t.Context())
			require.NoError(t, err)
			_, err = c.ExecContext(t.Context(), "BEGIN")
			require.NoError(t, err)
			w.readOn(t, c, slowRead, "x")
			require.NoError(t, c.Close())
		}},
		{"a subquery, which MySQL would run", dbmon.Options{Dialect: dbmon.MySQL}, func(t *testing.T, w *explained) {
			w.read(t, "SELECT * FROM (SELECT a FROM users) u")
		}},
		{"with too many arguments", dbmon.Options{}, func(t *testing.T, w *explained) {
			w.read(t, slowRead, make([]any, 65)...)
		}},
		{"with too long arguments", dbmon.Options{}, func(t *testing.T, w *explained) {
			w.read(t, slowRead, strings.Repeat("x", 64<<10))
		}},
		{"too long a text", dbmon.Options{}, func(t *testing.T, w *explained) {
			w.read(t, slowRead+strings.Repeat(" ", 64<<10), "x")
		}},
		{"with an argument that may have changed since", dbmon.Options{}, func(t *testing.T, w *explained) { w.read(t, slowRead, &n) }},
		{"with a structure", dbmon.Options{}, func(t *testing.T, w *explained) { w.read(t, slowRead, struct{ p *int }{&n}) }},
		{"after Close", dbmon.Options{}, func(t *testing.T, w *explained) {
			require.NoError(t, w.mon.Close())
			w.read(t, slowRead, "x")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := explain(t, &planner{}, tt.o)
				tt.run(t, w)
				synctest.Wait()
				require.Equal(t, 1, w.opened())
				require.Empty(t, w.got())
			})
		})
	}
}

// An unknown driver has no dialect, unless it is said.
func TestWithoutADialectThereIsNoPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &planner{answer: postgresPlan}
		mon, err := dbmon.New(dbmon.Options{Explain: dbmon.ExplainOptions{Enable: true}, Logger: new(logged).logger()})
		require.NoError(t, err)
		db := sql.OpenDB(mon.WrapConnector(d))
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM users")
		require.NoError(t, err)
		require.NoError(t, rows.Close())
		synctest.Wait()
		require.Equal(t, 1, d.opened())
		require.NoError(t, db.Close())
		require.NoError(t, mon.Close())
	})
}

// Trap d.1: memory of arguments belongs to the caller again once the call has
// returned.
func TestArgumentsAreThoseOfTheCall(t *testing.T) {
	type status string
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		name string
		arg  any
		then func()
		want string
	}{
		{"no value", nil, nil, "<nil>"},
		{"a number", int64(7), nil, "7"},
		{"a short number", int16(7), nil, "7"},
		{"a fraction", 1.5, nil, "1.5"},
		{"a truth", true, nil, "true"},
		{"a time", at, nil, at.String()},
		{"a text", "abc", nil, "abc"},
		{"a text of the application's", status("open"), nil, "open"},
		{"a UUID", [4]byte{1, 2, 3, 4}, nil, "[1 2 3 4]"},
		{"a name", sql.Named("id", 7), nil, "id7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := explain(t, &planner{}, dbmon.Options{})
				w.read(t, slowRead, tt.arg)
				synctest.Wait()
				require.Equal(t, 2, w.opened())
				require.Contains(t, w.log(1), "query EXPLAIN (FORMAT JSON) "+slowRead+" with "+tt.want)
			})
		})
	}
	for name, arg := range map[string]any{
		"bytes": []byte("abc"), "numbers": []int64{1, 2}, "texts": []string{"a", "b"},
	} {
		t.Run(name+" that change", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := explain(t, &planner{}, dbmon.Options{})
				want := fmt.Sprint(arg)
				rows, err := w.db.QueryContext(t.Context(), slowRead, arg)
				require.NoError(t, err)
				switch v := arg.(type) {
				case []byte:
					copy(v, "xyz")
				case []int64:
					v[0] = 9
				case []string:
					v[0] = "z"
				}
				require.NoError(t, rows.Close())
				synctest.Wait()
				require.Contains(t, w.log(1), "query EXPLAIN (FORMAT JSON) "+slowRead+" with "+want)
			})
		})
	}
}

func TestAPreparedStatementIsExplainedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := explain(t, &planner{}, dbmon.Options{})
		stmt, err := w.db.PrepareContext(t.Context(), slowRead)
		require.NoError(t, err)
		rows, err := stmt.QueryContext(t.Context(), "x")
		require.NoError(t, err)
		require.NoError(t, rows.Close())
		require.NoError(t, stmt.Close())
		synctest.Wait()
		require.Contains(t, w.log(1), "query EXPLAIN (FORMAT JSON) "+slowRead+" with x")
	})
}

// Trap d.7: once per fingerprint per hour.
func TestAFingerprintIsExplainedOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := explain(t, &planner{}, dbmon.Options{MaxQueries: 1})
		for i := range 5 {
			w.read(t, fmt.Sprintf("SELECT * FROM users u WHERE email = $1 AND n = %d", i), "x")
			w.read(t, "SELECT 1 FROM other") // takes the place in the statistics
			synctest.Wait()
		}
		require.Len(t, w.got(), 2, "one for each fingerprint, though its row goes and comes")
		time.Sleep(time.Hour)
		w.read(t, "SELECT * FROM users u WHERE email = $1 AND n = 6", "x")
		synctest.Wait()
		require.Len(t, w.got(), 3)
		time.Sleep(59 * time.Minute)
		w.read(t, "SELECT * FROM users u WHERE email = $1 AND n = 6", "x")
		synctest.Wait()
		require.Len(t, w.got(), 3)
	})
}

// Trap d.7: one at a time, and the caller never waits.
func TestPlansAreAskedForOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		d := &planner{answer: func(ctx context.Context, text string) ([]string, []driver.Value, error) {
			<-release
			return postgresPlan(ctx, text)
		}}
		w := explain(t, d, dbmon.Options{})
		began := time.Now()
		for i := range 5 {
			w.read(t, fmt.Sprintf("SELECT * FROM t%d", i))
			synctest.Wait()
		}
		require.Equal(t, time.Second, time.Since(began), "5 queries of 200 ms each")
		require.Equal(t, 2, w.opened(), "one at a time")
		close(release)
		synctest.Wait()
		require.Len(t, w.got(), 2, "one was at work and one waited")
		w.read(t, "SELECT * FROM t4")
		synctest.Wait()
		require.Len(t, w.got(), 3, "what there was no place for is asked for the next time")
	})
}

// Trap d.7: an own time limit.
func TestAPlanThatTakesTooLongIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var took time.Duration
		d := &planner{answer: func(ctx context.Context, _ string) ([]string, []driver.Value, error) {
			began := time.Now()
			<-ctx.Done()
			took = time.Since(began)
			return nil, nil, ctx.Err()
		}}
		w := explain(t, d, dbmon.Options{Explain: dbmon.ExplainOptions{Timeout: 300 * time.Millisecond}})
		w.read(t, slowRead, "x")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 300*time.Millisecond, took)
		require.Contains(t, w.log(1), "exec SET LOCAL statement_timeout = 300")
		require.Contains(t, w.log(1), "close")
		require.Empty(t, w.got())
		require.Equal(t, "timeout", w.lines.lines(t, "dbmon: no plan")[0]["outcome"])
	})
}

func TestCloseEndsAPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &planner{answer: func(ctx context.Context, _ string) ([]string, []driver.Value, error) {
			<-ctx.Done()
			return nil, nil, ctx.Err()
		}}
		w := explain(t, d, dbmon.Options{})
		w.read(t, "SELECT * FROM a")
		w.read(t, "SELECT * FROM b")
		began := time.Now()
		require.NoError(t, w.mon.Close())
		require.Zero(t, time.Since(began))
		require.Equal(t, 2, w.opened(), "the one that waited is not begun")
		require.Contains(t, w.log(1), "close")
		require.Empty(t, w.lines.lines(t, "dbmon: no plan"))
	})
}

func TestADriverThatPanicsIsCaught(t *testing.T) {
	for _, step := range []string{"open", "begin", "prepare", "query", "next"} {
		t.Run(step, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &planner{broken: step}
				w := explain(t, d, dbmon.Options{})
				w.read(t, "SELECT * FROM a")
				synctest.Wait()
				require.Empty(t, w.got())
				require.Len(t, w.lines.lines(t, "dbmon: no plan"), 1)
				require.NotContains(t, w.lines.String(), "secret")
				if step != "open" {
					require.Contains(t, w.log(1), "close", "the connection is not lost")
				}
				d.mu.Lock()
				d.broken = ""
				d.mu.Unlock()
				w.read(t, "SELECT * FROM b")
				synctest.Wait()
				require.Len(t, w.got(), 1, "the next one works")
			})
		})
	}
}

func TestAHookOfPlansThatPanicsIsCaught(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		w := explain(t, &planner{}, dbmon.Options{Explain: dbmon.ExplainOptions{OnPlan: func(dbmon.Plan) { n++; panic("hook") }}})
		w.read(t, "SELECT * FROM a")
		synctest.Wait()
		w.read(t, "SELECT * FROM b")
		synctest.Wait()
		require.Equal(t, 2, n)
	})
}

// The text of an error may quote values, and so may what is no plan at all.
func TestWhatWentWrongIsToldAsAClass(t *testing.T) {
	for name, answer := range map[string]func(context.Context, string) ([]string, []driver.Value, error){
		"an error": func(context.Context, string) ([]string, []driver.Value, error) { return nil, nil, errSecret },
		"another format": func(context.Context, string) ([]string, []driver.Value, error) {
			return []string{"p"}, []driver.Value{"secret"}, nil
		},
		"nothing": func(context.Context, string) ([]string, []driver.Value, error) { return []string{"p"}, nil, nil },
		"an empty list": func(context.Context, string) ([]string, []driver.Value, error) {
			return []string{"p"}, []driver.Value{"[]"}, nil
		},
		"too many columns": func(context.Context, string) ([]string, []driver.Value, error) {
			return []string{"p", "q"}, []driver.Value{"secret", "secret"}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := explain(t, &planner{answer: answer}, dbmon.Options{})
				w.read(t, slowRead, "x")
				synctest.Wait()
				require.Empty(t, w.got())
				require.Equal(t, "error", w.lines.lines(t, "dbmon: no plan")[0]["outcome"])
				require.NotContains(t, w.lines.String(), "secret")
			})
		})
	}
}

func TestAPlanIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deep := strings.Repeat(`{"Node Type": "Append é", "Plans": [`, 500) + strings.Repeat(`]}`, 500)
		w := explain(t, &planner{answer: func(context.Context, string) ([]string, []driver.Value, error) {
			return []string{"p"}, []driver.Value{`[{"Plan": ` + deep + `}]`}, nil
		}}, dbmon.Options{})
		w.read(t, "SELECT * FROM a")
		synctest.Wait()
		require.Len(t, w.got(), 1)
		require.LessOrEqual(t, len(w.got()[0].Text), 16<<10)
	})
}

func TestMySQLIsGivenTheLimitThatItKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &planner{answer: func(context.Context, string) ([]string, []driver.Value, error) {
			return []string{"id", "table", "rows", "key", "Extra"}, []driver.Value{int64(1), "users", int64(10), nil, "Using where; x = 'secret'"}, nil
		}}
		w := explain(t, d, dbmon.Options{Dialect: dbmon.MySQL})
		w.read(t, "SELECT * FROM users WHERE email = ?", "x")
		synctest.Wait()
		require.Equal(t, []string{
			"begin, read-only true",
			"exec SET SESSION max_statement_time = 1.000",
			"query EXPLAIN SELECT * FROM users WHERE email = ? with x",
			"rollback",
			"close",
		}, w.log(1))
		require.Len(t, w.got(), 1)
		require.Contains(t, w.got()[0].Text, "id=1 table=users rows=10 Extra=")
		require.NotContains(t, w.got()[0].Text, "secret")
	})
}

func TestFaultsOfTheOptionsOfPlans(t *testing.T) {
	_, err := dbmon.New(dbmon.Options{Explain: dbmon.ExplainOptions{Timeout: -1, Every: time.Millisecond}})
	require.ErrorContains(t, err, "dbmon: Explain.Timeout: ")
	require.ErrorContains(t, err, "dbmon: Explain.Every: ")
}
