package host

import "github.com/prometheus/client_golang/prometheus"

// families are the metrics this package can give. Which of them a scrape holds
// depends on what the system tells.
type families struct {
	cpuLimit, cpuUsage                         *prometheus.Desc
	cpuPeriods, cpuThrottled, cpuThrottledSecs *prometheus.Desc
	memoryLimit, memoryWorkingSet, memoryAvail *prometheus.Desc
	pids, pidsLimit                            *prometheus.Desc
	cgroupCPU, cgroupPressure                  *prometheus.Desc
	cgroupMemory, cgroupWorkingSet, cgroupSwap *prometheus.Desc
	cgroupOOMKills                             *prometheus.Desc
	machineCPUs, machineCPU, machinePressure   *prometheus.Desc
	machineLoad1, machineLoad5, machineLoad15  *prometheus.Desc
	machineMemory, machineAvail                *prometheus.Desc
	machineSwap, machineSwapFree               *prometheus.Desc
	fsUp, fsSize, fsFree, fsAvail, fsFiles     *prometheus.Desc
	fsFilesFree, fsReadOnly                    *prometheus.Desc
	errors                                     *prometheus.Desc

	all []*prometheus.Desc
}

func newFamilies(namespace string) *families {
	f := &families{}
	add := func(name, help string, labels ...string) *prometheus.Desc {
		d := prometheus.NewDesc(prometheus.BuildFQName(namespace, "host", name), help, labels, nil)
		f.all = append(f.all, d)
		return d
	}
	f.addBounds(add)
	f.addCgroup(add)
	f.addMachine(add)
	f.addFilesystems(add)
	f.errors = add("collect_errors_total", "Readings that failed, by source.", "source")
	return f
}

type addFamily func(name, help string, labels ...string) *prometheus.Desc

func (f *families) addBounds(add addFamily) {
	f.cpuLimit = add("cpu_limit_cores",
		"Processors this process can keep busy: the smallest of the machine's, its CPU affinity and the quotas of its cgroup and the cgroups above.")
	f.cpuUsage = add("cpu_usage_seconds_total",
		"CPU time used by all that share cpu_limit_cores.")
	f.cpuPeriods = add("cpu_periods_total",
		"Quota periods with work to do, of the cgroup and the cgroups above.")
	f.cpuThrottled = add("cpu_throttled_periods_total",
		"Quota periods in which work had to wait, of the cgroup and the cgroups above.")
	f.cpuThrottledSecs = add("cpu_throttled_seconds_total",
		"Time that processors had to wait for quota, of the cgroup and the cgroups above.")
	f.memoryLimit = add("memory_limit_bytes",
		"Memory this process can have: the smallest of the machine's and the limits of its cgroup and the cgroups above.")
	f.memoryWorkingSet = add("memory_working_set_bytes",
		"Memory used by all that share memory_limit_bytes, without what is easily reclaimed.")
	f.memoryAvail = add("memory_available_bytes",
		"Memory left before one of the limits of this process is reached, easily reclaimed memory included.")
	f.pids = add("pids", "Tasks, which are threads, of all that share pids_limit.")
	f.pidsLimit = add("pids_limit", "Most tasks, which are threads: the smallest limit of the cgroup and the cgroups above.")
}

func (f *families) addCgroup(add addFamily) {
	f.cgroupCPU = add("cgroup_cpu_usage_seconds_total", "CPU time used by the cgroup of this process.")
	f.cgroupMemory = add("cgroup_memory_usage_bytes", "Memory charged to the cgroup of this process, page cache included.")
	f.cgroupWorkingSet = add("cgroup_memory_working_set_bytes", "Memory charged to the cgroup of this process, without inactive page cache.")
	f.cgroupSwap = add("cgroup_memory_swap_bytes", "Swap used by the cgroup of this process.")
	f.cgroupOOMKills = add("cgroup_memory_oom_kills_total", "Processes of the cgroup of this process that were killed for lack of memory.")
	f.cgroupPressure = add("cgroup_pressure_seconds_total", "Time in which some or all tasks of the cgroup of this process waited for the resource.", "resource", "kind")
}

func (f *families) addMachine(add addFamily) {
	f.machineCPUs = add("machine_cpus", "Logical processors of the machine that are online.")
	f.machineCPU = add("machine_cpu_seconds_total", "CPU time of the machine by mode.", "mode")
	f.machineLoad1 = add("machine_load1", "Tasks of the machine that run or wait, average of 1 minute.")
	f.machineLoad5 = add("machine_load5", "Tasks of the machine that run or wait, average of 5 minutes.")
	f.machineLoad15 = add("machine_load15", "Tasks of the machine that run or wait, average of 15 minutes.")
	f.machineMemory = add("machine_memory_total_bytes", "Memory of the machine.")
	f.machineAvail = add("machine_memory_available_bytes", "Memory of the machine that can be had without swapping.")
	f.machineSwap = add("machine_swap_total_bytes", "Swap of the machine.")
	f.machineSwapFree = add("machine_swap_free_bytes", "Unused swap of the machine.")
	f.machinePressure = add("machine_pressure_seconds_total", "Time in which some or all tasks of the machine waited for the resource.", "resource", "kind")
}

func (f *families) addFilesystems(add addFamily) {
	f.fsUp = add("filesystem_up", "Whether the file system answered in time.", "name")
	f.fsSize = add("filesystem_size_bytes", "Size of the file system.", "name")
	f.fsFree = add("filesystem_free_bytes", "Free space, the part reserved for root included.", "name")
	f.fsAvail = add("filesystem_avail_bytes", "Free space for users other than root.", "name")
	f.fsFiles = add("filesystem_files", "Most files (inodes) of the file system.", "name")
	f.fsFilesFree = add("filesystem_files_free", "Free files (inodes) of the file system.", "name")
	f.fsReadOnly = add("filesystem_readonly", "Whether the file system is mounted read-only.", "name")
}
