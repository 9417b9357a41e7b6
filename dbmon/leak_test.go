package dbmon_test

import (
	"database/sql"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
)

// forgets opens rows and does not close them.
func forgets(t *testing.T, db *sql.DB) *sql.Rows {
	t.Helper()
	rows, err := db.Query("SELECT a FROM b WHERE c = 'secret' /* rows 5 */")
	require.NoError(t, err)
	require.True(t, rows.Next())
	return rows
}

// Section (c): leaked rows exhaust pools with no trace of who did it.
func TestRowsThatAreLeftOpenAreReportedOnceWithTheirPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		first := forgets(t, w.db)
		time.Sleep(59 * time.Second)
		synctest.Wait()
		require.Empty(t, w.leaked())
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, w.leaked(), 1)
		l := w.leaked()[0]
		require.Equal(t, "rows", l.Kind)
		require.Equal(t, "main", l.Database)
		require.Equal(t, "SELECT a FROM b WHERE c = ?", l.Query)
		require.Len(t, l.QueryID, 16)
		require.Contains(t, l.CallSite, "leak_test.go:", "the first call of a query is noted")
		require.False(t, l.Guessed)
		require.GreaterOrEqual(t, l.Idle, time.Minute)
		require.Less(t, l.Idle, time.Minute+2*time.Second)
		require.EqualValues(t, 1, w.mon.Totals().Leaks["rows"])

		lines := w.log.lines(t, "dbmon: rows left open")
		require.Len(t, lines, 1)
		require.Equal(t, "WARN", lines[0]["level"])
		require.Contains(t, lines[0]["call_site"], "leak_test.go:")
		require.NotContains(t, w.log.String(), "secret")
		require.NoError(t, first.Close())
	})
}

func TestAPlaceThatIsNotKnownIsGuessedAndKnownTheNextTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		require.NoError(t, forgets(t, w.db).Close())
		for range 2 {
			rows := forgets(t, w.db)
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			require.NoError(t, rows.Close())
		}
		require.Len(t, w.leaked(), 2)
		require.True(t, w.leaked()[0].Guessed)
		require.False(t, w.leaked()[1].Guessed)
		require.NotEmpty(t, w.leaked()[0].CallSite)
	})
}

func TestRowsThatAreReadOrWaitedForAreNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{LeakAfter: 10 * time.Second})
		rows, err := w.db.Query("SELECT a /* next 60000 rows 2 */") // a minute for each row
		require.NoError(t, err)
		for rows.Next() {
			time.Sleep(9 * time.Second)
		}
		require.NoError(t, rows.Close())
		_, err = w.db.Exec("DELETE FROM a /* call 60000 */")
		require.NoError(t, err)
		tx, err := w.db.Begin()
		require.NoError(t, err)
		_, err = tx.Exec("DELETE FROM a /* call 60000 */")
		require.NoError(t, err)
		require.NoError(t, tx.Commit())
		require.Empty(t, w.leaked())
	})
}

func TestATransactionThatIsLeftAloneIsReportedWithItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		tx, err := w.db.Begin()
		require.NoError(t, err)
		_, err = tx.Exec("UPDATE a SET b = 'secret'")
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Len(t, w.leaked(), 1)
		require.Equal(t, "transaction", w.leaked()[0].Kind)
		require.Equal(t, "UPDATE a SET b = ?", w.leaked()[0].Query)
		require.Contains(t, w.leaked()[0].CallSite, "leak_test.go:")
		require.NoError(t, tx.Rollback())

		tx, err = w.db.Begin() // one without any query
		require.NoError(t, err)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Len(t, w.leaked(), 2)
		require.Empty(t, w.leaked()[1].Query)
		require.NoError(t, tx.Rollback())
		require.EqualValues(t, 2, w.mon.Totals().Leaks["transaction"])
		require.Len(t, w.log.lines(t, "dbmon: transaction left open"), 2)
	})
}

func TestRowsWithinATransactionAreOneFinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		tx, err := w.db.Begin()
		require.NoError(t, err)
		for range 3 { // drivers without a connection of their own for each
			rows, err := tx.Query("SELECT a /* rows 5 */")
			require.NoError(t, err)
			t.Cleanup(func() { _ = rows.Close() })
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Len(t, w.leaked(), 3)
		for _, l := range w.leaked() {
			require.Equal(t, "rows", l.Kind)
		}
		require.Len(t, w.log.lines(t, "dbmon: rows left open"), 1, "a line for each query in ten seconds")
		require.NoError(t, tx.Rollback())
	})
}

func TestLeaksAreNotLookedForWhereNobodyWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{LeakAfter: -1})
		rows := forgets(t, w.db)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, w.leaked())
		require.NoError(t, rows.Close())
	})
}

func TestAHookThatPanicsDoesNotEndTheSearch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, n := &scripted{}, 0
		log := new(logged)
		mon, err := dbmon.New(dbmon.Options{Logger: log.logger(), OnLeak: func(dbmon.Leak) { n++; panic("hook") }})
		require.NoError(t, err)
		db := sql.OpenDB(mon.WrapConnector(d))
		for range 2 {
			rows := forgets(t, db)
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			require.NoError(t, rows.Close())
		}
		require.Equal(t, 2, n)
		require.Len(t, log.lines(t, "dbmon: OnLeak panicked"), 2)
		require.NoError(t, db.Close())
		require.NoError(t, mon.Close())
		require.NoError(t, mon.Close(), "again")
	})
}

func TestAfterCloseADatabaseIsStillMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		require.NoError(t, w.mon.Close())
		rows := forgets(t, w.db)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.NoError(t, rows.Close())
		require.Empty(t, w.leaked())
		require.EqualValues(t, 1, w.total("SELECT", "ok").Count)
	})
}
