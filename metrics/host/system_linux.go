package host

import (
	"errors"

	"github.com/prometheus/procfs"

	"github.com/sluice-go/sluice/internal/cgroup"
)

// sources is what host_collect_errors_total counts.
func sources() []string {
	return []string{"cpu", "memory", "load", "pressure", "cgroup", "cgroup_cpu", "cgroup_memory", "cgroup_pids", "cgroup_pressure", "filesystem"}
}

func supported() error { return nil }

// system reads /proc and the cgroup file systems. It is not safe for
// concurrent use.
type system struct {
	environment
	*cgroup.Reader
	modes [modes]float64 // the last CPU times of the machine
	busy  float64        // and of the processors this process may run on
}

func newSystem(env environment) *system {
	return &system{environment: env, Reader: cgroup.NewReader(env.root)}
}

func (s *system) proc() (procfs.FS, error) { return procfs.NewFS(s.Path("/proc")) }

// collect reads every source. A bound that rests on something broken is left
// out as a whole: no limit is better than one that is too high.
func (s *system) collect(b *batch) {
	var groups *cgroup.Groups
	var cpu *machineCPU
	var memory *machineMemory
	b.read("cpu", func() (err error) { cpu, err = s.machineCPU(b); return err })
	b.read("memory", func() (err error) { memory, err = s.machineMemory(b); return err })
	b.read("load", func() error { return s.load(b) })
	b.read("pressure", func() error { return s.machinePressure(b) })
	b.read("cgroup", func() (err error) { groups, err = s.Locate(); return err })
	if groups == nil {
		return
	}
	b.read("cgroup_cpu", func() error {
		return errors.Join(s.ownCPU(b, groups), s.throttling(b, groups.CPU), s.cpuBound(b, groups, cpu))
	})
	b.read("cgroup_memory", func() error { return errors.Join(s.memory(b, groups.Memory, memory), s.oomKills(b, groups.Memory)) })
	b.read("cgroup_pids", func() error { return s.pids(b, groups.Pids) })
	b.read("cgroup_pressure", func() error { return s.cgroupPressure(b, groups.Unified) })
}
