package host

import "github.com/sluice-go/sluice/internal/cgroup"

// ownCPU gives the CPU time of the cgroup of this process.
func (s *system) ownCPU(b *batch, groups *cgroup.Groups) error {
	if groups.CPUAcct == nil {
		return nil
	}
	used, err := s.CPUUsage(groups.CPUAcct, groups.CPUAcct.Path)
	if used.OK {
		b.counter(b.families.cgroupCPU, used.V)
	}
	return err
}

// cpuBound gives the processors that this process can keep busy and how much of
// them is used.
func (s *system) cpuBound(b *batch, groups *cgroup.Groups, machine *machineCPU) error {
	if machine == nil {
		return nil
	}
	const wholeMachine = ""
	bound := cgroup.Unlimited[string]()
	bound.Offer(machine.cores, wholeMachine)
	for _, level := range groups.CPU.Levels() {
		quota, ok, err := s.CPUQuota(groups.CPU, level)
		if err != nil {
			return err
		}
		if ok {
			bound.Offer(quota, level)
		}
	}
	used := optional{V: machine.busy, OK: true}
	if bound.Level != wholeMachine {
		var err error
		if used, err = s.CPUUsageAt(groups.CPUAcct, bound.Level); err != nil {
			return err
		}
	}
	b.gauge(b.families.cpuLimit, bound.Limit)
	if used.OK {
		b.counter(b.families.cpuUsage, used.V)
	}
	return nil
}

// throttling adds up all levels: each throttles by itself, and a sum does not
// jump when a limit is changed.
func (s *system) throttling(b *batch, g *cgroup.Group) error {
	var sum cgroup.Throttling
	var found bool
	for _, level := range g.Levels() {
		t, ok, err := s.Throttling(g, level)
		if err != nil {
			return err
		}
		if ok {
			found = true
			sum.Periods += t.Periods
			sum.Throttled += t.Throttled
			sum.Seconds += t.Seconds
		}
	}
	if found {
		b.counter(b.families.cpuPeriods, sum.Periods)
		b.counter(b.families.cpuThrottled, sum.Throttled)
		b.counter(b.families.cpuThrottledSecs, sum.Seconds)
	}
	return nil
}
