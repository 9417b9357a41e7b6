package dbmon_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
)

func TestASlowQueryIsLoggedWithAllThatHelps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{Name: "orders"})
		mux := http.NewServeMux()
		mux.Handle("GET /things/{id}", w.mon.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			ctx, done := dbmon.Track(r.Context(), "fetch_things")
			defer done()
			rows, err := w.db.QueryContext(ctx, "SELECT a FROM b WHERE c = $1 AND d = 'secret' /* call 99 next 1 rows 2 */", "hidden")
			require.NoError(t, err)
			for rows.Next() {
				continue
			}
			require.NoError(t, rows.Close())
		})))
		mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/things/7", nil))
		lines := w.log.lines(t, "dbmon: slow query")
		require.Len(t, lines, 1)
		l := lines[0]
		require.Contains(t, l["call_site"], "slow_test.go:")
		require.Len(t, l["query_id"], 16)
		for _, name := range []string{"time", "call_site", "query_id"} {
			delete(l, name)
		}
		require.Equal(t, map[string]any{
			"level": "WARN", "msg": "dbmon: slow query", "db": "orders", "operation": "SELECT", "outcome": "ok",
			"duration": float64(102 * ms), "call": float64(99 * ms), "drain": float64(3 * ms), "first_row": float64(100 * ms),
			"rows": 2.0, "query": "SELECT a FROM b WHERE c = ? AND d = ?", "block": "fetch_things", "route": "GET /things/{id}",
		}, l)
		require.NotContains(t, w.log.String(), "secret")
		require.NotContains(t, w.log.String(), "hidden")
		require.EqualValues(t, 1, w.mon.Totals().Slow["SELECT"])
	})
}

func TestTheThresholdIsAHundredMillisecondsOrWhatTheOptionSays(t *testing.T) {
	for _, tt := range []struct {
		name string
		slow time.Duration
		text string
		want int
	}{
		{"a little less than the default", 0, "DELETE FROM a /* call 99.999 */", 0},
		{"the default", 0, "DELETE FROM a /* call 100 */", 1},
		{"less than one of our own", time.Second, "DELETE FROM a /* call 999 */", 0},
		{"one of our own", time.Second, "DELETE FROM a /* call 1000 */", 1},
		{"off", -1, "DELETE FROM a /* call 100000 */", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := monitor(t, &scripted{}, dbmon.Options{SlowQuery: tt.slow})
				_, err := w.db.Exec(tt.text)
				require.NoError(t, err)
				require.Len(t, w.slow, tt.want)
				require.Len(t, w.log.lines(t, "dbmon: slow query"), tt.want)
			})
		})
	}
}

func TestEachQueryHasALineInTenSecondsAndTheRestIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		run := func(text string) {
			_, err := w.db.Exec(text)
			require.NoError(t, err)
		}
		for range 20 {
			run("DELETE FROM a WHERE n = 1 /* call 400 */")
			run("DELETE FROM b WHERE n = 1 /* call 100 */")
		}
		time.Sleep(10 * time.Second)
		run("DELETE FROM a WHERE n = 2 /* call 400 */")
		require.Len(t, w.slow, 41, "the hook is told of each")
		lines := w.log.lines(t, "dbmon: slow query")
		require.Len(t, lines, 3)
		require.NotContains(t, lines[0], "untold")
		require.Equal(t, 19.0, lines[2]["untold"])
	})
}

// Trap d.4: arguments are never logged; what is asked for is types and lengths.
func TestArgumentsAreDescribedOnlyWhereAskedForAndNeverShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		args := []any{"swordfish", []byte("swordfish"), 4711, 47.11, true, time.Unix(4711, 0), nil}
		for _, tt := range []struct {
			o    dbmon.Options
			args []any
			want string
		}{
			{dbmon.Options{}, args, ""},
			{dbmon.Options{DescribeArguments: true}, args, "string(9), bytes(9), int64, float64, bool, time.Time, null"},
			{dbmon.Options{DescribeArguments: true}, nil, ""},
			{dbmon.Options{DescribeArguments: true}, make([]any, 40), strings.Repeat("null, ", 32) + "and 8 more"},
		} {
			w := monitor(t, &scripted{fail: errors.New("duplicate key (swordfish)")}, tt.o)
			_, err := w.db.Exec("DELETE FROM a WHERE b = 'swordfish' /* call 100 */", tt.args...)
			require.Error(t, err)
			require.Equal(t, tt.want, w.slow[0].Arguments)
			require.NotContains(t, w.log.String(), "swordfish")
			require.NotContains(t, w.log.String(), "4711")
			w.close()
		}
	})
}

func TestASlowPreparationIsToldAsWhatItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{SlowQuery: ms})
		s, err := w.db.Prepare("SELECT a /* prepare 1000 */")
		require.NoError(t, err)
		require.NoError(t, s.Close())
		tx, err := w.db.Begin()
		require.NoError(t, err)
		require.NoError(t, tx.Commit()) // 7 ms, and no query
		require.Len(t, w.slow, 1)
		require.Equal(t, "PREPARE", w.slow[0].Operation)
		require.Equal(t, "SELECT a", w.slow[0].Text)
	})
}
