package cgroup

import (
	"errors"
	"math"
)

// Memory is what a cgroup says about memory, in bytes.
type Memory struct {
	Limit      float64 // +Inf without one
	Usage      Optional
	WorkingSet Optional // the usage without inactive page cache, which can be given back
	Swap       Optional
}

// Memory reads what a cgroup says about memory.
func (r *Reader) Memory(g *Group, level string) (Memory, error) {
	if g.V2 {
		return r.memoryV2(g, level)
	}
	return r.memoryV1(g, level)
}

func (r *Reader) memoryV2(g *Group, level string) (Memory, error) {
	limit, limited, err1 := r.Limit(g.File(level, "memory.max"))
	usage, hasUsage, err2 := r.Uint(g.File(level, "memory.current"))
	inactive, hasInactive, err3 := r.Key(g.File(level, "memory.stat"), "inactive_file")
	swap, hasSwap, err4 := r.Uint(g.File(level, "memory.swap.current"))
	m := Memory{
		Limit:      math.Inf(1),
		Usage:      Optional{float64(usage), hasUsage},
		WorkingSet: Optional{less(usage, inactive), hasUsage && hasInactive},
		Swap:       Optional{float64(swap), hasSwap},
	}
	if limited {
		m.Limit = float64(limit)
	}
	return m, errors.Join(err1, err2, err3, err4)
}

// memoryV1 also heeds hierarchical_memory_limit, which counts the cgroups that
// cannot be seen from inside a container (memory.rst §5.2).
func (r *Reader) memoryV1(g *Group, level string) (Memory, error) {
	limit, limited, err1 := r.Limit(g.File(level, "memory.limit_in_bytes"))
	usage, hasUsage, err2 := r.Uint(g.File(level, "memory.usage_in_bytes"))
	path := g.File(level, "memory.stat")
	stat, err3 := r.Read(path)
	inactive, hasInactive, err4 := Lookup(stat, "total_inactive_file")
	swap, hasSwap, err5 := Lookup(stat, "total_swap") // absent without swap accounting
	outer, hasOuter, err6 := Lookup(stat, "hierarchical_memory_limit")
	m := Memory{
		Limit:      math.Inf(1),
		Usage:      Optional{float64(usage), hasUsage},
		WorkingSet: Optional{less(usage, inactive), hasUsage && hasInactive},
		Swap:       Optional{float64(swap), hasSwap},
	}
	if limited {
		m.Limit = float64(limit)
	}
	if hasOuter && outer < unlimitedV1 {
		m.Limit = min(m.Limit, float64(outer))
	}
	return m, errors.Join(err1, err2, UnlessAbsent(err3), In(path, errors.Join(err4, err5, err6)))
}
