package app

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// AnswerPart is one of: the sources, once and first; a piece of text, any number
// of times; the usage, once and last.
type AnswerPart struct {
	Sources []Message
	Text    string
	Usage   *Usage
}

// Usage is what an answer cost, as the model counted it; zero where it did not.
type Usage struct {
	PromptTokens int `json:"prompt_tokens"`
	AnswerTokens int `json:"answer_tokens"`
}

// Model turns a question and its sources into text.
type Model interface {
	// Name says which model answers, e.g. "llama3.2" or "built-in stand-in".
	Name() string
	// Generate calls emit for each piece of text as it arrives. An error of emit
	// ends it at once and is returned as it is; a model that cannot be reached
	// is CodeUnavailable.
	Generate(ctx context.Context, question string, sources []Message, emit func(text string) error) (Usage, error)
}

// Assistant answers questions from the stored messages: retrieval by words,
// then generation.
type Assistant struct {
	Messages Messages
	Model    Model
}

// MaxQuestion is the longest question in characters.
const MaxQuestion = 1000

const (
	retrieved  = 100 // candidates read from the store
	sourcesMax = 5   // sources handed to the model
)

// Ask hands the parts of an answer to emit and stops at emit's first error.
func (a *Assistant) Ask(ctx context.Context, question string, emit func(AnswerPart) error) error {
	question = strings.TrimSpace(question)
	v := invalid{}
	checkLine(v, "question", question, MaxQuestion)
	if err := v.err(); err != nil {
		return err
	}
	sources, err := a.retrieve(ctx, question)
	if err != nil {
		return err
	}
	// The sources go out with the first text, not before it: while nothing was
	// sent, a model that is gone can still become a clean error answer.
	sent := false
	emitSources := func() error {
		if sent {
			return nil
		}
		sent = true
		return emit(AnswerPart{Sources: sources})
	}
	usage, err := a.Model.Generate(ctx, question, sources, func(text string) error {
		if err := emitSources(); err != nil {
			return err
		}
		return emit(AnswerPart{Text: text})
	})
	if err != nil {
		return err
	}
	if err := emitSources(); err != nil { // a model may have nothing to say
		return err
	}
	return emit(AnswerPart{Usage: &usage})
}

// retrieve returns the messages that share the most distinct words with the
// question, newer ones first among equals.
func (a *Assistant) retrieve(ctx context.Context, question string) ([]Message, error) {
	words := keywords(question)
	if len(words) == 0 {
		return nil, nil
	}
	found, err := a.Messages.SearchMessages(ctx, words, retrieved)
	if err != nil {
		return nil, err
	}
	score := func(m Message) (n int) {
		body := strings.ToLower(m.Body)
		for _, w := range words {
			if strings.Contains(body, w) {
				n++
			}
		}
		return n
	}
	slices.SortStableFunc(found, func(x, y Message) int { return cmp.Compare(score(y), score(x)) })
	return found[:min(len(found), sourcesMax)], nil
}

// keywords are the distinct longer words of a question; short ones match
// everything and so say nothing.
func keywords(question string) []string {
	words := strings.FieldsFunc(strings.ToLower(question), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r)
	})
	words = slices.DeleteFunc(words, func(w string) bool { return utf8.RuneCountInString(w) < 4 })
	slices.Sort(words)
	words = slices.Compact(words)
	return words[:min(len(words), 16)]
}
