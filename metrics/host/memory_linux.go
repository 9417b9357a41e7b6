package host

import (
	"errors"
	"math"
)

// memoryLevel is what a cgroup says about memory.
type memoryLevel struct {
	limit      float64 // +Inf without one
	usage      optional
	workingSet optional
	swap       optional
}

func (s *system) memoryLevel(c *cgroup, level string) (memoryLevel, error) {
	if c.v2 {
		return s.memoryV2(c, level)
	}
	return s.memoryV1(c, level)
}

func (s *system) memoryV2(c *cgroup, level string) (memoryLevel, error) {
	limit, limited, err1 := s.readLimit(c.file(level, "memory.max"))
	usage, hasUsage, err2 := s.readUint(c.file(level, "memory.current"))
	inactive, hasInactive, err3 := s.readKey(c.file(level, "memory.stat"), "inactive_file")
	swap, hasSwap, err4 := s.readUint(c.file(level, "memory.swap.current"))
	m := memoryLevel{
		limit:      math.Inf(1),
		usage:      optional{float64(usage), hasUsage},
		workingSet: optional{less(usage, inactive), hasUsage && hasInactive},
		swap:       optional{float64(swap), hasSwap},
	}
	if limited {
		m.limit = float64(limit)
	}
	return m, errors.Join(err1, err2, err3, err4)
}

// memoryV1 also heeds hierarchical_memory_limit, which counts the cgroups that
// cannot be seen from inside a container (memory.rst §5.2).
func (s *system) memoryV1(c *cgroup, level string) (memoryLevel, error) {
	limit, limited, err1 := s.readLimit(c.file(level, "memory.limit_in_bytes"))
	usage, hasUsage, err2 := s.readUint(c.file(level, "memory.usage_in_bytes"))
	path := c.file(level, "memory.stat")
	stat, err3 := s.read(path)
	inactive, hasInactive, err4 := lookup(stat, "total_inactive_file")
	swap, hasSwap, err5 := lookup(stat, "total_swap") // absent without swap accounting
	outer, hasOuter, err6 := lookup(stat, "hierarchical_memory_limit")
	m := memoryLevel{
		limit:      math.Inf(1),
		usage:      optional{float64(usage), hasUsage},
		workingSet: optional{less(usage, inactive), hasUsage && hasInactive},
		swap:       optional{float64(swap), hasSwap},
	}
	if limited {
		m.limit = float64(limit)
	}
	if hasOuter && outer < unlimitedV1 {
		m.limit = min(m.limit, float64(outer))
	}
	return m, errors.Join(err1, err2, unlessAbsent(err3), in(path, errors.Join(err4, err5, err6)))
}

// memory gives what the cgroup of this process uses, and the bound: the smallest
// limit of all levels with the use of that level. What is left is looked for at
// every level, since a larger limit that is shared may be the one reached first.
func (s *system) memory(b *batch, c *cgroup, machine *machineMemory) error {
	var own memoryLevel
	var faults error
	bound, left := s.machineBound(machine)
	for _, level := range c.levels() {
		m, err := s.memoryLevel(c, level)
		faults = errors.Join(faults, err)
		bound.offer(m.limit, m.workingSet)
		if m.workingSet.ok {
			left = min(left, max(0, m.limit-m.workingSet.v))
		}
		if level == c.path && err == nil {
			own = m
		}
	}
	b.gaugeIf(b.families.cgroupMemory, own.usage)
	b.gaugeIf(b.families.cgroupWorkingSet, own.workingSet)
	b.gaugeIf(b.families.cgroupSwap, own.swap)
	if machine != nil && faults == nil {
		b.gauge(b.families.memoryLimit, bound.limit)
		b.gaugeIf(b.families.memoryWorkingSet, bound.level)
		b.gaugeIf(b.families.memoryAvail, optional{left, !math.IsInf(left, 1)})
	}
	return faults
}

func (s *system) machineBound(m *machineMemory) (bound smallest[optional], left float64) {
	bound, left = unlimited[optional](), math.Inf(1)
	if m == nil {
		return bound, left
	}
	if m.available.ok {
		left = m.available.v
	}
	bound.offer(m.total, optional{max(0, m.total-m.available.v), m.available.ok})
	return bound, left
}

// oomKills counts processes of this cgroup, whichever limit was reached.
func (s *system) oomKills(b *batch, c *cgroup) error {
	if c == nil {
		return nil
	}
	name := "memory.oom_control"
	if c.v2 {
		name = "memory.events"
	}
	n, ok, err := s.readKey(c.file(c.path, name), "oom_kill")
	if ok {
		b.counter(b.families.cgroupOOMKills, float64(n))
	}
	return err
}

// pids gives the smallest limit on tasks, with the tasks that share it.
func (s *system) pids(b *batch, c *cgroup) error {
	bound := unlimited[string]()
	for _, level := range c.levels() {
		limit, ok, err := s.readLimit(c.file(level, "pids.max"))
		if err != nil {
			return err
		}
		if ok {
			bound.offer(float64(limit), level)
		}
	}
	if !bound.found() {
		return nil
	}
	tasks, ok, err := s.readUint(c.file(bound.level, "pids.current"))
	b.gauge(b.families.pidsLimit, bound.limit)
	b.gaugeIf(b.families.pids, optional{float64(tasks), ok})
	return err
}
