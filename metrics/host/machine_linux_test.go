package host_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/sluice-go/sluice/metrics/host"
)

func TestTheMachineInFull(t *testing.T) {
	samples := scrape(t, in(t, machine()))
	noErrors(t, samples)
	requireSamples(t, map[string]float64{
		"host_machine_cpus":                                                  4,
		`host_machine_cpu_seconds_total{mode="user"}`:                        10,
		`host_machine_cpu_seconds_total{mode="nice"}`:                        2,
		`host_machine_cpu_seconds_total{mode="system"}`:                      3,
		`host_machine_cpu_seconds_total{mode="idle"}`:                        90,
		`host_machine_cpu_seconds_total{mode="iowait"}`:                      0.5,
		`host_machine_cpu_seconds_total{mode="irq"}`:                         0.1,
		`host_machine_cpu_seconds_total{mode="softirq"}`:                     0.2,
		`host_machine_cpu_seconds_total{mode="steal"}`:                       0.05,
		"host_machine_load1":                                                 0.5,
		"host_machine_load5":                                                 1.25,
		"host_machine_load15":                                                2.75,
		"host_machine_memory_total_bytes":                                    8 * gib,
		"host_machine_memory_available_bytes":                                6 * gib,
		"host_machine_swap_total_bytes":                                      gib,
		"host_machine_swap_free_bytes":                                       gib / 2,
		`host_machine_pressure_seconds_total{kind="some",resource="cpu"}`:    1,
		`host_machine_pressure_seconds_total{kind="full",resource="cpu"}`:    absent,
		`host_machine_pressure_seconds_total{kind="some",resource="memory"}`: 2,
		`host_machine_pressure_seconds_total{kind="full",resource="memory"}`: 1.5,
		`host_machine_pressure_seconds_total{kind="some",resource="io"}`:     3,
		`host_machine_pressure_seconds_total{kind="full",resource="io"}`:     2.5,
		`host_filesystem_size_bytes{name="root"}`:                            1000,
		`host_filesystem_free_bytes{name="root"}`:                            400,
		`host_filesystem_avail_bytes{name="root"}`:                           300,
		`host_filesystem_files{name="root"}`:                                 50,
		`host_filesystem_files_free{name="root"}`:                            20,
		`host_filesystem_readonly{name="root"}`:                              0,
		"host_memory_working_set_bytes":                                      2 * gib,
		"host_cpu_usage_seconds_total":                                       15.3,
		"host_cpu_periods_total":                                             absent,
		"host_cgroup_cpu_usage_seconds_total":                                absent,
		"host_cgroup_memory_usage_bytes":                                     absent,
		"host_pids":                                                          absent,
	}, samples)
}

func TestAnEmptySystemHasFileSystemsOnly(t *testing.T) {
	for _, tt := range []tree{{}, {"/proc/empty": ""}} {
		samples := scrape(t, in(t, tt))
		noErrors(t, samples)
		require.Len(t, samples, 7+10, "of the disk and the counts of errors")
	}
}

func TestProcessorsOneMayNotUseDoNotCount(t *testing.T) {
	tests := []struct {
		name        string
		cpus        []int
		limit, busy float64
	}{
		{"all", []int{0, 1, 2, 3}, 4, 15.3},
		{"two of four", []int{1, 3}, 2, 4 + 2.5 + 0.15},
		{"more than there are online", []int{0, 1, 2, 3, 4, 5}, 4, 15.3},
		{"others than a container is shown", []int{62, 63}, 2, 15.3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			machine().Write(t, root)
			c, err := host.NewIn(options(), host.Env{Root: root, Statfs: disk, CPUs: tt.cpus})
			require.NoError(t, err)
			samples := scrape(t, c)
			noErrors(t, samples)
			require.Equal(t, tt.limit, samples["host_cpu_limit_cores"])
			require.InDelta(t, tt.busy, samples["host_cpu_usage_seconds_total"], 1e-9)
			require.Equal(t, 4.0, samples["host_machine_cpus"])
		})
	}
}

func TestASmallStepBackOfACounterIsHeld(t *testing.T) {
	const iowait = `host_machine_cpu_seconds_total{mode="iowait"}`
	c, root := at(t, machine(), options())
	for _, step := range []struct {
		ticks string
		want  float64
	}{{"50", 0.5}, {"49", 0.5}, {"51", 0.51}, {"9051", 90.51}, {"8051", 90.51}, {"1", 0.01}} {
		tree{"/proc/stat": "cpu 1000 200 300 9000 " + step.ticks + " 10 20 5 100 0\ncpu0 1 1 1 1 1 1 1 1 1 0\n"}.Write(t, root)
		require.Equal(t, step.want, scrape(t, c)[iowait])
	}
}

func TestAnOldKernelHasNoAvailableMemory(t *testing.T) {
	samples := scrape(t, in(t, machine(selfV1("/a", "/"), groupV1("/a", "-1", "100000", unlimitedV1), tree{
		"/proc/meminfo": "MemTotal: 8388608 kB\nMemFree: 4194304 kB\n",
	})))
	noErrors(t, samples)
	requireSamples(t, map[string]float64{
		"host_memory_limit_bytes": 8 * gib, "host_memory_working_set_bytes": absent,
		"host_memory_available_bytes": absent, "host_machine_memory_available_bytes": absent,
	}, samples)
}

// What the collector reads from files, this machine also tells in other ways.
func TestThisMachine(t *testing.T) {
	dir := t.TempDir()
	c, err := host.New(host.Options{Paths: map[string]string{"tmp": dir}})
	require.NoError(t, err)
	samples := scrape(t, c)
	var info unix.Sysinfo_t
	require.NoError(t, unix.Sysinfo(&info))
	var st unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &st))

	require.Equal(t, float64(uint64(info.Totalram)*uint64(info.Unit)), samples["host_machine_memory_total_bytes"])
	require.LessOrEqual(t, samples["host_memory_limit_bytes"], samples["host_machine_memory_total_bytes"])
	require.Positive(t, samples["host_memory_working_set_bytes"])
	require.LessOrEqual(t, samples["host_cpu_limit_cores"], float64(runtime.NumCPU()))
	require.Positive(t, samples["host_cpu_limit_cores"])
	require.Positive(t, samples["host_cpu_usage_seconds_total"])
	require.Equal(t, float64(st.Blocks)*float64(st.Frsize), samples[`host_filesystem_size_bytes{name="tmp"}`])
	for _, source := range []string{"cpu", "memory", "load", "filesystem"} {
		require.Zero(t, samples[`host_collect_errors_total{source="`+source+`"}`], source)
	}

	again := scrape(t, c)
	for _, counter := range []string{"host_cpu_usage_seconds_total", `host_machine_cpu_seconds_total{mode="idle"}`} {
		require.GreaterOrEqual(t, again[counter], samples[counter])
	}
}

func TestTimesThatAreNone(t *testing.T) {
	for _, ticks := range []string{"-5", "NaN", "Inf", "1e400", "x"} {
		samples := scrape(t, in(t, machine(tree{"/proc/stat": "cpu 1 " + ticks + " 1 1 1 1 1 1 1 1\ncpu0 1 1 1 1 1 1 1 1 1 1\n"})))
		require.Equal(t, 1.0, samples[`host_collect_errors_total{source="cpu"}`], ticks)
		require.NotContains(t, samples, "host_machine_cpus")
		require.NotContains(t, samples, "host_cpu_limit_cores")
		require.Contains(t, samples, "host_memory_limit_bytes")
	}
}
