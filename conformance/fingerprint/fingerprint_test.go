//go:build cgo

package conformance_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	pg "github.com/pganalyze/pg_query_go/v6"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

func of(sql string) fingerprint.Statement { return fingerprint.Of(fingerprint.PostgreSQL, sql) }

func oracle(t *testing.T, sql string) string {
	t.Helper()
	id, err := pg.Fingerprint(sql)
	require.NoError(t, err, sql)
	return id
}

// parameters makes a text one that PostgreSQL reads: $1 for each "?".
func parameters(text string) string {
	n := 0
	return regexp.MustCompile(`\?[|&]?`).ReplaceAllStringFunc(text, func(s string) string {
		if s != "?" {
			return s
		}
		n++
		return fmt.Sprintf("$%d", n)
	})
}

func TestTheTextIsTheSameQueryToPostgreSQL(t *testing.T) {
	for _, sql := range corpus {
		text := parameters(of(sql).Text)
		// Sizes in types take no parameter.
		text = regexp.MustCompile(`\b(numeric)\(\$\d+, \$\d+\)`).ReplaceAllString(text, "$1(10, 2)")
		require.Equal(t, oracle(t, sql), oracle(t, text), "%s\n%s", sql, text)
	}
}

func TestARenamedTextIsReadByPostgreSQL(t *testing.T) {
	for _, sql := range renamed {
		text := parameters(of(sql).Text)
		require.Equal(t, oracle(t, text), oracle(t, parameters(of(text).Text)), text)
		before, after := relations(t, sql), relations(t, text)
		require.Equal(t, before, after)
	}
}

// relations are the tables of a statement.
func relations(t *testing.T, sql string) []string {
	t.Helper()
	tree, err := pg.ParseToJSON(sql)
	require.NoError(t, err, sql)
	names := regexp.MustCompile(`"relname":"([^"]*)"`).FindAllString(tree, -1)
	slices.Sort(names)
	return names
}

// What PostgreSQL keeps apart, we do.
func TestNothingMergesThatPostgreSQLKeepsApart(t *testing.T) {
	ours, theirs := map[uint64]string{}, map[string]bool{}
	for _, sql := range slices.Concat(corpus, renamed) {
		id := of(sql).ID
		require.NotContains(t, ours, id, "%s\n%s", sql, ours[id])
		ours[id] = sql
		theirs[oracle(t, sql)] = true
	}
	// It merges 7 more: equal items of a list, columns in another order, values
	// with and without a cast, IN and =, DEFAULT and a value, and TABLE.
	require.Len(t, theirs, len(ours)-7)
}

// token is a token as PostgreSQL's scanner cuts it out.
type token struct {
	text string
	kind pg.Token
	word bool // it may be in any case
}

func tokens(t *testing.T, sql string) (out []token) {
	t.Helper()
	result, err := pg.Scan(sql)
	require.NoError(t, err, sql)
	for _, k := range result.Tokens {
		text := sql[k.Start:k.End]
		word := k.KeywordKind != pg.KeywordKind_NO_KEYWORD || k.Token == pg.Token_IDENT && !strings.HasPrefix(text, `"`)
		out = append(out, token{text: text, kind: k.Token, word: word})
	}
	return out
}

func literal(k token) bool {
	switch k.kind {
	case pg.Token_SCONST, pg.Token_ICONST, pg.Token_FCONST, pg.Token_BCONST, pg.Token_XCONST, pg.Token_USCONST, pg.Token_PARAM:
		return true
	default:
		return false
	}
}

func TestNoLiteralOfPostgreSQLIsLeft(t *testing.T) {
	for _, sql := range slices.Concat(corpus, renamed) {
		text := of(sql).Text
		for _, k := range tokens(t, sql) {
			if content := strings.Trim(k.text, `$'%E`); literal(k) && len(content) >= 4 {
				require.NotContains(t, text, content, sql)
			}
		}
		for _, k := range tokens(t, parameters(text)) {
			require.True(t, !literal(k) || k.kind == pg.Token_PARAM, "%s in %s", k.text, text)
		}
	}
}

// Cut into tokens by PostgreSQL's scanner, and put together in any other way
// with any other literals, a statement has the same id.
func TestStatementsPutTogetherAgainHaveTheSameID(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	strange := []string{"'it''s'", "E'it\\'s'", "$$it's$$", "$é$ $$ $é$", "'--'", "'/*'", `'"'`, "4_242", "0xff", "1e-5", ".5", "U&'\\0041'", "x'ff'", "$7"}
	for _, sql := range slices.Concat(corpus, renamed) {
		parts, want := tokens(t, sql), of(sql)
		for range 50 {
			var b strings.Builder
			for _, k := range parts {
				switch {
				case literal(k):
					b.WriteString(pick(strange...))
				case k.word && r.IntN(2) == 0:
					b.WriteString(strings.ToUpper(k.text))
				default:
					b.WriteString(k.text)
				}
				b.WriteString(pick(" ", " ", "\n", "\t", " /* it's */ ", " /* /* ' */ */ ", " -- it's\n", "/**/\r\n"))
			}
			require.Equal(t, want, of(b.String()), "%s\n%s", sql, b.String())
		}
	}
}

// pieces are what literals, comments, names and operators are made of.
var pieces = strings.Split("'|'|'|\"|\"|,| | |\n|--|/*|*/|\\|''|1|42|.|(|)|+|-|=|e|x|n|U&|null|::|:|\r|$$|$$|$a$|$|E'|u&'|b'1'|\\'|/* /* */|[|]|@|#|&|?|~|!|é|$é$|\f|\v|\x01|;|0x4|1e5|<|>", "|")

// PostgreSQL's scanner says of any text that it can read, whether or not it is a
// statement, what of it is a literal or a comment.
func TestNoLiteralOfAnyTextIsLeft(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	marker := regexp.MustCompile(`SECRET[A-Z]`)
	found := 0
	for range 200_000 {
		sql := "SELECT "
		for i := range 3 + r.IntN(14) {
			if r.IntN(4) == 0 {
				sql += "SECRET" + string(rune('A'+i))
			} else {
				sql += pieces[r.IntN(len(pieces))]
			}
		}
		result, err := pg.Scan(sql)
		if err != nil {
			continue
		}
		printed := strings.ToUpper(of(sql).Text + " " + fingerprint.Redact(fingerprint.PostgreSQL, sql))
		for _, k := range result.Tokens {
			hidden := token{kind: k.Token}
			if !literal(hidden) && k.Token != pg.Token_C_COMMENT && k.Token != pg.Token_SQL_COMMENT {
				continue
			}
			for _, m := range marker.FindAllString(sql[k.Start:k.End], -1) {
				require.NotContains(t, printed, m, "%q", sql)
				found++
			}
		}
	}
	require.Greater(t, found, 10_000)
}
