package metrics

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// requests are the families of every request.
type requests struct {
	total        *prometheus.CounterVec
	errors       *prometheus.CounterVec
	duration     *prometheus.HistogramVec
	requestSize  *prometheus.HistogramVec
	responseSize *prometheus.HistogramVec

	durationBuckets []float64
	exemplars       bool
}

func newRequests(f *factory, inFlight *atomic.Int64) requests {
	f.add(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: f.opts.Namespace,
		Name:      "http_requests_in_flight",
		Help:      "Requests whose handler is running.",
	}, func() float64 { return float64(inFlight.Load()) }))
	return requests{
		durationBuckets: f.opts.DurationBuckets,
		exemplars:       f.opts.AllowExemplars,
		total: f.counter("http_requests_total",
			"Requests by the status code that the client saw.", "method", "route", "code"),
		errors: f.counter("http_request_errors_total",
			"Requests that ended otherwise than by an answer: panic, aborted, client_closed, timeout.", "method", "route", "error_type"),
		duration: f.histogram("http_request_duration_seconds",
			"Time until the handler was done; for streams and upgraded connections until the first byte.",
			f.opts.DurationBuckets, "method", "route", "outcome"),
		requestSize: f.histogram("http_request_size_bytes",
			"Bytes of request bodies that handlers read.", f.opts.SizeBuckets, "method", "route"),
		responseSize: f.histogram("http_response_size_bytes",
			"Bytes of response bodies as they left the middleware.", f.opts.SizeBuckets, "method", "route"),
	}
}

// series are the children of one route and method, resolved once: looking them
// up by labels costs more than counting.
type series struct {
	route  *route
	method string

	requestSize  prometheus.Observer
	responseSize prometheus.Observer
	durations    [numOutcomes]atomic.Pointer[timer]
	codes        atomic.Pointer[[]codeCount] // replaced, never changed

	mu sync.Mutex // held to resolve a child
}

type codeCount struct {
	code int
	prometheus.Counter
}

func newSeries(rt *route, method string) *series {
	r := &rt.m.requests
	return &series{
		route:        rt,
		method:       method,
		requestSize:  r.requestSize.WithLabelValues(method, rt.name),
		responseSize: r.responseSize.WithLabelValues(method, rt.name),
	}
}

// count returns the counter of a code. A route knows few, so that a scan is
// faster than a map.
func (s *series) count(code int) prometheus.Counter {
	if known := s.codes.Load(); known != nil {
		for i := range *known {
			if (*known)[i].code == code {
				return (*known)[i].Counter
			}
		}
	}
	return s.newCount(code)
}

func (s *series) newCount(code int) prometheus.Counter {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := codeCount{code, s.route.m.requests.total.WithLabelValues(s.method, s.route.name, codeLabel(code))}
	grown := []codeCount{c}
	if known := s.codes.Load(); known != nil {
		grown = append(append(make([]codeCount, 0, len(*known)+1), *known...), c)
	}
	s.codes.Store(&grown)
	return c.Counter
}

func (s *series) duration(o outcome) *timer {
	if t := s.durations[o].Load(); t != nil {
		return t
	}
	return s.newDuration(o)
}

func (s *series) newDuration(o outcome) *timer {
	r := &s.route.m.requests
	t := newTimer(r.duration.WithLabelValues(s.method, s.route.name, outcomeNames[o]), r.exemplars, r.durationBuckets)
	if !s.durations[o].CompareAndSwap(nil, t) {
		return s.durations[o].Load()
	}
	return t
}

// answered counts a request whose code and time to answer are known.
func (s *series) answered(code int, failed failure, latency time.Duration, info *reqinfo.Info) {
	s.count(code).Inc()
	s.duration(outcomeOf(code, failed)).observe(latency, info)
}

func (s *series) fail(f failure) {
	if f != noFailure {
		s.route.m.requests.errors.WithLabelValues(s.method, s.route.name, failureNames[f]).Inc()
	}
}
