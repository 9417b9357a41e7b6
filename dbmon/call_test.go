package dbmon_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
)

const ms = time.Millisecond

// Trap d.2: timing only Query is wrong; the application's own time does not count.
func TestAQueryLastsFromTheCallToTheEndOfItsRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{SlowQuery: 50 * ms})
		rows, err := w.db.Query("SELECT a /* call 30 next 10 rows 3 close 5 */")
		require.NoError(t, err)
		for rows.Next() {
			time.Sleep(time.Second) // the application
		}
		require.NoError(t, rows.Err())
		require.NoError(t, rows.Close())
		require.Len(t, w.slow, 1)
		q := w.slow[0]
		require.Equal(t, 30*ms, q.Call)
		require.Equal(t, 40*ms, q.FirstRow)
		require.Equal(t, 45*ms, q.Drain, "three rows, the end, and Close")
		require.Equal(t, 75*ms, q.Duration)
		require.Equal(t, 3*time.Second+75*ms, q.Wall)
		require.EqualValues(t, 3, q.Rows)
		require.Equal(t, "ok", q.Outcome)
		require.Equal(t, []told{{"CONNECT", 0, nil}, {"SELECT", 75 * ms, nil}}, w.told)
		require.EqualValues(t, 3, w.mon.Totals().Rows["SELECT"])
	})
}

func TestRowsThatAreLeftEarlyEndWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{SlowQuery: ms})
		var n int
		require.NoError(t, w.db.QueryRow("SELECT a /* call 30 next 10 rows 1000 close 5 */").Scan(&n))
		require.Equal(t, 45*ms, w.slow[0].Duration)
		require.EqualValues(t, 1, w.slow[0].Rows)
		require.Equal(t, "ok", w.slow[0].Outcome)
	})
}

// Trap d.2: what a driver skips is no query; it is prepared, run and closed.
func TestAStatementThatTheDriverSkipsIsOneQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{skip: true}, dbmon.Options{})
		_, err := w.db.Exec("UPDATE a SET b = 1 /* prepare 4 call 20 */")
		require.NoError(t, err)
		rows, err := w.db.Query("SELECT a /* call 10 rows 0 */")
		require.NoError(t, err)
		require.NoError(t, rows.Close())
		require.Equal(t, []told{{"CONNECT", 0, nil}, {"PREPARE", 4 * ms, nil}, {"UPDATE", 20 * ms, nil}, {"PREPARE", 0, nil}, {"SELECT", 10 * ms, nil}}, w.told)
		for _, q := range w.mon.Statistics().Queries {
			require.EqualValues(t, 1, q.Calls, q.Text)
		}
	})
}

// Trap d.2: retries are one query with their number.
func TestWhatDatabaseSQLRepeatsIsOneQuery(t *testing.T) {
	for _, tt := range []struct {
		name    string
		bad     int32
		retries int
		outcome string
	}{
		{"one broken connection", 1, 1, "ok"},
		{"two broken connections", 2, 2, "ok"},
		{"three, which is the end", 3, 2, "bad_connection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := monitor(t, &scripted{}, dbmon.Options{SlowQuery: ms})
				w.bad.Store(tt.bad)
				_, err := w.db.Exec("INSERT INTO a VALUES (1) /* call 10 */")
				require.Equal(t, tt.outcome == "ok", err == nil)
				require.Len(t, w.slow, 1)
				require.Equal(t, tt.retries, w.slow[0].Retries)
				require.Equal(t, tt.outcome, w.slow[0].Outcome)
				require.Equal(t, time.Duration(tt.retries+1)*10*ms, w.slow[0].Duration)
				require.EqualValues(t, 1, w.total("INSERT", tt.outcome).Count)
				require.EqualValues(t, tt.retries, w.mon.Totals().Retries)
				require.EqualValues(t, 1, w.mon.Statistics().Queries[0].Calls)
			})
		})
	}
}

// Trap c: calls on a connection of the application's own are not repeated, and what
// it tries again itself is another query.
func TestABrokenConnectionOfTheCallersOwnIsCountedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		c, err := w.db.Conn(t.Context())
		require.NoError(t, err)
		w.bad.Store(1)
		_, err = c.ExecContext(t.Context(), "INSERT INTO a VALUES (1)")
		require.ErrorIs(t, err, driver.ErrBadConn)
		require.EqualValues(t, 1, w.total("INSERT", "bad_connection").Count)
		_ = c.Close()
		_, err = w.db.ExecContext(t.Context(), "INSERT INTO a VALUES (1)")
		require.NoError(t, err)
		require.EqualValues(t, 1, w.total("INSERT", "ok").Count)
		require.Zero(t, w.mon.Totals().Retries)
	})
}

func TestABrokenConnectionThatCannotBeReplacedIsCountedAMomentLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		require.NoError(t, w.db.Ping())
		w.bad.Store(1)
		w.gone.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		_, err := w.db.ExecContext(ctx, "INSERT INTO a VALUES (1)")
		require.ErrorContains(t, err, "no connection")
		cancel() // what happened before was not because of it
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.EqualValues(t, 1, w.total("INSERT", "bad_connection").Count)
	})
}

// Callers who share a context are not taken for one another.
func TestCallersWhoShareAContextHaveTheirOwnRetries(t *testing.T) {
	w := monitor(t, &scripted{}, dbmon.Options{})
	done := make(chan error)
	for range 8 {
		go func() {
			var err error
			for i := range 200 {
				if i%7 == 0 {
					w.bad.Store(1)
				}
				_, e := w.db.ExecContext(t.Context(), "INSERT INTO a VALUES (1)")
				err = errors.Join(err, e)
			}
			done <- err
		}()
	}
	failures := 0
	for range 8 {
		if err := <-done; err != nil {
			failures += strings.Count(err.Error(), driver.ErrBadConn.Error())
		}
	}
	require.NoError(t, w.mon.Close())
	require.EqualValues(t, 1600-failures, w.total("INSERT", "ok").Count)
	require.EqualValues(t, failures, w.total("INSERT", "bad_connection").Count)
}

func TestRetriesOfAStatementThatTheDriverSkipsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{skip: true}, dbmon.Options{SlowQuery: 1})
		w.bad.Store(2)
		_, err := w.db.Exec("INSERT INTO a VALUES (1) /* call 10 */")
		require.NoError(t, err)
		require.EqualValues(t, 1, w.total("INSERT", "ok").Count)
		require.Equal(t, 2, w.slow[len(w.slow)-1].Retries)
		require.Equal(t, 30*ms, w.slow[len(w.slow)-1].Duration)
	})
}

func TestAfterCloseABrokenConnectionIsCountedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		require.NoError(t, w.mon.Close())
		w.bad.Store(3)
		_, err := w.db.Exec("INSERT INTO a VALUES (1)")
		require.ErrorIs(t, err, driver.ErrBadConn)
		require.NotZero(t, w.total("INSERT", "bad_connection").Count)
	})
}

func TestABrokenConnectionWithinATransactionIsCountedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		tx, err := w.db.Begin()
		require.NoError(t, err)
		w.bad.Store(1)
		_, err = tx.Exec("INSERT INTO a VALUES (1)")
		require.ErrorIs(t, err, driver.ErrBadConn)
		require.EqualValues(t, 1, w.total("INSERT", "bad_connection").Count)
		_ = tx.Rollback()
	})
}

// odd is a context that cannot be compared, though its type can.
type odd struct {
	context.Context
	_ any
}

func TestAContextThatCannotBeComparedIsNoTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		w.bad.Store(2)
		_, err := w.db.ExecContext(odd{t.Context(), []int{1}}, "INSERT INTO a VALUES (1)")
		require.NoError(t, err)
		require.EqualValues(t, 1, w.total("INSERT", "ok").Count)
		require.EqualValues(t, 2, w.mon.Totals().Retries)
	})
}

// Trap d.3: the context decides first.
func TestACallerWhoLeavesEndsAQueryAsCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*ms, cancel)
		_, err := w.db.ExecContext(ctx, "DELETE FROM a /* call 1000 */")
		require.ErrorIs(t, err, context.Canceled)
		require.EqualValues(t, 1, w.total("DELETE", "canceled").Count)

		ctx, cancel = context.WithTimeout(t.Context(), 10*ms)
		defer cancel()
		_, err = w.db.ExecContext(ctx, "DELETE FROM a /* call 1000 */")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualValues(t, 1, w.total("DELETE", "timeout").Count)

		ctx, cancel = context.WithCancel(t.Context())
		rows, err := w.db.QueryContext(ctx, "SELECT a /* rows 3 */")
		require.NoError(t, err)
		require.True(t, rows.Next())
		cancel()
		synctest.Wait() // database/sql closes the rows
		require.EqualValues(t, 1, w.total("SELECT", "canceled").Count)
		require.NoError(t, rows.Close())
		require.ErrorIs(t, w.told[len(w.told)-1].err, context.Canceled)
	})
}

func TestTheErrorOfADriverPassesAsItIs(t *testing.T) {
	gone := errors.New("gone")
	w := monitor(t, &scripted{fail: gone}, dbmon.Options{})
	_, err := w.db.Exec("DELETE FROM a")
	require.True(t, err == gone) //nolint:errorlint,testifylint // the same one
	require.EqualValues(t, 1, w.total("DELETE", "error").Count)
}

func TestATransactionIsMeasuredWithWhatItIdles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		tx, err := w.db.Begin()
		require.NoError(t, err)
		_, err = tx.Exec("UPDATE a SET b = 1 /* call 20 */")
		require.NoError(t, err)
		time.Sleep(500 * ms)
		rows, err := tx.Query("SELECT a /* call 10 next 1 rows 4 */")
		require.NoError(t, err)
		for rows.Next() {
			time.Sleep(25 * ms)
		}
		require.NoError(t, tx.Commit()) // 7 ms
		all := w.mon.Totals()
		require.EqualValues(t, 1, all.Transactions["committed"].Count)
		require.Equal(t, 20*ms+500*ms+15*ms+100*ms+7*ms, all.Transactions["committed"].Sum)
		require.Equal(t, 600*ms, all.IdleInTransaction.Sum)

		tx, err = w.db.Begin()
		require.NoError(t, err)
		require.NoError(t, tx.Rollback())
		require.Equal(t, 3*ms, w.mon.Totals().Transactions["rolled_back"].Sum)
		require.Equal(t, 1, int(w.total("ROLLBACK", "ok").Count))
		require.Equal(t, 2, int(w.total("BEGIN", "ok").Count))
	})
}

// Free signals of section (f): checkout and return.
func TestHoldTimesAreExactWithDriversThatAreAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		require.NoError(t, w.db.Ping()) // on a new connection
		for range 3 {
			c, err := w.db.Conn(t.Context())
			require.NoError(t, err)
			time.Sleep(100 * ms)
			_, err = c.ExecContext(t.Context(), "DELETE FROM a /* call 20 */")
			require.NoError(t, err)
			require.NoError(t, c.Close())
			time.Sleep(time.Hour)
		}
		require.EqualValues(t, 4, w.mon.Totals().Held.Count)
		require.Equal(t, 360*ms, w.mon.Totals().Held.Sum)

		w = monitor(t, &scripted{noReturn: true}, dbmon.Options{})
		require.NoError(t, w.db.Ping())
		require.NoError(t, w.db.Close())
		require.Zero(t, w.mon.Totals().Held.Count)
	})
}

func TestAStatementIsMeasuredEachTimeItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		s, err := w.db.PrepareContext(t.Context(), "SELECT a /* prepare 2 call 10 rows 1 */")
		require.NoError(t, err)
		defer s.Close()
		for range 3 {
			var n int
			require.NoError(t, s.QueryRow().Scan(&n))
		}
		require.EqualValues(t, 3, w.total("SELECT", "ok").Count)
		require.EqualValues(t, 1, w.total("PREPARE", "ok").Count)
		require.Equal(t, 30*ms, w.total("SELECT", "ok").Sum)
	})
}

func TestNothingIsLostOfManyAtOnce(t *testing.T) {
	w := monitor(t, &scripted{}, dbmon.Options{})
	done := make(chan error)
	for range 16 {
		go func() {
			var err error
			for range 200 {
				var n int
				err = errors.Join(err, w.db.QueryRow("SELECT a /* rows 1 */").Scan(&n))
				_, e := w.db.Exec("DELETE FROM a")
				err = errors.Join(err, e)
			}
			done <- err
		}()
	}
	for range 16 {
		require.NoError(t, <-done)
	}
	require.EqualValues(t, 3200, w.total("SELECT", "ok").Count)
	require.EqualValues(t, 3200, w.total("DELETE", "ok").Count)
	require.EqualValues(t, 3200, w.mon.Totals().Rows["SELECT"])
}

func TestOpenIsSQLOpen(t *testing.T) {
	mon, err := dbmon.New(dbmon.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, mon.Close()) })
	_, err = mon.Open("no such driver", "")
	_, want := sql.Open("no such driver", "")
	require.Equal(t, want, err)
}
