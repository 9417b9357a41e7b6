package metrics_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/metrics"
)

// Trap 29: "ratio rules need both sides present".
func TestWhatIsDeclaredIsThereAtZero(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	m.Declare(metrics.Known{
		Queries:  []string{"SELECT"},
		Caches:   []string{"http"},
		Checks:   []string{"database"},
		Policies: []string{"public"},
		Models:   []metrics.AICall{{Provider: "ollama", Model: "llama3.2"}},
		Sources:  []string{"messages"},
		Uploads:  []metrics.Upload{{ContentType: "image/png"}, {Rejected: "too_large"}},
		Errors:   map[string][]string{"api": {"timeout"}},
	})
	r := readingOf(t, m)
	model := []string{"gen_ai_operation_name", "chat", "gen_ai_provider_name", "ollama", "gen_ai_request_model", "llama3.2"}
	for name, labels := range map[string][]string{
		"cache_requests_total":      {"cache", "http", "result", "miss"},
		"health_check_status":       {"check", "database", "status", "healthy"},
		"ratelimit_decisions_total": {"policy", "public", "decision", "denied"},
		"errors_total":              {"kind", "timeout", "component", "api"},
		"uploads_total":             {"type", "other", "outcome", "too_large"},
	} {
		require.NotNil(t, r.find(name, labels...), name)
		require.Zero(t, r.value(name, labels...), name)
	}
	for name, labels := range map[string][]string{
		"db_client_operation_duration_seconds":                {"operation", "SELECT", "error_type", "error"},
		"gen_ai_client_operation_duration_seconds":            append(model[:6:6], "error_type", "error"),
		"gen_ai_client_token_usage":                           append(model[:6:6], "gen_ai_token_type", "output"),
		"gen_ai_client_operation_time_to_first_chunk_seconds": model,
		"rag_retrieval_duration_seconds":                      {"source", "messages", "error_type", "error"},
		"rag_retrieved_documents":                             {"source", "messages"},
		"upload_size_bytes":                                   {"type", "image"},
	} {
		require.NotNil(t, r.find(name, labels...), name)
		require.Zero(t, r.find(name, labels...).GetHistogram().GetSampleCount(), name)
	}
	before, _ := size(r)
	m.ObserveAI(metrics.AICall{Provider: "ollama", Model: "llama3.2", Duration: time.Second, InputTokens: 1, OutputTokens: 1})
	m.ObserveUpload(metrics.Upload{Rejected: "too_large"})
	m.ObserveError("timeout", "api")
	after, _ := size(readingOf(t, m))
	require.Equal(t, before, after, "nothing is born late")
}
