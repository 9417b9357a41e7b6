package health

import "time"

// renderHealthJSON makes draft-inadarei-api-health-check-06. The draft would
// have answers cached (§9); ours never are, as they speak of one moment.
func renderHealthJSON(s *standing, v view) []byte {
	answer := struct {
		Status string                   `json:"status"`
		Output string                   `json:"output,omitempty"`
		Checks map[string][]measurement `json:"checks,omitempty"`
	}{Status: verdict(s.level), Output: s.reason}
	if v.components {
		answer.Checks = make(map[string][]measurement, len(s.rows))
		for _, r := range s.rows {
			m := r.measurement(v.details)
			answer.Checks[r.Name+":responseTime"] = []measurement{m}
			if used, ok := s.metrics[r.Name+"_usage_percent"]; ok && v.details {
				m.ComponentType, m.Value, m.Unit = "system", &used, "percent"
				answer.Checks[r.Name+":utilization"] = []measurement{m}
			}
		}
	}
	return encode(answer)
}

// measurement is an object of the checks (draft §4).
type measurement struct {
	ComponentType string   `json:"componentType,omitempty"`
	Value         *float64 `json:"observedValue,omitempty"`
	Unit          string   `json:"observedUnit,omitempty"`
	Status        string   `json:"status"`
	Time          string   `json:"time,omitempty"`
	Output        string   `json:"output,omitempty"` // should not be there for "pass" (draft §4.8)
}

func (r row) measurement(details bool) measurement {
	m := measurement{ComponentType: "component", Status: verdictOf(r.Status)}
	if m.Status != verdict(healthy) {
		m.Output = r.Reason
	}
	if !details || r.CheckedAt.IsZero() {
		return m
	}
	took := millis(r.Duration)
	m.Value, m.Unit, m.Time = &took, "ms", rfc3339(r.CheckedAt)
	if m.Output != "" && r.Err != nil {
		m.Output += ": " + plain(r.Err)
	}
	return m
}

// verdict is a status in the words of the draft (§3.1): pass and warn go with a
// status code of success, fail with one of failure.
func verdict(l level) string { return verdictOf(l.String()) }

func verdictOf(status string) string {
	switch status {
	case StatusHealthy:
		return "pass"
	case StatusDegraded:
		return "warn"
	default:
		return "fail"
	}
}

func rfc3339(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }
