package health_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// beats runs a check of the process itself.
func beats(t *testing.T, check health.Internal) (map[string]any, error) {
	return health.Run(t.Context(), health.Func(check))
}

func TestAHeartbeatThatStopsIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loop health.Heartbeat
		loop.Beat() // before anybody asks
		time.Sleep(time.Hour)
		check := loop.Within(time.Minute)

		time.Sleep(time.Minute)
		facts, err := beats(t, check)
		requireHealthy(t, err) // it has had its time since Within
		require.Empty(t, facts)
		time.Sleep(time.Nanosecond)
		_, err = beats(t, check)
		requireVerdict(t, err, health.StatusUnhealthy, health.ReasonMissed)

		for range 5 {
			loop.Beat()
			time.Sleep(time.Minute)
			facts, err := beats(t, check)
			requireHealthy(t, err)
			require.Equal(t, map[string]any{"last_beat_seconds": 60.0}, facts)
		}
		time.Sleep(time.Nanosecond)
		_, err = beats(t, check)
		requireVerdict(t, err, health.StatusUnhealthy, health.ReasonMissed)

		later := loop.Within(time.Minute) // counts from its own call
		_, err = beats(t, later)
		requireHealthy(t, err)
		loop.Beat()
		_, err = beats(t, check)
		requireHealthy(t, err)
	})
}

func TestAHeartbeatNeedsATime(t *testing.T) {
	var loop health.Heartbeat
	for _, d := range []time.Duration{0, -time.Second} {
		_, err := beats(t, loop.Within(d))
		require.ErrorContains(t, err, "must be positive")
	}
	loop.Beat()
}

// A heartbeat agrees with a model that keeps a list of all beats.
func TestAHeartbeatMatchesItsModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(4, 2))
		for range 50 {
			var loop health.Heartbeat
			var times []time.Time
			var checks []health.Internal
			var called []time.Time
			const d = 100 * time.Millisecond
			for range 100 {
				time.Sleep(time.Duration(r.IntN(80)) * time.Millisecond)
				switch r.IntN(4) {
				case 0:
					loop.Beat()
					times = append(times, time.Now())
				case 1:
					checks, called = append(checks, loop.Within(d)), append(called, time.Now())
				}
				for i, check := range checks {
					latest := called[i]
					for _, beat := range times {
						if beat.After(latest) {
							latest = beat
						}
					}
					_, err := beats(t, check)
					require.Equal(t, time.Since(latest) <= d, err == nil)
				}
			}
		}
	})
}

func TestABeatIsCheap(t *testing.T) {
	var loop health.Heartbeat
	check := loop.Within(time.Minute)
	require.Zero(t, testing.AllocsPerRun(1000, loop.Beat))

	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				loop.Beat()
				_ = check(context.Background())
			}
		})
	}
	wg.Wait()
	_, err := beats(t, check)
	requireHealthy(t, err)
}

func BenchmarkBeat(b *testing.B) {
	var loop health.Heartbeat
	loop.Within(time.Minute)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			loop.Beat()
		}
	})
}

func TestTooManyGoroutinesDegrade(t *testing.T) {
	facts, err := beats(t, health.Goroutines(1)) // this test has one, the runner another
	requireVerdict(t, err, health.StatusDegraded, health.ReasonThreshold)
	require.Greater(t, facts["goroutines"], 1)
	for _, max := range []int{0, -1, 1 << 20} {
		facts, err = beats(t, health.Goroutines(max))
		requireHealthy(t, err)
		require.Positive(t, facts["goroutines"])
	}
}
