package prom

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
)

// world is a table of statistics with all that may happen to it.
type world struct {
	random  *rand.Rand
	since   time.Time
	queries map[string]dbmon.Figures
	evicted dbmon.Figures
	ever    amount // calls since the beginning that a scrape could see
}

func (w *world) call(id string) {
	f := w.queries[id]
	took := time.Duration(1 + w.random.IntN(1000))
	f.Calls++
	f.Total += took
	w.ever.calls++
	w.ever.time += took
	if w.random.IntN(10) == 0 {
		f.Errors++
		w.ever.errors++
	}
	w.queries[id] = f
}

func (w *world) evict() {
	for id, f := range w.queries {
		w.evicted.Calls += f.Calls
		w.evicted.Errors += f.Errors
		w.evicted.Total += f.Total
		delete(w.queries, id)
		return
	}
}

func (w *world) reset() {
	w.since = w.since.Add(time.Second)
	clear(w.queries)
	w.evicted = dbmon.Figures{}
}

func (w *world) statistics() dbmon.Statistics {
	s := dbmon.Statistics{Since: w.since, Total: w.evicted, Evicted: w.evicted}
	for id, f := range w.queries {
		s.Queries = append(s.Queries, dbmon.QueryStats{ID: id, Operation: "SELECT", Figures: f})
		s.Total.Calls += f.Calls
		s.Total.Errors += f.Errors
		s.Total.Total += f.Total
	}
	slices.SortFunc(s.Queries, func(a, b dbmon.QueryStats) int { return int(b.Total - a.Total) })
	return s
}

// A counter that goes back is taken for a restart, and one that jumps for a storm.
func TestNoSeriesEverGoesBackOrJumps(t *testing.T) {
	for seed := range uint64(50) {
		w := &world{random: rand.New(rand.NewPCG(seed, 1)), queries: map[string]dbmon.Figures{}}
		top := top{limit: 4}
		before := map[string]amount{}
		for range 200 {
			seen := w.ever
			for range w.random.IntN(50) {
				w.call(fmt.Sprint("q", w.random.IntN(12)))
			}
			if w.random.IntN(5) == 0 {
				w.evict()
			}
			grown := w.ever.minus(seen)
			all := top.update(w.statistics)
			require.LessOrEqual(t, len(all), 4+1)
			after, sum := map[string]amount{}, amount{}
			for _, s := range all {
				after[s.id] = s.amount
				was := before[s.id]
				require.GreaterOrEqual(t, s.calls, was.calls, s.id)
				require.GreaterOrEqual(t, s.errors, was.errors, s.id)
				require.GreaterOrEqual(t, s.time, was.time, s.id)
				sum = sum.plus(s.minus(was))
			}
			require.Contains(t, after, other)
			if len(before) > 0 {
				require.LessOrEqual(t, sum.calls, grown.calls, "more than there were")
				require.LessOrEqual(t, sum.time, grown.time)
			}
			before = after
			if w.random.IntN(40) == 0 {
				w.reset()
			}
		}
	}
}

func TestEveryCallIsCountedWhileNobodyLeaves(t *testing.T) {
	w := &world{random: rand.New(rand.NewPCG(1, 2)), queries: map[string]dbmon.Figures{}}
	top := top{limit: 4}
	for range 100 {
		for range w.random.IntN(50) {
			w.call(fmt.Sprint("q", w.random.IntN(4)))
		}
		var sum amount
		for _, s := range top.update(w.statistics) {
			sum = sum.plus(s.amount)
		}
		require.Equal(t, w.ever, sum)
	}
}

func TestAQueryThatTakesTheMostComesIn(t *testing.T) {
	w := &world{random: rand.New(rand.NewPCG(1, 3)), queries: map[string]dbmon.Figures{}}
	top := top{limit: 2}
	for i := range 10 {
		for range 10 * (i + 1) {
			w.call(fmt.Sprint("q", i))
		}
		top.update(w.statistics)
	}
	ids := []string{}
	for _, s := range top.update(w.statistics) {
		ids = append(ids, s.id)
	}
	require.Len(t, ids, 3)
	for _, id := range ids {
		require.Contains(t, []string{"q6", "q7", "q8", "q9", other}, id)
	}
}
