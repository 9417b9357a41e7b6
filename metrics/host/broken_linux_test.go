package host_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/metrics/host"
)

func options() host.Options { return host.Options{Logger: slog.New(slog.DiscardHandler)} }

// fullTree has everything in version 2.
func fullTree() tree {
	return machine(selfV2("/a"), groupV2("/a", "100000 100000", "1073741824"), tree{"/sys/fs/cgroup/a/pids.max": "100\n"})
}

// byFile is which families rest on a file.
func byFile() []struct {
	file, source string
	families     []string
} {
	a := "/sys/fs/cgroup/a"
	bounds := []string{"host_cpu_limit_cores", "host_cpu_usage_seconds_total", "host_memory_limit_bytes", "host_memory_working_set_bytes", "host_memory_available_bytes"}
	return []struct {
		file, source string
		families     []string
	}{
		{"/proc/stat", "cpu", []string{"host_machine_cpus", `host_machine_cpu_seconds_total{mode="idle"}`, bounds[0], bounds[1]}},
		{"/proc/meminfo", "memory", []string{"host_machine_memory_total_bytes", "host_machine_memory_available_bytes", "host_machine_swap_total_bytes", bounds[2], bounds[3], bounds[4]}},
		{"/proc/loadavg", "load", []string{"host_machine_load1", "host_machine_load5", "host_machine_load15"}},
		{"/proc/pressure/io", "pressure", []string{`host_machine_pressure_seconds_total{kind="full",resource="io"}`}},
		{a + "/cpu.max", "cgroup_cpu", nil},
		{a + "/cpu.stat", "cgroup_cpu", []string{"host_cgroup_cpu_usage_seconds_total", "host_cpu_periods_total", bounds[1]}},
		{a + "/memory.max", "cgroup_memory", nil},
		{a + "/memory.current", "cgroup_memory", []string{"host_cgroup_memory_usage_bytes", bounds[3]}},
		{a + "/memory.stat", "cgroup_memory", []string{"host_cgroup_memory_working_set_bytes", bounds[3]}},
		{a + "/memory.swap.current", "cgroup_memory", []string{"host_cgroup_memory_swap_bytes"}},
		{a + "/memory.events", "cgroup_memory", []string{"host_cgroup_memory_oom_kills_total"}},
		{a + "/pids.max", "cgroup_pids", []string{"host_pids", "host_pids_limit"}},
		{a + "/pids.current", "cgroup_pids", []string{"host_pids"}},
		{a + "/memory.pressure", "cgroup_pressure", []string{`host_cgroup_pressure_seconds_total{kind="some",resource="memory"}`}},
		{"/proc/self/cgroup", "cgroup", []string{"host_cgroup_memory_usage_bytes"}},
		{"/proc/self/mountinfo", "cgroup", []string{"host_cgroup_memory_usage_bytes"}},
	}
}

func TestAnAbsentFileIsAnAbsentFamilyAndNoError(t *testing.T) {
	whole := scrape(t, in(t, fullTree()))
	noErrors(t, whole)
	for _, tt := range byFile() {
		t.Run(tt.file, func(t *testing.T) {
			samples := scrape(t, in(t, fullTree().Without(tt.file)))
			noErrors(t, samples)
			for _, family := range tt.families {
				require.Contains(t, whole, family)
				if !strings.HasPrefix(tt.file, "/proc/self/") {
					require.NotContains(t, samples, family)
				}
			}
		})
	}
}

func TestABrokenFileIsCountedAndLeavesTheRest(t *testing.T) {
	garbage := map[string]string{
		"text":          "garbage\n",
		"binary":        "\x00\xff\xfe total=\x00\n",
		"negative":      "-5 -5\nusage_usec -1\nnr_periods -1\ninactive_file -1\noom_kill -1\nsome total=-1\n",
		"too large":     "99999999999999999999 1\nusage_usec 99999999999999999999\ninactive_file 99999999999999999999\noom_kill 99999999999999999999\nsome total=99999999999999999999\n",
		"an empty line": "\n",
		"far too long":  strings.Repeat("x 1\n", 1<<17),
	}
	for _, tt := range byFile() {
		for name, content := range garbage {
			t.Run(tt.file+" is "+name, func(t *testing.T) {
				c := in(t, fullTree().With(tree{tt.file: content}))
				samples := scrape(t, c)
				failed := samples[`host_collect_errors_total{source="`+tt.source+`"}`]
				for family, v := range samples {
					if strings.HasPrefix(family, "host_collect_errors_total") && !strings.Contains(family, `"`+tt.source+`"`) {
						require.Zero(t, v, family)
					}
				}
				if !isKeyed(tt.file) || name == "negative" || name == "too large" || name == "far too long" {
					require.Equal(t, 1.0, failed)
					require.Equal(t, 2.0, scrape(t, c)[`host_collect_errors_total{source="`+tt.source+`"}`])
				}
				gone := append([]string{}, tt.families...)
				if strings.HasSuffix(tt.file, ".max") || tt.source == "cgroup" {
					gone = append(gone, boundOf(tt.source)...)
				}
				for _, family := range gone {
					require.NotContains(t, samples, family)
				}
				for _, other := range byFile() {
					// Bounds rest on several sources, everything on where the cgroup is.
					if other.source != tt.source && tt.source != "cgroup" && !strings.HasPrefix(other.source, "c") {
						require.Contains(t, samples, other.families[0], "the rest stands")
					}
				}
				require.Contains(t, samples, `host_filesystem_up{name="root"}`)
			})
		}
	}
}

// isKeyed tells files in which unknown lines are those of a later kernel.
func isKeyed(file string) bool {
	return strings.HasSuffix(file, ".stat") || strings.HasSuffix(file, ".events") || strings.Contains(file, "pressure")
}

// boundOf is what must not be shown when a limit cannot be read.
func boundOf(source string) []string {
	switch source {
	case "cgroup_cpu":
		return []string{"host_cpu_limit_cores"}
	case "cgroup_memory":
		return []string{"host_memory_limit_bytes", "host_memory_available_bytes"}
	case "cgroup":
		return []string{"host_cpu_limit_cores", "host_memory_limit_bytes"}
	}
	return nil
}

func TestQuotasThatCannotBe(t *testing.T) {
	for _, content := range []string{"100000 0", "0 100000", "-1 100000", "max 0", "max", "100000", "", "1 2 3", "1.5 100000", "18446744073709551616 1"} {
		t.Run("v2 "+content, func(t *testing.T) {
			samples := scrape(t, in(t, machine(selfV2("/a"), groupV2("/a", content, "max"))))
			require.Equal(t, 1.0, samples[`host_collect_errors_total{source="cgroup_cpu"}`])
			require.NotContains(t, samples, "host_cpu_limit_cores")
			require.Contains(t, samples, "host_cgroup_cpu_usage_seconds_total")
			require.Contains(t, samples, "host_memory_limit_bytes")
		})
	}
	for _, quota := range [][2]string{{"100000", "0"}, {"0", "100000"}, {"-2", "100000"}, {"x", "100000"}, {"100000", "x"}} {
		t.Run("v1 "+quota[0]+" in "+quota[1], func(t *testing.T) {
			samples := scrape(t, in(t, machine(selfV1("/a", "/"), groupV1("/a", quota[0], quota[1], unlimitedV1))))
			require.Equal(t, 1.0, samples[`host_collect_errors_total{source="cgroup_cpu"}`])
			require.NotContains(t, samples, "host_cpu_limit_cores")
		})
	}
}

func TestABrokenLimitAboveHidesTheBoundAlone(t *testing.T) {
	samples := scrape(t, in(t, machine(selfV2("/a/b"), groupV2("/a", "x", "x"), groupV2("/a/b", "100000 100000", "1073741824"))))
	for _, family := range []string{"host_cpu_limit_cores", "host_memory_limit_bytes", "host_memory_available_bytes"} {
		require.NotContains(t, samples, family)
	}
	require.Equal(t, 7.0, samples["host_cgroup_cpu_usage_seconds_total"])
	require.Equal(t, 300000000.0, samples["host_cgroup_memory_usage_bytes"])
}

func TestAFileThatIsADirectoryIsBroken(t *testing.T) {
	c, root := at(t, fullTree().Without("/sys/fs/cgroup/a/memory.current"), options())
	require.NoError(t, os.Mkdir(filepath.Join(root, "/sys/fs/cgroup/a/memory.current"), 0o755))
	samples := scrape(t, c)
	require.Equal(t, 1.0, samples[`host_collect_errors_total{source="cgroup_memory"}`])
	require.NotContains(t, samples, "host_cgroup_memory_usage_bytes")
}

func TestAnUnknownAffinityHidesTheBoundAlone(t *testing.T) {
	root := t.TempDir()
	fullTree().Write(t, root)
	c, err := host.NewIn(options(), host.Env{Root: root, Statfs: disk, NoCPUs: true})
	require.NoError(t, err)
	samples := scrape(t, c)
	require.NotContains(t, samples, "host_cpu_limit_cores")
	require.Equal(t, 4.0, samples["host_machine_cpus"])
	require.Equal(t, 1.0, samples[`host_collect_errors_total{source="cpu"}`])
}

func TestFilesMayVanishAtAnyTime(t *testing.T) {
	c, root := at(t, fullTree(), options())
	var scrapes sync.WaitGroup
	for range 4 {
		scrapes.Go(func() {
			for range 25 {
				scrape(t, c)
			}
		})
	}
	group := filepath.Join(root, "/sys/fs/cgroup/a")
	for range 25 {
		require.NoError(t, os.RemoveAll(group))
		fullTree().Write(t, root+"/new")
		require.NoError(t, os.Rename(root+"/new/sys/fs/cgroup/a", group))
	}
	scrapes.Wait()
	samples := scrape(t, c)
	noErrors(t, samples)
	require.Equal(t, 1.0, samples["host_cpu_limit_cores"])
}
