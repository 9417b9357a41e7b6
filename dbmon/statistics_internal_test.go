package dbmon

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

// tableOf is a table and the source of calls on it, without a driver.
func tableOf(t testing.TB, most int) (*table, *source) {
	t.Helper()
	m := &Monitor{opts: Options{MaxQueries: most, SlowQuery: 100 * time.Millisecond}, epoch: time.Now()}
	m.table = newTable(most)
	return m.table, &source{Monitor: m}
}

func statementNo(i int) fingerprint.Statement {
	return fingerprint.Of(fingerprint.SQLite, fmt.Sprintf("SELECT c%d FROM t WHERE id = 1", i))
}

func took(src *source, busy time.Duration) *call {
	return &call{src: src, op: operation(fingerprint.Select), busy: busy}
}

// model is what figures are made of, kept as it came.
type model []one

type one struct {
	op                     operation
	how                    outcome
	busy, called, firstRow time.Duration
	rows                   int64
	retries                int
}

func (o one) call(src *source, at time.Duration) *call {
	return &call{src: src, op: o.op, start: at, busy: o.busy, called: o.called, firstRow: o.firstRow, rows: o.rows, retries: o.retries}
}

func (m model) figures(t *testing.T, got Figures) {
	t.Helper()
	var want Figures
	var times []time.Duration
	outcomes := map[string]uint64{}
	for _, k := range m {
		if k.how != ok {
			want.Errors++
			outcomes[k.how.String()]++
		}
		if k.op == opPrepare {
			want.Prepares++
			want.Preparing += k.busy
			continue
		}
		times = append(times, k.busy)
		want.Calls++
		want.Total += k.busy
		want.Call += k.called
		want.Rows += uint64(k.rows)
		want.Retries += uint64(k.retries)
		if k.rows > 0 {
			want.WithRows++
			want.FirstRow += k.firstRow
		}
		if k.busy >= 100*time.Millisecond {
			want.Slow++
		}
	}
	if len(outcomes) > 0 {
		want.Outcomes = outcomes
	}
	if len(times) > 0 {
		slices.Sort(times)
		want.Min, want.Max = times[0], times[len(times)-1]
		want.Mean = want.Total / time.Duration(len(times))
		for percent, pair := range map[int][2]time.Duration{50: {got.P50}, 95: {got.P95}, 99: {got.P99}} {
			exact := nearestRank(times, percent)
			require.LessOrEqual(t, max(pair[0]-exact, exact-pair[0]), offBy(exact), "p%d", percent)
		}
	}
	require.InDelta(t, deviationOf(times), float64(got.StdDev), 1+1e-9*float64(want.Max), "standard deviation of %d", len(times))
	want.StdDev, want.P50, want.P95, want.P99 = got.StdDev, got.P50, got.P95, got.P99
	want.FirstSeen, want.LastSeen = got.FirstSeen, got.LastSeen
	require.Equal(t, want, got)
}

// deviationOf is computed in integers that do not overflow.
func deviationOf(times []time.Duration) float64 {
	if len(times) == 0 {
		return 0
	}
	sum, squares := new(big.Int), new(big.Int)
	for _, d := range times {
		v := big.NewInt(int64(d))
		sum.Add(sum, v)
		squares.Add(squares, v.Mul(v, v))
	}
	n := big.NewInt(int64(len(times)))
	squares.Mul(squares, n).Sub(squares, sum.Mul(sum, sum))
	v, _ := new(big.Float).SetInt(squares).Float64()
	return math.Sqrt(v) / float64(len(times))
}

func randomCall(r *rand.Rand) one {
	k := one{busy: time.Duration(math.Exp2(r.Float64() * 38))}
	k.called = time.Duration(r.Int64N(int64(k.busy) + 1))
	if r.IntN(4) == 0 {
		k.how = outcome(r.IntN(int(outcomes)))
	}
	if r.IntN(8) == 0 {
		k.op = opPrepare
		return k
	}
	if k.rows = max(0, r.Int64N(20)-8); k.rows > 0 {
		k.firstRow = k.called + time.Duration(r.Int64N(int64(k.busy-k.called)+1))
	}
	if r.IntN(10) == 0 {
		k.retries = 1 + r.IntN(2)
	}
	return k
}

func TestFiguresAreThoseOfTheModelWhateverIsEvicted(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for round := range 40 {
		most := 1 + r.IntN(12)
		tab, src := tableOf(t, most)
		all := model{}
		since := map[uint64]model{} // of a query, since it was admitted
		handles := map[int]*query{}
		evictions := 0
		for i := range 600 {
			n := int(math.Abs(r.NormFloat64()) * 10)
			q := handles[n]
			if q == nil || r.IntN(3) == 0 { // otherwise as a prepared statement has it
				q = tab.of(statementNo(n))
				handles[n] = q
			}
			k := randomCall(r)
			q.record(k.call(src, time.Duration(i)*time.Second), k.how)
			all = append(all, k)
			since[q.ID] = append(since[q.ID], k)
			for id := range since {
				if tab.queries[id] == nil {
					evictions++
					delete(since, id)
				}
			}
		}
		s := tab.snapshot(src.epoch)
		require.LessOrEqual(t, len(s.Queries), most, "round %d", round)
		require.Equal(t, uint64(evictions), s.Evictions)
		all.figures(t, s.Total)
		calls := s.Evicted.Calls
		for _, q := range s.Queries {
			since[hexID(t, q.ID)].figures(t, q.Figures)
			calls += q.Calls
		}
		require.Equal(t, s.Total.Calls, calls)
		require.True(t, slices.IsSortedFunc(s.Queries, func(a, b QueryStats) int { return int(b.Total - a.Total) }))
	}
}

func hexID(t *testing.T, hex string) (id uint64) {
	t.Helper()
	require.Len(t, hex, 16)
	_, err := fmt.Sscanf(hex, "%x", &id)
	require.NoError(t, err)
	return id
}

func TestTheSpreadOfLargeTimesDoesNotCancel(t *testing.T) {
	tab, src := tableOf(t, 2)
	a, b := tab.of(statementNo(1)), tab.of(statementNo(2))
	for i := range 30000 {
		a.record(took(src, time.Hour+time.Duration(i%3)*10), ok)
		b.record(took(src, time.Hour+time.Duration(i%3)*10), ok)
	}
	s := tab.snapshot(src.epoch)
	want := math.Sqrt(200.0 / 3)
	for _, f := range []Figures{s.Queries[0].Figures, s.Queries[1].Figures, s.Total} {
		require.InDelta(t, want, float64(f.StdDev), 1)
	}
}

func TestTheFirstAndLastCallAreThoseThatBeganFirstAndLast(t *testing.T) {
	tab, src := tableOf(t, 1)
	q := tab.of(statementNo(1))
	for _, start := range []time.Duration{5, 3, 9, 4} {
		k := took(src, 1)
		k.start = start * time.Second
		q.record(k, ok)
	}
	f := tab.snapshot(src.epoch).Queries[0].Figures
	require.True(t, f.FirstSeen.Equal(src.epoch.Round(0).Add(3*time.Second)))
	require.True(t, f.LastSeen.Equal(src.epoch.Round(0).Add(9*time.Second)))
}

func TestTheLeastUsedQueryMakesRoom(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		tab, src := tableOf(t, 2+r.IntN(20))
		next := 0
		for range 200 {
			if r.IntN(3) > 0 && len(tab.heap) > 0 {
				tab.heap[r.IntN(len(tab.heap))].record(took(src, 1), ok)
				continue
			}
			full := len(tab.heap) == tab.max
			before := map[*query]usage{}
			for _, q := range tab.heap {
				before[q] = q.used
			}
			halved := (tab.admitted.Load()+1)%uint64(4*tab.max) == 0
			tab.of(statementNo(next))
			next++
			if !full || halved {
				continue
			}
			least, gone := usage{times: math.MaxUint64}, usage{}
			for q, used := range before {
				if used.compare(least) < 0 {
					least = used
				}
				if q.row.Load() == nil {
					gone = used
				}
			}
			require.Equal(t, least, gone)
		}
	}
}

func TestQueriesThatAreUsedOftenStayWhateverComesBy(t *testing.T) {
	const most = 20
	tab, src := tableOf(t, most)
	var often []*query
	for i := range 10 {
		often = append(often, tab.of(statementNo(i)))
	}
	for i := range 20000 {
		tab.of(statementNo(100+i)).record(took(src, time.Millisecond), ok)
		if i%4 == 0 { // each of them twice while four times as many come as there is room for
			often[i/4%len(often)].record(took(src, time.Millisecond), ok)
		}
	}
	for _, q := range often {
		require.NotNil(t, q.row.Load())
		require.Greater(t, q.row.Load().calls, uint64(480), "hardly ever left")
	}
	require.Greater(t, tab.evictions, uint64(19000))
}

func TestAQueryThatIsNotUsedAnyMoreMakesRoomInTheEnd(t *testing.T) {
	tab, src := tableOf(t, 10)
	old := tab.of(statementNo(0))
	for range 100000 {
		old.record(took(src, time.Millisecond), ok)
	}
	for i := range 10000 {
		tab.of(statementNo(1+i)).record(took(src, time.Millisecond), ok)
	}
	require.Nil(t, old.row.Load())
	require.EqualValues(t, 100000+9990, tab.snapshot(src.epoch).Evicted.Calls)
}

func TestAnEvictedQueryIsAdmittedAgainWhenItIsUsed(t *testing.T) {
	tab, src := tableOf(t, 1)
	kept := tab.of(statementNo(1))
	kept.record(took(src, time.Second), ok)
	tab.of(statementNo(2)).record(took(src, time.Minute), ok)
	require.Nil(t, kept.row.Load())

	kept.record(took(src, 2*time.Second), failed)
	s := tab.snapshot(src.epoch)
	require.Len(t, s.Queries, 1)
	require.Equal(t, kept.id, s.Queries[0].ID)
	require.EqualValues(t, 1, s.Queries[0].Calls)
	require.EqualValues(t, 2, s.Evictions)
	require.Equal(t, time.Minute+time.Second, s.Evicted.Total)
	require.Equal(t, time.Minute+3*time.Second, s.Total.Total)

	tab.of(statementNo(2))
	other := tab.of(statementNo(1)) // while another handle has none
	require.NotSame(t, kept, other)
	other.record(took(src, time.Second), ok)
	kept.record(took(src, time.Second), ok)
	require.EqualValues(t, 2, other.row.Load().calls, "both count in one row")
	require.Nil(t, kept.row.Load())
}

func TestCallsOfManyGoroutinesAreAllCounted(t *testing.T) {
	for _, most := range []int{4, 100} {
		t.Run(fmt.Sprint(most, " queries at most"), func(t *testing.T) {
			tab, src := tableOf(t, most)
			const goroutines, each = 8, 3000
			var wg sync.WaitGroup
			for g := range goroutines {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(9, uint64(g)))
					handles := map[int]*query{}
					for i := range each {
						n := r.IntN(12)
						if handles[n] == nil || i%5 == 0 {
							handles[n] = tab.of(statementNo(n))
						}
						k := took(src, time.Duration(n+1)*time.Millisecond)
						k.rows = 3
						handles[n].record(k, outcome(i%2))
					}
				})
			}
			watched := make(chan struct{})
			go func() {
				defer close(watched)
				for range 50 {
					if s := tab.snapshot(src.epoch); sumOf(s) != s.Total.Calls {
						t.Errorf("%d calls in rows, %d in all", sumOf(s), s.Total.Calls)
					}
				}
			}()
			wg.Wait()
			<-watched
			s := tab.snapshot(src.epoch)
			require.EqualValues(t, goroutines*each, s.Total.Calls)
			require.EqualValues(t, goroutines*each, sumOf(s))
			require.EqualValues(t, goroutines*each*3, s.Total.Rows)
			require.EqualValues(t, goroutines*each/2, s.Total.Errors)
			require.LessOrEqual(t, len(s.Queries), most)
		})
	}
}

func sumOf(s Statistics) uint64 {
	sum := s.Evicted.Calls
	for _, q := range s.Queries {
		sum += q.Calls
	}
	return sum
}

func TestResetDuringUseTearsNoCallApart(t *testing.T) {
	tab, src := tableOf(t, 4)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 4000 {
				k := took(src, time.Millisecond)
				k.rows, k.called = 2, time.Microsecond
				tab.of(statementNo((g+i)%7)).record(k, failed)
			}
		})
	}
	for range 200 {
		tab.reset()
		s := tab.snapshot(src.epoch)
		f := s.Total
		require.Equal(t, sumOf(s), f.Calls)
		require.Equal(t, 2*f.Calls, f.Rows)
		require.Equal(t, f.Calls, f.Errors)
		require.Equal(t, time.Duration(f.Calls)*time.Millisecond, f.Total)
		require.Equal(t, time.Duration(f.Calls)*time.Microsecond, f.Call)
	}
	wg.Wait()
	tab.reset()
	s := tab.snapshot(src.epoch)
	require.Empty(t, s.Queries)
	require.Zero(t, s.Evictions)
	require.Equal(t, Figures{}, s.Total)
	require.Equal(t, Figures{}, s.Evicted)
	tab.of(statementNo(0)).record(took(src, time.Second), ok)
	require.EqualValues(t, 1, tab.snapshot(src.epoch).Total.Calls)
}

func TestRecordingAllocatesNothing(t *testing.T) {
	tab, src := tableOf(t, 10)
	q := tab.of(statementNo(1))
	k := took(src, time.Millisecond)
	require.Zero(t, testing.AllocsPerRun(1000, func() { q.record(k, ok) }))
}
