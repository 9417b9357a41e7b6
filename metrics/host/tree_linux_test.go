package host_test

import (
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/metrics/host"
)

// tree is a fake of what the kernel shows: path to content.
type tree map[string]string

// machine has 4 processors and 8 GiB, of which 2 GiB are used.
func machine(more ...tree) tree {
	t := tree{
		"/proc/stat": "cpu  1000 200 300 9000 50 10 20 5 100 0\n" +
			"cpu0 400 50 75 2000 10 2 5 1 25 0\n" +
			"cpu1 300 50 75 2000 10 2 5 1 25 0\n" +
			"cpu2 200 50 75 2500 15 3 5 1 25 0\n" +
			"cpu3 100 50 75 2500 15 3 5 2 25 0\n" +
			"intr 77 1 2 3\nctxt 1234\nbtime 1700000000\nprocesses 99\nprocs_running 1\nprocs_blocked 0\n" +
			"softirq 11 1 1 1 1 1 1 1 1 1 2\n",
		"/proc/meminfo": "MemTotal:        8388608 kB\nMemFree:         4194304 kB\nMemAvailable:    6291456 kB\n" +
			"SwapTotal:       1048576 kB\nSwapFree:         524288 kB\nHugePages_Total:       0\n",
		"/proc/loadavg":         "0.50 1.25 2.75 1/100 4242\n",
		"/proc/pressure/cpu":    pressure("1000000", "0"),
		"/proc/pressure/memory": pressure("2000000", "1500000"),
		"/proc/pressure/io":     pressure("3000000", "2500000"),
	}
	for _, m := range more {
		maps.Copy(t, m)
	}
	return t
}

func pressure(some, full string) string {
	return "some avg10=0.10 avg60=0.20 avg300=0.30 total=" + some + "\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=" + full + "\n"
}

// without is the tree less some files.
func (t tree) without(paths ...string) tree {
	t = maps.Clone(t)
	for _, p := range paths {
		delete(t, p)
	}
	return t
}

func (t tree) write(tb testing.TB, root string) {
	tb.Helper()
	for path, content := range t {
		path = filepath.Join(root, path)
		require.NoError(tb, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(tb, os.WriteFile(path, []byte(content), 0o644))
	}
}

// disk answers for every path.
func disk(string) (host.Usage, error) {
	return host.Usage{Size: 1000, Free: 400, Avail: 300, Files: 50, FilesFree: 20}, nil
}

// in returns a collector for the tree on a process that may use all processors.
func in(tb testing.TB, t tree) *host.Collector {
	tb.Helper()
	c, _ := at(tb, t, host.Options{})
	return c
}

func at(tb testing.TB, t tree, o host.Options) (*host.Collector, string) {
	tb.Helper()
	root := tb.TempDir()
	t.write(tb, root)
	o.Logger = slog.New(slog.DiscardHandler)
	c, err := host.NewIn(o, host.Env{Root: root, Statfs: disk, CPUs: []int{0, 1, 2, 3}})
	require.NoError(tb, err)
	return c, root
}

// selfV2 is a process in a cgroup of version 2 as mounted everywhere.
func selfV2(path string) tree {
	return tree{
		"/proc/self/cgroup":    "0::" + path + "\n",
		"/proc/self/mountinfo": "22 1 0:21 / /proc rw,relatime - proc proc rw\n31 22 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
	}
}

// groupV2 is a cgroup of version 2 with these limits.
func groupV2(path, cpuMax, memoryMax string) tree {
	dir := "/sys/fs/cgroup" + strings.TrimSuffix(path, "/")
	return tree{
		dir + "/cpu.max":             cpuMax + "\n",
		dir + "/cpu.stat":            "usage_usec 7000000\nuser_usec 5000000\nsystem_usec 2000000\nnr_periods 10\nnr_throttled 4\nthrottled_usec 2500000\n",
		dir + "/memory.max":          memoryMax + "\n",
		dir + "/memory.current":      "300000000\n",
		dir + "/memory.stat":         "anon 100000000\nfile 200000000\ninactive_file 120000000\nactive_file 80000000\n",
		dir + "/memory.swap.current": "4096\n",
		dir + "/memory.events":       "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n",
		dir + "/pids.max":            "max\n",
		dir + "/pids.current":        "17\n",
		dir + "/cpu.pressure":        pressure("100000", "50000"),
		dir + "/memory.pressure":     pressure("200000", "150000"),
		dir + "/io.pressure":         pressure("300000", "250000"),
	}
}

// selfV1 is a process in cgroups of version 1, with cpu and cpuacct together
// and the named hierarchy of systemd beside.
func selfV1(path, mountRoot string) tree {
	var lines strings.Builder
	for _, l := range []string{"4:memory:", "3:pids:", "2:cpu,cpuacct:", "1:name=systemd:"} {
		lines.WriteString(l + path + "\n")
	}
	return tree{
		"/proc/self/cgroup": lines.String(),
		"/proc/self/mountinfo": "31 22 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n" +
			"32 31 0:29 " + mountRoot + " /sys/fs/cgroup/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct\n" +
			"33 31 0:30 " + mountRoot + " /sys/fs/cgroup/memory rw shared:6 - cgroup cgroup rw,memory\n" +
			"34 31 0:31 " + mountRoot + " /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n" +
			"35 31 0:32 " + mountRoot + " /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n",
	}
}

// unlimitedV1 is what version 1 shows without a limit.
const unlimitedV1 = "9223372036854771712"

func groupV1(path, quota, period, limit string) tree {
	// Without the slash of the root: the names must be those that a test may replace.
	path = strings.TrimSuffix(path, "/")
	cpu, memory, pids := "/sys/fs/cgroup/cpu,cpuacct"+path, "/sys/fs/cgroup/memory"+path, "/sys/fs/cgroup/pids"+path
	return tree{
		cpu + "/cpu.cfs_quota_us":         quota + "\n",
		cpu + "/cpu.cfs_period_us":        period + "\n",
		cpu + "/cpu.stat":                 "nr_periods 20\nnr_throttled 5\nthrottled_time 1500000000\n",
		cpu + "/cpuacct.usage":            "9000000000\n",
		memory + "/memory.limit_in_bytes": limit + "\n",
		memory + "/memory.usage_in_bytes": "300000000\n",
		memory + "/memory.stat": "cache 1\ninactive_file 5\nhierarchical_memory_limit " + unlimitedV1 +
			"\ntotal_cache 200000000\ntotal_swap 8192\ntotal_inactive_file 120000000\n",
		memory + "/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
		pids + "/pids.max":             "max\n",
		pids + "/pids.current":         "17\n",
	}
}
