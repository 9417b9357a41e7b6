package metrics

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics measures a service. All methods may be called from any goroutine, and
// none waits for anything but memory.
type Metrics struct {
	opts     Options
	methods  []string
	inFlight atomic.Int64
	requests requests
	routes   *routes
	live     live
	domain   domain
	scrape   http.Handler
}

// New registers all families of the package. A name that is taken, as by a
// second instance on the same registry, is an error, and then nothing is
// registered.
func New(o Options) (*Metrics, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	m := &Metrics{opts: o, methods: o.Methods}
	f := &factory{opts: o}
	m.requests = newRequests(f, &m.inFlight)
	m.live = newLive(f)
	m.routes = newRoutes(m, f)
	m.domain = newDomain(f)
	if err := f.register(); err != nil {
		return nil, err
	}
	var err error
	if m.scrape, err = newScrapeHandler(o.Gatherer, o.Registerer, o.Scrape, o.Logger); err != nil {
		f.unregister()
		return nil, err
	}
	return m, nil
}

// Registerer is where further collectors of the service go.
func (m *Metrics) Registerer() prometheus.Registerer { return m.opts.Registerer }

// Gatherer is what Handler serves, for tests and for other ways of export.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.opts.Gatherer }

// RegisterDB adds the statistics of a pool of connections, as [sql.DB.Stats] has
// them, under the label db_name.
func (m *Metrics) RegisterDB(name string, db *sql.DB) error {
	if db == nil {
		return errors.New("metrics: RegisterDB: the database is nil")
	}
	if err := m.opts.Registerer.Register(collectors.NewDBStatsCollector(db, label(name))); err != nil {
		return fmt.Errorf("metrics: RegisterDB: %w", err)
	}
	return nil
}

// Handler serves the metrics in the text formats of Prometheus and OpenMetrics
// and in protobuf, compressed as the scraper likes. It belongs on a listener for
// operators. Requests to it are not counted by [Metrics.Middleware].
func (m *Metrics) Handler() http.Handler { return Exclude(m.scrape) }

// factory makes the collectors of one instance and registers them together.
type factory struct {
	opts       Options
	collectors []prometheus.Collector
	overflows  *prometheus.CounterVec
	registered []prometheus.Collector
}

func (f *factory) add(c prometheus.Collector) { f.collectors = append(f.collectors, c) }

func (f *factory) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: f.opts.Namespace, Name: name, Help: help}, labels)
	f.add(c)
	return c
}

func (f *factory) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: f.opts.Namespace, Name: name, Help: help}, labels)
	f.add(g)
	return g
}

func (f *factory) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	o := prometheus.HistogramOpts{Namespace: f.opts.Namespace, Name: name, Help: help, Buckets: buckets}
	if !f.opts.DisableNativeHistograms {
		o.NativeHistogramBucketFactor = nativeFactor
		o.NativeHistogramMaxBucketNumber = nativeMaxBuckets
		o.NativeHistogramMinResetDuration = nativeMinReset * time.Second
	}
	h := prometheus.NewHistogramVec(o, labels)
	f.add(h)
	return h
}

// overflow is the counter of one recorder's folded observations, from zero on.
func (f *factory) overflow(recorder, option string) *overflow {
	if f.overflows == nil {
		f.overflows = f.counter("sluice_label_overflow_total",
			"Observations that were counted under _OTHER because the limit of distinct label values was reached.", "recorder")
	}
	return &overflow{recorder: recorder, limit: option, count: f.overflows.WithLabelValues(recorder), logger: f.opts.Logger}
}

// register registers everything or nothing.
func (f *factory) register() error {
	var faults []error
	var taken []string
	try := func(c prometheus.Collector) (isTaken bool) {
		err := f.opts.Registerer.Register(c)
		switch {
		case err == nil:
			f.registered = append(f.registered, c)
		case errors.As(err, new(prometheus.AlreadyRegisteredError)):
			return true
		default:
			faults = append(faults, fmt.Errorf("metrics: Registerer: %w; a Namespace keeps names apart", err))
		}
		return false
	}
	for _, c := range f.collectors {
		if try(c) {
			taken = append(taken, names(c))
		}
	}
	if len(taken) > 0 {
		faults = append(faults, fmt.Errorf("metrics: Registerer: has these names already, perhaps of a second instance, which needs a Namespace or a registry of its own: %s",
			strings.Join(taken, ", ")))
	}
	for _, c := range f.runtime() {
		// The registry's owner may have the like, and then that one stays.
		if f.opts.Registerer.Register(c) == nil {
			f.registered = append(f.registered, c)
		}
	}
	err := errors.Join(faults...)
	if err != nil {
		f.unregister()
	}
	return err
}

func (f *factory) runtime() []prometheus.Collector {
	if f.opts.DisableRuntime {
		return nil
	}
	return []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	}
}

func (f *factory) unregister() {
	for _, c := range f.registered {
		f.opts.Registerer.Unregister(c)
	}
}

// names lists the families of a collector, as an error should.
func names(c prometheus.Collector) string {
	descs := make(chan *prometheus.Desc, 16)
	go func() {
		c.Describe(descs)
		close(descs)
	}()
	var all []string
	for d := range descs {
		_, rest, _ := strings.Cut(d.String(), `fqName: "`)
		name, _, _ := strings.Cut(rest, `"`)
		all = append(all, name)
	}
	return strings.Join(all, ", ")
}
