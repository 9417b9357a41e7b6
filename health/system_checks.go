package health

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var errStale = errors.New("health: system: the last sample is too old")

// checks are in no group of their own and can only degrade.
func (s *system) checks() []Check {
	var checks []Check
	add := func(k kind, most float64, failures int) {
		checks = append(checks, Check{
			Name:             k.String(),
			Internal:         func(ctx context.Context) error { return s.check(ctx, k, most) },
			Groups:           []string{},
			Criticality:      Degrading,
			Interval:         s.Interval,
			FailureThreshold: failures,
			SuccessThreshold: 3, // a measure about its limit must not come and go
		})
	}
	if s.Source.Sample != nil {
		add(ofCPU, s.MaxCPUPercent, 3) // one busy moment is what processors are for
		add(ofMemory, s.MaxMemoryPercent, 1)
	}
	if s.Source.Disk != nil {
		add(ofDisk, s.MaxDiskPercent, 1)
	}
	return checks
}

// check looks at the latest sample, which it waits for only when there was none
// yet.
func (s *system) check(ctx context.Context, k kind, most float64) error {
	select {
	case <-s.ready:
	case <-ctx.Done():
		return Degraded(WithReason(errors.New("health: system: no sample yet"), ReasonStarting))
	}
	s.mu.Lock()
	m, io := s.measures[k], s.measures[ofPressure]
	s.mu.Unlock()
	if m.at.IsZero() {
		return Degraded(m.err) // of every round so far
	}
	if !s.isFresh(m) {
		return Degraded(WithReason(errors.Join(errStale, m.err), ReasonStale))
	}
	for _, f := range m.facts {
		Set(ctx, f.key, f.value)
	}
	if k == ofDisk && s.isFresh(io) {
		for _, f := range io.facts {
			Set(ctx, f.key, f.value)
		}
	}
	if m.known && most >= 0 && m.worst > most {
		return Degraded(WithReason(fmt.Errorf("health: system: %.2f %% of %s in use, above %v %%", m.worst, k, most), ReasonThreshold))
	}
	return nil
}

func (s *system) isFresh(m measure) bool { return !m.at.IsZero() && time.Since(m.at) <= s.lifetime() }

// metrics are the measures that are known now.
func (s *system) metrics() map[string]float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var values map[string]float64
	for k, name := range [...]string{ofCPU: "cpu_usage_percent", ofMemory: "memory_usage_percent", ofDisk: "disk_usage_percent"} {
		if m := s.measures[k]; m.known && s.isFresh(m) {
			if values == nil {
				values = make(map[string]float64, 3)
			}
			values[name] = m.percent
		}
	}
	return values
}
