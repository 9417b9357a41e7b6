package metrics

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
)

// handlers whose answers are not as plain as that of the benchmark.
var handlers = map[string]http.HandlerFunc{
	"panic": func(http.ResponseWriter, *http.Request) { panic("out of order") },
	"103, then 200": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = w.Write(hello)
	},
	"201, then 500": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		w.WriteHeader(http.StatusInternalServerError) // too late: the client has the 201
		_, _ = w.Write(hello)
	},
	"io.Copy": func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.Copy(w, struct{ io.Reader }{strings.NewReader("hello")})
	},
}

// A fast answer that is wrong is not worth much. These are the codes that each
// subject records for the handlers above, and the bytes of the last one; none
// is what it did not record.
func TestEachSubjectIsAsAccurateAsTheREADMESays(t *testing.T) {
	const none = "none"
	type codes struct{ panicked, early, twice, copied string }
	sluice := codes{"500", "200", "201", "200, 5 bytes"}
	promhttp := codes{none, "103", "500", "200, 5 bytes"}
	tests := map[string]codes{
		"sluice":               sluice,
		"sluice, classic only": sluice,
		"promhttp around the mux, native and classic":    promhttp,
		"promhttp around the mux, classic only":          promhttp,
		"promhttp around each route, native and classic": promhttp,
		"promhttp around each route, classic only":       promhttp,
		"otelhttp, Prometheus exporter":                  {none, "200", "201", "200, 0 bytes"},
		"slok/go-http-metrics around each route":         {"200", "103", "500", "200, 5 bytes"},
		"go-chi/metrics in a chi router":                 {"200", "200", "201", "200"},
	}
	got := map[string]codes{}
	for name := range tests {
		got[name] = codes{
			codesOf(t, name, "panic"), codesOf(t, name, "103, then 200"),
			codesOf(t, name, "201, then 500"), codesOf(t, name, "io.Copy"),
		}
	}
	require.Equal(t, tests, got)
}

// codesOf is what a subject records for one request to a real server.
func codesOf(t *testing.T, name, handler string) string {
	t.Helper()
	all, err := subjects(handlers[handler])
	require.NoError(t, err)
	s := all[slices.IndexFunc(all, func(s subject) bool { return s.Name == name })]
	server := httptest.NewUnstartedServer(s.Handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	before := codeCounts(scrape(t, s.scrape))
	resp, err := server.Client().Get(server.URL + "/things/42")
	if handler == "panic" {
		require.Error(t, err)
	} else {
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	}
	server.Close() // waits for the handler
	after := scrape(t, s.scrape)

	codes := "none"
	for code, n := range codeCounts(after) {
		if n > before[code] {
			codes = code
		}
	}
	if size := recorded[name].responseSize; handler == "io.Copy" && size != "" {
		codes += map[float64]string{0: ", 0 bytes", 5: ", 5 bytes"}[sum(after, size)]
	}
	return codes
}

// codeCounts are requests by code: by a counter, or else by the histogram of
// durations.
func codeCounts(families map[string]*dto.MetricFamily) map[string]uint64 {
	total := map[string]uint64{}
	for _, name := range []string{"http_requests_total", "http_request_duration_seconds", "http_server_request_duration_seconds"} {
		for _, m := range families[name].GetMetric() {
			for _, l := range m.GetLabel() {
				switch l.GetName() {
				case "code", "status", "http_response_status_code":
					total[l.GetValue()] += uint64(m.GetCounter().GetValue()) + m.GetHistogram().GetSampleCount()
				}
			}
		}
	}
	return total
}
