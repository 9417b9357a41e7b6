package metrics_test

import (
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/metrics"

	servers "github.com/sluice-go/sluice/internal/testutil"
)

// families are those that the package comment lists.
var families = strings.Fields(`http_requests_total http_request_duration_seconds http_request_size_bytes
	http_response_size_bytes http_request_errors_total http_requests_in_flight http_streams_active
	http_stream_duration_seconds websocket_connections_active websocket_connections_total
	websocket_connection_duration_seconds websocket_received_bytes_total websocket_sent_bytes_total
	db_client_operation_duration_seconds cache_requests_total gen_ai_client_operation_duration_seconds
	gen_ai_client_operation_time_to_first_chunk_seconds gen_ai_client_token_usage rag_retrieval_duration_seconds
	rag_retrieved_documents uploads_total upload_size_bytes errors_total health_check_status
	health_check_duration_seconds health_check_last_success_timestamp_seconds health_check_transitions_total
	health_check_stuck health_draining ratelimit_decisions_total
	csp_reports_total csp_reports_dropped_total http_response_encodings_total http_response_encoding_bytes_total
	http_response_encoding_seconds_total sluice_label_overflow_total`)

// filled has something in each family.
func filled(t *testing.T, o metrics.Options) *metrics.Metrics {
	t.Helper()
	m := newMetrics(t, o)
	recordAll(m, "x", time.Second, 1)
	m.ObserveHealth("db", "healthy", time.Second, nil)
	mux := bareMux().(*http.ServeMux)
	mux.HandleFunc("GET /stream", func(w http.ResponseWriter, _ *http.Request) { _ = http.NewResponseController(w).Flush() })
	mux.HandleFunc("GET /abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("GET /upgrade", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		_ = conn.Close()
	})
	srv := servers.Start(t, m.Middleware(mux))
	for _, path := range []string{"/things/7", "/nothing", "/stream", "/abort", "/upgrade"} {
		if res, err := srv.Client().Get(srv.URL + path); err == nil {
			res.Body.Close()
		}
	}
	srv.Close() // waits for all but hijacked connections
	require.Eventually(t, func() bool {
		return readingOf(t, m)[prefixOf(o)+"websocket_connection_duration_seconds"] != nil && readingOf(t, m)[prefixOf(o)+"http_stream_duration_seconds"] != nil
	}, 5*time.Second, time.Millisecond)
	return m
}

func prefixOf(o metrics.Options) string {
	if o.Namespace == "" {
		return ""
	}
	return o.Namespace + "_"
}

// Trap 7: "promlint must return nothing".
func TestPromlintFindsNothingInAnyFamily(t *testing.T) {
	for name, o := range map[string]metrics.Options{
		"defaults":     {},
		"a namespace":  {Namespace: "my_app"},
		"classic only": {DisableNativeHistograms: true},
		"native only":  {DurationBuckets: []float64{}, SizeBuckets: []float64{}},
		"pedantic":     {Registerer: prometheus.NewPedanticRegistry()},
	} {
		t.Run(name, func(t *testing.T) {
			m := filled(t, o)
			r := readingOf(t, m)
			for _, family := range families {
				require.Contains(t, r, prefixOf(o)+family)
			}
			for _, family := range []string{"go_goroutines", "process_cpu_seconds_total", "go_build_info", "sluice_scrape_gathers_total"} {
				require.Contains(t, r, family)
			}
			problems, err := testutil.GatherAndLint(m.Gatherer())
			require.NoError(t, err)
			require.Empty(t, problems)
		})
	}
}

// Trap 7: legacy charset, reserved labels, base units.
func TestNamesAreOldStyleAndLabelsAreNotReserved(t *testing.T) {
	r := readingOf(t, filled(t, metrics.Options{DisableRuntime: true}))
	name := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	for family, f := range r {
		require.Regexp(t, name, family)
		require.NotRegexp(t, `_(ms|millis|milliseconds|kb|percent|created|info|bucket|count|sum)$`, family)
		require.NotEmpty(t, f.GetHelp(), family)
		require.Equal(t, f.GetType() == dto.MetricType_COUNTER, strings.HasSuffix(family, "_total"), family)
		for _, s := range f.GetMetric() {
			for label := range labelsOf(s) {
				require.Regexp(t, name, label)
				require.NotContains(t, []string{"le", "quantile", "job", "instance"}, label, family)
			}
		}
	}
	for family := range r {
		require.True(t, strings.HasPrefix(family, "sluice_scrape_") || slices.Contains(families, family), "%s is not documented", family)
	}
}

// Trap 6: "make each SLO threshold an exact bucket bound", and a non-integer one
// is written the same by all formats.
func TestABoundThatIsNoIntegerIsWrittenTheSameInAllFormats(t *testing.T) {
	m := newMetrics(t, metrics.Options{DurationBuckets: []float64{.1, .25, .3, 2.5}})
	ask(m.Middleware(at("/x", answer)), "GET", "/x")
	srv := servers.Start(t, m.Handler())
	for _, accept := range []string{"text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL, nil)
		require.NoError(t, err)
		req.Header.Set("Accept", accept)
		res, err := srv.Client().Do(req)
		require.NoError(t, err)
		page, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		res.Body.Close()
		for _, le := range []string{"0.1", "0.25", "0.3", "2.5", "+Inf"} {
			require.Contains(t, string(page), `http_request_duration_seconds_bucket{method="GET",outcome="success",route="/x",le="`+le+`"} 1`, accept)
		}
	}
}

// Trap 25: native histograms are on, bounded, and can be left out.
func TestAllHistogramsAreClassicAndNativeUnlessNotWanted(t *testing.T) {
	for _, disabled := range []bool{false, true} {
		for name, f := range readingOf(t, filled(t, metrics.Options{DisableRuntime: true, DisableNativeHistograms: disabled})) {
			if f.GetType() != dto.MetricType_HISTOGRAM {
				continue
			}
			for _, s := range f.GetMetric() {
				require.NotEmpty(t, s.GetHistogram().GetBucket(), name)
				require.Equal(t, disabled, s.GetHistogram().Schema == nil, name)
			}
		}
	}
}
