package health

import (
	"database/sql"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// vainRun is a run that got no connection.
type vainRun struct {
	gap, wait time.Duration // before it and of it
	back      bool          // while it waited, the pool closed a connection
}

// rowLength adds up all runs since the last that got a connection.
func rowLength(row []vainRun) (length time.Duration) {
	for i, r := range row {
		if i > 0 {
			length += min(r.gap, row[i-1].wait)
		}
		length += r.wait
		if r.back {
			length = 0
		}
	}
	return length
}

func TestTheRowOfVainRunsMatchesItsModel(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			ms := func(n int) time.Duration { return time.Duration(1+r.IntN(n)) * time.Millisecond }
			var c sqlCheck
			var row []vainRun
			stats := sql.DBStats{MaxOpenConnections: 1, InUse: 1}
			for range 100 {
				if r.IntN(20) == 0 {
					c.reset()
					row = nil
					require.Equal(t, 1, c.queue())
				}
				run := vainRun{gap: ms(4000), wait: ms(2000), back: r.IntN(10) == 0}
				time.Sleep(run.gap)
				start, before := time.Now(), stats
				time.Sleep(run.wait)
				if run.back {
					closed := []*int64{&stats.MaxIdleClosed, &stats.MaxIdleTimeClosed, &stats.MaxLifetimeClosed}
					*closed[r.IntN(3)]++
				}
				row = append(row, run)
				require.Equal(t, rowLength(row), c.miss(start, before, stats), "%v", row)
				require.Equal(t, extraQueue, c.queue())
			}
		})
	}
}

func TestTwoRunsAtATimeCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c sqlCheck
		start := time.Now()
		time.Sleep(2 * time.Second)
		full := sql.DBStats{MaxOpenConnections: 1, InUse: 1}
		require.Equal(t, 2*time.Second, c.miss(start, full, full))
		require.Equal(t, 2*time.Second, c.miss(start, full, full))
	})
}
