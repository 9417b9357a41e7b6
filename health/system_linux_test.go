package health

import (
	"context"
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/cgroup/cgrouptest"
)

// cpus is a set of processors.
func cpus(ids ...int) cpuSet {
	var set cpuSet
	for _, id := range ids {
		set[id/bits.UintSize] |= 1 << (id % bits.UintSize)
	}
	return set
}

func onAll() (cpuSet, error) { return cpus(0, 1, 2, 3), nil }

// kernelOf reads a tree as a process that may use all of its processors.
func kernelOf(tb testing.TB, tree cgrouptest.Tree) (*kernel, string) {
	tb.Helper()
	root := tb.TempDir()
	tree.Write(tb, root)
	return newKernel(root, onAll), root
}

func sampleOf(t *testing.T, tree cgrouptest.Tree) SystemSample {
	t.Helper()
	k, _ := kernelOf(t, tree)
	s, err := k.sample(t.Context())
	require.NoError(t, err)
	return s
}

// Traps 30 and 32: the bound is the smallest limit of the cgroup, of those above
// it and of the machine.
func TestTheLimitIsTheSmallestOfAll(t *testing.T) {
	for _, tt := range cgrouptest.Bounds() {
		t.Run(tt.Name, func(t *testing.T) {
			s := sampleOf(t, tt.Tree)
			require.InDelta(t, tt.Cores, s.CPUCores, 1e-9)
			require.Equal(t, uint64(tt.Memory), s.MemoryLimit)
		})
	}
}

// Traps 30 and 32: use and limit belong together, and page cache that can be
// given back is no use.
func TestTheUseIsThatOfTheLimit(t *testing.T) {
	above := cgrouptest.Tree{
		"/sys/fs/cgroup/a/cpu.stat":       "usage_usec 50000000\nnr_periods 100\nnr_throttled 30\nthrottled_usec 4000000\n",
		"/sys/fs/cgroup/a/memory.current": "900000000\n",
		"/sys/fs/cgroup/a/memory.stat":    "inactive_file 100000000\n",
	}
	machine, selfV1, groupV1 := cgrouptest.Machine, cgrouptest.SelfV1, cgrouptest.GroupV1
	selfV2, groupV2 := cgrouptest.SelfV2, cgrouptest.GroupV2
	for _, tt := range []struct {
		name string
		tree cgrouptest.Tree
		want SystemSample
	}{
		{"of the machine without limits", machine(selfV2("/a"), groupV2("/a", "max 100000", "max")),
			SystemSample{CPUSeconds: 15.3, CPUCores: 4, MemoryUsed: 2 * gib, MemoryLimit: 8 * gib}},
		{"of the cgroup with limits", machine(selfV2("/a"), groupV2("/a", "100000 100000", "1000000000")),
			SystemSample{CPUSeconds: 7, CPUCores: 1, CPUOf: "/a", Periods: 10, Throttled: 4, MemoryUsed: 180000000, MemoryLimit: 1000000000}},
		{"of the one above, which is shared", machine(selfV2("/a/b"), groupV2("/a", "100000 100000", "1000000000"), groupV2("/a/b", "200000 100000", "2000000000"), above),
			SystemSample{CPUSeconds: 50, CPUCores: 1, CPUOf: "/a", Periods: 100, Throttled: 30, MemoryUsed: 800000000, MemoryLimit: 1000000000}},
		{"of the outer one on a tie", machine(selfV2("/a/b"), groupV2("/a", "100000 100000", "1000000000"), groupV2("/a/b", "100000 100000", "1000000000"), above),
			SystemSample{CPUSeconds: 50, CPUCores: 1, CPUOf: "/a", Periods: 100, Throttled: 30, MemoryUsed: 800000000, MemoryLimit: 1000000000}},
		{"of two levels, each with its own limit", machine(selfV2("/a/b"), groupV2("/a", "max 100000", "1000000000"), groupV2("/a/b", "200000 100000", "max"), above),
			SystemSample{CPUSeconds: 7, CPUCores: 2, CPUOf: "/a/b", Periods: 10, Throttled: 4, MemoryUsed: 800000000, MemoryLimit: 1000000000}},
		{"in version 1", machine(selfV1("/a", "/"), groupV1("/a", "50000", "100000", "1000000000")),
			SystemSample{CPUSeconds: 9, CPUCores: 0.5, CPUOf: "/a", Periods: 20, Throttled: 5, MemoryUsed: 180000000, MemoryLimit: 1000000000}},
		{"in version 1 with accounting elsewhere", machine(selfV1("/a", "/"), groupV1("/a", "100000", "100000", cgrouptest.UnlimitedV1), cgrouptest.Tree{"/proc/self/cgroup": "4:memory:/a\n3:cpuacct:/\n2:cpu:/a\n"}),
			SystemSample{CPUCores: 1, CPUOf: "/a", Periods: 20, Throttled: 5, MemoryUsed: 2 * gib, MemoryLimit: 8 * gib}},
		{"in a cgroup namespace", machine(selfV2("/"), groupV2("/", "100000 100000", "1000000000")),
			SystemSample{CPUSeconds: 7, CPUCores: 1, CPUOf: "/", Periods: 10, Throttled: 4, MemoryUsed: 180000000, MemoryLimit: 1000000000}},
		{"of nothing", cgrouptest.Tree{"/proc/empty": ""}, SystemSample{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := sampleOf(t, tt.tree)
			s.Pressure = nil
			require.Equal(t, tt.want, s)
		})
	}
}

// Trap 34: pressure is shown where the kernel counts it.
func TestPressureIsThatOfTheCgroup(t *testing.T) {
	avg := func(some, full string) string {
		return "some avg10=" + some + " avg60=0.00 avg300=0.00 total=1\nfull avg10=" + full + " avg60=0.00 avg300=0.00 total=1\n"
	}
	own := cgrouptest.Tree{
		"/sys/fs/cgroup/a/cpu.pressure": avg("11.00", "12.00"), "/sys/fs/cgroup/a/memory.pressure": avg("13.00", "14.00"), "/sys/fs/cgroup/a/io.pressure": avg("15.00", "16.00"),
	}
	all := cgrouptest.Tree{"/proc/pressure/cpu": avg("1.00", "0.00"), "/proc/pressure/memory": avg("3.00", "4.00"), "/proc/pressure/io": avg("5.00", "6.00")}
	ofMachine := []SystemPressure{{"cpu", "some", 1}, {"memory", "some", 3}, {"memory", "full", 4}, {"io", "some", 5}, {"io", "full", 6}}
	v2 := cgrouptest.SelfV2("/a")
	for _, tt := range []struct {
		name string
		tree cgrouptest.Tree
		want []SystemPressure
	}{
		{"of the cgroup", cgrouptest.Machine(v2, own, all), []SystemPressure{{"cpu", "some", 11}, {"cpu", "full", 12}, {"memory", "some", 13}, {"memory", "full", 14}, {"io", "some", 15}, {"io", "full", 16}}},
		{"an older kernel has no full for processors", cgrouptest.Machine(v2, own, all, cgrouptest.Tree{"/sys/fs/cgroup/a/cpu.pressure": "some avg10=11.00 avg60=0.00 avg300=0.00 total=1\n"}),
			[]SystemPressure{{"cpu", "some", 11}, {"memory", "some", 13}, {"memory", "full", 14}, {"io", "some", 15}, {"io", "full", 16}}},
		{"of the machine in version 1", cgrouptest.Machine(cgrouptest.SelfV1("/a", "/"), all), ofMachine},
		{"of the machine outside of cgroups", cgrouptest.Machine(all), ofMachine},
		{"of the machine in the outermost cgroup", cgrouptest.Machine(cgrouptest.SelfV2("/"), all), ofMachine},
		{"of none", cgrouptest.Machine(v2).Without("/proc/pressure/cpu", "/proc/pressure/memory", "/proc/pressure/io"), nil},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, sampleOf(t, tt.tree).Pressure) })
	}
}

func TestABrokenFileHidesWhatRestsOnIt(t *testing.T) {
	full := cgrouptest.Machine(cgrouptest.SelfV2("/a"), cgrouptest.GroupV2("/a", "100000 100000", "1073741824"))
	for _, tt := range []struct {
		file        string
		cpu, memory bool // what stays
		absent      bool // the fault when it is missing instead
	}{
		{file: "/proc/stat", memory: true},
		{file: "/proc/meminfo", cpu: true},
		{file: "/proc/self/cgroup"},
		{file: "/proc/self/mountinfo"},
		{file: "/sys/fs/cgroup/a/cpu.max", memory: true},
		{file: "/sys/fs/cgroup/a/cpu.stat", memory: true},
		{file: "/sys/fs/cgroup/a/memory.max", cpu: true},
		{file: "/sys/fs/cgroup/a/memory.current", cpu: true},
		{file: "/sys/fs/cgroup/a/memory.stat", cpu: true},
		{file: "/sys/fs/cgroup/a/cpu.pressure", cpu: true, memory: true},
		{file: "/proc/pressure/io", cpu: true, memory: true}, // not read: the cgroup has its own
	} {
		for name, garbage := range map[string]string{
			"negative":     "-5 -5\nusage_usec -1\nnr_periods -1\ninactive_file -1\nsome total=-1\nMemTotal: -1 kB\ncpu -1\n",
			"too large":    "99999999999999999999 1\nusage_usec 99999999999999999999\ninactive_file 99999999999999999999\nsome total=99999999999999999999\nMemTotal: 99999999999999999999 kB\n",
			"far too long": strings.Repeat("x 1\n", 1<<17),
		} {
			t.Run(tt.file+" is "+name, func(t *testing.T) {
				k, _ := kernelOf(t, full.With(cgrouptest.Tree{tt.file: garbage}))
				s, err := k.sample(t.Context())
				require.Equal(t, tt.file == "/proc/pressure/io", err == nil)
				require.Equal(t, tt.cpu, s.CPUCores > 0 && s.CPUSeconds > 0)
				require.Equal(t, tt.memory, s.MemoryLimit > 0 && s.MemoryUsed > 0)
			})
		}
		t.Run(tt.file+" is absent", func(t *testing.T) {
			sampleOf(t, full.Without(tt.file)) // no error
		})
	}
}

func TestAProcessMayBeMovedToAnotherCgroup(t *testing.T) {
	k, root := kernelOf(t, cgrouptest.Machine(cgrouptest.SelfV2("/a"), cgrouptest.GroupV2("/a", "100000 100000", "max"), cgrouptest.GroupV2("/b", "200000 100000", "max")))
	for _, step := range []struct {
		self, of string
		cores    float64
	}{{"0::/a\n", "/a", 1}, {"0::/b\n", "/b", 2}, {"0::/gone (deleted)\n", "", 4}} {
		cgrouptest.Tree{"/proc/self/cgroup": step.self}.Write(t, root)
		s, err := k.sample(t.Context())
		require.NoError(t, err)
		require.Equal(t, step.cores, s.CPUCores)
		require.Equal(t, step.of, s.CPUOf)
	}
}

func TestProcessorsThatMayNotBeUsedDoNotCount(t *testing.T) {
	for _, tt := range []struct {
		name        string
		cpus        cpuSet
		cores, busy float64
	}{
		{"all", cpus(0, 1, 2, 3), 4, 15.3},
		{"two of four", cpus(1, 3), 2, 4 + 2.5 + 0.15},
		{"more than there are online", cpus(0, 1, 2, 3, 4, 5), 4, 15.3},
		{"others than a container is shown", cpus(62, 63), 2, 15.3},
		{"one of the last words", cpus(0, 8191), 2, 15.3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, _ := kernelOf(t, cgrouptest.Machine())
			k.affinity = func() (cpuSet, error) { return tt.cpus, nil }
			s, err := k.sample(t.Context())
			require.NoError(t, err)
			require.Equal(t, tt.cores, s.CPUCores)
			require.InDelta(t, tt.busy, s.CPUSeconds, 1e-9)
		})
	}
}

func TestASampleAfterTheEndIsNone(t *testing.T) {
	k, _ := kernelOf(t, cgrouptest.Machine())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := k.sample(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// What is read from files, this machine also tells in other ways.
func TestThisMachine(t *testing.T) {
	source := defaultSource()
	s, err := source.Sample(t.Context())
	require.NoError(t, err)
	var info syscall.Sysinfo_t
	require.NoError(t, syscall.Sysinfo(&info))
	require.Positive(t, s.MemoryUsed)
	require.LessOrEqual(t, s.MemoryLimit, uint64(info.Totalram)*uint64(info.Unit))
	require.Positive(t, s.CPUCores)
	require.LessOrEqual(t, s.CPUCores, float64(runtime.NumCPU()))
	require.Positive(t, s.CPUSeconds)

	set, err := affinity()
	require.NoError(t, err)
	require.Equal(t, runtime.NumCPU(), set.count())

	again, err := source.Sample(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, again.CPUSeconds, s.CPUSeconds)
}

func TestASampleMakesLittleGarbage(t *testing.T) {
	k, _ := kernelOf(t, cgrouptest.Machine(cgrouptest.SelfV2("/a"), cgrouptest.GroupV2("/a", "100000 100000", "1073741824")))
	allocs := testing.AllocsPerRun(100, func() {
		_, err := k.sample(t.Context())
		require.NoError(t, err)
	})
	require.LessOrEqual(t, allocs, 120.0)
}

func BenchmarkSystemSample(b *testing.B) {
	levels := cgrouptest.Machine()
	path := ""
	for i := range 6 {
		path += fmt.Sprintf("/level%d", i)
		levels = levels.With(cgrouptest.GroupV2(path, "100000 100000", "1073741824"))
	}
	levels = levels.With(cgrouptest.SelfV2(path))
	var stat strings.Builder
	stat.WriteString("cpu  1000000 2000 300000 90000000 500 10 2000 5 100 0\n")
	for i := range 128 {
		fmt.Fprintf(&stat, "cpu%d 10000 20 3000 900000 50 10 20 5 100 0\n", i)
	}
	stat.WriteString("intr 77" + strings.Repeat(" 0", 2000) + "\n")
	many := cgrouptest.Machine(cgrouptest.Tree{"/proc/stat": stat.String()})
	container := cgrouptest.Machine(cgrouptest.SelfV2("/a"), cgrouptest.GroupV2("/a", "100000 100000", "1073741824"))
	for _, bm := range []struct {
		name string
		tree cgrouptest.Tree
	}{{"this machine", nil}, {"container", container}, {"six levels", levels}, {"128 processors", many}} {
		b.Run(bm.name, func(b *testing.B) {
			k := newKernel("", affinity)
			if bm.tree != nil {
				k, _ = kernelOf(b, bm.tree)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.sample(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkStatfs(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := statfs("/"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSystemMetrics(b *testing.B) {
	s, err := newSystem(SystemOptions{})
	require.NoError(b, err)
	s.start()
	b.Cleanup(s.close)
	<-s.ready
	b.ReportAllocs()
	for b.Loop() {
		if len(s.metrics()) == 0 {
			b.Fatal("no metrics of " + os.Args[0])
		}
	}
}
