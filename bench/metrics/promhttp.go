package metrics

import (
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

// instruments are the five that promhttp has a wrapper for.
type instruments struct {
	inFlight     prometheus.Gauge
	requests     *prometheus.CounterVec
	duration     prometheus.ObserverVec
	requestSize  prometheus.ObserverVec
	responseSize prometheus.ObserverVec
}

// newInstruments have the labels of sluice's families, or what comes closest: a
// code in the place of the outcome. Sizes have no code, which saves promhttp a
// wrapper around the writer.
func newInstruments(registry *prometheus.Registry, native bool) (*instruments, error) {
	histogram := func(name string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		opts := prometheus.HistogramOpts{Name: name, Help: name + " of HTTP requests.", Buckets: buckets}
		if native {
			opts.NativeHistogramBucketFactor = 1.1
			opts.NativeHistogramMaxBucketNumber = 160
			opts.NativeHistogramMinResetDuration = time.Hour
		}
		return prometheus.NewHistogramVec(opts, labels)
	}
	seconds := []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	bytes := prometheus.ExponentialBuckets(256, 4, 10)
	inFlight := prometheus.NewGauge(prometheus.GaugeOpts{Name: "http_requests_in_flight", Help: "HTTP requests in flight."})
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "http_requests_total", Help: "HTTP requests."}, []string{"code", "method", "route"})
	duration := histogram("http_request_duration_seconds", seconds, "code", "method", "route")
	requestSize := histogram("http_request_size_bytes", bytes, "method", "route")
	responseSize := histogram("http_response_size_bytes", bytes, "method", "route")
	return &instruments{inFlight, requests, duration, requestSize, responseSize},
		errors.Join(registry.Register(inFlight), registry.Register(requests),
			registry.Register(duration), registry.Register(requestSize), registry.Register(responseSize))
}

// chain is the full chain of promhttp in the order of its documentation.
func (i *instruments) chain(next http.Handler, opts ...promhttp.Option) http.Handler {
	next = promhttp.InstrumentHandlerResponseSize(i.responseSize, next, opts...)
	next = promhttp.InstrumentHandlerRequestSize(i.requestSize, next, opts...)
	next = promhttp.InstrumentHandlerCounter(i.requests, next, opts...)
	next = promhttp.InstrumentHandlerDuration(i.duration, next, opts...)
	return promhttp.InstrumentHandlerInFlight(i.inFlight, next)
}

// route returns the instruments of one route.
func (i *instruments) route(route string) *instruments {
	label := prometheus.Labels{"route": route}
	return &instruments{
		inFlight:     i.inFlight,
		requests:     i.requests.MustCurryWith(label),
		duration:     i.duration.MustCurryWith(label),
		requestSize:  i.requestSize.MustCurryWith(label),
		responseSize: i.responseSize.MustCurryWith(label),
	}
}

func openPromhttpNative(get http.HandlerFunc) (subject, error) {
	return openPromhttp(get, "promhttp around the mux, native and classic", true, false)
}

func openPromhttpClassic(get http.HandlerFunc) (subject, error) {
	return openPromhttp(get, "promhttp around the mux, classic only", false, false)
}

func openPromhttpPerRoute(get http.HandlerFunc) (subject, error) {
	return openPromhttp(get, "promhttp around each route, native and classic", true, true)
}

func openPromhttpPerRouteClassic(get http.HandlerFunc) (subject, error) {
	return openPromhttp(get, "promhttp around each route, classic only", false, true)
}

func openPromhttp(get http.HandlerFunc, name string, native, perRoute bool) (subject, error) {
	registry := prometheus.NewRegistry()
	all, err := newInstruments(registry, native)
	if err != nil {
		return subject{}, err
	}
	var h http.Handler
	if perRoute {
		h = routes(get, func(route string, h http.Handler) http.Handler { return all.route(route).chain(h) })
	} else {
		h = all.chain(routes(get, nil), promhttp.WithLabelFromRequest("route", func(r *http.Request) string { return r.Pattern }))
	}
	return subject{harness.Subject{Name: name, Handler: h, Over: overMux}, scrapeOf(registry)}, nil
}

func scrapeOf(gatherer prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError})
}
