package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

// measured are queries that find something after a server was exercised, at
// least one for each family of its metrics.
var measured = []string{
	`http_requests_total{method="GET",route="/api/messages/{id}",code="200"} > 0`,
	`http_requests_total{method="PUT",route="/api/tickets/{id}",code="412"} > 0`,
	`http_requests_total{method="_OTHER",route="/api/messages",code="405"} > 0`,
	`http_requests_total{method="GET",route="/api/",code="404"} > 0`,
	`http_requests_total{method="GET",route="/ws/chat",code="101"} > 0`,
	`http_requests_total{method="GET",route="/api/projects",code="500"} == 0`,
	`http_request_duration_seconds_count{route="/api/tickets",outcome="success"} > 0`,
	`http_request_duration_seconds_bucket{route="/api/login",outcome="success"} > 0`,
	`http_request_size_bytes_sum{method="POST",route="/api/files"} >= 210000`,
	`http_response_size_bytes_sum{method="GET",route="/api/files/{id}/content"} >= 210000`,
	`http_requests_in_flight >= 0`,
	`http_streams_active{route="/api/ask"} == 0`,
	`http_stream_duration_seconds_count{route="/api/ask"} > 0`,
	`websocket_connections_active{route="/ws/chat"} >= 0`,
	`websocket_connections_total{route="/ws/chat"} >= 2`,
	`websocket_received_bytes_total{route="/ws/chat"} > 0`,
	`websocket_sent_bytes_total{route="/ws/chat"} > 0`,
	`websocket_connection_duration_seconds_count{route="/ws/chat"} > 0`,
	`db_client_operation_duration_seconds_count{operation="SELECT",error_type=""} > 0`,
	`go_sql_open_connections{db_name="main"} > 0`,
	`dbmon_slow_queries_total{db_name="main",operation="SELECT"} > 0`,
	`dbmon_repetitions_total{db_name="main",kind="n+1"} > 0`,
	`dbmon_rows_total{db_name="main",operation="SELECT"} > 0`,
	`dbmon_query_calls_total{db_name="main",operation="SELECT"} >= 0`, // from zero on, once it is known
	`dbmon_query_calls_total{db_name="main",query_id="other"} > 0`,
	`dbmon_leaks_total{db_name="main",kind="rows"} == 0`,
	`cache_requests_total{cache="client",result="hit"} > 0`,
	`gen_ai_client_operation_duration_seconds_count{gen_ai_operation_name="chat"} > 0`,
	`gen_ai_client_operation_time_to_first_chunk_seconds_count > 0`,
	`gen_ai_client_token_usage_sum{gen_ai_token_type="input"} > 0`,
	`gen_ai_client_token_usage_sum{gen_ai_token_type="output"} > 0`,
	`rag_retrieval_duration_seconds_count{source="messages"} > 0`,
	`rag_retrieved_documents_sum{source="messages"} > 0`,
	`uploads_total{type="text",outcome="accepted"} > 0`,
	`upload_size_bytes_sum{type="text"} >= 210000`,
	`errors_total{kind="precondition",component="api"} > 0`,
	`health_check_status{check="database",status="healthy"} == 1`,
	`health_check_duration_seconds_count{check="database"} > 0`,
	`health_check_last_success_timestamp_seconds{check="database"} > 0`,
	`health_check_status{check="websocket",status="healthy"} == 1`,
	`health_check_transitions_total{check="database",to="healthy"} > 0`,
	`health_check_stuck{check="database"} == 0`,
	`health_draining == 0`,
	`ratelimit_decisions_total{policy="login",decision="allowed"} > 0`,
	`http_response_encodings_total{coding="gzip"} > 0`,
	`http_response_encoding_bytes_total{coding="gzip",stage="after"} > 0`,
	`http_response_encoding_seconds_total{coding="gzip"} > 0`,
	`csp_reports_total{directive="img-src",disposition="enforce"} > 0`,
	`http_request_errors_total{route="/api/ask",error_type="panic"} == 0`,
	`sluice_label_overflow_total{recorder="route"} == 0`,
	`sluice_scrape_gathers_total{result="complete"} > 0`,
	`go_goroutines > 0`,
	`process_resident_memory_bytes > 0`,
	`go_build_info == 1`,
	`host_memory_limit_bytes > 0`,
	`host_cpu_usage_seconds_total > 0`,
	`host_filesystem_size_bytes{name="data"} > 0`,
}

// exerciseMetrics looks at what operators see of a server that was exercised.
func exerciseMetrics(t *testing.T, ops *client) {
	t.Helper()
	res, text := ops.do("GET", "/metrics", nil, nil)
	require.Equal(t, 200, res.StatusCode)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	require.NoError(t, err)
	for _, query := range measured {
		name := query[:strings.IndexAny(query, "{ ")]
		for _, suffix := range []string{"_count", "_sum", "_bucket"} {
			name = strings.TrimSuffix(name, suffix)
		}
		require.Contains(t, families, name)
	}
	if prometheus := os.Getenv("SLUICE_TEST_PROMETHEUS_URL"); prometheus != "" {
		for _, query := range measured {
			if os.Getenv("SLUICE_TEST_PROMETHEUS_NATIVE") != "" {
				query = native(query)
			}
			require.Eventually(t, func() bool { return finds(t, prometheus, query) }, 20*time.Second, 100*time.Millisecond, query)
		}
	}
}

var ofHistogram = regexp.MustCompile(`^(\w+_(?:seconds|bytes|usage|documents))_(count|sum|bucket)((?:\{.*\})?)`)

// native is a query for a Prometheus that has native histograms in the place of
// classic ones.
func native(query string) string {
	return strings.Replace(ofHistogram.ReplaceAllString(query, "histogram_$2($1$3)"), "histogram_bucket", "histogram_count", 1)
}

// finds reports whether a Prometheus finds something.
func finds(t *testing.T, prometheus, query string) bool {
	res, err := http.Get(prometheus + "/api/v1/query?query=" + url.QueryEscape(query))
	require.NoError(t, err)
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	var answer struct {
		Status string
		Error  string
		Data   struct{ Result []any }
	}
	require.NoError(t, json.NewDecoder(res.Body).Decode(&answer))
	require.Equal(t, "success", answer.Status, "%s: %s", query, answer.Error)
	return len(answer.Data.Result) > 0
}
