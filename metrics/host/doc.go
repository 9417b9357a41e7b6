// Package host is a [prometheus.Collector] for the processors, memory and file
// systems that a process has to live with, in a container or on a bare machine.
//
//	c, err := host.New(host.Options{Paths: map[string]string{"data": "/var/lib/shop"}})
//	if err != nil {
//		return err
//	}
//	m.Registerer().MustRegister(c)
//
// All names start with host_. A plain name is about what bounds this process:
// the smallest limit of its cgroup, the cgroups above it and the machine, with
// the use of whatever has that limit. The same two queries therefore hold in a
// container with limits, in one without, and on a machine of its own:
//
//	rate(host_cpu_usage_seconds_total[5m]) / host_cpu_limit_cores
//	host_memory_working_set_bytes / host_memory_limit_bytes
//
// host_cgroup_ is the cgroup of this process alone, host_machine_ the whole
// machine with everyone else on it.
//
//	host_cpu_limit_cores                            affinity and quotas, fractions too
//	host_cpu_usage_seconds_total                    of all that share that limit
//	host_cpu_periods_total                          quota periods, added up over all levels
//	host_cpu_throttled_periods_total                of these, how many ran out of quota
//	host_cpu_throttled_seconds_total
//	host_memory_limit_bytes
//	host_memory_working_set_bytes                   of all that share that limit, without inactive page cache
//	host_memory_available_bytes                     until the first of all limits is reached
//	host_pids, host_pids_limit                      threads; only where there is a limit
//	host_cgroup_cpu_usage_seconds_total
//	host_cgroup_memory_usage_bytes                  with page cache: full is normal
//	host_cgroup_memory_working_set_bytes
//	host_cgroup_memory_swap_bytes
//	host_cgroup_memory_oom_kills_total
//	host_cgroup_pressure_seconds_total              {resource="cpu|memory|io", kind="some|full"}
//	host_machine_cpus
//	host_machine_cpu_seconds_total                  {mode="user|nice|system|irq|softirq|idle|iowait|steal"}
//	host_machine_load1, _load5, _load15
//	host_machine_memory_total_bytes, _available_bytes
//	host_machine_swap_total_bytes, _free_bytes
//	host_machine_pressure_seconds_total             {resource, kind}
//	host_filesystem_up                              {name}; 0 when it does not answer in time
//	host_filesystem_size_bytes, _free_bytes, _avail_bytes
//	host_filesystem_files, _files_free              inodes
//	host_filesystem_readonly
//	host_collect_errors_total                       {source}
//
// Guarantees:
//   - What the system does not have is absent, never zero and never an error.
//     What is broken counts in host_collect_errors_total, is logged once, and
//     leaves the rest standing; a bound that rests on it is left out rather than
//     shown wrong.
//   - Collect returns within the timeout. While a file system does not answer it
//     is not asked again, so that one goroutine waits for it, not one per scrape.
//   - cgroup version 1, version 2 and both at once are read, and the process may
//     be moved while it runs.
//
// Not guaranteed: a call to a file system that hangs cannot be ended; its
// goroutine and its thread stay until the file system answers, also after a New
// that failed. Limits of cgroups that cannot be seen are not known, except those
// of memory in version 1: where the cgroup file system is not mounted, or was
// mounted from another cgroup namespace, the machine is the only bound.
// memory.high is not a limit here: it slows down, which
// host_cgroup_pressure_seconds_total shows. When another level becomes the
// smallest limit, host_cpu_usage_seconds_total goes on with the count of that
// level. Processors, memory and cgroups are read on Linux only; on macOS there
// are the file systems, elsewhere New fails with [errors.ErrUnsupported].
//
// Cost: about 0.3 ms and 70 KB of garbage per scrape, 0.8 ms with 128
// processors, and nothing in between. One thread while a file system hangs.
package host
