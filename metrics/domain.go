package metrics

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// domain are the recorders of what is no request. Each takes values from its
// callers, so each is bounded.
type domain struct {
	queries *bounded[string, byError]
	caches  *bounded[cacheKey, prometheus.Counter]
	errors  *bounded[errorKey, prometheus.Counter]
	checks  *bounded[string, checkSeries]
	limits  *bounded[string, limitSeries]
	reports *bounded[reportKey, prometheus.Counter]
	ai      *bounded[aiKey, aiSeries]
	rag     *bounded[string, ragSeries]
	uploads *bounded[uploadKey, uploadSeries]
	codings [len(contentCodings)]codingSeries
	dropped [len(dropReasons)]prometheus.Counter

	draining prometheus.Gauge
}

func newDomain(f *factory) domain {
	return domain{
		queries: newQueries(f),
		caches:  newCaches(f),
		errors:  newErrors(f),
		checks:  newChecks(f),
		limits:  newLimits(f),
		reports: newReports(f),
		ai:      newAI(f),
		rag:     newRAG(f),
		uploads: newUploads(f),
		codings: newCodings(f),
		dropped: newDropped(f),

		draining: f.gauge("health_draining", "1 while the service ends: it is not ready, and waits for the last requests.").WithLabelValues(),
	}
}

// bound makes the table of a recorder whose keys have no more than MaxSeries
// values.
func bound[K comparable, S any](f *factory, recorder string, rest K, clean func(K) K, open func(K) *S) *bounded[K, S] {
	return newBounded(f.opts.MaxSeries, f.overflow(recorder, "MaxSeries"), rest, clean, open)
}

// byError is the histogram of an operation by its error type: empty for none,
// which is as good as no label (OpenTelemetry, error.type).
type byError struct {
	open  func(errorType string) *timer
	kinds [len(errorTypes)]atomic.Pointer[timer]
}

var errorTypes = [...]string{"", "error", "timeout", "canceled"}

// newByError starts with those two that a ratio of failures is made from.
func newByError(open func(errorType string) *timer) *byError {
	b := &byError{open: open}
	b.kinds[0].Store(open(errorTypes[0]))
	b.kinds[1].Store(open(errorTypes[1]))
	return b
}

func (b *byError) of(err error) *timer {
	kind := 1
	switch {
	case err == nil:
		kind = 0
	case errors.Is(err, context.DeadlineExceeded):
		kind = 2
	case errors.Is(err, context.Canceled):
		kind = 3
	}
	if t := b.kinds[kind].Load(); t != nil {
		return t
	}
	if t := b.open(errorTypes[kind]); b.kinds[kind].CompareAndSwap(nil, t) {
		return t
	}
	return b.kinds[kind].Load()
}

// Known is what a service will observe. Series that are not there before their
// first event make rate() miss it.
type Known struct {
	Queries  []string            // operations. Default: none.
	Caches   []string            // names. Default: none.
	Checks   []string            // health checks. Default: none.
	Policies []string            // of rate limits. Default: none.
	Models   []AICall            // Operation, Provider and Model of each. Default: none.
	Sources  []string            // of retrievals. Default: none.
	Uploads  []Upload            // ContentType and Rejected of each. Default: none.
	Errors   map[string][]string // components to their kinds of errors. Default: none.
}

// Declare creates the series of what will be observed, at zero. A limit that it
// reaches is told like any other.
func (m *Metrics) Declare(k Known) {
	d := &m.domain
	for _, operation := range k.Queries {
		d.queries.get(operation)
	}
	for _, cache := range k.Caches {
		d.caches.get(cacheKey{cache, "hit"})
	}
	for _, check := range k.Checks {
		d.checks.get(check)
	}
	for _, policy := range k.Policies {
		d.limits.get(policy)
	}
	for _, c := range k.Models {
		d.ai.get(keyOf(c))
	}
	for _, source := range k.Sources {
		d.rag.get(source)
	}
	for _, u := range k.Uploads {
		d.uploads.get(u.key())
	}
	for component, kinds := range k.Errors {
		for _, kind := range kinds {
			d.errors.get(errorKey{kind, component})
		}
	}
}

// Queries.

func newQueries(f *factory) *bounded[string, byError] {
	duration := f.histogram("db_client_operation_duration_seconds",
		"Time of database operations, by their kind and not by their text.", f.opts.DurationBuckets, "operation", "error_type")
	return bound(f, "query", Other, label, func(operation string) *byError {
		return newByError(func(errorType string) *timer {
			return newTimer(duration.WithLabelValues(operation, errorType), f.opts.AllowExemplars, f.opts.DurationBuckets)
		})
	})
}

// ObserveQuery records a database operation by its class, such as "SELECT" or
// the name of a prepared statement, never by its text: a text has values in it,
// and as many forms as there are values.
func (m *Metrics) ObserveQuery(ctx context.Context, operation string, d time.Duration, err error) {
	t := m.domain.queries.get(operation).of(err)
	if t.gates == nil {
		t.Observe(max(0, d).Seconds())
		return
	}
	t.observe(d, reqinfo.From(ctx))
}

// Caches.

type cacheKey struct{ cache, result string }

func newCaches(f *factory) *bounded[cacheKey, prometheus.Counter] {
	total := f.counter("cache_requests_total", "Look-ups in a cache by what it had to offer.", "cache", "result")
	return bound(f, "cache", cacheKey{Other, Other},
		func(k cacheKey) cacheKey { return cacheKey{label(k.cache), label(k.result)} },
		func(k cacheKey) *prometheus.Counter {
			if k.cache != Other {
				// Both, as a hit ratio needs both from the first look-up on.
				total.WithLabelValues(k.cache, "hit")
				total.WithLabelValues(k.cache, "miss")
			}
			c := total.WithLabelValues(k.cache, k.result)
			return &c
		})
}

// ObserveCache records a look-up in a cache: "hit", "miss", or what else the
// cache tells apart, such as "stale" and "bypass".
func (m *Metrics) ObserveCache(_ context.Context, cache, result string) {
	(*m.domain.caches.get(cacheKey{cache, result})).Inc()
}

// Errors.

type errorKey struct{ kind, component string }

func newErrors(f *factory) *bounded[errorKey, prometheus.Counter] {
	total := f.counter("errors_total", "Errors that a component of the service reported.", "kind", "component")
	return bound(f, "error", errorKey{Other, Other},
		func(k errorKey) errorKey { return errorKey{label(k.kind), label(k.component)} },
		func(k errorKey) *prometheus.Counter {
			c := total.WithLabelValues(k.kind, k.component)
			return &c
		})
}

// ObserveError counts an error by its kind, such as "timeout" or "constraint",
// and by the component it came up in. The text of an error is no kind: it may
// hold secrets, and no two are alike.
func (m *Metrics) ObserveError(kind, component string) {
	(*m.domain.errors.get(errorKey{kind, component})).Inc()
}

// Rate limits.

type limitSeries struct{ allowed, denied prometheus.Counter }

func newLimits(f *factory) *bounded[string, limitSeries] {
	total := f.counter("ratelimit_decisions_total", "Decisions of rate limiters.", "policy", "decision")
	return bound(f, "ratelimit", Other, label, func(policy string) *limitSeries {
		return &limitSeries{total.WithLabelValues(policy, "allowed"), total.WithLabelValues(policy, "denied")}
	})
}

// ObserveRateLimit records the decision of a rate limiter under the name of the
// policy that took it, never under the name of who was limited.
func (m *Metrics) ObserveRateLimit(_ context.Context, policy string, allowed bool) {
	s := m.domain.limits.get(policy)
	if allowed {
		s.allowed.Inc()
		return
	}
	s.denied.Inc()
}

// CSP reports.

type reportKey struct{ directive, disposition string }

// directives are those of CSP Level 3 (§6) and of the specifications that add to
// it.
var directives = func() map[string]string {
	all := map[string]string{}
	for d := range strings.FieldsSeq(`default-src script-src script-src-elem script-src-attr style-src style-src-elem
		style-src-attr img-src font-src connect-src media-src object-src frame-src child-src worker-src manifest-src
		base-uri form-action frame-ancestors navigate-to sandbox upgrade-insecure-requests block-all-mixed-content
		require-trusted-types-for trusted-types prefetch-src fenced-frame-src webrtc report-uri report-to`) {
		all[d] = d
	}
	return all
}()

func newReports(f *factory) *bounded[reportKey, prometheus.Counter] {
	total := f.counter("csp_reports_total", "Violations of the content security policy that browsers reported.", "directive", "disposition")
	// Anyone can send a report, so that nothing but the names of the
	// specification can be a label value.
	clean := func(k reportKey) reportKey {
		clean := reportKey{cmp.Or(directives[k.directive], Other), Other}
		for _, disposition := range []string{"enforce", "report"} {
			if k.disposition == disposition {
				clean.disposition = disposition
			}
		}
		return clean
	}
	open := func(k reportKey) *prometheus.Counter {
		c := total.WithLabelValues(k.directive, k.disposition)
		return &c
	}
	reports := bound(f, "csp", reportKey{Other, Other}, clean, open)
	reports.limit = max(reports.limit, 3*(len(directives)+1)) // a closed set needs no limit
	reports.force(reportKey{"script-src-elem", "enforce"})    // for the first increase
	return reports
}

// ObserveCSPReport records a violation report by its effective directive and its
// disposition, "enforce" or "report" (CSP Level 3 §5).
func (m *Metrics) ObserveCSPReport(directive, disposition string) {
	(*m.domain.reports.get(reportKey{directive, disposition})).Inc()
}

// dropReasons are those that sluice's secheaders drops reports for; any other is
// [Other].
var dropReasons = [...]string{"media_type", "encoding", "too_large", "too_many", "rate", "busy", "broken", "malformed",
	"type", "origin", "noise", "ignored", Other}

// newDropped starts all series at zero: there are never more.
func newDropped(f *factory) (all [len(dropReasons)]prometheus.Counter) {
	total := f.counter("csp_reports_dropped_total", "Reports of browsers that were dropped, by the reason.", "reason")
	for i, reason := range dropReasons {
		all[i] = total.WithLabelValues(reason)
	}
	return all
}

// ObserveCSPDrop counts reports that were dropped, as OnDrop of sluice's secheaders
// tells it.
func (m *Metrics) ObserveCSPDrop(reason string, records int) {
	c := m.domain.dropped[len(dropReasons)-1]
	for i, known := range dropReasons {
		if known == reason {
			c = m.domain.dropped[i]
		}
	}
	c.Add(float64(min(max(0, records), 1<<30))) // a counter wraps around at 2^64
}
