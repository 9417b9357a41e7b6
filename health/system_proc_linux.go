package health

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"slices"
	"strconv"
	"syscall"
	"unsafe"

	"github.com/sluice-go/sluice/internal/cgroup"
)

// cpuSet are the processors a process may run on.
type cpuSet [8192 / bits.UintSize]uint // the kernel refuses a set smaller than its own

func (s *cpuSet) has(cpu int) bool {
	return cpu < 8192 && s[cpu/bits.UintSize]&(1<<(cpu%bits.UintSize)) != 0
}

func (s *cpuSet) count() int {
	n := 0
	for _, word := range s {
		n += bits.OnesCount(word)
	}
	return n
}

// affinity asks for the main thread: others may have been bound to fewer
// processors for reasons of their own.
func affinity() (cpuSet, error) {
	var set cpuSet
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, uintptr(os.Getpid()), unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set)))
	if errno != 0 {
		return set, os.NewSyscallError("sched_getaffinity", errno)
	}
	return set, nil
}

var (
	errNoCPUs   = errors.New("no processors, or times that are none")
	errNoMemory = errors.New("no MemTotal, or sizes that are none")
)

// machineCPU is the outermost bound: the processors this process may run on,
// and how busy those were, in seconds.
type machineCPU struct{ cores, busy float64 }

func (k *kernel) machineCPU() (machineCPU, error) {
	path := k.Path("/proc/stat")
	b, err := k.Read(path)
	if err != nil {
		return machineCPU{}, cgroup.UnlessAbsent(err)
	}
	allowed, err := k.affinity()
	if err != nil {
		return machineCPU{}, err
	}
	m, err := parseStat(b, &allowed)
	return m, cgroup.In(path, err)
}

// parseStat adds up the processors in the set, unless it is all of them: the
// total also keeps the time of processors that went offline. A set that names
// processors /proc/stat does not show comes from a container with a /proc of
// its own, whose total is the container's.
func parseStat(b []byte, allowed *cpuSet) (machineCPU, error) {
	var total, sum uint64
	var online, seen int
	for line := range bytes.Lines(b) {
		id, ok := bytes.CutPrefix(line, []byte("cpu"))
		if !ok {
			break // processors come first (proc_stat(5)), and interrupts are many
		}
		id, times, _ := bytes.Cut(id, []byte(" "))
		busy, err := busyTicks(times)
		if err != nil {
			return machineCPU{}, err
		}
		if len(id) == 0 {
			total = busy
			continue
		}
		cpu, err := strconv.ParseUint(string(id), 10, 16)
		if err != nil {
			return machineCPU{}, errNoCPUs
		}
		online++
		if allowed.has(int(cpu)) {
			seen++
			sum += busy
		}
	}
	if online == 0 {
		return machineCPU{}, errNoCPUs
	}
	count := allowed.count()
	if seen == online || seen < count {
		return machineCPU{float64(min(online, count)), float64(total) / ticks}, nil
	}
	return machineCPU{float64(seen), float64(sum) / ticks}, nil
}

// busyTicks is the time spent for tasks and interrupts of this machine: all but
// idle, iowait and steal. Guest time is part of user time.
func busyTicks(times []byte) (uint64, error) {
	var sum uint64
	n := 0
	for field := range bytes.FieldsSeq(times) {
		v, err := strconv.ParseUint(string(field), 10, 64)
		if err != nil || v >= 1<<56 { // sums stay in range, and no machine is that old
			return 0, errNoCPUs
		}
		if n <= 2 || n == 5 || n == 6 { // user, nice, system, irq, softirq
			sum += v
		}
		n++
	}
	if n < 4 {
		return 0, errNoCPUs
	}
	return sum, nil
}

// ticks is how many the kernel shows to a second, whatever its own clock
// (time(7), USER_HZ).
const ticks = 100

// machineMemory is the outermost bound of memory; zero if there is none.
func (k *kernel) machineMemory() (cgroup.Memory, error) {
	path := k.Path("/proc/meminfo")
	b, err := k.Read(path)
	if err != nil {
		return cgroup.Memory{}, cgroup.UnlessAbsent(err)
	}
	total, ok, err := parseMeminfo(b, "MemTotal")
	available, hasAvailable, err2 := parseMeminfo(b, "MemAvailable") // not before Linux 3.14
	if err := errors.Join(err, err2); err != nil || !ok || total == 0 {
		return cgroup.Memory{}, cgroup.In(path, errNoMemory)
	}
	return cgroup.Memory{
		Limit:      float64(total),
		WorkingSet: cgroup.Optional{V: float64(total - min(available, total)), OK: hasAvailable},
	}, nil
}

// parseMeminfo finds a size in bytes in lines "Key:   size kB"; false means that
// the key is not there.
func parseMeminfo(b []byte, key string) (uint64, bool, error) {
	for line := range bytes.Lines(b) {
		rest, ok := bytes.CutPrefix(line, []byte(key+":"))
		if !ok {
			continue
		}
		size, ok := bytes.CutSuffix(bytes.TrimSpace(rest), []byte(" kB"))
		kb, err := cgroup.ParseUint(size)
		if err != nil || !ok || kb >= 1<<53 {
			return 0, false, fmt.Errorf("%s: %w", key, errNoMemory)
		}
		return kb << 10, true, nil
	}
	return 0, false, nil
}

// machinePressure leaves out that all tasks of a machine wait for a processor:
// it is not defined, and the kernel shows 0 for it (accounting/psi).
func (k *kernel) machinePressure(resource string) ([]cgroup.Stall, error) {
	stalls, err := k.Pressure(k.Path("/proc/pressure/" + resource))
	if resource == "cpu" {
		stalls = slices.DeleteFunc(stalls, func(s cgroup.Stall) bool { return s.Kind == "full" })
	}
	return stalls, err
}
