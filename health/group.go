package health

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// The names in paths that are not groups of checks.
const (
	everything = "" // /health itself
	detailed   = "detailed"
)

// group is a set of checks that is answered for as one.
type group struct {
	name    string
	checker *Checker
	tasks   []*task
	started atomic.Bool // of Startup: all have passed
}

// newGroups makes those that are always there, and those that checks name.
func newGroups(c *Checker) map[string]*group {
	groups := map[string]*group{everything: {name: everything, checker: c, tasks: c.tasks}}
	for _, name := range []string{Liveness, Readiness, Startup} {
		groups[name] = &group{name: name, checker: c}
	}
	for _, t := range c.tasks {
		for _, name := range t.check.Groups {
			if groups[name] == nil {
				groups[name] = &group{name: name, checker: c}
			}
			groups[name].tasks = append(groups[name].tasks, t)
		}
	}
	return groups
}

// Report is a group as it stands at a moment.
type Report struct {
	Status     string
	Reason     string // of what made the status; empty if it is healthy
	Time       time.Time
	Components []Component // sorted by name; not to be changed
}

// Report tells of a group, and of all checks for the empty name. It is false if
// there is no such group. With [Options].OnDemand it does not run any check.
func (c *Checker) Report(group string) (Report, bool) {
	g := c.groups[group]
	if g == nil {
		return Report{}, false
	}
	s := g.stand(nil)
	r := Report{Status: s.level.String(), Reason: s.reason, Time: s.at}
	for _, row := range s.rows {
		r.Components = append(r.Components, row.Component)
	}
	return r, true
}

// standing is how a group stands at a moment.
type standing struct {
	total
	at      time.Time
	until   time.Time // it holds until then if nothing happens; zero for ever
	rows    []row
	own     []ownFault
	missing []string           // excluded, but not there
	metrics map[string]float64 // of the machine
}

type row struct {
	Component
	weight   level // what it means for the group
	excluded bool
}

// total is the worst of what a group is made of. Of two that are as bad the
// first one gives the reason: what the process itself says, then critical checks,
// and of these the first by name.
type total struct {
	level  level
	reason string
}

func (t *total) add(l level, reason string) {
	if l > t.level {
		t.level, t.reason = l, reason
	}
}

// stand finds out how the group stands without the excluded checks.
func (g *group) stand(excluded []string) *standing {
	s := &standing{at: time.Now(), rows: make([]row, 0, len(g.tasks))}
	if g.name == everything {
		s.metrics = g.checker.system.metrics()
	}
	s.own = g.checker.ownFaults(g.name)
	for _, f := range s.own {
		s.add(unhealthy, f.reason)
	}
	for _, t := range g.tasks {
		c, l := t.component(s.at)
		s.rows = append(s.rows, row{c, g.weigh(t, c, l), slices.Contains(excluded, c.Name)})
		if end := t.believed(s.at); !end.IsZero() && (s.until.IsZero() || end.Before(s.until)) {
			s.until = end
		}
	}
	for _, criticality := range []Criticality{Critical, Degrading} {
		for _, r := range s.rows {
			if r.Criticality == criticality && !r.excluded {
				s.add(r.weight, r.Reason)
			}
		}
	}
	if g.name == Startup && excluded == nil && g.latched(s.total) {
		s.total = total{}
	}
	for _, name := range excluded {
		if !slices.ContainsFunc(g.tasks, func(t *task) bool { return t.check.Name == name }) {
			s.missing = append(s.missing, name)
		}
	}
	return s
}

// weigh is what a check means for the group.
func (g *group) weigh(t *task, c Component, l level) level {
	switch {
	case t.check.Criticality == Informational:
		return healthy
	case g.name == Liveness && l == unknown && (c.Reason == ReasonStarting || g.checker.ctx.Err() != nil):
		return healthy // nothing speaks for a restart yet, or any more after Close
	case g.name == Startup:
		if r := t.result.Load(); r != nil && r.passed {
			return healthy
		}
	}
	switch {
	case t.check.Criticality == Degrading:
		return min(l, degraded)
	case t.check.Shared && g.name == Readiness && c.Reason != ReasonStarting: // its first result is waited for
		return min(l, degraded)
	}
	return l
}

// latched keeps a start that has succeeded: what comes later is for the other
// groups.
func (g *group) latched(sum total) bool {
	if sum.level <= degraded {
		g.started.Store(true)
	}
	return g.started.Load()
}

// ownFault is why the process itself says no, whatever the checks say.
type ownFault struct {
	reason string
	err    error // for operators; nil if the reason says it all
}

func (c *Checker) ownFaults(group string) (faults []ownFault) {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	if (group == Liveness || group == everything) && c.gate.failed != nil {
		faults = append(faults, ownFault{ReasonFailed, c.gate.failed})
	}
	if group != Readiness && group != everything {
		return faults
	}
	switch {
	case c.drain.unready():
		faults = append(faults, ownFault{ReasonDraining, nil})
	case c.gate.closed:
		faults = append(faults, ownFault{ReasonClosed, nil})
	case c.gate.notReady != nil:
		faults = append(faults, ownFault{ReasonNotReady, c.gate.notReady})
	}
	return faults
}

// ask runs the checks of the group on demand and waits until each has a result,
// or until whoever asks has left.
func (g *group) ask(ctx context.Context) {
	var judged []<-chan struct{}
	for _, t := range g.tasks { // all of them at the same time
		if ch := t.ask(); ch != nil {
			judged = append(judged, ch)
		}
	}
	for _, ch := range judged {
		select {
		case <-ch:
		case <-ctx.Done():
			return
		case <-g.checker.ctx.Done():
			return
		}
	}
}
