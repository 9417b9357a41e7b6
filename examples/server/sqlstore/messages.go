package sqlstore

import (
	"context"
	"regexp"
	"strings"
	"unicode"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/migrations"
)

var messages = table[app.Message]{
	name: "messages", kind: "message",
	columns: []string{"username", "type", "body"},
	row: func(m *app.Message) row {
		return row{&m.ID, &m.Version, &m.CreatedAt, &m.UpdatedAt, []any{&m.Username, &m.Type, &m.Body}}
	},
}

func (s *Store) ListMessages(ctx context.Context, f app.MessageFilter, p app.PageRequest) (app.Page[app.Message], error) {
	var w filter
	equal(&w, "username", f.Username)
	equal(&w, "type", f.Type)
	return list(ctx, s, &messages, w, p)
}

func (s *Store) GetMessage(ctx context.Context, id int64) (app.Message, error) {
	return getByID(ctx, s, &messages, id)
}

func (s *Store) CreateMessage(ctx context.Context, m app.Message) (app.Message, error) {
	return create(ctx, s, &messages, m)
}

func (s *Store) UpdateMessage(ctx context.Context, m app.Message) (app.Message, error) {
	return update(ctx, s, &messages, m, len(messages.columns))
}

func (s *Store) DeleteMessage(ctx context.Context, id, version int64) error {
	_, err := remove(ctx, s, &messages, id, version)
	return err
}

// SearchMessages reads messages until it has found enough; there is no index
// over the words.
func (s *Store) SearchMessages(ctx context.Context, words []string, limit int) ([]app.Message, error) {
	if len(words) == 0 || limit < 1 {
		return nil, nil
	}
	var w filter
	equal(&w, "type", "text")
	conditions := make([]string, len(words))
	patterns := make([]any, len(words))
	for i, word := range words {
		if s.dialect == migrations.SQLite {
			conditions[i], patterns[i] = "body GLOB ?", "*"+eitherCase(word, quoteGlob)+"*"
		} else {
			conditions[i], patterns[i] = "body ~ ?", eitherCase(word, regexp.QuoteMeta)
		}
	}
	w.where("("+strings.Join(conditions, " OR ")+")", patterns...)
	return newest(ctx, s, &messages, w, min(limit, app.MaxLimit))
}

// eitherCase returns a pattern that matches a word in any case, with each
// letter as the set of its cases: "[aA]". LIKE would not do: SQLite's knows the
// cases of ASCII only, and PostgreSQL's those of the locale that the database
// was made with.
func eitherCase(word string, quote func(string) string) string {
	var b strings.Builder
	for _, r := range word {
		other := unicode.SimpleFold(r)
		if other == r {
			b.WriteString(quote(string(r)))
			continue
		}
		b.WriteRune('[')
		b.WriteRune(r)
		for ; other != r; other = unicode.SimpleFold(other) {
			b.WriteRune(other)
		}
		b.WriteRune(']')
	}
	return b.String()
}

// quoteGlob returns a character without its meaning in a GLOB pattern.
func quoteGlob(char string) string {
	if strings.Contains("*?[", char) {
		return "[" + char + "]"
	}
	return char
}
