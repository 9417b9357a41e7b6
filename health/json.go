package health

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"time"
)

// seconds is a time as the answers show it: Unix seconds, to the millisecond.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func millis(d time.Duration) float64 { return math.Round(d.Seconds()*1e6) / 1000 }

// renderJSON makes the form of the product that sluice's users come from.
// Objects with names for keys are maps, which encoding/json sorts, so that two
// answers can be compared line by line.
func renderJSON(s *standing, v view) []byte {
	answer := struct {
		Status     string                    `json:"status"`
		Timestamp  float64                   `json:"timestamp"`
		Reason     string                    `json:"reason,omitempty"`
		Error      string                    `json:"error,omitempty"`
		Components map[string]map[string]any `json:"components,omitzero"`
		Metrics    map[string]float64        `json:"metrics,omitempty"`
	}{Status: s.level.String(), Timestamp: seconds(s.at), Reason: s.reason}
	if v.components {
		answer.Components = make(map[string]map[string]any, len(s.rows))
		for _, r := range s.rows {
			answer.Components[r.Name] = r.component(v.details)
		}
	}
	if v.details {
		answer.Error, answer.Metrics = s.ownError(), s.metrics
	}
	return encode(answer)
}

// ownError is what the process says about itself.
func (s *standing) ownError() string {
	var errs []error
	for _, f := range s.own {
		errs = append(errs, f.err)
	}
	if err := errors.Join(errs...); err != nil {
		return plain(err)
	}
	return ""
}

func (r row) component(details bool) map[string]any {
	c := map[string]any{}
	if details {
		maps.Copy(c, r.Data)
		c["critical"] = r.Criticality == Critical
		c["since"] = seconds(r.Since)
		if !r.CheckedAt.IsZero() {
			c["checked_at"] = seconds(r.CheckedAt)
			c["duration_ms"] = millis(r.Duration)
			c["consecutive_failures"] = r.Failures
		}
		if r.StuckFor > 0 {
			c["stuck_seconds"] = math.Round(r.StuckFor.Seconds()*1000) / 1000
		}
		if r.Err != nil {
			c["error"] = plain(r.Err)
		}
	}
	c["status"] = r.Status
	if r.Reason != "" && (details || r.Status != StatusHealthy) {
		c["reason"] = r.Reason
	}
	return c
}

// isDetail reports whether details use the key themselves.
func isDetail(key string) bool {
	switch key {
	case "critical", "since", "checked_at", "duration_ms", "consecutive_failures", "stuck_seconds", "error", "status", "reason":
		return true
	}
	return false
}

// encode makes JSON of strings, finite numbers and bools, which always encode.
func encode(v any) []byte {
	b, _ := json.Marshal(v)
	return append(b, '\n')
}
