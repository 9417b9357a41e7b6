package health

import (
	"context"
	"errors"

	"github.com/sluice-go/sluice/internal/cgroup"
)

func defaultSource() SystemSource {
	return SystemSource{Sample: newKernel("", affinity).sample, Disk: statfs}
}

// kernel reads /proc and the cgroup file systems, for one caller at a time. What
// it gives is about the level that bounds this process: the smallest limit of
// its cgroup, those above it and the machine, with the use of all that share
// that limit, or their ratio would mean nothing.
type kernel struct {
	*cgroup.Reader
	affinity func() (cpuSet, error)
}

func newKernel(root string, affinity func() (cpuSet, error)) *kernel {
	return &kernel{cgroup.NewReader(root), affinity}
}

// sample leaves out what rests on something broken: no limit is better than one
// that is too high.
func (k *kernel) sample(ctx context.Context) (SystemSample, error) {
	if err := ctx.Err(); err != nil {
		return SystemSample{}, err
	}
	groups, err := k.Locate()
	if err != nil {
		return SystemSample{}, err
	}
	var s SystemSample
	err = errors.Join(k.cpu(&s, groups), k.memory(&s, groups.Memory), k.pressure(&s, groups.Unified))
	return s, err
}

func (k *kernel) cpu(s *SystemSample, groups *cgroup.Groups) error {
	machine, err := k.machineCPU()
	if err != nil {
		return err
	}
	const wholeMachine = ""
	bound := cgroup.Unlimited[string]()
	if machine.cores > 0 {
		bound.Offer(machine.cores, wholeMachine)
	}
	for _, level := range groups.CPU.Levels() {
		quota, ok, err := k.CPUQuota(groups.CPU, level)
		if err != nil {
			return err
		}
		if ok {
			bound.Offer(quota, level)
		}
	}
	if !bound.Found() {
		return nil
	}
	used := cgroup.Optional{V: machine.busy, OK: true}
	var throttling cgroup.Throttling
	if bound.Level != wholeMachine {
		var err2 error
		used, err = k.CPUUsageAt(groups.CPUAcct, bound.Level)
		throttling, _, err2 = k.Throttling(groups.CPU, bound.Level)
		if err := errors.Join(err, err2); err != nil {
			return err
		}
	}
	s.CPUCores, s.CPUOf = bound.Limit, bound.Level
	if used.OK {
		s.CPUSeconds = used.V
	}
	s.Periods, s.Throttled = uint64(throttling.Periods), uint64(throttling.Throttled)
	return nil
}

func (k *kernel) memory(s *SystemSample, g *cgroup.Group) error {
	machine, err := k.machineMemory()
	if err != nil {
		return err
	}
	bound := cgroup.Unlimited[cgroup.Optional]()
	if machine.Limit > 0 {
		bound.Offer(machine.Limit, machine.WorkingSet)
	}
	for _, level := range g.Levels() {
		m, err := k.Memory(g, level)
		if err != nil {
			return err
		}
		bound.Offer(m.Limit, m.WorkingSet)
	}
	if !bound.Found() {
		return nil
	}
	s.MemoryLimit = uint64(bound.Limit)
	if bound.Level.OK {
		s.MemoryUsed = uint64(bound.Level.V)
	}
	return nil
}

// pressure is that of the own cgroup, or that of the machine where the kernel
// does not count it for cgroups: in version 1, and in the outermost cgroup of
// version 2.
func (k *kernel) pressure(s *SystemSample, g *cgroup.Group) error {
	var faults []error
	for _, resource := range [...]string{"cpu", "memory", "io"} {
		var stalls []cgroup.Stall
		var err error
		if g != nil {
			stalls, err = k.Pressure(g.File(g.Path, resource+".pressure"))
		}
		if stalls == nil && err == nil {
			stalls, err = k.machinePressure(resource)
		}
		faults = append(faults, err)
		for _, st := range stalls {
			if st.Avg10.OK {
				s.Pressure = append(s.Pressure, SystemPressure{resource, st.Kind, st.Avg10.V})
			}
		}
	}
	return errors.Join(faults...)
}
