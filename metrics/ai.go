package metrics

import (
	"cmp"
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// AICall is a finished call to a language model, in the terms of OpenTelemetry's
// semantic conventions for generative AI. What is not known stays zero, and is
// not recorded: an estimate would be taken for a measurement.
type AICall struct {
	Operation string        // gen_ai.operation.name. Default: "chat".
	Provider  string        // gen_ai.provider.name, such as "ollama" or "openai". Default: "unknown".
	Model     string        // gen_ai.request.model. Default: "unknown".
	Duration  time.Duration // Of the whole call. Default: 0.
	// TimeToFirstChunk is the time until the first piece of a streamed answer.
	// Default: not recorded.
	TimeToFirstChunk time.Duration
	InputTokens      int   // As billed. Default: not recorded.
	OutputTokens     int   // As billed. Default: not recorded.
	Err              error // Why it failed; a canceled or expired context is told apart. Default: success.
}

type aiKey struct{ operation, provider, model string }

type aiSeries struct {
	duration      *byError
	firstChunk    prometheus.Observer
	input, output prometheus.Observer
}

func newAI(f *factory) *bounded[aiKey, aiSeries] {
	// The conventions advise these bounds: 10 ms to 82 s, and 1 to 67 million tokens.
	seconds, tokens := prometheus.ExponentialBuckets(.01, 2, 14), prometheus.ExponentialBuckets(1, 4, 14)
	names := []string{"gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"}
	duration := f.histogram("gen_ai_client_operation_duration_seconds",
		"Time of calls to language models.", seconds, append(names[:3:3], "error_type")...)
	firstChunk := f.histogram("gen_ai_client_operation_time_to_first_chunk_seconds",
		"Time until the first piece of a streamed answer.", seconds, names...)
	usage := f.histogram("gen_ai_client_token_usage",
		"Tokens that a call took or gave.", tokens, append(names[:3:3], "gen_ai_token_type")...)
	clean := func(k aiKey) aiKey {
		return aiKey{label(k.operation), label(k.provider), label(k.model)}
	}
	return bound(f, "ai", aiKey{Other, Other, Other}, clean, func(k aiKey) *aiSeries {
		return &aiSeries{
			duration: newByError(func(errorType string) *timer {
				return newTimer(duration.WithLabelValues(k.operation, k.provider, k.model, errorType), false, nil)
			}),
			firstChunk: firstChunk.WithLabelValues(k.operation, k.provider, k.model),
			input:      usage.WithLabelValues(k.operation, k.provider, k.model, "input"),
			output:     usage.WithLabelValues(k.operation, k.provider, k.model, "output"),
		}
	})
}

func keyOf(c AICall) aiKey { return aiKey{cmp.Or(c.Operation, "chat"), c.Provider, c.Model} }

// ObserveAI records a call to a language model.
func (m *Metrics) ObserveAI(c AICall) {
	s := m.domain.ai.get(keyOf(c))
	s.duration.of(c.Err).observe(c.Duration, nil)
	if c.TimeToFirstChunk > 0 {
		s.firstChunk.Observe(c.TimeToFirstChunk.Seconds())
	}
	if c.InputTokens > 0 {
		s.input.Observe(float64(c.InputTokens))
	}
	if c.OutputTokens > 0 {
		s.output.Observe(float64(c.OutputTokens))
	}
}

type ragSeries struct {
	duration  *byError
	documents prometheus.Observer
}

func newRAG(f *factory) *bounded[string, ragSeries] {
	duration := f.histogram("rag_retrieval_duration_seconds",
		"Time to find the documents for a question.", f.opts.DurationBuckets, "source", "error_type")
	documents := f.histogram("rag_retrieved_documents",
		"Documents found for a question; 0 means that the model had nothing to go by.", []float64{0, 1, 2, 3, 5, 10, 20, 50, 100}, "source")
	return bound(f, "rag", Other, label, func(source string) *ragSeries {
		return &ragSeries{
			duration: newByError(func(errorType string) *timer {
				return newTimer(duration.WithLabelValues(source, errorType), f.opts.AllowExemplars, f.opts.DurationBuckets)
			}),
			documents: documents.WithLabelValues(source),
		}
	})
}

// ObserveRAG records a retrieval: from which index or store, how long it took,
// and how many documents it found. A failed one found none, and says nothing
// about documents.
func (m *Metrics) ObserveRAG(ctx context.Context, source string, d time.Duration, documents int, err error) {
	s := m.domain.rag.get(source)
	s.duration.of(err).observe(d, reqinfo.From(ctx))
	if err == nil {
		s.documents.Observe(float64(max(0, documents)))
	}
}
