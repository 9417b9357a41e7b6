package dbmon_test

import (
	"context"
	"database/sql"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
)

// faulty is a log handler that panics.
type faulty struct{ slog.Handler }

func (faulty) Handle(context.Context, slog.Record) error { panic("log") }

func TestAHookOrALoggerThatPanicsTakesNoQueryWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, handler := range map[string]slog.Handler{"hooks": slog.DiscardHandler, "the logger, too": faulty{slog.NewTextHandler(t.Output(), nil)}} {
			mon, err := dbmon.New(dbmon.Options{
				SlowQuery:   1,
				OnQuery:     func(context.Context, string, time.Duration, error) { panic("OnQuery") },
				OnSlowQuery: func(context.Context, dbmon.Query) { panic("OnSlowQuery") },
				OnNPlusOne:  func(context.Context, dbmon.Repetition) { panic("OnNPlusOne") },
				OnLeak:      func(dbmon.Leak) { panic("OnLeak") },
				NPlusOne:    dbmon.NPlusOneOptions{Ignore: func(dbmon.Repetition) bool { panic("Ignore") }},
				Explain:     dbmon.ExplainOptions{Enable: true, OnPlan: func(dbmon.Plan) { panic("OnPlan") }},
				Logger:      slog.New(handler),
			})
			require.NoError(t, err)
			db := sql.OpenDB(mon.WrapConnector(&scripted{}))
			ctx, end := dbmon.Scope(t.Context())
			for i := range 9 {
				var n int
				require.NoError(t, db.QueryRowContext(ctx, "SELECT a FROM b WHERE c = ? /* call 10 rows 1 */", i).Scan(&n), name)
			}
			require.NotPanics(t, end)
			rows := forgets(t, db)
			time.Sleep(5 * time.Minute)
			require.NoError(t, rows.Close())
			require.NoError(t, db.Close())
			require.NoError(t, mon.Close())
			require.EqualValues(t, 1, mon.Totals().Leaks["rows"])
			require.EqualValues(t, 1, mon.Totals().Repetitions["n+1"])
		}
	})
}

func TestAQueryThatMadeRoomInTheStatisticsKeepsItsLineInTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{MaxQueries: 1})
		for range 20 {
			for _, text := range []string{"DELETE FROM a /* call 100 */", "DELETE FROM b /* call 100 */"} {
				_, err := w.db.Exec(text)
				require.NoError(t, err)
			}
		}
		require.Len(t, w.log.lines(t, "dbmon: slow query"), 2)
		require.NotZero(t, w.mon.Totals().Evictions)
		before := w.mon.Totals().Evictions
		w.mon.ResetStatistics()
		require.Equal(t, before, w.mon.Totals().Evictions, "totals go on")
	})
}
