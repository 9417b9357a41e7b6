package metrics

import (
	"net/http"
	"strings"

	chimetrics "github.com/go-chi/metrics"
	"github.com/prometheus/client_golang/prometheus"
	slokprometheus "github.com/slok/go-http-metrics/metrics/prometheus"
	slok "github.com/slok/go-http-metrics/middleware"
	slokstd "github.com/slok/go-http-metrics/middleware/std"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

// openOtelhttp records metrics alone. Traces cannot be left out; with a
// provider and a propagator that do nothing they are as cheap as can be.
func openOtelhttp(get http.HandlerFunc) (subject, error) {
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry))
	if err != nil {
		return subject{}, err
	}
	h := otelhttp.NewHandler(routes(get, nil), "bench",
		otelhttp.WithMeterProvider(sdk.NewMeterProvider(sdk.WithReader(exporter))),
		otelhttp.WithTracerProvider(noop.NewTracerProvider()),
		otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator()))
	return subject{harness.Subject{Name: "otelhttp, Prometheus exporter", Handler: h, Over: overMux}, scrapeOf(registry)}, nil
}

// openSlok names each route by hand: without a name the label is the raw path.
func openSlok(get http.HandlerFunc) (subject, error) {
	registry := prometheus.NewRegistry()
	m := slok.New(slok.Config{Recorder: slokprometheus.NewRecorder(slokprometheus.Config{Registry: registry})})
	h := routes(get, func(route string, h http.Handler) http.Handler {
		_, path, _ := strings.Cut(route, " ")
		return slokstd.Handler(path, m, h)
	})
	return subject{harness.Subject{Name: "slok/go-http-metrics around each route", Handler: h, Over: overMux}, scrapeOf(registry)}, nil
}

func openChi(get http.HandlerFunc) (subject, error) {
	h := chiRoutes(get, chimetrics.Collector(chimetrics.CollectorOpts{}))
	return subject{harness.Subject{Name: "go-chi/metrics in a chi router", Handler: h, Over: overChi}, chimetrics.Handler()}, nil
}
