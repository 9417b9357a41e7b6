package host_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/cgroup/cgrouptest"
)

// gib is what the fake machine is measured in.
const gib = cgrouptest.GiB

// absent is the wish that a family is not there.
var absent = math.NaN()

// requireSamples compares some samples; NaN stands for none.
func requireSamples(t *testing.T, want, got map[string]float64) {
	t.Helper()
	for name, v := range want {
		if math.IsNaN(v) {
			require.NotContains(t, got, name)
			continue
		}
		require.Contains(t, got, name)
		require.InDelta(t, v, got[name], 1e-9, name)
	}
}

func noErrors(t *testing.T, samples map[string]float64) {
	t.Helper()
	for name, v := range samples {
		if strings.HasPrefix(name, "host_collect_errors_total") {
			require.Zero(t, v, name)
		}
	}
}

func TestTheBoundIsTheSmallestLimit(t *testing.T) {
	for _, tt := range cgrouptest.Bounds() {
		t.Run(tt.Name, func(t *testing.T) {
			samples := scrape(t, in(t, tt.Tree))
			noErrors(t, samples)
			require.InDelta(t, tt.Cores, samples["host_cpu_limit_cores"], 1e-9)
			require.Equal(t, tt.Memory, samples["host_memory_limit_bytes"])
		})
	}
}

// Use and limit must belong together, or their ratio means nothing.
func TestTheUseIsThatOfTheBound(t *testing.T) {
	above := tree{
		"/sys/fs/cgroup/a/cpu.stat":       "usage_usec 50000000\nnr_periods 100\nnr_throttled 30\nthrottled_usec 4000000\n",
		"/sys/fs/cgroup/a/memory.current": "900000000\n",
		"/sys/fs/cgroup/a/memory.stat":    "inactive_file 100000000\n",
	}
	tests := []struct {
		name string
		tree tree
		want map[string]float64
	}{
		{"of the machine without limits", machine(selfV2("/a"), groupV2("/a", "max 100000", "max")), map[string]float64{
			"host_cpu_usage_seconds_total":  15.3,
			"host_memory_working_set_bytes": 2 * gib,
			"host_memory_available_bytes":   6 * gib,
		}},
		{"of the cgroup with limits", machine(selfV2("/a"), groupV2("/a", "100000 100000", "1000000000")), map[string]float64{
			"host_cpu_usage_seconds_total":  7,
			"host_memory_working_set_bytes": 180000000,
			"host_memory_available_bytes":   820000000,
		}},
		{"of the one above, which is shared", machine(selfV2("/a/b"), groupV2("/a", "100000 100000", "1000000000"), groupV2("/a/b", "200000 100000", "2000000000"), above), map[string]float64{
			"host_cpu_usage_seconds_total":                50,
			"host_cpu_periods_total":                      110,
			"host_cpu_throttled_periods_total":            34,
			"host_cpu_throttled_seconds_total":            6.5,
			"host_memory_working_set_bytes":               800000000,
			"host_memory_available_bytes":                 200000000,
			"host_cgroup_cpu_usage_seconds_total":         7,
			"host_cgroup_memory_working_set_bytes":        180000000,
			"host_cgroup_memory_usage_bytes":              300000000,
			"host_cgroup_memory_swap_bytes":               4096,
			"host_cgroup_memory_oom_kills_total":          2,
			`host_machine_cpu_seconds_total{mode="user"}`: 10,
		}},
		{"of the outer one on a tie", machine(selfV2("/a/b"), groupV2("/a", "100000 100000", "1000000000"), groupV2("/a/b", "100000 100000", "1000000000"), above), map[string]float64{
			"host_cpu_usage_seconds_total":  50,
			"host_memory_working_set_bytes": 800000000,
		}},
		{"left is what the fuller one leaves, though its limit is larger", machine(selfV2("/a/b"), groupV2("/a", "max 100000", "850000000"), groupV2("/a/b", "max 100000", "400000000"), above), map[string]float64{
			"host_memory_limit_bytes":       400000000,
			"host_memory_working_set_bytes": 180000000,
			"host_memory_available_bytes":   50000000,
		}},
		{"nothing is left above the limit", machine(selfV2("/a"), groupV2("/a", "max 100000", "100000000")), map[string]float64{
			"host_memory_available_bytes": 0,
		}},
		{"in version 1", machine(selfV1("/a", "/"), groupV1("/a", "100000", "100000", "1000000000")), map[string]float64{
			"host_cpu_usage_seconds_total":                                   9,
			"host_cpu_periods_total":                                         20,
			"host_cpu_throttled_periods_total":                               5,
			"host_cpu_throttled_seconds_total":                               1.5,
			"host_memory_working_set_bytes":                                  180000000,
			"host_cgroup_cpu_usage_seconds_total":                            9,
			"host_cgroup_memory_usage_bytes":                                 300000000,
			"host_cgroup_memory_swap_bytes":                                  8192,
			"host_cgroup_memory_oom_kills_total":                             3,
			`host_cgroup_pressure_seconds_total{kind="some",resource="cpu"}`: absent,
		}},
		{"in version 1 with accounting in a hierarchy of its own", machine(selfV1("/a", "/"), groupV1("/a", "100000", "100000", unlimitedV1), tree{
			"/proc/self/cgroup": "4:memory:/a\n3:cpuacct:/\n2:cpu:/a\n",
		}), map[string]float64{
			"host_cpu_limit_cores":                1,
			"host_cpu_usage_seconds_total":        absent, // of no cgroup with that limit
			"host_cgroup_cpu_usage_seconds_total": absent, // the root has no such file in this tree
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			samples := scrape(t, in(t, tt.tree))
			noErrors(t, samples)
			requireSamples(t, tt.want, samples)
		})
	}
}

func TestTasksAreBoundToo(t *testing.T) {
	limit := func(path, limit, current string) tree {
		return tree{"/sys/fs/cgroup" + path + "/pids.max": limit + "\n", "/sys/fs/cgroup" + path + "/pids.current": current + "\n"}
	}
	for _, tt := range []struct {
		name          string
		tree          tree
		limit, number float64
	}{
		{"without a limit there is nothing to compare", limit("/a/b", "max", "7"), absent, absent},
		{"of the cgroup", limit("/a/b", "100", "7"), 100, 7},
		{"of the one above", tree{}.With(limit("/a", "50", "49")).With(limit("/a/b", "100", "7")), 50, 49},
	} {
		t.Run(tt.name, func(t *testing.T) {
			samples := scrape(t, in(t, machine(selfV2("/a/b"), tt.tree)))
			requireSamples(t, map[string]float64{"host_pids_limit": tt.limit, "host_pids": tt.number}, samples)
		})
	}
}

// The model knows the limits and the use of every level; the collector has to
// find them in files.
func TestBoundsAgreeWithAModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		m := machine()
		wantCores, wantLimit, wantLeft := 4.0, 8.0*gib, 6.0*gib
		path := ""
		for level := range 1 + rnd.IntN(6) {
			path += fmt.Sprintf("/g%d", level)
			cpuMax, memoryMax := "max 100000", "max"
			usage := rnd.Float64() * 9 * gib
			used := uint64(usage)
			if rnd.IntN(2) == 0 {
				us := 1000 + rnd.IntN(600_000)
				cpuMax = fmt.Sprintf("%d 100000", us)
				wantCores = min(wantCores, float64(us)/100_000)
			}
			if rnd.IntN(2) == 0 {
				limit := rnd.Uint64N(10 * gib)
				memoryMax = fmt.Sprint(limit)
				wantLimit = min(wantLimit, float64(limit))
				wantLeft = min(wantLeft, max(0, float64(limit)-float64(used)))
			}
			dir := "/sys/fs/cgroup" + path
			m = m.With(groupV2(path, cpuMax, memoryMax)).With(tree{
				dir + "/memory.current": fmt.Sprintf("%d\n", used),
				dir + "/memory.stat":    "inactive_file 0\n",
			})
		}
		samples := scrape(t, in(t, m.With(selfV2(path))))
		noErrors(t, samples)
		require.InDelta(t, wantCores, samples["host_cpu_limit_cores"], 1e-9)
		require.Equal(t, wantLimit, samples["host_memory_limit_bytes"])
		require.Equal(t, wantLeft, samples["host_memory_available_bytes"])
	}
}

func TestAProcessMayBeMoved(t *testing.T) {
	c, root := at(t, machine(selfV2("/a"), groupV2("/a", "100000 100000", "max"), groupV2("/b", "200000 100000", "max")), options())
	require.Equal(t, 1.0, scrape(t, c)["host_cpu_limit_cores"])
	tree{"/proc/self/cgroup": "0::/b\n"}.Write(t, root)
	require.Equal(t, 2.0, scrape(t, c)["host_cpu_limit_cores"])
	tree{"/proc/self/cgroup": "0::/gone (deleted)\n"}.Write(t, root)
	samples := scrape(t, c)
	require.Equal(t, 4.0, samples["host_cpu_limit_cores"])
	require.NotContains(t, samples, "host_cgroup_memory_usage_bytes")
	noErrors(t, samples)
}
