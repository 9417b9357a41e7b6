package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/metrics"
)

// reading is one gather.
type reading map[string]*dto.MetricFamily

func readingOf(t testing.TB, m *metrics.Metrics) reading {
	t.Helper()
	families, err := m.Gatherer().Gather()
	require.NoError(t, err)
	r := reading{}
	for _, f := range families {
		r[f.GetName()] = f
	}
	return r
}

func labelsOf(s *dto.Metric) map[string]string {
	l := map[string]string{}
	for _, p := range s.GetLabel() {
		l[p.GetName()] = p.GetValue()
	}
	return l
}

// find returns the one series that has these labels, given in pairs, and no
// others; or nil.
func (r reading) find(name string, labels ...string) *dto.Metric {
	for _, s := range r[name].GetMetric() {
		l := labelsOf(s)
		same := len(l) == len(labels)/2
		for i := 0; i < len(labels); i += 2 {
			v, ok := l[labels[i]]
			same = same && ok && v == labels[i+1]
		}
		if same {
			return s
		}
	}
	return nil
}

// value is what a counter or a gauge has, or how much a histogram counted; -1
// without such a series.
func (r reading) value(name string, labels ...string) float64 {
	s := r.find(name, labels...)
	switch {
	case s == nil:
		return -1
	case s.Counter != nil:
		return s.GetCounter().GetValue()
	case s.Gauge != nil:
		return s.GetGauge().GetValue()
	}
	return float64(s.GetHistogram().GetSampleCount())
}

// sum is that of a histogram; -1 without such a series.
func (r reading) sum(name string, labels ...string) float64 {
	if s := r.find(name, labels...); s != nil {
		return s.GetHistogram().GetSampleSum()
	}
	return -1
}

// values are the distinct values of a label.
func (r reading) values(name, label string) []string {
	var all []string
	for _, s := range r[name].GetMetric() {
		all = append(all, labelsOf(s)[label])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// errorClasses are errors and the error type that each is counted under.
var errorClasses = []struct {
	name, want string
	err        error
}{
	{"none", "", nil},
	{"any", "error", errors.New("broken")},
	{"a deadline", "timeout", context.DeadlineExceeded},
	{"a wrapped deadline", "timeout", fmt.Errorf("query: %w", context.DeadlineExceeded)},
	{"a cancel", "canceled", context.Canceled},
	{"a wrapped cancel", "canceled", fmt.Errorf("query: %w", context.Canceled)},
	{"a joined cancel", "canceled", errors.Join(errors.New("broken"), context.Canceled)},
	{"a deadline and a cancel", "timeout", errors.Join(context.Canceled, context.DeadlineExceeded)},
}

func TestAnOperationIsRecordedByItsErrorType(t *testing.T) {
	for _, tt := range errorClasses {
		t.Run(tt.name, func(t *testing.T) {
			m := newMetrics(t, metrics.Options{})
			m.ObserveQuery(t.Context(), "SELECT", 250*time.Millisecond, tt.err)
			m.ObserveRAG(t.Context(), "docs", 250*time.Millisecond, 3, tt.err)
			m.ObserveAI(metrics.AICall{Provider: "p", Model: "m", Duration: 250 * time.Millisecond, Err: tt.err})
			r := readingOf(t, m)
			ai := []string{"gen_ai_operation_name", "chat", "gen_ai_provider_name", "p", "gen_ai_request_model", "m"}
			for name, labels := range map[string][]string{
				"db_client_operation_duration_seconds":     {"operation", "SELECT"},
				"rag_retrieval_duration_seconds":           {"source", "docs"},
				"gen_ai_client_operation_duration_seconds": ai,
			} {
				require.Equal(t, 0.25, r.sum(name, append(labels, "error_type", tt.want)...), name)
				counts := 0.0
				for _, kind := range r.values(name, "error_type") {
					counts += r.value(name, append(labels, "error_type", kind)...)
				}
				require.Equal(t, 1.0, counts, name)
				require.Subset(t, r.values(name, "error_type"), []string{"", "error"}, "a ratio needs both: %s", name)
			}
			found := 0.0
			if tt.err == nil {
				found = 1
			}
			require.Equal(t, found, r.value("rag_retrieved_documents", "source", "docs"))
		})
	}
}

func TestCachesStartWithAHitAndAMiss(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	m.ObserveCache(t.Context(), "pages", "stale")
	m.ObserveCache(t.Context(), "pages", "hit")
	m.ObserveCache(t.Context(), "pages", "hit")
	r := readingOf(t, m)
	for result, want := range map[string]float64{"hit": 2, "miss": 0, "stale": 1, "bypass": -1} {
		require.Equal(t, want, r.value("cache_requests_total", "cache", "pages", "result", result), result)
	}
}

func TestErrorsAreCountedByKindAndComponent(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	m.ObserveError("timeout", "model")
	m.ObserveError("timeout", "model")
	m.ObserveError("timeout", "database")
	r := readingOf(t, m)
	require.Equal(t, 2.0, r.value("errors_total", "kind", "timeout", "component", "model"))
	require.Equal(t, 1.0, r.value("errors_total", "kind", "timeout", "component", "database"))
}

func TestBodiesCountByTheirCoding(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	require.Zero(t, readingOf(t, m).value("http_response_encodings_total", "coding", "br"))
	m.ObserveCompression("br", 1000, 300, 2*time.Second)
	m.ObserveCompression("br", 500, 200, time.Second)
	m.ObserveCompression("identity", 700, 700, time.Second)
	m.ObserveCompression("x", 700, 700, -time.Second)
	r := readingOf(t, m)
	for coding, want := range map[string][4]float64{"br": {2, 1500, 500, 3}, "identity": {1, 700, 700, 1}, "unknown": {1, 700, 700, 0}, "gzip": {}} {
		require.Equal(t, want, [4]float64{
			r.value("http_response_encodings_total", "coding", coding),
			r.value("http_response_encoding_bytes_total", "coding", coding, "stage", "before"),
			r.value("http_response_encoding_bytes_total", "coding", coding, "stage", "after"),
			r.value("http_response_encoding_seconds_total", "coding", coding),
		}, coding)
	}
}

func TestACheckIsInOneState(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	last := func() float64 {
		return readingOf(t, m).value("health_check_last_success_timestamp_seconds", "check", "db")
	}
	for i, tt := range []struct{ status, want string }{
		{"unhealthy", "unhealthy"}, {"degraded", "degraded"}, {"unknown", "unknown"}, {"", "unknown"}, {"Healthy", "unknown"},
	} {
		m.ObserveHealth("db", tt.status, time.Second, nil)
		r := readingOf(t, m)
		for _, state := range []string{"healthy", "degraded", "unhealthy", "unknown"} {
			want := 0.0
			if state == tt.want {
				want = 1
			}
			require.Equal(t, want, r.value("health_check_status", "check", "db", "status", state), "%s after %q", state, tt.status)
		}
		require.Zero(t, last(), "only health is a success")
		require.Equal(t, float64(i+1), r.value("health_check_duration_seconds", "check", "db"))
	}
	m.ObserveHealth("db", "healthy", time.Second, errors.New("not looked at"))
	healthy := last()
	require.InDelta(t, float64(time.Now().Unix()), healthy, 60)
	m.ObserveHealth("db", "unhealthy", time.Second, nil)
	require.Equal(t, healthy, last())
}

func TestChangesOfAChecksStateCountByWhereTheyLead(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	m.Declare(metrics.Known{Checks: []string{"db"}})
	value := func(to string) float64 {
		return readingOf(t, m).value("health_check_transitions_total", "check", "db", "to", to)
	}
	for _, state := range []string{"healthy", "degraded", "unhealthy", "unknown"} {
		require.Zero(t, value(state), "the first increase needs a zero before it")
	}
	m.ObserveHealthTransition("db", "unknown", "healthy", nil)
	m.ObserveHealthTransition("db", "healthy", "unhealthy", errors.New("not looked at"))
	m.ObserveHealthTransition("db", "unhealthy", "healthy", nil)
	require.Equal(t, 2.0, value("healthy"))
	require.Equal(t, 1.0, value("unhealthy"))
	m.ObserveHealthTransition("db", "healthy", "well", nil)
	require.Equal(t, 1.0, value("unknown"))
}

func TestAStuckCheckAndADrainAreSeenWhileTheyLast(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	require.Zero(t, readingOf(t, m).value("health_draining"))
	for _, stuck := range []bool{true, false, true} {
		m.ObserveHealthStuck("db", stuck)
		want := 0.0
		if stuck {
			want = 1
		}
		require.Equal(t, want, readingOf(t, m).value("health_check_stuck", "check", "db"))
	}
	m.ObserveDrain()
	require.Equal(t, 1.0, readingOf(t, m).value("health_draining"))
}

func TestACheckThatIsReportedFromSeveralSidesIsInOneState(t *testing.T) {
	m := newMetrics(t, metrics.Options{DisableRuntime: true})
	states := []string{"healthy", "degraded", "unhealthy", "unknown"}
	for range 1000 {
		var all sync.WaitGroup
		start := make(chan struct{})
		for _, state := range states {
			all.Go(func() {
				<-start
				m.ObserveHealth("db", state, time.Second, nil)
			})
		}
		close(start)
		all.Wait()
		r, sum := readingOf(t, m), 0.0
		for _, state := range states {
			sum += r.value("health_check_status", "check", "db", "status", state)
		}
		require.Equal(t, 1.0, sum)
	}
}

func TestDecisionsOfLimitersStartAtZero(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	m.ObserveRateLimit(t.Context(), "public", false)
	r := readingOf(t, m)
	require.Equal(t, 1.0, r.value("ratelimit_decisions_total", "policy", "public", "decision", "denied"))
	require.Equal(t, 0.0, r.value("ratelimit_decisions_total", "policy", "public", "decision", "allowed"))
	m.ObserveRateLimit(t.Context(), "public", true)
	require.Equal(t, 1.0, readingOf(t, m).value("ratelimit_decisions_total", "policy", "public", "decision", "allowed"))
}

func TestOnlyNamesOfTheSpecificationNameAReport(t *testing.T) {
	for _, tt := range []struct{ directive, disposition, wantDirective, wantDisposition string }{
		{"script-src", "enforce", "script-src", "enforce"},
		{"frame-ancestors", "report", "frame-ancestors", "report"},
		{"Script-Src", "enforce", "_OTHER", "enforce"},
		{"script-src", "REPORT", "script-src", "_OTHER"},
		{"script-src 'self'", "enforce", "_OTHER", "enforce"},
		{"", "", "_OTHER", "_OTHER"},
		{"<script>", "\xff", "_OTHER", "_OTHER"},
	} {
		m := newMetrics(t, metrics.Options{MaxSeries: 1})
		m.ObserveCSPReport(tt.directive, tt.disposition)
		r := readingOf(t, m)
		require.Equal(t, 1.0, r.value("csp_reports_total", "directive", tt.wantDirective, "disposition", tt.wantDisposition), "%q", tt)
		require.Zero(t, r.value("sluice_label_overflow_total", "recorder", "csp"), "a closed set has no limit")
	}
}

// Trap d.32 of secheaders: labels come from closed sets.
func TestDroppedReportsCountByAReasonOfTheList(t *testing.T) {
	m := newMetrics(t, metrics.Options{MaxSeries: 1})
	reasons := []string{"_OTHER", "broken", "busy", "encoding", "ignored", "malformed", "media_type", "noise", "origin",
		"rate", "too_large", "too_many", "type"}
	require.Equal(t, reasons, readingOf(t, m).values("csp_reports_dropped_total", "reason"))
	for _, reason := range reasons {
		require.Zero(t, readingOf(t, m).value("csp_reports_dropped_total", "reason", reason), "the first increase needs a zero before it")
	}
	m.ObserveCSPDrop("rate", 100)
	m.ObserveCSPDrop("rate", 7)
	m.ObserveCSPDrop("rate", -7)
	m.ObserveCSPDrop("<script>", 3)
	m.ObserveCSPDrop("", 1)
	r := readingOf(t, m)
	require.Equal(t, reasons, r.values("csp_reports_dropped_total", "reason"))
	require.Equal(t, 107.0, r.value("csp_reports_dropped_total", "reason", "rate"))
	require.Equal(t, 4.0, r.value("csp_reports_dropped_total", "reason", "_OTHER"))
	require.Zero(t, r.value("csp_reports_dropped_total", "reason", "busy"))
}

func TestWhatAnAICallDoesNotKnowIsNotRecorded(t *testing.T) {
	names := []string{"gen_ai_operation_name", "chat", "gen_ai_provider_name", "unknown", "gen_ai_request_model", "unknown"}
	token := func(kind string) []string { return append(slices.Clone(names), "gen_ai_token_type", kind) }
	m := newMetrics(t, metrics.Options{})
	m.ObserveAI(metrics.AICall{})
	m.ObserveAI(metrics.AICall{TimeToFirstChunk: -1, InputTokens: -1, OutputTokens: math.MinInt})
	r := readingOf(t, m)
	require.Equal(t, 2.0, r.value("gen_ai_client_operation_duration_seconds", append(slices.Clone(names), "error_type", "")...))
	require.Zero(t, r.value("gen_ai_client_operation_time_to_first_chunk_seconds", names...))
	require.Zero(t, r.value("gen_ai_client_token_usage", token("input")...))
	require.Zero(t, r.value("gen_ai_client_token_usage", token("output")...))

	m.ObserveAI(metrics.AICall{TimeToFirstChunk: time.Second, InputTokens: 7, OutputTokens: 9})
	r = readingOf(t, m)
	require.Equal(t, 1.0, r.sum("gen_ai_client_operation_time_to_first_chunk_seconds", names...))
	require.Equal(t, 7.0, r.sum("gen_ai_client_token_usage", token("input")...))
	require.Equal(t, 9.0, r.sum("gen_ai_client_token_usage", token("output")...))

	m.ObserveAI(metrics.AICall{Operation: "embeddings", Provider: "ollama", Model: "nomic"})
	require.Equal(t, 1.0, readingOf(t, m).value("gen_ai_client_operation_duration_seconds",
		"gen_ai_operation_name", "embeddings", "gen_ai_provider_name", "ollama", "gen_ai_request_model", "nomic", "error_type", ""))
}

// Trap 17: "filename and MIME type must not become labels".
func TestTheTypeOfAnUploadIsOneOfAFewClasses(t *testing.T) {
	for contentType, want := range map[string]string{
		"image/png": "image", "IMAGE/PNG": "image", "image/png; name=secret.png": "image", " image/svg+xml ": "image",
		"image/png; =": "image", "audio/ogg": "audio", "video/mp4": "video", "font/woff2": "font",
		"text/plain; charset=utf-8": "text", "text/csv": "text", "application/json": "text", "application/ld+json": "text",
		"application/pdf": "document", "application/msword": "document", "application/epub+zip": "document",
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document": "document",
		"application/vnd.oasis.opendocument.text":                                 "document",
		"application/vnd.ms-excel":                                                "document", "application/rtf": "document",
		"application/zip": "archive", "application/gzip": "archive", "application/x-tar": "archive",
		"application/x-7z-compressed": "archive", "application/vnd.rar": "archive", "application/zstd": "archive",
		"application/octet-stream": "other", "application/x-msdownload": "other", "model/gltf+json": "other",
		"": "other", "/": "other", "images/png": "other", "\xff/\xff": "other", "secret.png": "other",
		"multipart/form-data; boundary=x": "other",
	} {
		t.Run(contentType, func(t *testing.T) {
			m := newMetrics(t, metrics.Options{})
			m.ObserveUpload(metrics.Upload{ContentType: contentType, Size: 1})
			require.Equal(t, []string{want}, readingOf(t, m).values("uploads_total", "type"))
		})
	}
}

// Trap 17: "count files, bytes and rejected ones".
func TestAnUploadThatIsRejectedHasNoSize(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	m.ObserveUpload(metrics.Upload{ContentType: "image/png", Size: 12})
	m.ObserveUpload(metrics.Upload{ContentType: "image/gif", Size: 30})
	m.ObserveUpload(metrics.Upload{ContentType: "image/png", Size: 1 << 40, Rejected: "too_large"})
	r := readingOf(t, m)
	require.Equal(t, 2.0, r.value("uploads_total", "type", "image", "outcome", "accepted"))
	require.Equal(t, 1.0, r.value("uploads_total", "type", "image", "outcome", "too_large"))
	require.Equal(t, 2.0, r.value("upload_size_bytes", "type", "image"))
	require.Equal(t, 42.0, r.sum("upload_size_bytes", "type", "image"))
}

// recordAll gives the same to every recorder.
func recordAll(m *metrics.Metrics, s string, d time.Duration, n int64) {
	ctx := context.Background()
	m.ObserveQuery(ctx, s, d, nil)
	m.ObserveCache(ctx, s, s)
	m.ObserveError(s, s)
	m.ObserveHealth(s, s, d, nil)
	m.ObserveRateLimit(ctx, s, n%2 == 0)
	m.ObserveCSPReport(s, s)
	m.ObserveCSPDrop(s, int(n))
	m.ObserveCompression(s, n, n, d)
	m.ObserveAI(metrics.AICall{Operation: s, Provider: s, Model: s, Duration: d, TimeToFirstChunk: d, InputTokens: int(n), OutputTokens: int(n)})
	m.ObserveRAG(ctx, s, d, int(n), nil)
	m.ObserveUpload(metrics.Upload{ContentType: s, Size: n, Rejected: s})
	m.ObserveUpload(metrics.Upload{ContentType: s, Size: n})
}

// Trap 4: what is not UTF-8 and what is negative makes client_golang panic.
func TestNoValueOfACallerPanicsOrTakesAway(t *testing.T) {
	m := newMetrics(t, metrics.Options{MaxSeries: 5})
	before := map[string]float64{}
	for _, s := range []string{"", "SELECT", "\x00", "a\x00b", "\xff\xfe", "a\xffb\xffc", "\xed\xa0\x80", "\n\"\\", "__name__",
		strings.Repeat("x", 1<<20), strings.Repeat("\xff", 1<<20), strings.Repeat("\u20ac", 1<<20/3), "_OTHER", "unknown", "healthy", "image/png"} {
		for _, n := range []int64{0, 1, -1, math.MaxInt64, math.MinInt64} {
			require.NotPanics(t, func() { recordAll(m, s, time.Duration(n), n) })
			for name, f := range readingOf(t, m) {
				if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
					continue
				}
				for _, s := range f.GetMetric() {
					id := fmt.Sprint(name, labelsOf(s))
					total := s.GetCounter().GetValue() + s.GetHistogram().GetSampleSum()
					require.False(t, math.IsNaN(total) || math.IsInf(total, 0), id)
					require.GreaterOrEqual(t, total, before[id], id)
					before[id] = total
				}
			}
		}
	}
	require.Equal(t, 200, ask(m.Handler(), "GET", "/metrics").Code)
}

// The table of a recorder is bounded, and its overflow goes to one place.
func TestARecorderBeyondItsLimitCountsUnderOther(t *testing.T) {
	m := newMetrics(t, metrics.Options{MaxSeries: 3})
	for i := range 10 {
		recordAll(m, fmt.Sprint("name", i), time.Second, 1)
	}
	m.ObserveQuery(t.Context(), "name0", time.Second, nil)
	r := readingOf(t, m)
	for name, labels := range map[string][]string{
		"db_client_operation_duration_seconds": {"operation"}, "errors_total": {"kind", "component"},
		"health_check_status": {"check"}, "ratelimit_decisions_total": {"policy"}, "rag_retrieved_documents": {"source"},
		"gen_ai_client_token_usage": {"gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"},
		"cache_requests_total":      {"cache"},
	} {
		for _, label := range labels {
			require.Equal(t, []string{"_OTHER", "name0", "name1", "name2"}, r.values(name, label), name)
		}
	}
	require.Equal(t, 2.0, r.value("db_client_operation_duration_seconds", "operation", "name0", "error_type", ""), "who is in stays in")
	require.Equal(t, 7.0, r.value("db_client_operation_duration_seconds", "operation", "_OTHER", "error_type", ""))
	require.Equal(t, 7.0, r.value("errors_total", "kind", "_OTHER", "component", "_OTHER"))
	require.Equal(t, 7.0, r.value("cache_requests_total", "cache", "_OTHER", "result", "_OTHER"))
	require.Equal(t, -1.0, r.value("cache_requests_total", "cache", "_OTHER", "result", "hit"), "a ratio of many caches is none")
	for _, recorder := range []string{"query", "cache", "error", "health", "ratelimit", "ai", "rag"} {
		require.Equal(t, 7.0, r.value("sluice_label_overflow_total", "recorder", recorder), recorder)
	}
	require.Equal(t, 0.0, r.value("sluice_label_overflow_total", "recorder", "route"))
}
