package dbmon_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
)

// collected is what OnNPlusOne was told.
type collected struct {
	mu  sync.Mutex
	all []dbmon.Repetition
}

func (c *collected) add(_ context.Context, r dbmon.Repetition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, r)
}

// ask makes a query for one thing, of a scripted database.
func ask(ctx context.Context, db *sql.DB, id any) error {
	var n int
	return db.QueryRowContext(ctx, "SELECT a FROM b WHERE secret = ? AND kind = 'hidden' /* call 20 rows 1 */", id).Scan(&n)
}

// loop asks for n things.
func loop(ctx context.Context, db *sql.DB, n int) error {
	return each(n, func(i int) error { return ask(ctx, db, i) })
}

func TestARepetitionSaysWhatHowOftenAndWhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told collected
		w := monitor(t, &scripted{}, dbmon.Options{Name: "orders", OnNPlusOne: told.add})
		ctx, end := dbmon.Scope(t.Context())
		ctx, done := dbmon.Track(ctx, "fetch_users")
		require.NoError(t, loop(ctx, w.db, 7))
		done()
		require.Empty(t, told.all, "not before the end")
		end()
		end()
		require.Len(t, told.all, 1)
		r := told.all[0]
		require.Equal(t, "orders", r.Database)
		require.Equal(t, dbmon.NPlusOne, r.Kind)
		require.Equal(t, "SELECT a FROM b WHERE secret = ? AND kind = ?", r.Text)
		require.Regexp(t, `^[0-9a-f]{16}$`, r.ID)
		require.Equal(t, "SELECT", r.Operation)
		require.Equal(t, 7, r.Count)
		require.Equal(t, 7, r.Distinct)
		require.Equal(t, 140*ms, r.Total)
		require.EqualValues(t, 7, r.Rows)
		require.Equal(t, "fetch_users", r.Block)
		require.Regexp(t, regexp.MustCompile(`^dbmon_test/nplusone_test\.go:\d+ dbmon_test\.ask$`), r.CallSite)
		require.Equal(t, r.CallSite, r.Stack[0])
		require.Contains(t, strings.Join(r.Stack, "\n"), "dbmon_test.loop")
		require.LessOrEqual(t, len(r.Stack), 8)
	})
}

// A log for an operator: one line for each query and place in ten seconds.
func TestARepetitionIsLoggedSeldomAndWithoutValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told collected
		w := monitor(t, &scripted{}, dbmon.Options{OnNPlusOne: told.add})
		for range 5 {
			ctx, end := dbmon.Scope(t.Context())
			require.NoError(t, each(7, func(i int) error { return ask(ctx, w.db, fmt.Sprintf("s3cret-%d", i)) }))
			end()
		}
		lines := w.log.lines(t, "dbmon: repeated query")
		require.Len(t, lines, 1)
		line := lines[0]
		require.Equal(t, "n+1", line["kind"])
		require.EqualValues(t, 7, line["count"])
		require.Equal(t, told.all[0].ID, line["query_id"])
		require.Equal(t, told.all[0].CallSite, line["call_site"])
		require.NotEmpty(t, line["advice"])
		require.NotContains(t, w.log.String(), "s3cret")
		require.NotContains(t, w.log.String(), "hidden")

		ctx, end := dbmon.Scope(t.Context())
		require.NoError(t, loop(ctx, w.db, 7))
		end()
		require.Len(t, w.log.lines(t, "dbmon: repeated query"), 2, "another place has a line of its own")
		require.Len(t, told.all, 6)
	})
}

func TestTheSamePlaceIsLoggedAgainAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := monitor(t, &scripted{}, dbmon.Options{})
		for i := range 4 {
			if i == 3 {
				time.Sleep(10 * time.Second)
			}
			ctx, end := dbmon.Scope(t.Context())
			require.NoError(t, loop(ctx, w.db, 7))
			end()
		}
		lines := w.log.lines(t, "dbmon: repeated query")
		require.Len(t, lines, 2)
		require.EqualValues(t, 2, lines[1]["untold"])
	})
}

func TestOptionsSayWhatIsARepetition(t *testing.T) {
	all := func(dbmon.Repetition) bool { return true }
	for _, tt := range []struct {
		name  string
		o     dbmon.NPlusOneOptions
		calls int
		want  int
	}{
		{"five calls by default", dbmon.NPlusOneOptions{}, 5, 1},
		{"not four", dbmon.NPlusOneOptions{}, 4, 0},
		{"two if somebody wants to know", dbmon.NPlusOneOptions{Threshold: 2}, 2, 1},
		{"a hundred at least", dbmon.NPlusOneOptions{Threshold: 100}, 99, 0},
		{"a hundred", dbmon.NPlusOneOptions{Threshold: 100}, 100, 1},
		{"nobody looks", dbmon.NPlusOneOptions{Threshold: -1}, 50, 0},
		{"long enough together", dbmon.NPlusOneOptions{MinTotal: 100 * ms}, 5, 1},
		{"too short together", dbmon.NPlusOneOptions{MinTotal: 101 * ms}, 5, 0},
		{"meant to be", dbmon.NPlusOneOptions{Ignore: all}, 50, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told collected
				w := monitor(t, &scripted{}, dbmon.Options{NPlusOne: tt.o, OnNPlusOne: told.add})
				ctx, end := dbmon.Scope(t.Context())
				require.NoError(t, loop(ctx, w.db, tt.calls))
				end()
				require.Len(t, told.all, tt.want)
				require.Len(t, w.log.lines(t, "dbmon: repeated query"), tt.want)
			})
		})
	}
}

func TestFaultsOfTheOptionsAreAllTold(t *testing.T) {
	_, err := dbmon.New(dbmon.Options{NPlusOne: dbmon.NPlusOneOptions{Threshold: 1, MinTotal: -1}})
	require.EqualError(t, err, "dbmon: NPlusOne.Threshold: must be 2 or more\ndbmon: NPlusOne.MinTotal: must not be negative")
}

// In a steady state only queries that are repeated are looked at from their first
// call on. A query that was made once for long, and then is repeated, is counted by
// its one place.
func TestAQueryThatWasMadeOnceForLongIsStillCounted(t *testing.T) {
	var told collected
	w := monitor(t, &scripted{}, dbmon.Options{OnNPlusOne: told.add})
	for range 20 {
		ctx, end := dbmon.Scope(t.Context())
		require.NoError(t, quickly(ctx, w, 1))
		end()
	}
	for range 2 {
		ctx, end := dbmon.Scope(t.Context())
		require.NoError(t, quickly(ctx, w, 5))
		end()
	}
	require.Len(t, told.all, 2)
	for _, r := range told.all {
		require.Equal(t, 5, r.Count)
		require.Equal(t, 5, r.Distinct)
		require.EqualValues(t, 5, r.Rows)
	}
}

// quickly asks for n things of a database that takes no time.
func quickly(ctx context.Context, w *monitored, n int) error {
	return each(n, func(i int) error {
		var a int
		return w.db.QueryRowContext(ctx, "SELECT a FROM b WHERE c = ? /* rows 1 */", i).Scan(&a)
	})
}

func TestAScopeWithinAScopeIsCountedByItself(t *testing.T) {
	var told collected
	w := monitor(t, &scripted{}, dbmon.Options{OnNPlusOne: told.add})
	ctx, end := dbmon.Scope(t.Context())
	require.NoError(t, quickly(ctx, w, 4))
	inner, endInner := dbmon.Scope(ctx)
	require.NoError(t, quickly(inner, w, 4))
	endInner()
	require.NoError(t, quickly(inner, w, 9), "after its end")
	end()
	require.Empty(t, told.all)
}

// Trap d.5: goroutine fan-out shares the scope, and work after the end is not
// counted; -race judges.
func TestGoroutinesShareAScopeAndMayOutliveIt(t *testing.T) {
	var told collected
	w := monitor(t, &scripted{}, dbmon.Options{OnNPlusOne: told.add})
	ctx, end := dbmon.Scope(t.Context())
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			ctx, done := dbmon.Track(ctx, "work")
			defer done()
			errs[i] = quickly(ctx, w, 100)
		})
	}
	end()
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.LessOrEqual(t, len(told.all), 1)
	require.LessOrEqual(t, w.mon.Blocks()[0].Queries, uint64(800))

	ctx, end = dbmon.Scope(t.Context())
	for i := range errs {
		wg.Go(func() { errs[i] = quickly(ctx, w, 100) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	end()
	// The goroutines ask for the same things, too, which may be reported besides.
	found := slices.DeleteFunc(told.all, func(r dbmon.Repetition) bool { return r.Kind != dbmon.NPlusOne })
	require.NotEmpty(t, found)
	require.Equal(t, 800, found[len(found)-1].Count, "%+v", told.all)
}

func TestAMonitorReportsWhatIsItsOwn(t *testing.T) {
	var mine, theirs collected
	a := monitor(t, &scripted{}, dbmon.Options{Name: "a", OnNPlusOne: mine.add})
	b := monitor(t, &scripted{}, dbmon.Options{Name: "b", OnNPlusOne: theirs.add, NPlusOne: dbmon.NPlusOneOptions{Threshold: 9}})
	ctx, end := dbmon.Scope(t.Context())
	require.NoError(t, quickly(ctx, a, 8))
	require.NoError(t, quickly(ctx, b, 8))
	end()
	require.Len(t, mine.all, 1)
	require.Equal(t, "a", mine.all[0].Database)
	require.Equal(t, 8, mine.all[0].Count)
	require.Empty(t, theirs.all)
}

func TestAHookMayUseTheDatabaseUnderTheSameContext(t *testing.T) {
	calls := 0
	var w *monitored
	w = monitor(t, &scripted{}, dbmon.Options{OnNPlusOne: func(ctx context.Context, _ dbmon.Repetition) {
		calls++
		_, _ = w.db.ExecContext(ctx, "INSERT INTO b VALUES (1)")
	}})
	ctx, end := dbmon.Scope(t.Context())
	require.NoError(t, quickly(ctx, w, 8))
	end()
	require.Equal(t, 1, calls)
}

func TestAScopeReportsNoMoreThanSomeRepetitions(t *testing.T) {
	var told collected
	w := monitor(t, &scripted{}, dbmon.Options{OnNPlusOne: told.add})
	ctx, end := dbmon.Scope(t.Context())
	for i := range 300 {
		for n := range 6 {
			var a int
			require.NoError(t, w.db.QueryRowContext(ctx, fmt.Sprintf("SELECT a FROM t%d WHERE c = ? /* rows 1 */", i), n).Scan(&a))
		}
	}
	end()
	require.Len(t, told.all, 32)
}

// Bars of section (f): nothing is allocated for an Exec, and one thing for a query,
// in a scope as without one.
func TestAScopeCostsQueriesNoAllocation(t *testing.T) {
	w := monitor(t, &scripted{}, dbmon.Options{})
	ctx, end := dbmon.Scope(t.Context())
	defer end()
	// Both as long a chain of contexts.
	plain, cancel := context.WithCancel(t.Context())
	defer cancel()
	count := func(ctx context.Context, f func(ctx context.Context)) float64 {
		f(ctx)
		return testing.AllocsPerRun(200, func() { f(ctx) })
	}
	exec := func(ctx context.Context) { _, _ = w.db.ExecContext(ctx, "DELETE FROM a WHERE b = 1") }
	require.LessOrEqual(t, count(ctx, exec), count(plain, exec))
	i := 0
	query := func(ctx context.Context) {
		i++
		rows, err := w.db.QueryContext(ctx, "SELECT a FROM b WHERE c = ? /* rows 0 */", i)
		if err == nil {
			err = rows.Close()
		}
		if err != nil {
			panic(err)
		}
	}
	for range 100 {
		query(ctx) // the stack is put into words once
	}
	require.LessOrEqual(t, count(ctx, query), count(plain, query))
}
