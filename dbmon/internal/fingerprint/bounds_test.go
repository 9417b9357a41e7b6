package fingerprint_test

import (
	"hash/fnv"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

// An id is kept in dashboards and compared between releases: it changes only if
// the text has to.
func TestIDsDoNotChange(t *testing.T) {
	for q, want := range map[string]uint64{
		"SELECT id, name FROM users WHERE email = 'x' LIMIT 5":                0x8ea0366beef9f324,
		"INSERT INTO users (name, age) VALUES ('a', 1), ('b', DEFAULT)":       0xa5651292733effb8,
		"UPDATE items SET price = price - 5 WHERE id IN (1, 2)":               0x193645cdd96a3e32,
		"SELECT a.id, b.n AS x FROM t a JOIN t b ON a.id = b.parent":          0x9246fb26e994367e,
		"WITH m AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM m": 0x8622001c877f5ec9,
		"ALTER USER bob PASSWORD 'x'":                                         0xdb19a22877553cfe,
		"":                                                                    0xcbf29ce484222325,
	} {
		require.Equal(t, want, fingerprint.Of(postgresql, q).ID, q)
	}
}

func TestTheIDIsFNVOfTheWholeText(t *testing.T) {
	h := fnv.New64a()
	_, _ = h.Write([]byte("SELECT a FROM t WHERE b = ?"))
	require.Equal(t, h.Sum64(), fingerprint.Of(mysql, "select a from t where b = 5").ID)

	long := "SELECT " + strings.Repeat("column_name, ", 1000) + "x FROM t"
	h.Reset()
	_, _ = h.Write([]byte(long))
	got := fingerprint.Of(sqlite, long)
	require.Equal(t, h.Sum64(), got.ID)
	require.NotEqual(t, got.ID, fingerprint.Of(sqlite, long+"s").ID)
	require.Len(t, got.Text, fingerprint.MaxText)
	require.Equal(t, long[:fingerprint.MaxText-len(fingerprint.More)]+fingerprint.More, got.Text)
}

func TestATextIsCutBetweenCharacters(t *testing.T) {
	for n := range 8 {
		got := text(postgresql, "SELECT "+strings.Repeat("x", n)+strings.Repeat("é€😀", 1000))
		require.True(t, utf8.ValidString(got))
		require.True(t, strings.HasSuffix(got, fingerprint.More))
		require.InDelta(t, fingerprint.MaxText, len(got), utf8.UTFMax)
		require.NotContains(t, got, "\ufffd")
	}
	exact := "SELECT " + strings.Repeat("x", fingerprint.MaxText-len("SELECT "))
	require.Equal(t, exact, text(postgresql, exact))
}

// Trap d.4: invalid UTF-8 and NUL.
func TestAnyBytes(t *testing.T) {
	for _, d := range dialects {
		require.Equal(t, "SELECT a?b FROM t", text(d, "SELECT a\xff\xfeb\x00FROM t"))
		require.NotEqual(t, fingerprint.Of(d, "SELECT \xff FROM t").ID, fingerprint.Of(d, "SELECT \xfe FROM t").ID)
		require.Equal(t, "SELECT ?, größe", text(d, "SELECT '\xff\x00', größe"))
		for c := range 256 {
			for _, q := range []string{string([]byte{byte(c)}), "SELECT " + string([]byte{byte(c)}), "SELECT a" + string([]byte{byte(c), byte(c)}) + "b"} {
				require.True(t, utf8.ValidString(text(d, q)), "%q", q)
			}
		}
	}
}

// shapes grow with n, to the dislike of a lexer that reads anything twice.
func shapes() map[string]func(n int) string {
	repeat := func(s string) func(int) string {
		return func(n int) string { return "SELECT " + strings.Repeat(s, n/len(s)+1) }
	}
	m := map[string]func(int) string{
		"brackets": func(n int) string { return "SELECT " + strings.Repeat("(", n/2) + strings.Repeat(")", n/2) },
		"nested lists": func(n int) string {
			return "SELECT a IN " + strings.Repeat("(1, a IN ", n/10) + "(1)" + strings.Repeat(")", n/10)
		},
		"nested arrays": func(n int) string {
			return "SELECT ARRAY" + strings.Repeat("[", n/2) + "1" + strings.Repeat("]", n/2)
		},
		"a list of values":      func(n int) string { return "SELECT a FROM t WHERE b IN (1" + strings.Repeat(", 1", n/3) + ")" },
		"a list of expressions": func(n int) string { return "SELECT a FROM t WHERE b IN (1" + numbered(n, ", a%d") + ")" },
		"a list of lists": func(n int) string {
			return "SELECT a IN (" + strings.Repeat("(1, (2, 3), b IN (1, (4))), ", n/28) + "1)"
		},
		"rows":            func(n int) string { return "INSERT INTO t VALUES (1)" + strings.Repeat(", (1, 'x', f(2))", n/17) },
		"different rows":  func(n int) string { return "INSERT INTO t VALUES (1)" + numbered(n, ", (a%d)") },
		"aliases":         func(n int) string { return "SELECT a FROM t" + numbered(n, ", t a%d") },
		"labels":          func(n int) string { return "SELECT a" + numbered(n, ", a AS a%d") + " FROM t" },
		"statements":      func(n int) string { return strings.Repeat("SELECT 1;", n/9) },
		"verbs":           func(n int) string { return strings.Repeat("SET;", n/4) },
		"executed":        func(n int) string { return "SELECT " + strings.Repeat("/*!1*/", n/6) },
		"nested comments": func(n int) string { return "SELECT " + strings.Repeat("/*", n/4) + strings.Repeat("*/", n/4) },
		"a long string":   func(n int) string { return "SELECT '" + strings.Repeat("x", n) + "'" },
		"a long name":     func(n int) string { return "SELECT " + strings.Repeat("x", n) },
		"a long comment":  func(n int) string { return "SELECT /*" + strings.Repeat("x", n) + "*/ 1" },
		"spaces in doubt": func(n int) string {
			return "SELECT a WHERE " + strings.Repeat(`"a" = `+strings.Repeat(" ", 100), n/106)
		},
		"lists in doubt":   func(n int) string { return "SELECT " + strings.Repeat(`"a", `, n/5) },
		"nested in doubt":  func(n int) string { return strings.Repeat(`SELECT "a", (`, n/13) },
		"continued string": func(n int) string { return "SELECT 'a'" + strings.Repeat("\n'b'", n/4) },
	}
	for _, s := range []string{
		"'", `"`, "`", "[", "]", "$", "$$", "$a$b", "$a", "/*", "/* */", "--", "--\n", "# \n", "\\'", "'\\", "E'", "U&\"", "_utf8 ", "_x 'a'",
		"?", "@", "@@", ":", "::", ":=", "1", "1.", ".", "1e+", "0x", "- ", "+-", "-1", "|", "<@", "a.", "a b ", "a AS ", "(a", "((", ")", "a(",
		",", "IN (", "VALUES (1),", "VALUES (", "ARRAY[", "FROM a, ", "FROM a b, ", "FROM (", "NOT ", "NULL ", ";", "; ;", "\x00", "\xff", "é", "*/", "FOR ", `"a"`, `"a".`,
	} {
		m[strconv.Quote(s)] = repeat(s)
	}
	return m
}

func numbered(n int, format string) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteString(strings.Replace(format, "%d", strconv.Itoa(i), 1))
	}
	return b.String()
}

// Trap d.4: 1 MB of text and 50,000 nested brackets. Whatever is quadratic takes
// longer for a megabyte than any test may.
func TestLargeTextsTakeLinearTime(t *testing.T) {
	all, size := shapes(), 1<<20
	if underRace { // which is much slower, and looks for something else
		size = 1 << 14
	}
	for name, shape := range all {
		large := shape(size)
		for _, d := range dialects {
			got := fingerprint.Of(d, large)
			require.LessOrEqual(t, len(got.Text), fingerprint.MaxText, name)
		}
	}
	deep := "SELECT " + strings.Repeat("(", 50_000) + "'SECRET'" + strings.Repeat(")", 50_000) + " FROM t"
	for _, d := range dialects {
		require.NotContains(t, text(d, deep), "SECRET")
		require.NotEqual(t, fingerprint.Of(d, deep).ID, fingerprint.Of(d, deep+"s").ID)
	}
}

func TestFewAllocations(t *testing.T) {
	for q, limit := range map[string]float64{
		"SELECT id, name, email FROM users WHERE email = $1 AND status = 'active' AND id IN (1, 2, 3) LIMIT 10": 3,
		"SELECT u.id, u.name AS n FROM users u WHERE u.email = $1 AND u.deleted_at IS NULL":                     5,
	} {
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { fingerprint.Of(postgresql, q) }), limit, q)
	}
	rows := "INSERT INTO t (a, b) VALUES (1, 2)" + strings.Repeat(", (1, 'text')", 50_000)
	require.LessOrEqual(t, testing.AllocsPerRun(5, func() { fingerprint.Of(postgresql, rows) }), 3.0)
}
