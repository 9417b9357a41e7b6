package dbmon_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
)

func TestABlockCountsWhatIsMadeWithinIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{SlowQuery: ms})
		for n := 1; n <= 3; n++ {
			ctx, done := dbmon.Track(t.Context(), "fetch_users")
			require.NoError(t, loop(ctx, w.db, n))
			time.Sleep(100 * ms)
			done()
			done()
			require.NoError(t, loop(ctx, w.db, 1), "after its end")
		}
		require.Equal(t, []dbmon.BlockStats{{
			Name: "fetch_users", Count: 3, Queries: 6, OwnQueries: 6, MaxQueries: 3, Rows: 6,
			Total: 120 * ms, Mean: 40 * ms, Max: 60 * ms, Wall: 420 * ms, MaxWall: 160 * ms,
		}}, w.mon.Blocks())
		require.Equal(t, "fetch_users", w.slow[0].Block)
		require.Empty(t, w.slow[1].Block)
	})
}

func TestBlocksWithinBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{SlowQuery: ms})
		outer, doneOuter := dbmon.Track(t.Context(), "outer")
		require.NoError(t, loop(outer, w.db, 1))
		inner, doneInner := dbmon.Track(outer, "inner")
		require.NoError(t, loop(inner, w.db, 2))
		doneInner()
		require.NoError(t, loop(inner, w.db, 4), "what is left of the context is the outer one's")
		doneOuter()
		all := w.mon.Blocks()
		require.Len(t, all, 2)
		require.Equal(t, dbmon.BlockStats{
			Name: "outer", Count: 1, Queries: 7, OwnQueries: 5, MaxQueries: 7, Rows: 7,
			Total: 140 * ms, Mean: 140 * ms, Max: 140 * ms, Wall: 140 * ms, MaxWall: 140 * ms,
		}, all[0])
		require.Equal(t, dbmon.BlockStats{
			Name: "inner", Count: 1, Queries: 2, OwnQueries: 2, MaxQueries: 2, Rows: 2,
			Total: 40 * ms, Mean: 40 * ms, Max: 40 * ms, Wall: 40 * ms, MaxWall: 40 * ms,
		}, all[1])
		var names []string
		for _, q := range w.slow {
			names = append(names, q.Block)
		}
		require.Equal(t, []string{"outer", "inner", "inner", "outer", "outer", "outer", "outer"}, names)
	})
}

func TestAFunctionThatCallsItselfIsOneBlock(t *testing.T) {
	w := monitor(t, &scripted{}, dbmon.Options{})
	var walk func(ctx context.Context, depth int) error
	walk = func(ctx context.Context, depth int) error {
		ctx, done := dbmon.Track(ctx, []string{"even", "odd"}[depth%2])
		defer done()
		if depth == 0 {
			return nil
		}
		return errors.Join(quickly(ctx, w, 1), walk(ctx, depth-1))
	}
	require.NoError(t, walk(t.Context(), 200))
	all := w.mon.Blocks()
	require.Len(t, all, 2)
	for _, b := range all {
		require.EqualValues(t, 1, b.Count)
		require.LessOrEqual(t, b.Queries, uint64(200))
	}
	require.EqualValues(t, 200, max(all[0].Queries, all[1].Queries))
}

func TestABlockBelongsToEachMonitorThatHadAQueryInIt(t *testing.T) {
	a, b := monitor(t, &scripted{}, dbmon.Options{}), monitor(t, &scripted{}, dbmon.Options{})
	c := monitor(t, &scripted{}, dbmon.Options{})
	ctx, done := dbmon.Track(t.Context(), "both")
	require.NoError(t, errors.Join(quickly(ctx, a, 2), quickly(ctx, b, 3)))
	done()
	require.EqualValues(t, 2, a.mon.Blocks()[0].Queries)
	require.EqualValues(t, 3, b.mon.Blocks()[0].Queries)
	require.Empty(t, c.mon.Blocks())
}

func TestABlockCountsTransactionsAndErrorsAsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		ctx, done := dbmon.Track(t.Context(), "write")
		tx, err := w.db.BeginTx(ctx, nil)
		require.NoError(t, err)
		_, err = tx.ExecContext(ctx, "INSERT INTO a VALUES (1) /* call 10 */")
		require.NoError(t, err)
		require.NoError(t, tx.Commit()) // 7 ms
		w.fail = errors.New("no")
		_, err = w.db.ExecContext(ctx, "INSERT INTO a VALUES (1) /* call 10 */")
		require.Error(t, err)
		done()
		b := w.mon.Blocks()[0]
		require.EqualValues(t, 2, b.Queries)
		require.EqualValues(t, 1, b.Errors)
		require.Equal(t, 27*ms, b.Total)
	})
}

// Everything is bounded: names too.
func TestNamesOfBlocks(t *testing.T) {
	for _, tt := range []struct{ name, given, kept string }{
		{"as it is", "fetch_users", "fetch_users"},
		{"of any letters", "Über alles", "Über alles"},
		{"of several lines", "a\nb\x7f", "a b "},
		{"that is no text", "a\xffb", "a\ufffdb"},
		{"that is too long", strings.Repeat("x", 1000), strings.Repeat("x", 64)},
		{"that is cut within a letter", strings.Repeat("x", 63) + "ü", strings.Repeat("x", 63)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := monitor(t, &scripted{}, dbmon.Options{})
			ctx, done := dbmon.Track(t.Context(), tt.given)
			require.NoError(t, quickly(ctx, w, 1))
			done()
			require.Equal(t, tt.kept, w.mon.Blocks()[0].Name)
		})
	}
	t.Run("of which there are too many", func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		for i := range 1000 {
			ctx, done := dbmon.Track(t.Context(), fmt.Sprint("block ", i))
			require.NoError(t, quickly(ctx, w, 1))
			done()
		}
		all := w.mon.Blocks()
		require.Len(t, all, 201)
		var runs uint64
		for _, b := range all {
			runs += b.Count
			require.True(t, b.Count == 1 || b.Name == "other" && b.Count == 800, b)
		}
		require.EqualValues(t, 1000, runs)
	})
	t.Run("that is empty is none", func(t *testing.T) {
		ctx, done := dbmon.Track(t.Context(), "")
		done()
		require.Equal(t, t.Context(), ctx)
	})
}

func TestGoroutinesShareABlock(t *testing.T) {
	w := monitor(t, &scripted{}, dbmon.Options{})
	ctx, done := dbmon.Track(t.Context(), "outer")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			ctx, done := dbmon.Track(ctx, "inner")
			defer done()
			_ = quickly(ctx, w, 50)
		})
	}
	wg.Wait()
	done()
	for _, b := range w.mon.Blocks() {
		require.EqualValues(t, 400, b.Queries, b.Name)
	}
}

func TestBlocksAreResetWithTheStatistics(t *testing.T) {
	w := monitor(t, &scripted{}, dbmon.Options{})
	ctx, done := dbmon.Track(t.Context(), "block")
	require.NoError(t, quickly(ctx, w, 1))
	done()
	require.Equal(t, w.mon.Blocks(), w.mon.Statistics().Blocks)
	w.mon.ResetStatistics()
	require.Empty(t, w.mon.Blocks())
}

func TestBlocksAsJSON(t *testing.T) {
	text, err := json.Marshal(dbmon.BlockStats{Name: "a", Count: 2, Total: 3})
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"a","count":2,"queries":0,"own_queries":0,"max_queries":0,"rows":0,"errors":0,
		"total_ns":3,"mean_ns":0,"max_ns":0,"wall_ns":0,"max_wall_ns":0}`, string(text))
}
