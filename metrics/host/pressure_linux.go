package host

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-go/sluice/internal/cgroup"
)

func (s *system) machinePressure(b *batch) error {
	var faults []error
	for _, resource := range []string{"cpu", "memory", "io"} {
		// That all tasks of a machine wait for a processor is not defined; the
		// kernel shows 0 for it (accounting/psi).
		undefined := ""
		if resource == "cpu" {
			undefined = "full"
		}
		faults = append(faults, s.pressure(b, b.families.machinePressure, s.Path("/proc/pressure/"+resource), resource, undefined))
	}
	return errors.Join(faults...)
}

func (s *system) cgroupPressure(b *batch, g *cgroup.Group) error {
	if g == nil {
		return nil
	}
	var faults []error
	for _, resource := range []string{"cpu", "memory", "io"} {
		faults = append(faults, s.pressure(b, b.families.cgroupPressure, g.File(g.Path, resource+".pressure"), resource, ""))
	}
	return errors.Join(faults...)
}

func (s *system) pressure(b *batch, d *prometheus.Desc, path, resource, undefined string) error {
	stalls, err := s.Pressure(path)
	if err != nil {
		return err
	}
	for _, st := range stalls {
		if st.Kind != undefined {
			b.counter(d, st.Seconds, resource, st.Kind)
		}
	}
	return nil
}
