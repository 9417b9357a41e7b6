package dbmon

import (
	"database/sql/driver"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

// Plans come from a server: whatever it sends is bounded text, and what is in
// quotes in an expression does not get out.
func FuzzPlan(f *testing.F) {
	f.Add(`[{"Plan": {"Node Type": "Seq Scan", "Filter": "(a = 'xyzzy'::text)", "Plans": [{"Output": ["b", 1]}]}}]`, "a = ")
	f.Add(`[{"Plan": null}, {"Plan": {"Plans": [[], {"Total Cost": "1e999"}]}}]`, "")
	f.Add("\x00\n[", "a\n(cost=1..2) || ")
	f.Fuzz(func(t *testing.T, answer, before string) {
		for _, d := range []fingerprint.Dialect{fingerprint.PostgreSQL, fingerprint.MySQL, fingerprint.SQLite} {
			o := &outline{dialect: d}
			_ = o.postgres(nil, []driver.Value{answer})
			_ = o.sqlite(nil, []driver.Value{int64(len(before)), int64(1), nil, answer})
			_ = o.mysql([]string{"id", "Extra"}, []driver.Value{int64(1), []byte(answer)})
			require.LessOrEqual(t, o.b.Len(), maxPlan)
			require.True(t, utf8.ValidString(o.b.String()))
		}
		if strings.ContainsAny(before, "'\"$`\\") || strings.Contains(before, "xyzzy") {
			return // what follows may not be a literal
		}
		o := &outline{dialect: fingerprint.PostgreSQL}
		plan, err := json.Marshal([]any{map[string]any{"Plan": map[string]any{
			"Node Type": "Seq Scan", "Filter": before + " 'xyzzy\n'", "Sort Key": []string{before + " 'xyzzy'"}, "Remote SQL": before + " 'xyzzy'",
		}}})
		require.NoError(t, err)
		require.NoError(t, o.postgres(nil, []driver.Value{plan}))
		require.NotContains(t, o.b.String(), "xyzzy")
	})
}

func TestAnOutlineIsCutAtACharacter(t *testing.T) {
	o := &outline{}
	for range 3 * maxPlan / 4 {
		o.line(1, "é")
	}
	require.LessOrEqual(t, o.b.Len(), maxPlan)
	require.True(t, utf8.ValidString(o.b.String()))
	require.True(t, strings.HasSuffix(o.b.String(), fingerprint.More))
}

// A name with a line break in it must not look like a line of the plan.
func TestALineOfAPlanIsOneLine(t *testing.T) {
	o := &outline{dialect: fingerprint.PostgreSQL}
	require.NoError(t, o.postgres(nil, []driver.Value{`[{"Plan": {"Node Type": "Seq Scan", "Relation Name": "a\nb\u2028c\u001b[31m"}}]`}))
	require.Equal(t, 1, strings.Count(o.b.String(), "\n"))
	require.NotContains(t, o.b.String(), "\x1b")
}

func TestWhatIsKeptOfFastReadsCostsNothing(t *testing.T) {
	m, err := New(Options{Dialect: PostgreSQL, Explain: ExplainOptions{Enable: true}})
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close()) }()
	src := m.newSource(nil)
	c := &conn{src: src, from: dsnConnector{}}
	text := "SELECT * FROM users WHERE id = $1 AND name = $2"
	q := src.texts.lookup(text)
	args := arguments{text: text, named: []driver.NamedValue{{Ordinal: 1, Value: int64(7)}, {Ordinal: 2, Value: "x"}}}
	kept := 0
	// Under the race detector a pool drops things, on purpose and at random.
	require.Less(t, testing.AllocsPerRun(1000, func() {
		k := call{src: src, conn: c, query: q, op: q.op}
		m.explain.keep(&k, args)
		if k.kept != nil {
			kept++
			m.explain.over(&k, false)
		}
	}), 1.0)
	require.Equal(t, 1001, kept)
}

func BenchmarkKeep(b *testing.B) {
	m, err := New(Options{Dialect: PostgreSQL, Explain: ExplainOptions{Enable: true}})
	require.NoError(b, err)
	defer func() { _ = m.Close() }()
	src := m.newSource(nil)
	c := &conn{src: src, from: dsnConnector{}}
	text := "SELECT * FROM users WHERE id = $1 AND name = $2"
	q := src.texts.lookup(text)
	args := arguments{text: text, named: []driver.NamedValue{{Ordinal: 1, Value: int64(7)}, {Ordinal: 2, Value: "x"}}}
	b.ReportAllocs()
	for b.Loop() {
		k := call{src: src, conn: c, query: q, op: q.op}
		m.explain.keep(&k, args)
		m.explain.over(&k, false)
	}
}
