package health

import (
	"context"
	"strconv"
	"time"
)

// Func looks at something that the process depends on: a database, another
// service, a network. Nil means healthy, [Degraded] makes an error a lesser one,
// any other error means unhealthy; [Set] adds facts.
//
// It should return when ctx ends. One that does not is left alone: it counts as
// failed, and is not called again before it has returned.
type Func func(ctx context.Context) error

// Internal looks at the process itself, as for an event loop that hangs, and at
// nothing outside of it. Only such a check may decide about liveness, because
// only such a fault is mended by a restart. A Func is no Internal: who really
// wants to restart on the fault of a dependency must write a function around it.
type Internal func(ctx context.Context) error

// Check is one check of a [Checker].
type Check struct {
	// Name names the component, in answers, hooks and metrics: up to 64 bytes of
	// printable UTF-8 without a colon, which the health+json format uses to
	// separate a component from its measurement. Required.
	Name string
	// Func is a check of a dependency. Either Func or Internal is required.
	// Default: none.
	Func Func
	// Internal is a check of the process itself.
	// Default: none.
	Internal Internal

	// Groups are the answers that the check takes part in, besides /health and
	// /health/detailed: [Readiness], [Liveness] and [Startup], and names of your
	// own, which become paths: "storage" is served as /health/storage. A check
	// that is only in Startup is not run any more once it is healthy.
	// Default: Readiness. Empty: none.
	Groups []string
	// Criticality says what a failure means for the groups.
	// Default: [Critical].
	Criticality Criticality
	// Shared marks a dependency that all replicas stand on. Its failure only
	// degrades [Readiness]: when every replica declares itself unready at the same
	// time, nobody is left to answer even what needs no such dependency. Its first
	// result is waited for. All other answers show it as it is.
	// Default: false.
	Shared bool

	// Interval is the time from the start of one run to that of the next, give or
	// take a tenth, so that replicas do not run in step. After a run that was not
	// healthy it is a quarter of that, but no less than 1 s, from its end. With
	// [Options].OnDemand it is for how long a result is used again. At most a year.
	// Default: 10 s.
	Interval time.Duration
	// Timeout is after which a run has failed, whether it returns or not. Its
	// context ends a tenth earlier, so that it can say what kept it. It must be less
	// than Interval.
	// Default: 2 s, or half of Interval if that is less.
	Timeout time.Duration
	// FailureThreshold is how many runs in a row must be worse than the present
	// status before it becomes as bad as the best of them. The first run of all
	// counts at once, and so does the first after results had become too old.
	// Default: 1.
	FailureThreshold int
	// SuccessThreshold is how many runs in a row must be better than the present
	// status before it becomes as good as the worst of them.
	// Default: 1.
	SuccessThreshold int
}

// Criticality says what the failure of a check means for a group.
type Criticality int

const (
	// Critical makes the group unhealthy, and unknown before the first result.
	Critical Criticality = iota
	// Degrading makes the group degraded: it still answers 200.
	Degrading
	// Informational leaves the group as it is. The check is only shown.
	Informational
)

// String returns the name of the criticality.
func (c Criticality) String() string {
	switch c {
	case Critical:
		return "critical"
	case Degrading:
		return "degrading"
	case Informational:
		return "informational"
	default:
		return "Criticality(" + strconv.Itoa(int(c)) + ")"
	}
}

// The groups that are always there.
const (
	// Liveness says whether a restart would help. A failure makes an orchestrator
	// restart the process.
	Liveness = "liveness"
	// Readiness says whether to send requests here.
	Readiness = "readiness"
	// Startup says whether the process has started. It stays healthy once each of
	// its checks has passed, at whatever time.
	Startup = "startup"
)
