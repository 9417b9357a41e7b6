package metrics

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

// series is what one request adds an event to.
type series struct {
	name  string
	kind  string // counter, classic, native, or both for a histogram
	route string // the label that names it
}

// names of what a subject records, as a scrape shows them.
type names struct {
	counter, duration, requestSize, responseSize string
	histograms                                   string // their kind
	inFlight                                     string
	get, post                                    string // the routes
}

func promhttpNames(kind string) names {
	return names{
		"http_requests_total", "http_request_duration_seconds", "http_request_size_bytes", "http_response_size_bytes", kind,
		"http_requests_in_flight", "GET /things/{id}", "POST /things",
	}
}

func sluiceNames(kind string) names {
	return names{
		"http_requests_total", "http_request_duration_seconds", "http_request_size_bytes", "http_response_size_bytes", kind,
		"http_requests_in_flight", "/things/{id}", "/things",
	}
}

var recorded = map[string]names{
	"sluice":               sluiceNames("both"),
	"sluice, classic only": sluiceNames("classic"),
	"promhttp around the mux, native and classic":    promhttpNames("both"),
	"promhttp around the mux, classic only":          promhttpNames("classic"),
	"promhttp around each route, native and classic": promhttpNames("both"),
	"promhttp around each route, classic only":       promhttpNames("classic"),
	"otelhttp, Prometheus exporter": {
		"", "http_server_request_duration_seconds", "http_server_request_body_size_bytes", "http_server_response_body_size_bytes", "classic",
		"", "/things/{id}", "/things",
	},
	"slok/go-http-metrics around each route": {
		"", "http_request_duration_seconds", "", "http_response_size_bytes", "classic",
		"http_requests_inflight", "/things/{id}", "/things",
	},
	"go-chi/metrics in a chi router": {
		"http_requests_total", "http_request_duration_seconds", "", "", "classic",
		"http_requests_inflight", "GET /things/{id}", "POST /things",
	},
}

func TestEachSubjectRecordsWhatTheREADMESays(t *testing.T) {
	all, err := subjects(write)
	require.NoError(t, err)
	require.Len(t, all, len(recorded))
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			want, ok := recorded[s.Name]
			require.True(t, ok)
			before := scrape(t, s.scrape)
			for _, c := range cases {
				send(t, c, s.Handler)
			}
			after := scrape(t, s.scrape)

			events := map[series]uint64{}
			for name, kind := range map[string]string{
				want.counter: "counter", want.duration: want.histograms, want.requestSize: want.histograms, want.responseSize: want.histograms,
			} {
				if name != "" {
					events[series{name, kind, want.get}] = 2
					events[series{name, kind, want.post}] = 1
				}
			}
			require.Equal(t, events, added(before, after), "two GET, one POST")
			require.Greater(t, sum(after, want.duration), sum(before, want.duration))
			if want.requestSize != "" {
				require.GreaterOrEqual(t, sum(after, want.requestSize), 1024.0)
			}
			if want.responseSize != "" {
				require.Equal(t, 3*5.0, sum(after, want.responseSize))
			}
		})
	}
}

func TestEachSubjectCountsRequestsInFlightWhereTheREADMESaysSo(t *testing.T) {
	all, err := subjects(write)
	require.NoError(t, err)
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			if recorded[s.Name].inFlight == "" {
				for name := range scrape(t, s.scrape) {
					require.NotContains(t, name, "active")
				}
				return
			}
			inFlight := func() (n float64) {
				for _, m := range scrape(t, s.scrape)[recorded[s.Name].inFlight].GetMetric() {
					n += m.GetGauge().GetValue()
				}
				return n
			}
			var during float64
			body := readerFunc(func([]byte) (int, error) {
				during = inFlight()
				return 0, io.EOF
			})
			s.Handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/things", body))
			require.Equal(t, 1.0, during)
			require.Equal(t, 0.0, inFlight())
		})
	}
}

func TestEachSubjectAnswersLikeTheBareApplication(t *testing.T) {
	all, err := subjects(write)
	require.NoError(t, err)
	handlers := map[string]http.Handler{overMux: routes(write, nil), overChi: chiRoutes(write)}
	for _, s := range all {
		handlers[s.Name] = s.Handler
	}
	for name, h := range handlers {
		for _, c := range cases {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(c.Method, c.Target, strings.NewReader(string(c.Body))))
			require.Equal(t, http.StatusOK, w.Code, name)
			require.Equal(t, "hello", w.Body.String(), name)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// send sends what the benchmark measures, once.
func send(t *testing.T, c harness.Case, h http.Handler) {
	t.Helper()
	client, err := harness.NewClient(c)
	require.NoError(t, err)
	defer client.Close()
	client.Do(h)
	require.EqualValues(t, len(hello), client.Answered())
}

// scrape asks for protobuf: native histograms have no text form.
func scrape(t *testing.T, h http.Handler) map[string]*dto.MetricFamily {
	t.Helper()
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", string(expfmt.NewFormat(expfmt.TypeProtoDelim)))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	families := map[string]*dto.MetricFamily{}
	for d := expfmt.NewDecoder(w.Body, expfmt.ResponseFormat(w.Header())); ; {
		var f dto.MetricFamily
		if err := d.Decode(&f); errors.Is(err, io.EOF) {
			return families
		} else {
			require.NoError(t, err)
		}
		families[f.GetName()] = &f
	}
}

// added is the number of new events of all series about HTTP.
func added(before, after map[string]*dto.MetricFamily) map[series]uint64 {
	total := events(after)
	for s, n := range events(before) {
		total[s] -= n
	}
	maps.DeleteFunc(total, func(_ series, n uint64) bool { return n == 0 })
	return total
}

func events(families map[string]*dto.MetricFamily) map[series]uint64 {
	total := map[series]uint64{}
	for name, f := range families {
		if !strings.HasPrefix(name, "http_") {
			continue
		}
		for _, m := range f.GetMetric() {
			route := ""
			for _, l := range m.GetLabel() {
				if strings.Contains(l.GetValue(), "/things") {
					route = l.GetValue()
				}
			}
			switch h := m.GetHistogram(); {
			case m.Counter != nil:
				total[series{name, "counter", route}] += uint64(m.GetCounter().GetValue())
			case h != nil && len(h.GetBucket()) > 0 && h.Schema != nil:
				total[series{name, "both", route}] += h.GetSampleCount()
			case h != nil && len(h.GetBucket()) > 0:
				total[series{name, "classic", route}] += h.GetSampleCount()
			case h != nil:
				total[series{name, "native", route}] += h.GetSampleCount()
			}
		}
	}
	return total
}

func sum(families map[string]*dto.MetricFamily, name string) (total float64) {
	for _, m := range families[name].GetMetric() {
		total += m.GetHistogram().GetSampleSum()
	}
	return total
}
