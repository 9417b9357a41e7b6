// Package cgrouptest builds fakes of /proc and /sys/fs/cgroup for tests.
package cgrouptest

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Tree is a fake of what the kernel shows: path to content.
type Tree map[string]string

// Machine has 4 processors and 8 GiB, of which 2 GiB are used.
func Machine(more ...Tree) Tree {
	t := Tree{
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
		"/proc/pressure/cpu":    Pressure("1000000", "0"),
		"/proc/pressure/memory": Pressure("2000000", "1500000"),
		"/proc/pressure/io":     Pressure("3000000", "2500000"),
	}
	for _, m := range more {
		maps.Copy(t, m)
	}
	return t
}

// Pressure is a file of pressure stall information with these totals.
func Pressure(some, full string) string {
	return "some avg10=0.10 avg60=0.20 avg300=0.30 total=" + some + "\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=" + full + "\n"
}

// With is the tree and another over it.
func (t Tree) With(more Tree) Tree {
	t = maps.Clone(t)
	maps.Copy(t, more)
	return t
}

// Without is the tree less some files.
func (t Tree) Without(paths ...string) Tree {
	t = maps.Clone(t)
	for _, p := range paths {
		delete(t, p)
	}
	return t
}

// Write puts the files below root.
func (t Tree) Write(tb testing.TB, root string) {
	tb.Helper()
	for path, content := range t {
		path = filepath.Join(root, path)
		require.NoError(tb, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(tb, os.WriteFile(path, []byte(content), 0o644))
	}
}

// SelfV2 is a process in a cgroup of version 2 as mounted everywhere.
func SelfV2(path string) Tree {
	return Tree{
		"/proc/self/cgroup":    "0::" + path + "\n",
		"/proc/self/mountinfo": "22 1 0:21 / /proc rw,relatime - proc proc rw\n31 22 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
	}
}

// GroupV2 is a cgroup of version 2 with these limits.
func GroupV2(path, cpuMax, memoryMax string) Tree {
	dir := "/sys/fs/cgroup" + strings.TrimSuffix(path, "/")
	return Tree{
		dir + "/cpu.max":             cpuMax + "\n",
		dir + "/cpu.stat":            "usage_usec 7000000\nuser_usec 5000000\nsystem_usec 2000000\nnr_periods 10\nnr_throttled 4\nthrottled_usec 2500000\n",
		dir + "/memory.max":          memoryMax + "\n",
		dir + "/memory.current":      "300000000\n",
		dir + "/memory.stat":         "anon 100000000\nfile 200000000\ninactive_file 120000000\nactive_file 80000000\n",
		dir + "/memory.swap.current": "4096\n",
		dir + "/memory.events":       "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n",
		dir + "/pids.max":            "max\n",
		dir + "/pids.current":        "17\n",
		dir + "/cpu.pressure":        Pressure("100000", "50000"),
		dir + "/memory.pressure":     Pressure("200000", "150000"),
		dir + "/io.pressure":         Pressure("300000", "250000"),
	}
}

// SelfV1 is a process in cgroups of version 1, with cpu and cpuacct together
// and the named hierarchy of systemd beside.
func SelfV1(path, mountRoot string) Tree {
	var lines strings.Builder
	for _, l := range []string{"4:memory:", "3:pids:", "2:cpu,cpuacct:", "1:name=systemd:"} {
		lines.WriteString(l + path + "\n")
	}
	return Tree{
		"/proc/self/cgroup": lines.String(),
		"/proc/self/mountinfo": "31 22 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n" +
			"32 31 0:29 " + mountRoot + " /sys/fs/cgroup/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct\n" +
			"33 31 0:30 " + mountRoot + " /sys/fs/cgroup/memory rw shared:6 - cgroup cgroup rw,memory\n" +
			"34 31 0:31 " + mountRoot + " /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n" +
			"35 31 0:32 " + mountRoot + " /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n",
	}
}

// UnlimitedV1 is what version 1 shows without a limit.
const UnlimitedV1 = "9223372036854771712"

// GroupV1 is a cgroup of version 1 with these limits.
func GroupV1(path, quota, period, limit string) Tree {
	// Without the slash of the root: the names must be those that a test may replace.
	path = strings.TrimSuffix(path, "/")
	cpu, memory, pids := "/sys/fs/cgroup/cpu,cpuacct"+path, "/sys/fs/cgroup/memory"+path, "/sys/fs/cgroup/pids"+path
	return Tree{
		cpu + "/cpu.cfs_quota_us":         quota + "\n",
		cpu + "/cpu.cfs_period_us":        period + "\n",
		cpu + "/cpu.stat":                 "nr_periods 20\nnr_throttled 5\nthrottled_time 1500000000\n",
		cpu + "/cpuacct.usage":            "9000000000\n",
		memory + "/memory.limit_in_bytes": limit + "\n",
		memory + "/memory.usage_in_bytes": "300000000\n",
		memory + "/memory.stat": "cache 1\ninactive_file 5\nhierarchical_memory_limit " + UnlimitedV1 +
			"\ntotal_cache 200000000\ntotal_swap 8192\ntotal_inactive_file 120000000\n",
		memory + "/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
		pids + "/pids.max":             "max\n",
		pids + "/pids.current":         "17\n",
	}
}
