package metrics

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
)

// Options configure [New]. The zero value is right for a service that has its
// own /metrics.
type Options struct {
	// Registerer is where the collectors go.
	// Default: a registry of this instance's own.
	Registerer prometheus.Registerer
	// Gatherer is what [Metrics.Handler] serves. It must be given with a
	// Registerer that is not a Gatherer itself.
	// Default: the Registerer.
	Gatherer prometheus.Gatherer
	// Namespace is put before each name, with an underscore. The Go runtime's
	// and the process's families keep their usual names.
	// Default: none.
	Namespace string

	// Methods are the values of the method label, case-sensitive (RFC 9110
	// §9.1); all others are [Other]. It replaces the whole list.
	// Default: the methods of RFC 9110, PATCH (RFC 5789) and QUERY.
	Methods []string
	// MaxRoutes is how many distinct routes get series of their own; the rest
	// shares the route [Other].
	// Default: 500.
	MaxRoutes int
	// MaxSeries is how many distinct combinations of values callers may give
	// to each of the Observe methods; the rest shares [Other]. Each is several
	// series where it is a histogram.
	// Default: 200.
	MaxSeries int
	// KeepHost leaves the host in routes whose pattern has one, as in
	// "example.com/files/{name}".
	// Default: false.
	KeepHost bool
	// RoutePattern names the route of a request after its handler returned, for
	// routers that neither set Request.Pattern nor are wrapped in [Route]. It is
	// given the request that the handler was given; empty means "ask the next
	// best source". It must return a template, never a path.
	// Default: none.
	RoutePattern func(*http.Request) string

	// DurationBuckets are the upper bounds of the classic buckets of request and
	// query durations, in seconds. Make each threshold of an SLO one of them, and
	// none of these an integer: their le is written "1" or "1.0", depending on
	// the version of Prometheus.
	// Default: OpenTelemetry's, 5 ms to 10 s.
	DurationBuckets []float64
	// SizeBuckets are the upper bounds of the classic buckets of bodies, in bytes.
	// Default: powers of 4 from 256 B to 64 MiB.
	SizeBuckets []float64
	// DisableNativeHistograms leaves the classic buckets only. Native ones
	// (resolution 1.1, at most 160 buckets) are read by a Prometheus that has
	// scrape_native_histograms set, and cost others nothing.
	// Default: false.
	DisableNativeHistograms bool
	// DisableRuntime leaves out the collectors of the Go runtime, the process and
	// the build. They are left out silently where the Registerer has them.
	// Default: false.
	DisableRuntime bool
	// AllowExemplars attaches trace ids to durations: of sampled traces, which
	// another layer or [SetTrace] names, at most one for each bucket and second.
	// It costs every request a copy.
	// Default: false.
	AllowExemplars bool

	// Scrape guards and bounds [Metrics.Handler].
	// Default: see [ScrapeOptions].
	Scrape ScrapeOptions
	// Logger is told, once each, which limit was reached.
	// Default: slog.Default().
	Logger *slog.Logger
}

// native histograms: a resolution that keeps quantiles within 5 %, and bounds
// that wild values cannot exceed.
const (
	nativeFactor     = 1.1
	nativeMaxBuckets = 160
	nativeMinReset   = 3600 // seconds
)

func (o Options) withDefaults() Options {
	if o.Registerer == nil && o.Gatherer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	if g, ok := o.Registerer.(prometheus.Gatherer); ok && o.Gatherer == nil {
		o.Gatherer = g
	}
	if o.Methods == nil {
		o.Methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
			http.MethodHead, http.MethodOptions, http.MethodConnect, http.MethodTrace, "QUERY"}
	}
	if o.DurationBuckets == nil {
		o.DurationBuckets = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	}
	if o.SizeBuckets == nil {
		o.SizeBuckets = prometheus.ExponentialBuckets(256, 4, 10)
	}
	o.Methods = slices.Clone(o.Methods)
	o.DurationBuckets, o.SizeBuckets = slices.Clone(o.DurationBuckets), slices.Clone(o.SizeBuckets)
	o.MaxRoutes = cmp.Or(o.MaxRoutes, 500)
	o.MaxSeries = cmp.Or(o.MaxSeries, 200)
	o.Logger = cmp.Or(o.Logger, slog.Default())
	return o
}

// validate finds all faults of options that have their defaults.
func (o Options) validate() error {
	var faults []error
	check := func(ok bool, field, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("metrics: "+field+": "+format, args...))
		}
	}
	check(o.Registerer != nil, "Registerer", "must be given with a Gatherer")
	check(o.Gatherer != nil, "Gatherer", "must be given, as the Registerer is none itself")
	check(o.Namespace == "" || model.LegacyValidation.IsValidLabelName(o.Namespace), "Namespace", "%q has other characters than letters, digits and underscores", o.Namespace)
	check(len(o.Methods) <= 64, "Methods", "there are more than 64")
	for i, method := range o.Methods {
		check(label(method) == method && method != Other, "Methods", "%q is not fit to be a label value", method)
		check(!slices.Contains(o.Methods[:i], method), "Methods", "%q is there twice", method)
	}
	check(o.MaxRoutes > 0, "MaxRoutes", "must not be negative: an endless number of series cannot be had")
	check(o.MaxSeries > 0, "MaxSeries", "must not be negative: an endless number of series cannot be had")
	check(areBounds(o.DurationBuckets), "DurationBuckets", "must be positive, finite and ascending")
	check(areBounds(o.SizeBuckets), "SizeBuckets", "must be positive, finite and ascending")
	check(!o.DisableNativeHistograms || len(o.DurationBuckets) > 0, "DurationBuckets", "must not be empty without native histograms")
	check(!o.DisableNativeHistograms || len(o.SizeBuckets) > 0, "SizeBuckets", "must not be empty without native histograms")
	return errors.Join(append(faults, o.Scrape.validate()...)...)
}

func areBounds(b []float64) bool {
	last := 0.0
	for _, bound := range b {
		if !(bound > last) || math.IsInf(bound, 1) {
			return false
		}
		last = bound
	}
	return true
}
