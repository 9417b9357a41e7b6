package llm_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/llm"
)

var (
	_ app.Model = (*llm.Ollama)(nil)
	_ app.Model = llm.Standin{}
)

func TestTheStandinQuotesAndSaysWhatItIs(t *testing.T) {
	for _, tt := range []struct {
		name    string
		sources []app.Message
		prompt  int // words of the question and the sources
		want    string
	}{
		{"nothing found", nil, 2, "I am a stand-in, not a language model: I cannot answer, only quote. " +
			"No message has a word in common with your question."},
		{"the three best of four, long ones cut", []app.Message{
			{Username: "ada", Body: "the pump broke"},
			{Username: "bob", Body: strings.Repeat("é", 301)},
			{Username: "cy", Body: "two\nlines"},
			{Username: "dee", Body: "not quoted"},
		}, 10, "I am a stand-in, not a language model: I cannot answer, only quote. " +
			"These messages have most words in common with your question:" +
			"\n[1] ada wrote: “the pump broke”" +
			"\n[2] bob wrote: “" + strings.Repeat("é", 300) + "…”" +
			"\n[3] cy wrote: “two\nlines”"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 {
				text, usage, err := ask(t, llm.Standin{}, tt.sources...)
				require.NoError(t, err)
				require.Equal(t, tt.want, text)
				require.Equal(t, app.Usage{PromptTokens: tt.prompt, AnswerTokens: len(strings.Fields(tt.want))}, usage, "its tokens are words")
			}
		})
	}
	require.Equal(t, "built-in stand-in", llm.Standin{}.Name())
}

func TestTheStandinSendsAFewWordsAtATime(t *testing.T) {
	var pieces []string
	_, err := llm.Standin{Delay: time.Microsecond}.Generate(t.Context(), "", nil, func(text string) error {
		pieces = append(pieces, text)
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, "I am a stand-in, ", pieces[0])
	require.Greater(t, len(pieces), 3)
}

func TestTheStandinStops(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Hour} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := llm.Standin{Delay: delay}.Generate(ctx, "", nil, func(string) error { return errors.New("emitted") })
		require.Equal(t, context.Canceled, err)
	}
	left := errors.New("left")
	_, err := llm.Standin{}.Generate(t.Context(), "", nil, func(string) error { return left })
	require.Equal(t, left, err)
}
