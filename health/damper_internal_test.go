package health

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestADamperFollowsWhatLasts(t *testing.T) {
	const h, d, u = healthy, degraded, unhealthy
	for _, test := range []struct {
		name          string
		fail, succeed int
		outcomes      []level
		want          []level
	}{
		{"the first outcome counts at once, a good one", 3, 3, []level{h}, []level{h}},
		{"the first outcome counts at once, a bad one", 3, 3, []level{u}, []level{u}},
		{"thresholds of one follow everything", 1, 1, []level{h, u, h, d, u, d, h}, []level{h, u, h, d, u, d, h}},
		{"a single failure is not followed", 2, 1, []level{h, u, h, u, h}, []level{h, h, h, h, h}},
		{"failures must be in a row", 3, 1, []level{h, u, u, h, u, u, u}, []level{h, h, h, h, h, h, u}},
		{"a single success is not followed", 1, 2, []level{h, u, h, u, h, h}, []level{h, u, u, u, u, h}},
		{"a failure on the way back begins it anew", 1, 3, []level{u, h, h, u, h, h, h}, []level{u, u, u, u, u, u, h}},
		{"one failure among degraded ones is not followed", 3, 1, []level{h, d, d, u}, []level{h, h, h, d}},
		{"a failure counts for being degraded too", 3, 1, []level{h, u, d, u, u, u}, []level{h, h, h, d, d, u}},
		{"one success among degraded ones is not followed", 1, 2, []level{u, d, h, h}, []level{u, u, d, h}},
		{"from degraded to unhealthy takes as many again", 2, 1, []level{h, d, d, u, u}, []level{h, h, d, d, u}},
		{"both ways at once", 2, 2, []level{h, u, u, d, d, h, h, d, d}, []level{h, h, u, u, d, d, h, h, d}},
	} {
		t.Run(test.name, func(t *testing.T) {
			damp := damper{fail: test.fail, succeed: test.succeed, level: unknown}
			var got []level
			for _, l := range test.outcomes {
				before := damp.level
				changed := damp.observe(l)
				require.Equal(t, before != damp.level, changed)
				got = append(got, damp.level)
			}
			require.Equal(t, test.want, got)
		})
	}
}

// TestADamperMeetsItsDefinition compares the counters with what they stand for:
// the status is at most as good as the best of the last fail outcomes, and at
// least as good as the worst of the last succeed ones.
func TestADamperMeetsItsDefinition(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		damp := damper{fail: 1 + random.IntN(4), succeed: 1 + random.IntN(4), level: unknown}
		var all []level
		var want level
		failures := 0
		for range 200 {
			l := []level{healthy, healthy, degraded, unhealthy, unhealthy}[random.IntN(5)]
			all = append(all, l)
			n := len(all)
			if n == 1 {
				want = l
			}
			if n >= damp.fail {
				want = max(want, slices.Min(all[n-damp.fail:]))
			}
			if n >= damp.succeed {
				want = min(want, slices.Max(all[n-damp.succeed:]))
			}
			if failures++; l == healthy {
				failures = 0
			}
			before := damp.level
			changed := damp.observe(l)
			require.Equal(t, want, damp.level, "seed %d, outcomes %v", seed, all)
			require.Equal(t, before != want, changed)
			require.Equal(t, failures, damp.failures)
		}
	}
}

func TestADamperThatForgetsTakesTheNextOutcomeAtOnce(t *testing.T) {
	damp := damper{fail: 3, succeed: 3, level: unknown}
	damp.observe(healthy)
	damp.forget()
	require.Equal(t, unknown, damp.level)
	require.True(t, damp.observe(unhealthy))
	require.Equal(t, unhealthy, damp.level)
	damp.forget()
	require.True(t, damp.observe(unhealthy), "it was unknown in between")
	require.Equal(t, 2, damp.failures, "runs that found it not healthy, in a row")
	require.False(t, damp.observe(healthy))
	require.False(t, damp.observe(healthy))
	require.True(t, damp.observe(healthy))
}
