package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The states of a check; any other is unknown.
var checkStates = [...]string{"healthy", "degraded", "unhealthy", unknown}

func checkState(status string) int {
	for i, state := range checkStates {
		if state == status {
			return i
		}
	}
	return len(checkStates) - 1
}

type checkSeries struct {
	mu          sync.Mutex // so that it is in one state at a time
	states      [len(checkStates)]prometheus.Gauge
	transitions [len(checkStates)]prometheus.Counter
	duration    prometheus.Observer
	lastSuccess prometheus.Gauge
	stuck       prometheus.Gauge
}

func newChecks(f *factory) *bounded[string, checkSeries] {
	status := f.gauge("health_check_status", "1 for the state that a health check is in, 0 for the others.", "check", "status")
	transitions := f.counter("health_check_transitions_total", "Changes of health checks, by the state that they came to.", "check", "to")
	duration := f.histogram("health_check_duration_seconds", "Time that health checks took.", f.opts.DurationBuckets, "check")
	last := f.gauge("health_check_last_success_timestamp_seconds", "When a health check last found its subject healthy.", "check")
	stuck := f.gauge("health_check_stuck", "1 while a health check has not returned though its time is over.", "check")
	return bound(f, "health", Other, label, func(check string) *checkSeries {
		s := &checkSeries{
			duration:    duration.WithLabelValues(check),
			lastSuccess: last.WithLabelValues(check),
			stuck:       stuck.WithLabelValues(check),
		}
		for i, state := range checkStates {
			s.states[i] = status.WithLabelValues(check, state)
			s.transitions[i] = transitions.WithLabelValues(check, state)
		}
		return s
	})
}

// ObserveHealth records the result of a health check; status is "healthy",
// "degraded", "unhealthy" or "unknown".
func (m *Metrics) ObserveHealth(check, status string, d time.Duration, _ error) {
	s := m.domain.checks.get(check)
	found := checkState(status)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.states {
		if i != found {
			s.states[i].Set(0)
		}
	}
	s.states[found].Set(1)
	s.duration.Observe(max(0, d).Seconds())
	if found == 0 {
		s.lastSuccess.SetToCurrentTime()
	}
}

// ObserveHealthTransition records that a health check changed its state.
func (m *Metrics) ObserveHealthTransition(check, _, to string, _ error) {
	m.domain.checks.get(check).transitions[checkState(to)].Inc()
}

// ObserveHealthStuck records that a health check did not return in time, and that
// it has returned after all.
func (m *Metrics) ObserveHealthStuck(check string, stuck bool) {
	m.domain.checks.get(check).stuck.Set(number(stuck))
}

// ObserveDrain records that the service has begun to drain, for good.
func (m *Metrics) ObserveDrain() { m.domain.draining.Set(1) }

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
