package host

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
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
		faults = append(faults, s.pressure(b, b.families.machinePressure, s.path("/proc/pressure/"+resource), resource, undefined))
	}
	return errors.Join(faults...)
}

func (s *system) cgroupPressure(b *batch, c *cgroup) error {
	if c == nil {
		return nil
	}
	var faults []error
	for _, resource := range []string{"cpu", "memory", "io"} {
		faults = append(faults, s.pressure(b, b.families.cgroupPressure, c.file(c.path, resource+".pressure"), resource, ""))
	}
	return errors.Join(faults...)
}

func (s *system) pressure(b *batch, d *prometheus.Desc, path, resource, undefined string) error {
	content, err := s.read(path)
	if err != nil {
		return unlessAbsent(err)
	}
	stalls, err := parsePressure(content)
	if err != nil {
		return in(path, err)
	}
	for _, st := range stalls {
		if st.kind != undefined {
			b.counter(d, st.seconds, resource, st.kind)
		}
	}
	return nil
}
