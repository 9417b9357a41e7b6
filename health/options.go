package health

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Options configure a [Checker]. The zero value has no checks but those of the
// machine, answers all probes, and shows details to nobody but this host.
type Options struct {
	// Checks are what the answers are made of.
	// Default: none.
	Checks []Check
	// System are the checks "cpu", "memory" and "disk" and the measures in
	// details. They can only degrade, and take part in no probe.
	// Default: on, see [SystemOptions].
	System SystemOptions
	// OnDemand runs checks when somebody asks, and not in between, for hosts that
	// stop a process while it has no request. All who ask at a time share one run
	// of a check, and its result is used again for its Interval.
	// Default: false, in the background.
	OnDemand bool

	// Path is where [Checker.Mount] puts the answers: no slash at its end.
	// Default: "/health".
	Path string
	// DisableAliases leaves out /livez, /readyz, /startupz and /healthz.
	// Default: false.
	DisableAliases bool
	// ShowComponents tells everybody which checks a group has, with the status and
	// the reason of each. Without it the public learns the status and the reason of
	// the whole.
	// Default: false.
	ShowComponents bool
	// Details decides who may see /health/detailed, and use ?verbose and
	// ?exclude on the aliases.
	// Default: a peer on this host that asks for this host and shows no trace of a
	// proxy. A proxy on this host that adds no Forwarded, X-Forwarded-*, X-Real-Ip
	// or Via field leaves none: set it then, or make the proxy refuse the path.
	Details DetailsPolicy

	// Drain says how [Checker.Drain] ends the service.
	// Default: see [DrainOptions].
	Drain DrainOptions

	// OnResult is told of each run of a check, and of each round that found the run
	// before it still stuck: the status of the check after it, how long it took,
	// and its error. Hooks are called in order for each check, outside of all
	// locks, and hold up nothing but the hooks of the same check; a hook that is 64
	// behind misses the oldest.
	// Default: none.
	OnResult func(check, status string, d time.Duration, err error)
	// OnTransition is told when the status of a check changes, from unknown at the
	// start, too.
	// Default: none.
	OnTransition func(check, from, to string, err error)
	// OnStuck is told when a run has not returned after its time, and when it has.
	// Default: none.
	OnStuck func(check string, stuck bool)
	// OnPanic is told of a check that panicked, with the stack.
	// Default: none; the panic is logged without its stack.
	OnPanic func(check string, value any, stack []byte)
	// OnDrain is told when draining begins.
	// Default: none.
	OnDrain func()

	// Logger hears of changes of status, of stuck checks and of draining.
	// Default: slog.Default().
	Logger *slog.Logger
}

// DetailsPolicy decides who may see details.
type DetailsPolicy func(*http.Request) bool

// DrainOptions bound the end of a service. The sum of what it takes must stay
// below the time after which the orchestrator kills (Kubernetes: 30 s, less the
// preStop hook).
type DrainOptions struct {
	// Wait is for how long requests are still taken after readiness has turned
	// red: load balancers must notice first. It is cut short as soon as Probes
	// answers said so and no request has come to [Checker.Middleware] for Quiet; not
	// without a Middleware. Negative: none.
	// Default: 5 s.
	Wait time.Duration
	// Probes is how many unready answers have to be seen before Wait may be cut
	// short. Make it one more than the failures after which a load balancer acts,
	// times the number of load balancers: the one that comes after is the first by
	// which they have acted. Answers to everybody else who asks count, too.
	// Negative: Wait is never cut short.
	// Default: 3.
	Probes int
	// Quiet is for how long no request may have come to the Middleware for Wait to be
	// cut short.
	// Default: 1 s.
	Quiet time.Duration
	// Timeout is for everything: Wait, running requests, closers. What still runs
	// then is cut off.
	// Default: 25 s.
	Timeout time.Duration
	// StayReady leaves readiness as it is. A service that has one replica, and no
	// other to take over, is better off so: an orchestrator sends requests to it
	// until the new one is ready (KEP-1669).
	// Default: false.
	StayReady bool
}

const (
	maxName     = 64                   // bytes; a name is a label value and a part of a header
	maxInterval = 365 * 24 * time.Hour // two of them must fit a time.Duration
)

func (o Options) withDefaults() Options {
	o.Checks = slices.Clone(o.Checks)
	for i := range o.Checks {
		o.Checks[i] = o.Checks[i].withDefaults()
	}
	o.Path = cmp.Or(o.Path, "/health")
	if o.Details == nil {
		o.Details = isLocal
	}
	o.Drain.Wait = cmp.Or(o.Drain.Wait, 5*time.Second)
	o.Drain.Probes = cmp.Or(o.Drain.Probes, 3)
	o.Drain.Quiet = cmp.Or(o.Drain.Quiet, time.Second)
	o.Drain.Timeout = cmp.Or(o.Drain.Timeout, 25*time.Second)
	o.Logger = cmp.Or(o.Logger, slog.Default())
	return o
}

func (c Check) withDefaults() Check {
	if c.Groups == nil {
		c.Groups = []string{Readiness}
	}
	c.Groups = slices.Clone(c.Groups)
	c.Interval = cmp.Or(c.Interval, 10*time.Second)
	c.Timeout = cmp.Or(c.Timeout, min(2*time.Second, max(c.Interval/2, 1)))
	c.FailureThreshold = cmp.Or(c.FailureThreshold, 1)
	c.SuccessThreshold = cmp.Or(c.SuccessThreshold, 1)
	return c
}

// validate finds all faults of options that have their defaults, beside checks of
// our own.
func (o Options) validate(own []Check) error {
	var faults []error
	check := func(ok bool, field, format string, args ...any) {
		if !ok {
			faults = append(faults, fault(field, format, args...))
		}
	}
	names := map[string]bool{}
	for _, c := range own {
		names[c.Name] = true
	}
	for i, c := range o.Checks {
		at := fmt.Sprintf("Checks[%d] %q", i, clip(c.Name, maxName))
		check(!names[c.Name], at, "the name is taken; cpu, memory and disk are taken by System unless it is disabled")
		names[c.Name] = true
		faults = append(faults, c.validate(at))
	}
	check(strings.HasPrefix(o.Path, "/") && !strings.HasSuffix(o.Path, "/") && isPath(o.Path), "Path",
		"%q must be like /health: it starts with a slash, does not end with one, and has letters, digits and -._ in between", o.Path)
	check(o.Drain.Quiet > 0, "Drain.Quiet", "must not be negative")
	check(o.Drain.Timeout > 0, "Drain.Timeout", "must not be negative: an end without a bound is none")
	check(o.Drain.Wait < o.Drain.Timeout, "Drain.Wait", "must be less than Drain.Timeout")
	return errors.Join(faults...)
}

// fault keeps the name of the place out of the format: it may have verbs in it.
func fault(at, format string, args ...any) error {
	return fmt.Errorf("health: %s: "+format, append([]any{at}, args...)...)
}

func (c Check) validate(at string) error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fault(at, format, args...))
		}
	}
	check(isName(c.Name), "Name: must be 1 to %d bytes of printable UTF-8 without a colon", maxName)
	check(c.Func == nil || c.Internal == nil, "Func and Internal: only one of them may be given")
	check(c.Func != nil || c.Internal != nil, "Func or Internal: one of them is required")
	for i, g := range c.Groups {
		check(isGroup(g), "Groups: %q must be 1 to %d lower case letters, digits, - and _, and not %q", clip(g, maxName), maxName, detailed)
		check(!slices.Contains(c.Groups[:i], g), "Groups: %q is there twice", clip(g, maxName))
	}
	check(c.Internal != nil || !slices.Contains(c.Groups, Liveness),
		"Groups: a restart does not mend a dependency, so that only an Internal check may be in %q", Liveness)
	check(c.Criticality >= Critical && c.Criticality <= Informational, "Criticality: %d is none", c.Criticality)
	check(c.Interval > 0, "Interval: must not be negative")
	check(c.Interval <= maxInterval, "Interval: must be at most a year")
	check(c.Timeout > 0, "Timeout: must not be negative: a check without a bound can hang")
	check(c.Timeout < c.Interval || c.Interval <= 0, "Timeout: must be less than Interval")
	check(c.FailureThreshold > 0, "FailureThreshold: must not be negative")
	check(c.SuccessThreshold > 0, "SuccessThreshold: must not be negative")
	return errors.Join(faults...)
}

// isName keeps out what would end a line of text or split a key of health+json
// (draft-inadarei-api-health-check-06 §4).
func isName(s string) bool {
	return s != "" && len(s) <= maxName && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r == ':' || !unicode.IsPrint(r)
	}) && strings.TrimSpace(s) == s
}

// isGroup keeps groups to what is a path segment as it stands.
func isGroup(s string) bool {
	return isWord(strings.ReplaceAll(s, "-", "_"), maxName) && s != detailed
}

// isPath reports whether a mux takes s literally.
func isPath(s string) bool {
	for _, segment := range strings.Split(s[1:], "/") {
		if segment == "." || segment == ".." || segment == "" || strings.ContainsFunc(segment, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~", r)
		}) {
			return false
		}
	}
	return true
}
