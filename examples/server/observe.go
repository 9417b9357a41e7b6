package main

import (
	"context"
	"time"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/httpapi"
	"github.com/sluice-go/sluice/metrics"
)

// apiHooks connects the API to the metrics.
func apiHooks(m *metrics.Metrics) httpapi.Hooks {
	return httpapi.Hooks{
		OnUpload: func(fileType string, size int64, refused string) {
			m.ObserveUpload(metrics.Upload{ContentType: fileType, Size: size, Rejected: refused})
		},
		OnError: m.ObserveError,
		OnLimit: m.ObserveRateLimit,
		// The cache of a client is a cache too, and we can see when it helped.
		OnRevalidate: func(ctx context.Context, current bool) {
			result := "miss"
			if current {
				result = "hit"
			}
			m.ObserveCache(ctx, "client", result)
		},
	}
}

// observedModel measures every answer of a model.
type observedModel struct {
	app.Model
	provider string
	metrics  *metrics.Metrics
}

func (o observedModel) Generate(ctx context.Context, question string, sources []app.Message, emit func(string) error) (app.Usage, error) {
	start := time.Now()
	var first time.Duration
	var emitErr error
	usage, err := o.Model.Generate(ctx, question, sources, func(text string) error {
		if first == 0 {
			first = time.Since(start)
		}
		emitErr = emit(text)
		return emitErr
	})
	outcome := err
	if emitErr != nil {
		outcome = context.Canceled // whoever asked has left, and the model is not to blame
	}
	o.metrics.ObserveAI(metrics.AICall{
		Provider:         o.provider,
		Model:            o.Name(),
		Duration:         time.Since(start),
		TimeToFirstChunk: first,
		InputTokens:      usage.PromptTokens,
		OutputTokens:     usage.AnswerTokens,
		Err:              outcome,
	})
	return usage, err
}

// observedSearch measures the retrieval of sources.
type observedSearch struct {
	app.Messages
	metrics *metrics.Metrics
}

func (o observedSearch) SearchMessages(ctx context.Context, words []string, limit int) ([]app.Message, error) {
	start := time.Now()
	found, err := o.Messages.SearchMessages(ctx, words, limit)
	o.metrics.ObserveRAG(ctx, "messages", time.Since(start), len(found), err)
	return found, err
}
