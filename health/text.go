package health

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// renderText makes the text of the Kubernetes API server's /livez and /readyz,
// which operators and their scripts know. What a check has to say is for those
// who may see details.
func renderText(s *standing, v view) []byte {
	failed := s.level >= unknown
	if !failed && !v.verbose {
		return []byte("ok")
	}
	var b bytes.Buffer
	if v.components {
		for _, r := range s.rows {
			b.WriteString(r.line(v.details))
		}
		for _, f := range s.own {
			fmt.Fprintf(&b, "[-]%s failed: %s\n", f.reason, withheld)
		}
		if len(s.missing) > 0 {
			fmt.Fprintf(&b, "warn: some health checks cannot be excluded: no matches for %s\n", quoted(s.missing))
		}
	}
	verdict := "passed"
	if failed {
		verdict = "failed"
	}
	fmt.Fprintf(&b, "%s check %s\n", v.title, verdict)
	return b.Bytes()
}

const withheld = "reason withheld"

// line is what the text has about a check. A failure that does not fail the
// group has a plus, for scripts that look for a minus.
func (r row) line(details bool) string {
	reason := withheld
	if details && r.Reason != "" {
		reason = r.Reason
	}
	switch {
	case r.excluded:
		return fmt.Sprintf("[+]%s excluded: ok\n", r.Name)
	case r.weight >= unknown:
		return fmt.Sprintf("[-]%s failed: %s\n", r.Name, reason)
	case details && r.Status != StatusHealthy:
		return fmt.Sprintf("[+]%s %s: %s\n", r.Name, r.Status, reason)
	default:
		return fmt.Sprintf("[+]%s ok\n", r.Name)
	}
}

func quoted(names []string) string {
	names = slices.Clone(names)
	slices.Sort(names)
	for i, name := range names {
		names[i] = strconv.Quote(clip(name, maxName))
	}
	return strings.Join(slices.Compact(names), ",")
}
