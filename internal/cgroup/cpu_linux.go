package cgroup

import "slices"

// CPUUsage is the CPU time of a cgroup in seconds. In version 1 it belongs to a
// controller of its own, which is mostly mounted together with cpu.
func (r *Reader) CPUUsage(g *Group, level string) (Optional, error) {
	if g.V2 {
		us, ok, err := r.Key(g.File(level, "cpu.stat"), "usage_usec")
		return Optional{micros(us), ok}, err
	}
	ns, ok, err := r.Uint(g.File(level, "cpuacct.usage"))
	return Optional{nanos(ns), ok}, err
}

// CPUUsageAt is the CPU time at a level of the cpu hierarchy. Where accounting
// has a hierarchy of its own, the process may be elsewhere in it.
func (r *Reader) CPUUsageAt(acct *Group, level string) (Optional, error) {
	if !slices.Contains(acct.Levels(), level) {
		return Optional{}, nil
	}
	return r.CPUUsage(acct, level)
}

// CPUQuota is the limit of a cgroup in processors; false means that there is
// none.
func (r *Reader) CPUQuota(g *Group, level string) (float64, bool, error) {
	if g.V2 {
		path := g.File(level, "cpu.max")
		b, err := r.Read(path)
		if err != nil {
			return 0, false, UnlessAbsent(err)
		}
		cores, ok, err := parseCPUMax(b)
		return cores, ok, In(path, err)
	}
	path := g.File(level, "cpu.cfs_quota_us")
	b, err := r.Read(path)
	if err != nil {
		return 0, false, UnlessAbsent(err)
	}
	quota := slices.Clone(b)
	period, err := r.Read(g.File(level, "cpu.cfs_period_us"))
	if err != nil {
		return 0, false, UnlessAbsent(err)
	}
	cores, ok, err := parseCFSQuota(quota, period)
	return cores, ok, In(path, err)
}

// Throttling is how a cgroup fared with its quota.
type Throttling struct{ Periods, Throttled, Seconds float64 }

// Throttling reads how a cgroup fared with its quota; false means that this is
// not counted here.
func (r *Reader) Throttling(g *Group, level string) (Throttling, bool, error) {
	path := g.File(level, "cpu.stat")
	b, err := r.Read(path)
	if err != nil {
		return Throttling{}, false, UnlessAbsent(err)
	}
	key, unit := "throttled_time", nanos
	if g.V2 {
		key, unit = "throttled_usec", micros
	}
	var values [3]uint64
	for i, key := range [...]string{"nr_periods", "nr_throttled", key} {
		v, ok, err := Lookup(b, key)
		if err != nil || !ok {
			return Throttling{}, false, In(path, err)
		}
		values[i] = v
	}
	return Throttling{float64(values[0]), float64(values[1]), unit(values[2])}, true, nil
}
