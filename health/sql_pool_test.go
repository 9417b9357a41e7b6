package health_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// schedule runs a check as a checker does while it fails, every 2.5 s, until the
// verdict is another one or the time is up.
func schedule(t *testing.T, check health.Func, limit time.Duration, while string) (reason string, after time.Duration) {
	begin := time.Now()
	for time.Since(begin) < limit {
		start := time.Now()
		_, reason = health.Judge(timed(t, check, 2*time.Second))
		if reason != while {
			return reason, time.Since(begin)
		}
		time.Sleep(2500*time.Millisecond - time.Since(start))
	}
	return reason, time.Since(begin)
}

// Trap 22: a full pool is not a dead database, until nothing comes back.
func TestAFullPoolDegradesUntilItIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := (&fakeDB{}).open(t)
		db.SetMaxOpenConns(2)
		check := health.SQL(db)
		requireHealthy(t, timed(t, check, 2*time.Second))
		time.Sleep(time.Hour) // in which nobody asked for a connection

		held := take(t, db, 2)
		begin := time.Now()
		requireVerdict(t, timed(t, check, 2*time.Second), health.StatusDegraded, health.ReasonPoolSaturated)
		require.Equal(t, 1500*time.Millisecond, time.Since(begin), "in time for a verdict")
		time.Sleep(time.Second)

		reason, after := schedule(t, check, time.Minute, health.ReasonPoolSaturated)
		require.Equal(t, health.ReasonPoolStuck, reason)
		require.InDelta(t, 30, (2500*time.Millisecond + after).Seconds(), 2.5)
		requireVerdict(t, timed(t, check, 2*time.Second), health.StatusUnhealthy, health.ReasonPoolStuck)

		free(held[:1])
		requireHealthy(t, timed(t, check, 2*time.Second))
		held[0] = take(t, db, 1)[0]
		requireVerdict(t, timed(t, check, 2*time.Second), health.StatusDegraded, health.ReasonPoolSaturated)
		free(held)
	})
}

// Trap 22, at the start: no run ever got a connection.
func TestAPoolThatIsFullFromTheStartGetsItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := (&fakeDB{}).open(t)
		db.SetMaxOpenConns(1)
		time.Sleep(time.Hour)
		defer free(take(t, db, 1))
		check := health.SQLWith(db, health.SQLOptions{StuckAfter: 4 * time.Second})
		requireVerdict(t, timed(t, check, 2*time.Second), health.StatusDegraded, health.ReasonPoolSaturated)
		time.Sleep(time.Second)
		requireVerdict(t, timed(t, check, 2*time.Second), health.StatusUnhealthy, health.ReasonPoolStuck)
	})
}

// Trap 22: time in which nobody asked is no evidence.
func TestTheTimeBetweenTwoRunsIsNoEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := (&fakeDB{}).open(t)
		db.SetMaxOpenConns(1)
		defer free(take(t, db, 1))
		check := health.SQL(db)
		for range 9 { // each counts for 1.5 s of waiting and as much after it
			requireVerdict(t, timed(t, check, 2*time.Second), health.StatusDegraded, health.ReasonPoolSaturated)
			time.Sleep(time.Hour)
		}
	})
}

func TestStuckCanBeTurnedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := (&fakeDB{}).open(t)
		db.SetMaxOpenConns(1)
		defer free(take(t, db, 1))
		check := health.SQLWith(db, health.SQLOptions{StuckAfter: -1})
		reason, _ := schedule(t, check, time.Hour, health.ReasonPoolSaturated)
		require.Equal(t, health.ReasonPoolSaturated, reason)
	})
}

// load keeps requests in the queue of the pool. Each waits for patience and
// holds a connection for hold.
func load(t *testing.T, db *sql.DB, requests int, patience, hold time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range requests {
		wg.Go(func() {
			for ctx.Err() == nil {
				wait, stop := context.WithTimeout(ctx, patience)
				conn, err := db.Conn(wait)
				stop()
				if err == nil {
					time.Sleep(hold/2 + rand.N(hold))
					_ = conn.Close()
				}
			}
		})
	}
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// Trap 22: requests that give up in the queue move all figures of the pool, and
// yet nothing came back.
func TestRequestsThatGiveUpDoNotHideAStuckPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := (&fakeDB{}).open(t)
		db.SetMaxOpenConns(3)
		held := take(t, db, 3)
		load(t, db, 30, 90*time.Millisecond, time.Millisecond)
		synctest.Wait()
		reason, after := schedule(t, health.SQL(db), time.Minute, health.ReasonPoolSaturated)
		require.Equal(t, health.ReasonPoolStuck, reason)
		require.InDelta(t, 30, after.Seconds(), 2.5)
		free(held)
	})
}

// Trap 22: the pool draws lots among those that wait, so that one more waiter
// among many may get nothing for long.
func TestABusyPoolIsNeverStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := (&fakeDB{}).open(t)
		db.SetMaxOpenConns(4)
		load(t, db, 400, time.Minute, 100*time.Millisecond) // they wait for 10 s each
		synctest.Wait()
		check, saturated := health.SQL(db), 0
		for range 400 {
			status, reason := health.Judge(timed(t, check, 2*time.Second))
			require.NotEqual(t, health.ReasonPoolStuck, reason)
			require.NotEqual(t, health.StatusUnhealthy, status)
			if reason == health.ReasonPoolSaturated {
				saturated++
			}
			time.Sleep(time.Second)
		}
		require.NotZero(t, saturated, "it is busy indeed")
	})
}

// Trap 22: a run may also time out while it opens a connection, which is
// about the database.
func TestAConnectionThatCannotBeOpenedIsATimeout(t *testing.T) {
	for name, dial := range map[string]func(ctx context.Context) error{
		"with an error of the driver":  func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("dial: %w", ctx.Err()) },
		"with an error of the context": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db := (&fakeDB{dial: dial}).open(t)
				db.SetMaxOpenConns(1)
				// A request that queues behind the connection which the check opens: all
				// figures are those of a busy pool.
				time.AfterFunc(time.Second, func() { _, _ = db.Conn(t.Context()) })
				requireVerdict(t, timed(t, health.SQL(db), 2*time.Second), health.StatusUnhealthy, health.ReasonTimeout)
				require.Equal(t, []int{1, 1}, []int{db.Stats().InUse, int(db.Stats().WaitCount)})
			})
		})
	}
}

// Trap 22: a full pool whose database has gone. A connection comes back, is found
// broken, and no other can be opened.
func TestADeadDatabaseBehindAFullPoolIsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &fakeDB{resets: true}
		db := server.open(t)
		db.SetMaxOpenConns(1)
		held := take(t, db, 1)
		server.restart()
		server.dial = func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("dial: %w", ctx.Err()) }
		time.AfterFunc(time.Second, func() { free(held) })
		requireVerdict(t, timed(t, health.SQL(db), 2*time.Second), health.StatusUnhealthy, health.ReasonTimeout)
	})
}

func TestACanceledRunSaysNothingAboutThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := (&fakeDB{}).open(t)
		db.SetMaxOpenConns(1)
		defer free(take(t, db, 1))
		check := health.SQLWith(db, health.SQLOptions{StuckAfter: 5 * time.Second})
		canceled := func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			time.AfterFunc(time.Second, cancel)
			requireVerdict(t, check(ctx), health.StatusUnhealthy, health.ReasonCanceled)
		}
		for range 10 {
			canceled()
		}
		requireVerdict(t, timed(t, check, 2*time.Second), health.StatusDegraded, health.ReasonPoolSaturated)
		canceled() // neither evidence nor the end of it
		requireVerdict(t, timed(t, check, 2*time.Second), health.StatusDegraded, health.ReasonPoolSaturated)
		requireVerdict(t, timed(t, check, 2*time.Second), health.StatusUnhealthy, health.ReasonPoolStuck)
	})
}

// Trap 22: any place that is free is proof, also one that the run did not get.
func TestAPlaceThatWasFreeEndsTheSuspicion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := (&fakeDB{}).open(t)
		db.SetMaxOpenConns(1)
		defer free(take(t, db, 1))
		check := health.SQLWith(db, health.SQLOptions{StuckAfter: 3 * time.Second})
		requireVerdict(t, timed(t, check, 2*time.Second), health.StatusDegraded, health.ReasonPoolSaturated)
		// The pool tells nobody in its queue of a place that is new.
		time.AfterFunc(time.Second, func() { db.SetMaxOpenConns(2) })
		requireVerdict(t, timed(t, check, 2*time.Second), health.StatusDegraded, health.ReasonPoolSaturated)
		db.SetMaxOpenConns(1)
		requireVerdict(t, timed(t, check, 2*time.Second), health.StatusDegraded, health.ReasonPoolSaturated)
		requireVerdict(t, timed(t, check, 2*time.Second), health.StatusUnhealthy, health.ReasonPoolStuck)
	})
}

func TestConnectionsNotNeededAreGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := (&fakeDB{}).open(t)
		db.SetMaxOpenConns(8)
		held := take(t, db, 8)
		check := health.SQL(db)
		requireVerdict(t, timed(t, check, 2*time.Second), health.StatusDegraded, health.ReasonPoolSaturated)
		time.AfterFunc(time.Second, func() { free(held) })
		requireHealthy(t, timed(t, check, 2*time.Second))
		require.Zero(t, db.Stats().InUse)
	})
}
