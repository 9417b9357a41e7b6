package host

import "slices"

// ownCPU gives the CPU time of the cgroup of this process.
func (s *system) ownCPU(b *batch, groups *cgroups) error {
	if groups.cpuacct == nil {
		return nil
	}
	used, err := s.cpuUsage(groups.cpuacct, groups.cpuacct.path)
	if used.ok {
		b.counter(b.families.cgroupCPU, used.v)
	}
	return err
}

// cpuUsage is the CPU time of a cgroup in seconds. In version 1 it belongs to a
// controller of its own, which is mostly mounted together with cpu.
func (s *system) cpuUsage(c *cgroup, level string) (optional, error) {
	if c.v2 {
		us, ok, err := s.readKey(c.file(level, "cpu.stat"), "usage_usec")
		return optional{micros(us), ok}, err
	}
	ns, ok, err := s.readUint(c.file(level, "cpuacct.usage"))
	return optional{nanos(ns), ok}, err
}

// cpuBound gives the processors that this process can keep busy and how much of
// them is used.
func (s *system) cpuBound(b *batch, groups *cgroups, machine *machineCPU) error {
	if machine == nil {
		return nil
	}
	const wholeMachine = ""
	bound := unlimited[string]()
	bound.offer(machine.cores, wholeMachine)
	for _, level := range groups.cpu.levels() {
		quota, ok, err := s.quota(groups.cpu, level)
		if err != nil {
			return err
		}
		if ok {
			bound.offer(quota, level)
		}
	}
	used := optional{machine.busy, true}
	if bound.level != wholeMachine {
		var err error
		if used, err = s.usageAt(groups.cpuacct, bound.level); err != nil {
			return err
		}
	}
	b.gauge(b.families.cpuLimit, bound.limit)
	if used.ok {
		b.counter(b.families.cpuUsage, used.v)
	}
	return nil
}

// usageAt is the CPU time at a level of the cpu hierarchy. Where accounting has
// a hierarchy of its own, the process may be elsewhere in it.
func (s *system) usageAt(acct *cgroup, level string) (optional, error) {
	if !slices.Contains(acct.levels(), level) {
		return optional{}, nil
	}
	return s.cpuUsage(acct, level)
}

// quota is the limit of a cgroup in processors.
func (s *system) quota(c *cgroup, level string) (float64, bool, error) {
	if c.v2 {
		path := c.file(level, "cpu.max")
		b, err := s.read(path)
		if err != nil {
			return 0, false, unlessAbsent(err)
		}
		cores, ok, err := parseCPUMax(b)
		return cores, ok, in(path, err)
	}
	path := c.file(level, "cpu.cfs_quota_us")
	b, err := s.read(path)
	if err != nil {
		return 0, false, unlessAbsent(err)
	}
	quota := slices.Clone(b)
	period, err := s.read(c.file(level, "cpu.cfs_period_us"))
	if err != nil {
		return 0, false, unlessAbsent(err)
	}
	cores, ok, err := parseCFSQuota(quota, period)
	return cores, ok, in(path, err)
}

// throttling adds up all levels: each throttles by itself, and a sum does not
// jump when a limit is changed.
func (s *system) throttling(b *batch, c *cgroup) error {
	var periods, throttled, waited float64
	var found bool
	for _, level := range c.levels() {
		path := c.file(level, "cpu.stat")
		content, err := s.read(path)
		if err != nil && !isAbsent(err) {
			return err
		}
		key, unit := "throttled_time", nanos
		if c.v2 {
			key, unit = "throttled_usec", micros
		}
		values, ok, err := lookupAll(content, "nr_periods", "nr_throttled", key)
		if err != nil {
			return in(path, err)
		}
		if ok {
			found = true
			periods += float64(values[0])
			throttled += float64(values[1])
			waited += unit(values[2])
		}
	}
	if found {
		b.counter(b.families.cpuPeriods, periods)
		b.counter(b.families.cpuThrottled, throttled)
		b.counter(b.families.cpuThrottledSecs, waited)
	}
	return nil
}
