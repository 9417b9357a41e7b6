package health

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const secret = "dial tcp 192.0.2.1:5432: connection refused"

// claims are what README.md says of a subject.
type claims struct {
	runs         string // of a check, by a hundred probes
	stuck        string // goroutines that a check holds which never returns
	names        bool   // of the checks are in the answer
	text         bool   // of an error is, too
	cacheControl string
}

var claimed = map[string]claims{
	"sluice":                   {"none", "one", false, false, "no-store"},
	"sluice, components shown": {"none", "one", true, false, "no-store"},
	"sluice, components shown, rendered for each probe": {"none", "one", true, false, "no-store"},
	"sluice, on demand":                      {"none", "one", false, false, "no-store"},
	"alexliesenfeld/health, periodic checks": {"none", "one", true, true, "no-cache"},
	"alexliesenfeld/health, cached for 1 s":  {"one a second", "one a second", true, true, "no-cache"},
	"alexliesenfeld/health, no cache":        {"each probe", "each probe", true, true, "no-cache"},
	"hellofresh/health-go":                   {"each probe", "each probe", true, true, ""},
	"AppsFlyer/go-sundheit":                  {"none", "one", true, true, ""},
	"heptiolabs/healthcheck":                 {"each probe", "each probe", false, false, ""},
	"heptiolabs/healthcheck, full":           {"each probe", "each probe", true, true, ""},
	"heptiolabs/healthcheck, async, full":    {"none", "each interval", true, true, ""},
}

// each opens a new instance of each subject.
func each(t *testing.T, f func(t *testing.T, s subject, c claims)) {
	require.Len(t, claimed, len(subjects))
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			c, ok := claimed[s.name]
			require.True(t, ok)
			f(t, s, c)
		})
	}
}

func (s subject) start(t *testing.T, set setting) http.Handler {
	t.Helper()
	h, end, err := s.open(set)
	require.NoError(t, err)
	t.Cleanup(end)
	return h
}

func TestEachSubjectAnswersAsItsChecksDo(t *testing.T) {
	each(t, func(t *testing.T, s subject, c claims) {
		require.NoError(t, ready(s.start(t, passing())))

		set := passing()
		set.checks[1].run = func(context.Context) error { return errors.New(secret) }
		h := s.start(t, set)
		if c.names {
			require.Eventually(t, func() bool { return strings.Contains(ask(h).Body.String(), "database") }, patience, time.Millisecond)
		}
		if c.text {
			require.Eventually(t, func() bool { return strings.Contains(ask(h).Body.String(), secret) }, patience, time.Millisecond)
		}
		w := ask(h)
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Equal(t, c.names, strings.Contains(w.Body.String(), "database"), w.Body.String())
		require.Equal(t, c.text, strings.Contains(w.Body.String(), secret), w.Body.String())
		require.Equal(t, c.cacheControl, w.Header().Get("Cache-Control"))
	})
}

func TestAProbeRunsChecksWhereTheREADMESaysSo(t *testing.T) {
	each(t, func(t *testing.T, s subject, c claims) {
		var runs atomic.Int64
		set := passing()
		set.checks[1].run = func(context.Context) error { runs.Add(1); return nil }
		h := s.start(t, set)
		require.NoError(t, ready(h))
		before, start := runs.Load(), time.Now()
		for range 100 {
			ask(h)
		}
		switch got := runs.Load() - before; c.runs {
		case "none":
			require.Zero(t, got)
		case "one a second":
			require.LessOrEqual(t, got, 1+int64(time.Since(start).Seconds()))
		default:
			require.GreaterOrEqual(t, got, int64(100))
			require.LessOrEqual(t, got, int64(101)) // one library also asks itself, at its start
		}
	})
}

func TestAStuckCheckHoldsAsManyGoroutinesAsTheREADMESays(t *testing.T) {
	const probes, intervals = 30, 10
	each(t, func(t *testing.T, s subject, c claims) {
		var held atomic.Int64
		never := make(chan struct{})
		set := passing()
		set.timeout, set.interval = 10*time.Millisecond, 25*time.Millisecond
		set.checks[1].run = func(context.Context) error {
			held.Add(1)
			<-never
			return nil
		}
		h := s.start(t, set)
		t.Cleanup(func() { close(never) }) // before its end, which may wait
		start := time.Now()
		for range probes {
			ask(h)
		}
		time.Sleep(time.Until(start.Add(intervals * set.interval)))
		require.Equal(t, http.StatusServiceUnavailable, ask(h).Code)
		switch got := held.Load(); c.stuck {
		case "one":
			require.EqualValues(t, 1, got)
		case "each interval":
			require.Eventually(t, func() bool { return held.Load() >= 2*intervals }, patience, time.Millisecond)
		case "one a second":
			time.Sleep(kept)
			ask(h)
			require.EqualValues(t, 1, held.Load()-got)
		default:
			require.GreaterOrEqual(t, got, int64(probes))
		}
	})
}

func TestOnlySomeLibrariesLetProbesQueueForASlowCheck(t *testing.T) {
	last := func(name string) float64 {
		for _, s := range subjects {
			if s.name == name {
				waits, err := s.queue()
				require.NoError(t, err)
				require.Len(t, waits, probes)
				return waits[probes-1].Seconds() / slow.Seconds()
			}
		}
		t.Fatal(name)
		return 0
	}
	require.Less(t, last("sluice"), 1.0)
	require.Less(t, last("sluice, on demand"), 2.0)
	require.GreaterOrEqual(t, last("hellofresh/health-go"), 4.0)
	require.GreaterOrEqual(t, last("alexliesenfeld/health, no cache"), 4.0)
}
