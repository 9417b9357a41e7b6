package host

import (
	"errors"
	"math"

	"github.com/sluice-go/sluice/internal/cgroup"
)

// memory gives what the cgroup of this process uses, and the bound: the smallest
// limit of all levels with the use of that level. What is left is looked for at
// every level, since a larger limit that is shared may be the one reached first.
func (s *system) memory(b *batch, g *cgroup.Group, machine *machineMemory) error {
	var own cgroup.Memory
	var faults error
	bound, left := s.machineBound(machine)
	for _, level := range g.Levels() {
		m, err := s.Memory(g, level)
		faults = errors.Join(faults, err)
		bound.Offer(m.Limit, m.WorkingSet)
		if m.WorkingSet.OK {
			left = min(left, max(0, m.Limit-m.WorkingSet.V))
		}
		if level == g.Path && err == nil {
			own = m
		}
	}
	b.gaugeIf(b.families.cgroupMemory, own.Usage)
	b.gaugeIf(b.families.cgroupWorkingSet, own.WorkingSet)
	b.gaugeIf(b.families.cgroupSwap, own.Swap)
	if machine != nil && faults == nil {
		b.gauge(b.families.memoryLimit, bound.Limit)
		b.gaugeIf(b.families.memoryWorkingSet, bound.Level)
		b.gaugeIf(b.families.memoryAvail, optional{V: left, OK: !math.IsInf(left, 1)})
	}
	return faults
}

func (s *system) machineBound(m *machineMemory) (bound cgroup.Bound[optional], left float64) {
	bound, left = cgroup.Unlimited[optional](), math.Inf(1)
	if m == nil {
		return bound, left
	}
	if m.available.OK {
		left = m.available.V
	}
	bound.Offer(m.total, optional{V: max(0, m.total-m.available.V), OK: m.available.OK})
	return bound, left
}

// oomKills counts processes of this cgroup, whichever limit was reached.
func (s *system) oomKills(b *batch, g *cgroup.Group) error {
	if g == nil {
		return nil
	}
	name := "memory.oom_control"
	if g.V2 {
		name = "memory.events"
	}
	n, ok, err := s.Key(g.File(g.Path, name), "oom_kill")
	if ok {
		b.counter(b.families.cgroupOOMKills, float64(n))
	}
	return err
}

// pids gives the smallest limit on tasks, with the tasks that share it.
func (s *system) pids(b *batch, g *cgroup.Group) error {
	bound := cgroup.Unlimited[string]()
	for _, level := range g.Levels() {
		limit, ok, err := s.Limit(g.File(level, "pids.max"))
		if err != nil {
			return err
		}
		if ok {
			bound.Offer(float64(limit), level)
		}
	}
	if !bound.Found() {
		return nil
	}
	tasks, ok, err := s.Uint(g.File(bound.Level, "pids.current"))
	b.gauge(b.families.pidsLimit, bound.Limit)
	b.gaugeIf(b.families.pids, optional{V: float64(tasks), OK: ok})
	return err
}
