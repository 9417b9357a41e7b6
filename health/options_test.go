package health_test

import (
	"context"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

func TestZeroOptionsWork(t *testing.T) {
	hc, err := health.New(health.Options{})
	require.NoError(t, err)
	h := hc.Handler()
	for _, path := range []string{"/health/liveness", "/health/readiness", "/health/startup", "/livez", "/readyz", "/startupz"} {
		require.Equal(t, http.StatusOK, codeOf(h, path), path)
	}
	require.Eventually(t, func() bool { return codeOf(h, "/health") == http.StatusOK }, eventually, tick)
	require.NoError(t, hc.Close())
}

// Trap 12: every fault has its name.
func TestEveryFaultIsNamed(t *testing.T) {
	good := func(change func(*health.Check)) health.Options {
		c := health.Check{Name: "db", Func: pass}
		change(&c)
		return health.Options{Checks: []health.Check{c}}
	}
	for _, test := range []struct {
		name string
		o    health.Options
		want string
	}{
		{"no name", good(func(c *health.Check) { c.Name = "" }), `health: Checks[0] "": Name: must be 1 to 64 bytes`},
		{"a name with a colon", good(func(c *health.Check) { c.Name = "a:b" }), `health: Checks[0] "a:b": Name: `},
		{"a name with a line break", good(func(c *health.Check) { c.Name = "a\nb" }), `health: Checks[0] "a\nb": Name: `},
		{"a name that is not UTF-8", good(func(c *health.Check) { c.Name = "a\xff" }), `: Name: `},
		{"a name that runs from right to left", good(func(c *health.Check) { c.Name = "a\u202eb" }), `: Name: `},
		{"a name with a space at its end", good(func(c *health.Check) { c.Name = "db " }), `: Name: `},
		{"a name that is too long", good(func(c *health.Check) { c.Name = strings.Repeat("x", 65) }), `: Name: `},
		{"no function", good(func(c *health.Check) { c.Func = nil }), `health: Checks[0] "db": Func or Internal: one of them is required`},
		{"two functions", good(func(c *health.Check) { c.Internal = pass }), `health: Checks[0] "db": Func and Internal: only one`},
		{"a group with a slash", good(func(c *health.Check) { c.Groups = []string{"a/b"} }), `health: Checks[0] "db": Groups: "a/b"`},
		{"an empty group", good(func(c *health.Check) { c.Groups = []string{""} }), `health: Checks[0] "db": Groups: ""`},
		{"the group detailed", good(func(c *health.Check) { c.Groups = []string{"detailed"} }), `Groups: "detailed"`},
		{"a group twice", good(func(c *health.Check) { c.Groups = []string{"a", "a"} }), `Groups: "a" is there twice`},
		{"a dependency in liveness", good(func(c *health.Check) { c.Groups = []string{"liveness"} }), `Groups: a restart does not mend a dependency`},
		{"no criticality", good(func(c *health.Check) { c.Criticality = 3 }), `Criticality: 3 is none`},
		{"a negative criticality", good(func(c *health.Check) { c.Criticality = -1 }), `Criticality: -1 is none`},
		{"a negative interval", good(func(c *health.Check) { c.Interval = -1 }), `Interval: must not be negative`},
		{"a negative timeout", good(func(c *health.Check) { c.Timeout = -1 }), `Timeout: must not be negative`},
		{"a timeout as long as the interval", good(func(c *health.Check) { c.Timeout = 10 * time.Second }), `Timeout: must be less than Interval`},
		{"a negative failure threshold", good(func(c *health.Check) { c.FailureThreshold = -1 }), `FailureThreshold: must not be negative`},
		{"a negative success threshold", good(func(c *health.Check) { c.SuccessThreshold = -1 }), `SuccessThreshold: must not be negative`},
		{"a path without a slash", health.Options{Path: "health"}, `health: Path: "health" must be like /health`},
		{"a path with a slash at its end", health.Options{Path: "/health/"}, `health: Path: `},
		{"the root as a path", health.Options{Path: "/"}, `health: Path: `},
		{"a path with a wildcard", health.Options{Path: "/{x}"}, `health: Path: `},
		{"a path with dots", health.Options{Path: "/a/../b"}, `health: Path: `},
		{"a negative quiet time", health.Options{Drain: health.DrainOptions{Quiet: -1}}, `health: Drain.Quiet: `},
		{"a drain without a bound", health.Options{Drain: health.DrainOptions{Timeout: -1}}, `health: Drain.Timeout: `},
		{"a drain that only waits", health.Options{Drain: health.DrainOptions{Wait: time.Minute}}, `health: Drain.Wait: `},
		{"a fault of the system", health.Options{System: health.SystemOptions{Interval: -1}}, `health: System.Interval: `},
	} {
		t.Run(test.name, func(t *testing.T) {
			hc, err := health.New(test.o)
			require.ErrorContains(t, err, test.want)
			require.Nil(t, hc)
			for _, line := range strings.Split(err.Error(), "\n") {
				require.True(t, strings.HasPrefix(line, "health: "), line)
				require.NotContains(t, line, "%!", "a verb met the wrong argument")
			}
		})
	}
}

// Trap 12: a fault is what somebody wrote, and nothing that we made of it.
func TestAFaultIsNamedOnce(t *testing.T) {
	for name, check := range map[string]health.Check{
		"a negative interval":  {Name: "db", Func: pass, Interval: -time.Second},
		"no criticality":       {Name: "db", Func: pass, Criticality: 7},
		"a name with a verb":   {Name: "100 %d: %s %!", Func: pass},
		"a name with verbs":    {Name: "%v%v%v%v:", Func: pass},
		"a group with a verb":  {Name: "db", Func: pass, Groups: []string{"%d%s"}},
		"a check of the start": {Name: "db", Groups: []string{health.Startup}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := health.New(health.Options{Checks: []health.Check{check}})
			require.Error(t, err)
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), "MISSING")
			require.NotContains(t, err.Error(), "EXTRA")
			require.NotContains(t, err.Error(), "NOVERB")
		})
	}
}

// Trap 12: all faults are told at once, and no check is overwritten.
func TestAllFaultsAreToldAtOnce(t *testing.T) {
	before := func() error { panic("no check of faulty options is run") }
	_, err := health.New(health.Options{
		Path:   "x",
		Drain:  health.DrainOptions{Quiet: -1},
		System: health.SystemOptions{MaxDiskPercent: 101},
		Checks: []health.Check{
			{Name: "a", Func: func(context.Context) error { return before() }},
			{Name: "a", Func: func(context.Context) error { return before() }},
			{Name: "", Interval: -1, FailureThreshold: -3},
		},
	})
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 8, "%s", err)
	for _, want := range []string{
		`Checks[1] "a": the name is taken`, `Checks[2] "": Name`, `Checks[2] "": Func or Internal`, `Checks[2] "": Interval`,
		`Checks[2] "": FailureThreshold`, `Path`, `Drain.Quiet`, `System.MaxDiskPercent`,
	} {
		require.ErrorContains(t, err, "health: "+want)
	}
}

// Trap 12: the checks of the machine have their names, too.
func TestNamesOfTheMachineAreTaken(t *testing.T) {
	check := health.Check{Name: "cpu", Func: pass}
	source := health.SystemSource{
		Sample: func(context.Context) (health.SystemSample, error) { return health.SystemSample{}, nil },
		Disk:   func(string) (health.DiskSpace, error) { return health.DiskSpace{}, nil },
	}
	_, err := health.New(health.Options{Checks: []health.Check{check}, System: health.SystemOptions{Source: source}})
	require.ErrorContains(t, err, `"cpu": the name is taken`)
	begin(t, health.Options{Checks: []health.Check{check}}) // which has no others
}

func TestOddNamesAreGoodOnes(t *testing.T) {
	var o health.Options
	for _, name := range []string{"db", "Größe", "a b", "100%", "%s", `"quoted"`, "<script>", "a/b", strings.Repeat("x", 64), "数据库"} {
		o.Checks = append(o.Checks, health.Check{Name: name, Func: pass})
	}
	r, _ := begin(t, o).Report("")
	require.Len(t, r.Components, len(o.Checks))
}

// New copies what it keeps: what the caller does to its slices later changes
// nothing, and New changes nothing of them.
func TestNewCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls, starts atomic.Int32
		count := func(n *atomic.Int32) health.Func {
			return func(context.Context) error {
				n.Add(1)
				return nil
			}
		}
		groups, startup := []string{"one", "two"}, []string{health.Startup}
		checks := make([]health.Check, 2, 8)
		checks[0] = health.Check{Name: "db", Groups: groups, Func: count(&calls)}
		checks[1] = health.Check{Name: "migrations", Groups: startup, Func: count(&starts)}
		o := health.Options{Checks: checks}
		hc := begin(t, o)
		require.Zero(t, checks[0].Interval, "defaults are not written into what was given")
		require.Empty(t, checks[:8][2].Name, "nor checks behind it")

		groups[0], startup[0] = "other", "other"
		checks[0] = health.Check{Name: "gone", Func: fail}
		_ = append(checks, health.Check{Name: "new", Func: fail})
		o.Path = "/other"
		settle(time.Minute)
		require.GreaterOrEqual(t, calls.Load(), int32(5))
		require.EqualValues(t, 1, starts.Load(), "it is still only of the start")
		r, ok := hc.Report("one")
		require.True(t, ok)
		require.Equal(t, "db", r.Components[0].Name)
		require.Equal(t, http.StatusOK, codeOf(hc.Handler(), "/health/two"))
	})
}

// Intervals of every size are kept to.
func TestExtremeIntervals(t *testing.T) {
	for _, interval := range []time.Duration{2, time.Microsecond, 24 * 365 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			hc := begin(t, health.Options{Checks: []health.Check{{Name: "db", Interval: interval, Timeout: 1, Func: pass}}})
			settle(100 * time.Nanosecond)
			require.Equal(t, "healthy", standOf(t, hc, ""), "%v", interval)
		})
	}
	// Two of them would not fit the type, and the result would be too old at once.
	_, err := health.New(health.Options{Checks: []health.Check{{Name: "db", Interval: math.MaxInt64, Func: pass}}})
	require.ErrorContains(t, err, `"db": Interval: `)
}
