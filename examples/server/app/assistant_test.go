package app_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
)

var (
	errModel  = app.Errorf(app.CodeUnavailable, "the model is away")
	errClient = errors.New("the client is gone")
)

// archive finds the same messages whatever it is asked for.
type archive struct {
	app.Messages
	found    []app.Message // newest first
	err      error
	searches [][]string
}

func (a *archive) SearchMessages(_ context.Context, words []string, limit int) ([]app.Message, error) {
	a.searches = append(a.searches, words)
	return slices.Clone(a.found[:min(limit, len(a.found))]), a.err
}

// oracle says its texts and then fails or ends.
type oracle struct {
	texts    []string
	usage    app.Usage
	err      error
	asked    int
	caller   app.Principal
	question string
	sources  []app.Message
	emitErr  error // the error that emit returned
}

func (o *oracle) Name() string { return "oracle" }

func (o *oracle) Generate(ctx context.Context, question string, sources []app.Message, emit func(string) error) (app.Usage, error) {
	o.asked++
	o.caller, o.question, o.sources = app.PrincipalFrom(ctx), question, sources
	for _, text := range o.texts {
		if o.emitErr = emit(text); o.emitErr != nil {
			return app.Usage{}, o.emitErr
		}
	}
	return o.usage, o.err
}

// texts returns messages with these bodies, numbered from 1.
func texts(bodies ...string) []app.Message {
	all := make([]app.Message, len(bodies))
	for i, body := range bodies {
		all[i] = app.Message{ID: int64(i + 1), Username: "ann", Type: "text", Body: body}
	}
	return all
}

// listener keeps the parts of an answer and fails at one of them.
type listener struct {
	parts  []app.AnswerPart
	failAt int // counted from 1; 0 never
}

func (l *listener) emit(part app.AnswerPart) error {
	if l.parts = append(l.parts, part); len(l.parts) == l.failAt {
		return errClient
	}
	return nil
}

func TestAnswerArrivesInOrder(t *testing.T) {
	found := texts("how to deploy", "the deploy failed")
	usage := app.Usage{PromptTokens: 12, AnswerTokens: 2}
	whole := []app.AnswerPart{{Sources: found}, {Text: "Push "}, {Text: "it."}, {Usage: &usage}}
	for _, c := range []struct {
		name      string
		texts     []string
		modelErr  error
		searchErr error
		failAt    int
		parts     []app.AnswerPart
		want      error
		asked     int
	}{
		{name: "the sources come before the first text and the usage last", texts: []string{"Push ", "it."}, parts: whole, asked: 1},
		{name: "an empty text is a text", texts: []string{"", "it."},
			parts: []app.AnswerPart{{Sources: found}, {}, {Text: "it."}, {Usage: &usage}}, asked: 1},
		{name: "a model that fails before the first text lets nothing out", modelErr: errModel, want: errModel, asked: 1},
		{name: "a model that fails later ends the answer without a usage", texts: []string{"Push "}, modelErr: errModel,
			parts: whole[:2], want: errModel, asked: 1},
		{name: "a search that fails lets nothing out", texts: []string{"Push "}, searchErr: errStore, want: errStore},
		{name: "an error at the sources stops it", texts: []string{"Push ", "it."}, failAt: 1, parts: whole[:1], want: errClient, asked: 1},
		{name: "an error at the first text stops it", texts: []string{"Push ", "it."}, failAt: 2, parts: whole[:2], want: errClient, asked: 1},
		{name: "an error at a later text stops it", texts: []string{"Push ", "it."}, failAt: 3, parts: whole[:3], want: errClient, asked: 1},
		{name: "an error at the usage is told", texts: []string{"Push ", "it."}, failAt: 4, parts: whole, want: errClient, asked: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &oracle{texts: c.texts, usage: usage, err: c.modelErr}
			l := &listener{failAt: c.failAt}
			a := &app.Assistant{Messages: &archive{found: found, err: c.searchErr}, Model: o}
			err := a.Ask(app.WithPrincipal(t.Context(), app.Principal{UserID: 1}), "How to deploy?", l.emit)
			require.Equal(t, c.want, err, "an error comes as it is")
			require.Equal(t, c.parts, l.parts)
			require.Equal(t, c.asked, o.asked)
			if c.asked > 0 {
				require.Equal(t, int64(1), o.caller.UserID, "the model gets the caller's context")
				require.Equal(t, found, o.sources, "the model gets the sources that are shown")
			}
			if c.failAt > 0 && c.failAt < 4 {
				require.Equal(t, errClient, o.emitErr, "the model learns that the client is gone")
			}
		})
	}
}

func TestAnAnswerWithoutTextHasItsSourcesAndItsUsage(t *testing.T) {
	l := &listener{}
	a := &app.Assistant{Messages: &archive{}, Model: &oracle{}}
	require.NoError(t, a.Ask(t.Context(), "How to deploy?", l.emit))
	require.Equal(t, []app.AnswerPart{{}, {Usage: &app.Usage{}}}, l.parts, "the sources come all the same, and a usage that is not known is zero")
}

func TestSourcesAreTheBestMatches(t *testing.T) {
	many := make([]string, app.MaxLimit) // the best of all is the oldest candidate
	for i := range many {
		many[i] = "deploy"
	}
	mixed := slices.Clone(many)
	for i := 1; i < len(mixed); i += 3 {
		mixed[i] = "deploy the server"
	}
	many[len(many)-1] = "deploy the server"
	for _, c := range []struct {
		name, question string
		found          []string // newest first
		sources        []int64  // ids, which are places in found
	}{
		{"nothing found is no sources", "deploy", nil, nil},
		{"one found is one source", "deploy", []string{"deploy"}, []int64{1}},
		{"more words in common come first", "deploy server tonight",
			[]string{"deploy", "the server tonight: deploy", "tonight the server"}, []int64{2, 3, 1}},
		{"newer ones come first among equals", "deploy server",
			[]string{"server", "deploy", "deploy server", "server!", "server deploy"}, []int64{3, 5, 1, 2, 4}},
		{"five are the most", "deploy", []string{"deploy", "deploy", "deploy", "deploy", "deploy"}, []int64{1, 2, 3, 4, 5}},
		{"a sixth is left out", "deploy", []string{"deploy", "deploy", "deploy", "deploy", "deploy", "deploy"}, []int64{1, 2, 3, 4, 5}},
		{"the worst is left out, not the oldest", "deploy server",
			[]string{"deploy server", "server", "deploy server", "deploy server", "deploy server", "deploy server"},
			[]int64{1, 3, 4, 5, 6}},
		{"an old one may be the best of many", "deploy server", many, []int64{app.MaxLimit, 1, 2, 3, 4}},
		{"newer ones come first also among many equals", "deploy server", mixed, []int64{2, 5, 8, 11, 14}},
		{"case does not matter", "DEPLOY Server", []string{"Server", "dePLOY SERVER"}, []int64{2, 1}},
		{"nor outside ASCII", "ÄRGER überall", []string{"ärger", "Ärger ÜBERALL"}, []int64{2, 1}},
		{"a word asked twice counts once", "deploy deploy server tonight",
			[]string{"deploy", "server tonight"}, []int64{2, 1}},
		{"a word said twice counts once", "deploy server tonight",
			[]string{"deploy deploy deploy", "server tonight"}, []int64{2, 1}},
		{"short words do not count", "is the new one on deploy",
			[]string{"is the new one on", "deploy"}, []int64{2, 1}},
		{"a word counts within another", "deploy server", []string{"deploy", "redeployed webservers"}, []int64{2, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &oracle{texts: []string{"x"}}
			a := &app.Assistant{Messages: &archive{found: texts(c.found...)}, Model: o}
			l := &listener{}
			require.NoError(t, a.Ask(t.Context(), c.question, l.emit))
			require.Equal(t, c.sources, ids(o.sources))
			require.Equal(t, c.sources, ids(l.parts[0].Sources))
		})
	}
}

func ids(messages []app.Message) (all []int64) {
	for _, m := range messages {
		all = append(all, m.ID)
	}
	return all
}

func TestSearchedWords(t *testing.T) {
	for _, c := range []struct {
		name, question string
		words          []string // nil: no search
	}{
		{"words are parted by anything but letters and digits", "deploy,server-42/node7_main'late", []string{"deploy", "server", "node7", "main", "late"}},
		{"words are lower-case", "Deploy ÄRGER", []string{"deploy", "ärger"}},
		{"words are distinct", "deploy server Deploy DEPLOY", []string{"deploy", "server"}},
		{"four characters make a word, three do not", "main the", []string{"main"}},
		{"a number is a word", "since 2026?", []string{"since", "2026"}},
		{"short words alone are not searched for", "is it up?", nil},
		{"signs alone are not searched for", "?!... +++", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			archived := &archive{found: texts("anything")}
			o := &oracle{texts: []string{"x"}}
			l := &listener{}
			require.NoError(t, (&app.Assistant{Messages: archived, Model: o}).Ask(t.Context(), c.question, l.emit))
			require.Equal(t, 1, o.asked)
			if c.words == nil {
				require.Empty(t, archived.searches)
				require.Empty(t, o.sources)
				require.Equal(t, []app.AnswerPart{{}, {Text: "x"}, {Usage: &app.Usage{}}}, l.parts)
				return
			}
			require.Len(t, archived.searches, 1)
			require.ElementsMatch(t, c.words, archived.searches[0])
		})
	}
}

func TestAtMostSixteenWordsAreSearchedFor(t *testing.T) {
	for _, n := range []int{15, 16, 17, 40} {
		t.Run(fmt.Sprintf("of %d words", n), func(t *testing.T) {
			var question strings.Builder
			for i := range n {
				fmt.Fprintf(&question, "word%02d ", i)
			}
			archived := &archive{}
			a := &app.Assistant{Messages: archived, Model: &oracle{}}
			require.NoError(t, a.Ask(t.Context(), question.String(), (&listener{}).emit))
			require.Len(t, archived.searches[0], min(n, 16))
			require.Subset(t, strings.Fields(question.String()), archived.searches[0])
		})
	}
}

func TestQuestionRules(t *testing.T) {
	require.Equal(t, 1000, app.MaxQuestion)
	for _, c := range []struct {
		name, question string
		asked          string // "" when refused
		reason         string
	}{
		{"one character is enough", "x", "x", ""},
		{"1000 characters pass", strings.Repeat("x", 1000), strings.Repeat("x", 1000), ""},
		{"1000 characters of four bytes pass", strings.Repeat("\U0001F600", 1000), strings.Repeat("\U0001F600", 1000), ""},
		{"1001 characters are refused", strings.Repeat("x", 1001), "", isTooLong},
		{"1001 characters of two bytes are refused", strings.Repeat("é", 1001), "", isTooLong},
		{"space around does not count", "\n \t" + strings.Repeat("x", 1000) + "\r\n", strings.Repeat("x", 1000), ""},
		{"space within and capitals stay", " How  TO? ", "How  TO?", ""},
		{"nothing is refused", "", "", isEmpty},
		{"space alone is refused", " \t\r\n\u2003", "", isEmpty},
		{"a second line is refused", "how\nto", "", isNoLine},
		{"a zero byte is refused", "how\x00to", "", isNoLine},
		{"delete is refused", "how\x7fto", "", isNoLine},
		{"half a character is refused", "how\xc3", "", isNoLine},
	} {
		t.Run(c.name, func(t *testing.T) {
			archived, o, l := &archive{}, &oracle{texts: []string{"x"}}, &listener{}
			err := (&app.Assistant{Messages: archived, Model: o}).Ask(t.Context(), c.question, l.emit)
			if c.reason == "" {
				require.NoError(t, err)
				require.Equal(t, c.asked, o.question)
				return
			}
			requireFaults(t, faults{"question": c.reason}, err)
			require.Empty(t, archived.searches)
			require.Zero(t, o.asked)
			require.Empty(t, l.parts)
		})
	}
}
