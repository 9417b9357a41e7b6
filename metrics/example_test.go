package metrics_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	_ "modernc.org/sqlite"

	"github.com/sluice-go/sluice"
	"github.com/sluice-go/sluice/metrics"
)

// get is a client of h.
func get(h http.Handler, path string) string {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Body.String()
}

// scrape prints the lines of a scrape that start with one of these.
func scrape(m *metrics.Metrics, prefixes ...string) {
	page := bufio.NewScanner(strings.NewReader(get(m.Handler(), "/metrics")))
	for page.Scan() {
		for _, p := range prefixes {
			if strings.HasPrefix(page.Text(), p) {
				fmt.Println(page.Text())
			}
		}
	}
}

func hello(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }

func Example() {
	m := sluice.Must(metrics.New(metrics.Options{}))

	mux := http.NewServeMux()
	mux.HandleFunc("GET /things/{id}", hello)
	service := m.Middleware(mux) // for the public listener

	admin := http.NewServeMux() // for a listener that operators reach
	admin.Handle("GET /metrics", m.Handler())

	get(service, "/things/7")
	get(service, "/things/8")
	get(service, "/nothing")
	for line := range strings.Lines(get(admin, "/metrics")) {
		if strings.HasPrefix(line, "http_requests_") {
			fmt.Print(line)
		}
	}
	// Output:
	// http_requests_in_flight 0
	// http_requests_total{code="200",method="GET",route="/things/{id}"} 2
	// http_requests_total{code="404",method="GET",route="unmatched"} 1
}

func ExampleNew() {
	_, err := metrics.New(metrics.Options{Namespace: "my-app", MaxRoutes: -1})
	fmt.Println(err)
	// Output:
	// metrics: Namespace: "my-app" has other characters than letters, digits and underscores
	// metrics: MaxRoutes: must not be negative: an endless number of series cannot be had
}

func ExampleMetrics_AddRoutes() {
	m := sluice.Must(metrics.New(metrics.Options{}))
	if err := m.AddRoutes("GET /things/{id}", "POST /things"); err != nil {
		fmt.Println(err)
	}
	scrape(m, "http_requests_total")
	// Output:
	// http_requests_total{code="200",method="GET",route="/things/{id}"} 0
	// http_requests_total{code="200",method="POST",route="/things"} 0
	// http_requests_total{code="500",method="GET",route="/things/{id}"} 0
	// http_requests_total{code="500",method="POST",route="/things"} 0
}

// A router that leaves nothing in Request.Pattern gets its routes named one by
// one.
func ExampleRoute() {
	m := sluice.Must(metrics.New(metrics.Options{}))
	user := metrics.Route("GET /users/{id}", http.HandlerFunc(hello))
	router := func(w http.ResponseWriter, r *http.Request) { // of another package
		if strings.HasPrefix(r.URL.Path, "/users/") {
			user.ServeHTTP(w, r)
		}
	}
	get(m.Middleware(http.HandlerFunc(router)), "/users/7")
	scrape(m, "http_requests_total")
	// Output:
	// http_requests_total{code="200",method="GET",route="/users/{id}"} 1
}

func ExampleRouter() {
	m := sluice.Must(metrics.New(metrics.Options{}))
	api := http.NewServeMux()
	api.HandleFunc("GET /users/{id}", hello)

	mux := http.NewServeMux()
	mux.Handle("/api/", http.StripPrefix("/api", metrics.Router(api)))

	get(m.Middleware(mux), "/api/users/7")
	scrape(m, "http_requests_total")
	// Output:
	// http_requests_total{code="200",method="GET",route="/api/users/{id}"} 1
}

func ExampleExclude() {
	m := sluice.Must(metrics.New(metrics.Options{}))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /things/{id}", hello)
	mux.Handle("GET /health", metrics.Exclude(http.HandlerFunc(hello)))

	service := m.Middleware(mux)
	get(service, "/health")
	get(service, "/things/7")
	scrape(m, "http_requests_total")
	// Output:
	// http_requests_total{code="200",method="GET",route="/things/{id}"} 1
}

// A tracer that is no sluice layer says which trace a request belongs to; a
// scraper that asks for OpenMetrics gets it with the latency.
func ExampleSetTrace() {
	m := sluice.Must(metrics.New(metrics.Options{AllowExemplars: true, DurationBuckets: []float64{60}}))
	service := m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		metrics.SetTrace(r.Context(), "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", true)
		hello(w, r)
	}))
	get(service, "/")

	ask := httptest.NewRequest("GET", "/metrics", nil)
	ask.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, ask)
	for line := range strings.Lines(answer.Body.String()) {
		if series, exemplar, ok := strings.Cut(line, " # "); ok {
			fmt.Println(series)
			_, id, _ := strings.Cut(exemplar, `trace_id="`)
			fmt.Println(id[:32])
		}
	}
	// Output:
	// http_request_duration_seconds_bucket{method="GET",outcome="success",route="unrouted",le="60.0"} 1
	// 0af7651916cd43dd8448eb211c80319c
}

func ExampleMetrics_Declare() {
	m := sluice.Must(metrics.New(metrics.Options{}))
	m.Declare(metrics.Known{
		Policies: []string{"login"},
		Errors:   map[string][]string{"model": {"timeout"}},
	})
	scrape(m, "errors_total", "ratelimit_decisions_total")
	// Output:
	// errors_total{component="model",kind="timeout"} 0
	// ratelimit_decisions_total{decision="allowed",policy="login"} 0
	// ratelimit_decisions_total{decision="denied",policy="login"} 0
}

func ExampleMetrics_ObserveQuery() {
	m := sluice.Must(metrics.New(metrics.Options{}))
	ctx := context.Background()
	m.ObserveQuery(ctx, "SELECT", 250*time.Millisecond, nil)
	m.ObserveQuery(ctx, "INSERT", time.Second, fmt.Errorf("insert: %w", context.DeadlineExceeded))
	scrape(m, "db_client_operation_duration_seconds_sum")
	// Output:
	// db_client_operation_duration_seconds_sum{error_type="",operation="INSERT"} 0
	// db_client_operation_duration_seconds_sum{error_type="",operation="SELECT"} 0.25
	// db_client_operation_duration_seconds_sum{error_type="error",operation="INSERT"} 0
	// db_client_operation_duration_seconds_sum{error_type="error",operation="SELECT"} 0
	// db_client_operation_duration_seconds_sum{error_type="timeout",operation="INSERT"} 1
}

func ExampleMetrics_ObserveCache() {
	m := sluice.Must(metrics.New(metrics.Options{}))
	ctx := context.Background()
	m.ObserveCache(ctx, "pages", "hit")
	m.ObserveCache(ctx, "pages", "stale")
	scrape(m, "cache_requests_total")
	// Output:
	// cache_requests_total{cache="pages",result="hit"} 1
	// cache_requests_total{cache="pages",result="miss"} 0
	// cache_requests_total{cache="pages",result="stale"} 1
}

func ExampleMetrics_ObserveError() {
	m := sluice.Must(metrics.New(metrics.Options{}))
	m.ObserveError("timeout", "model")
	scrape(m, "errors_total")
	// Output:
	// errors_total{component="model",kind="timeout"} 1
}

func ExampleMetrics_ObserveHealth() {
	m := sluice.Must(metrics.New(metrics.Options{}))
	m.ObserveHealth("database", "healthy", 3*time.Millisecond, nil)
	m.ObserveHealth("database", "unhealthy", 2*time.Second, errors.New("connection refused"))
	scrape(m, "health_check_status", "health_check_duration_seconds_count")
	// Output:
	// health_check_duration_seconds_count{check="database"} 2
	// health_check_status{check="database",status="degraded"} 0
	// health_check_status{check="database",status="healthy"} 0
	// health_check_status{check="database",status="unhealthy"} 1
	// health_check_status{check="database",status="unknown"} 0
}

func ExampleMetrics_ObserveRateLimit() {
	m := sluice.Must(metrics.New(metrics.Options{}))
	m.ObserveRateLimit(context.Background(), "per-minute", false)
	scrape(m, "ratelimit_decisions_total")
	// Output:
	// ratelimit_decisions_total{decision="allowed",policy="per-minute"} 0
	// ratelimit_decisions_total{decision="denied",policy="per-minute"} 1
}

func ExampleMetrics_ObserveCSPReport() {
	m := sluice.Must(metrics.New(metrics.Options{}))
	m.ObserveCSPReport("script-src-elem", "enforce")
	m.ObserveCSPReport("<anything a browser may send>", "enforce")
	scrape(m, "csp_reports_total")
	// Output:
	// csp_reports_total{directive="_OTHER",disposition="enforce"} 1
	// csp_reports_total{directive="script-src-elem",disposition="enforce"} 1
}

func ExampleMetrics_ObserveAI() {
	m := sluice.Must(metrics.New(metrics.Options{}))
	m.ObserveAI(metrics.AICall{
		Provider:         "ollama",
		Model:            "llama3.2",
		Duration:         2 * time.Second,
		TimeToFirstChunk: 500 * time.Millisecond,
		InputTokens:      120,
		OutputTokens:     45,
	})
	scrape(m, "gen_ai_client_token_usage_sum", "gen_ai_client_operation_time_to_first_chunk_seconds_sum")
	// Output:
	// gen_ai_client_operation_time_to_first_chunk_seconds_sum{gen_ai_operation_name="chat",gen_ai_provider_name="ollama",gen_ai_request_model="llama3.2"} 0.5
	// gen_ai_client_token_usage_sum{gen_ai_operation_name="chat",gen_ai_provider_name="ollama",gen_ai_request_model="llama3.2",gen_ai_token_type="input"} 120
	// gen_ai_client_token_usage_sum{gen_ai_operation_name="chat",gen_ai_provider_name="ollama",gen_ai_request_model="llama3.2",gen_ai_token_type="output"} 45
}

func ExampleMetrics_ObserveRAG() {
	m := sluice.Must(metrics.New(metrics.Options{}))
	m.ObserveRAG(context.Background(), "handbook", 40*time.Millisecond, 3, nil)
	scrape(m, "rag_retrieved_documents_sum", `rag_retrieval_duration_seconds_bucket{error_type="",source="handbook",le="0.05"}`)
	// Output:
	// rag_retrieval_duration_seconds_bucket{error_type="",source="handbook",le="0.05"} 1
	// rag_retrieved_documents_sum{source="handbook"} 3
}

func ExampleMetrics_ObserveUpload() {
	m := sluice.Must(metrics.New(metrics.Options{}))
	m.ObserveUpload(metrics.Upload{ContentType: "image/png", Size: 2048})
	m.ObserveUpload(metrics.Upload{ContentType: "application/zip", Size: 1 << 30, Rejected: "too_large"})
	scrape(m, "uploads_total", `upload_size_bytes_sum{type="image"}`)
	// Output:
	// upload_size_bytes_sum{type="image"} 2048
	// uploads_total{outcome="accepted",type="image"} 1
	// uploads_total{outcome="too_large",type="archive"} 1
}

func ExampleMetrics_RegisterDB() {
	m := sluice.Must(metrics.New(metrics.Options{}))
	db := sluice.Must(sql.Open("sqlite", ":memory:"))
	defer db.Close()
	db.SetMaxOpenConns(10)
	if err := m.RegisterDB("main", db); err != nil {
		fmt.Println(err)
	}
	scrape(m, "go_sql_max_open_connections", "go_sql_in_use_connections")
	// Output:
	// go_sql_in_use_connections{db_name="main"} 0
	// go_sql_max_open_connections{db_name="main"} 10
}
