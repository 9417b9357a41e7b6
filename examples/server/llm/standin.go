package llm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-go/sluice/examples/server/app"
)

// Standin is what answers where no model is configured: it quotes the best
// sources and says that it is no language model. The same question and sources
// give the same text. It implements [app.Model].
type Standin struct {
	Delay time.Duration // Pause before each piece of text, for demonstrations. Default: none.
}

const (
	quotes      = 3   // sources that are quoted
	quoteLength = 300 // characters of each
	pieceWords  = 4   // words sent at a time
)

// Name says plainly what answers.
func (Standin) Name() string { return "built-in stand-in" }

// Generate quotes the sources. Its tokens are words.
func (s Standin) Generate(ctx context.Context, question string, sources []app.Message, emit func(string) error) (app.Usage, error) {
	answer := quote(sources)
	words := strings.SplitAfter(answer, " ")
	usage := app.Usage{PromptTokens: len(strings.Fields(question)), AnswerTokens: len(strings.Fields(answer))}
	for _, m := range sources {
		usage.PromptTokens += len(strings.Fields(m.Body))
	}
	for piece := range slices.Chunk(words, pieceWords) {
		if err := s.pause(ctx); err != nil {
			return app.Usage{}, err
		}
		if err := emit(strings.Join(piece, "")); err != nil {
			return app.Usage{}, err
		}
	}
	return usage, nil
}

func (s Standin) pause(ctx context.Context) error {
	if s.Delay <= 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(s.Delay):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func quote(sources []app.Message) string {
	var b strings.Builder
	b.WriteString("I am a stand-in, not a language model: I cannot answer, only quote. ")
	if len(sources) == 0 {
		b.WriteString("No message has a word in common with your question.")
		return b.String()
	}
	b.WriteString("These messages have most words in common with your question:")
	for i, m := range sources[:min(len(sources), quotes)] {
		fmt.Fprintf(&b, "\n[%d] %s wrote: “%s”", i+1, m.Username, clip(m.Body, quoteLength))
	}
	return b.String()
}
