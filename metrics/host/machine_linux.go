package host

import (
	"errors"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/sluice-go/sluice/internal/cgroup"
)

// cpuSet are the processors a process may run on.
type cpuSet = unix.CPUSetDynamic

// affinity asks for the main thread: others may have been bound to fewer
// processors for reasons of their own.
func affinity() (cpuSet, error) {
	set := unix.NewCPUSet(8192) // the kernel refuses a set smaller than its own
	err := unix.SchedGetaffinityDynamic(os.Getpid(), set)
	return set, err
}

// modes is the number of CPU modes. Guest time is part of user time and would
// count twice.
const modes = 8

func modeNames() [modes]string {
	return [modes]string{"user", "nice", "system", "irq", "softirq", "idle", "iowait", "steal"}
}

func modeTimes(st procfs.CPUStat) [modes]float64 {
	return [modes]float64{st.User, st.Nice, st.System, st.IRQ, st.SoftIRQ, st.Idle, st.Iowait, st.Steal}
}

// busy is the time spent for tasks and interrupts of this machine.
func busy(times [modes]float64) float64 {
	return times[0] + times[1] + times[2] + times[3] + times[4]
}

// machineCPU is the outermost bound: the processors this process may run on,
// and how busy those are.
type machineCPU struct{ cores, busy float64 }

var errNoCPUs = errors.New("/proc/stat lists no processors, or times that are none")

func (s *system) machineCPU(b *batch) (*machineCPU, error) {
	proc, err := s.proc()
	if err != nil {
		return nil, cgroup.UnlessAbsent(err)
	}
	stat, err := proc.Stat()
	if err != nil {
		return nil, cgroup.UnlessAbsent(err)
	}
	times := modeTimes(stat.CPUTotal)
	if len(stat.CPU) == 0 || !areTimes(times) {
		return nil, errNoCPUs
	}
	for i, t := range times {
		times[i] = hold(&s.modes[i], t)
	}
	b.gauge(b.families.machineCPUs, float64(len(stat.CPU)))
	for i, name := range modeNames() {
		b.counter(b.families.machineCPU, times[i], name)
	}
	allowed, err := s.affinity()
	if err != nil {
		return nil, err
	}
	m := allowedCPUs(stat, times, allowed)
	m.busy = hold(&s.busy, m.busy)
	return m, nil
}

func areTimes(times [modes]float64) bool {
	for _, t := range times {
		if !(t >= 0) || math.IsInf(t, 1) { // NaN is no time either
			return false
		}
	}
	return true
}

// stepBack is the most by which the kernel is expected to correct a counter.
const stepBack = 60

// hold keeps a time from stepping back a little, as idle and iowait do
// (proc_stat(5)): a query would take it for a restart and add the whole count
// again. A larger step is a restart, of a virtual machine from a snapshot.
func hold(last *float64, now float64) float64 {
	if now >= *last || *last-now >= stepBack {
		*last = now
	}
	return *last
}

// allowedCPUs adds up the processors in the set, unless it is all of them: the
// total also keeps the time of processors that went offline. A set that names
// processors /proc/stat does not show comes from a container with a /proc of
// its own, whose total is the container's.
func allowedCPUs(stat procfs.Stat, times [modes]float64, allowed cpuSet) *machineCPU {
	var seen, sum float64
	for _, id := range slices.Sorted(maps.Keys(stat.CPU)) { // in order: rounding must not differ between scrapes
		if allowed.IsSet(int(id)) {
			seen++
			sum += busy(modeTimes(stat.CPU[id]))
		}
	}
	online, count := float64(len(stat.CPU)), float64(allowed.Count())
	if seen == online || seen < count {
		return &machineCPU{cores: min(online, count), busy: busy(times)}
	}
	return &machineCPU{cores: seen, busy: sum}
}

// machineMemory is the outermost bound of memory.
type machineMemory struct {
	total     float64
	available optional // not before Linux 3.14
}

var errNoMemory = errors.New("/proc/meminfo has no MemTotal")

func (s *system) machineMemory(b *batch) (*machineMemory, error) {
	proc, err := s.proc()
	if err != nil {
		return nil, cgroup.UnlessAbsent(err)
	}
	info, err := proc.Meminfo()
	if err != nil {
		return nil, cgroup.UnlessAbsent(err)
	}
	if info.MemTotalBytes == nil || *info.MemTotalBytes == 0 {
		return nil, errNoMemory
	}
	m := &machineMemory{total: float64(*info.MemTotalBytes)}
	b.gauge(b.families.machineMemory, m.total)
	if info.MemAvailableBytes != nil {
		m.available = optional{V: float64(*info.MemAvailableBytes), OK: true}
		b.gauge(b.families.machineAvail, m.available.V)
	}
	if info.SwapTotalBytes != nil && info.SwapFreeBytes != nil {
		b.gauge(b.families.machineSwap, float64(*info.SwapTotalBytes))
		b.gauge(b.families.machineSwapFree, float64(*info.SwapFreeBytes))
	}
	return m, nil
}

func (s *system) load(b *batch) error {
	proc, err := s.proc()
	if err != nil {
		return cgroup.UnlessAbsent(err)
	}
	avg, err := proc.LoadAvg()
	if err != nil {
		return cgroup.UnlessAbsent(err)
	}
	b.gauge(b.families.machineLoad1, avg.Load1)
	b.gauge(b.families.machineLoad5, avg.Load5)
	b.gauge(b.families.machineLoad15, avg.Load15)
	return nil
}
