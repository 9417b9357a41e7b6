package health

import (
	"errors"
	"fmt"
)

// The statuses of checks and groups.
const (
	StatusHealthy   = "healthy"
	StatusDegraded  = "degraded"  // works, but not as it should; answers 200
	StatusUnhealthy = "unhealthy" // answers 503
	StatusUnknown   = "unknown"   // no result yet, or only one that is too old; answers 503
)

// Reasons are the classes of errors that every caller may see; the text of an
// error may hold addresses and secrets. A check may use its own, see
// [WithReason].
const (
	ReasonTimeout       = "timeout"        // no answer in time
	ReasonRefused       = "refused"        // the connection was refused or reset
	ReasonDNS           = "dns"            // the name cannot be resolved
	ReasonTLS           = "tls"            // no secure connection: certificate, version, handshake
	ReasonAuth          = "auth"           // credentials or rights
	ReasonCanceled      = "canceled"       // the check was called off
	ReasonPoolSaturated = "pool_saturated" // all connections of the pool are at work
	ReasonPoolStuck     = "pool_stuck"     // all connections of the pool are taken and none comes back
	ReasonReadOnly      = "read_only"      // does not take writes
	ReasonFull          = "full"           // no memory, space or places left
	ReasonOverloaded    = "overloaded"     // answers that it has too much to do
	ReasonStarting      = "starting"       // not there yet: the dependency, or our first result
	ReasonStatus        = "status"         // an HTTP status that is no success
	ReasonExpiring      = "expiring"       // a certificate that ends soon, or has ended
	ReasonThreshold     = "threshold"      // a measure above its limit
	ReasonMissed        = "missed"         // a heartbeat that did not come
	ReasonPanic         = "panic"          // the check panicked
	ReasonStale         = "stale"          // the last result is too old to be believed
	ReasonFailed        = "failed"         // see [Checker.Fail]
	ReasonNotReady      = "not_ready"      // see [Checker.SetReady]
	ReasonDraining      = "draining"       // see [Checker.Drain]
	ReasonClosed        = "closed"         // see [Checker.Close]
	ReasonOther         = "other"
)

// marked is an error with what it means for the status.
type marked struct {
	error
	degraded bool
	reason   string
}

func (m *marked) Unwrap() error { return m.error }

// Degraded makes err one that only degrades: the subject of the check works,
// but not as it should. Nil stays nil. Of several errors joined to one the worst
// counts.
func Degraded(err error) error {
	if err == nil {
		return nil
	}
	return &marked{error: err, degraded: true}
}

// WithReason gives err a class of your own, for all to see: up to 32 lower case
// letters, digits and underscores. Anything else becomes [ReasonOther]. Nil
// stays nil.
func WithReason(err error, reason string) error {
	if err == nil {
		return nil
	}
	if !isWord(reason, 32) {
		reason = ReasonOther
	}
	return &marked{error: err, reason: reason}
}

// isWord reports whether s is a plain name of up to n bytes, fit for a label, a
// path and a key.
func isWord(s string, n int) bool {
	if s == "" || len(s) > n {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// level orders statuses: what is worse is greater.
type level int

const (
	healthy level = iota
	degraded
	unknown
	unhealthy
)

func (l level) String() string {
	return [...]string{StatusHealthy, StatusDegraded, StatusUnknown, StatusUnhealthy}[l]
}

// outcome is what one run of a check came to.
type outcome struct {
	level  level
	reason string // empty if it is healthy
	err    error
	data   map[string]any
}

// judge makes an outcome of what a check returned.
func judge(err error, data map[string]any) outcome {
	o := outcome{err: err, data: data}
	if err == nil {
		return o
	}
	o.level, o.reason = read(err)
	if o.reason == "" {
		o.reason = reasonOf(err)
	}
	return o
}

// read finds what [Degraded] and [WithReason] said. On the way it calls methods
// of foreign errors, and a nil pointer in an error panics in most of them.
func read(err error) (l level, reason string) {
	l = unhealthy
	defer func() { _ = recover() }()
	for e := err; e != nil && reason == ""; {
		var m *marked
		if !errors.As(e, &m) {
			break
		}
		reason, e = m.reason, m.error
	}
	return severity(err), reason
}

func severity(err error) level {
	switch e := err.(type) { //nolint:errorlint // each of a joined error counts, where As stops at the first
	case *marked:
		if e.degraded {
			return degraded
		}
		return severity(e.error)
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return severity(inner)
		}
	case interface{ Unwrap() []error }:
		worst := healthy
		for _, one := range e.Unwrap() {
			worst = max(worst, severity(one))
		}
		if worst > healthy {
			return worst
		}
	}
	return unhealthy
}

// errPanic stands for a panic.
func errPanic(value any) error { return fmt.Errorf("health: the check panicked: %v", value) }

var (
	errTimeout = errors.New("health: the check did not return in time")
	errExited  = errors.New("health: the check ended its goroutine")
)
