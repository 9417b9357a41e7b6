package fingerprint_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

// FuzzOf holds what is true of any text in any dialect: no panic, a bounded
// valid text, the same result each time, and that the fingerprint of a text is
// that text.
func FuzzOf(f *testing.F) {
	for _, q := range corpus() {
		f.Add(q)
	}
	for _, q := range []string{
		"'", "\"", "`", "[", "$$", "$a$", "/*", "/*!", "/*!9", "--", "#", "E'\\", "U&\"", "u&'", "_utf8'", "0x", "1e", ".", "..5",
		"(((((", ")))))", "[[(]]", ";;;", "a;(b;c", "- - -", "+-5", "?-?", "a ? -5", "IN (IN (1,1),IN (1,1))", "VALUES (1),(1),(2)",
		"\xff\xfe", "\x00", "SELECT a AS b FROM b c", "FROM a b c", "SELECT f(x) y FROM y z WHERE z.y", "WITH", "EXPLAIN", "CREATE", "a.b.c.1",
		"INSERT A B)A", "SELECT 0 FROM A A JOIN A A#", "SELECT t0 FROM users A JOIN 0A b )0 b.", "SELECT 0 JOIN A0 A AS A1", "UPDATE true A(", "SELECT A!. 0A", "SELECT A.A A AS B", "SELECT SET. 0A", "SELECT: ::0", "SELECT 0 AS A0 AS A", "_ 0 SELECT", "E'a\\'; SELECT b", "SELECT FROM us,. 0A", "CREATE`A`INDEX", "EXPLAIN!+A 0", "SELECT FR.A OM FROM 0A OM",
		"SELECT t1.x FROM users a JOIN users b ON a.x = b.x, t1", "SELECT x FROM t AS a JOIN a b ON b.x", "VALUES ((SELECT a AS x)), ((SELECT a AS y))",
	} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		for _, d := range dialects {
			s := fingerprint.Of(d, q)
			require.Equal(t, s, fingerprint.Of(d, q), d)
			require.LessOrEqual(t, len(s.Text), fingerprint.MaxText, d)
			require.True(t, utf8.ValidString(s.Text), d)
			if !utf8.ValidString(q) || strings.HasSuffix(s.Text, fingerprint.More) {
				continue
			}
			again := fingerprint.Of(d, s.Text)
			require.Equal(t, s.Text, again.Text, "%v: %s", d, q)
			require.Equal(t, s.ID, again.ID, d)
		}
	})
}

// FuzzRedact holds the same of expressions.
func FuzzRedact(f *testing.F) {
	for _, q := range append(corpus(), "(a = 'b'::text)", "a; b", "FROM \"a\"", "f(a) b", "/*! 'a' */", "'", "(a = ANY ('{1}'::int[]))", "a - -5", "WITH a", "::", "?") {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		for _, d := range dialects {
			got := fingerprint.Redact(d, q)
			require.LessOrEqual(t, len(got), fingerprint.MaxText, d)
			require.True(t, utf8.ValidString(got), d)
			if utf8.ValidString(q) && !strings.HasSuffix(got, fingerprint.More) {
				require.Equal(t, got, fingerprint.Redact(d, got), "%v: %s", d, q)
			}
		}
	})
}

// FuzzLiterals puts any content into every form of a literal or comment: the
// query stays the same.
func FuzzLiterals(f *testing.F) {
	for _, content := range []string{"", "SECRET", "it's", `a\`, `\'`, `"`, "$$", "$a$", "*/", "/*", "--", "\n", "\r", "#", "\x00", "\xff", "';", `\\'`, "''", "0", "_"} {
		f.Add(content)
	}
	const before, after = "SELECT a FROM t WHERE b = ", " AND c = 1"
	f.Fuzz(func(t *testing.T, content string) {
		for _, d := range dialects {
			want := fingerprint.Of(d, before+"?"+after)
			for _, l := range forms(d, content) {
				require.Equal(t, want, fingerprint.Of(d, before+l+after), "%v: %s", d, l)
				redacted := fingerprint.Redact(d, "(b = "+l+")")
				require.Equal(t, "(b = ?)", redacted, "%v: %s", d, l)
			}
		}
	})
}

func forms(d fingerprint.Dialect, content string) []string {
	doubled := "'" + strings.ReplaceAll(content, "'", "''") + "'"
	escaped := strings.NewReplacer(`\`, `\\`, "'", `\'`, `"`, `\"`).Replace(content)
	comments := []string{" 5 -- " + strings.NewReplacer("\n", "", "\r", "", "\x00", "").Replace(content) + "\n"}
	if !strings.Contains(content+"*", "*/") && !strings.Contains(content, "/*") && !strings.HasSuffix(content, "/") && !strings.HasPrefix(content, "!") && !strings.HasPrefix(content, "M!") && !strings.HasPrefix(content, "/") {
		comments = append(comments, "/*"+content+"*/ 5")
	}
	switch d {
	case postgresql:
		forms := append(comments, doubled, "E'"+escaped+"'", "x"+doubled, "U&"+doubled, "'a'\n"+doubled, doubled+"\n'b'", "E'a'\n'"+escaped+"'")
		if !strings.Contains(content+"$", "$q$") {
			forms = append(forms, "$q$"+content+"$q$")
		}
		return forms
	case mysql:
		return append(comments, "'"+escaped+"'", `"`+escaped+`"`, "_utf8mb4'"+escaped+"'", "N'"+escaped+"'", "'a' \""+escaped+`"`, "5 # "+strings.NewReplacer("\n", "", "\x00", "").Replace(content)+"\n")
	case sqlite:
		return append(comments, doubled, "x"+doubled)
	default:
		if strings.Contains(content, `\`) {
			return comments
		}
		return append(comments, doubled, `"`+strings.ReplaceAll(content, `"`, `""`)+`"`)
	}
}
