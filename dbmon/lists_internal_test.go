package dbmon

import (
	"database/sql/driver"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func args(text string, values ...any) arguments {
	a := arguments{text: text}
	for i, v := range values {
		a.named = append(a.named, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return a
}

func TestListsOfValues(t *testing.T) {
	for _, tt := range []struct {
		name string
		a    arguments
		want bool
	}{
		{"none", args("SELECT a FROM b WHERE c = ?", 1), false},
		{"one value", args("SELECT a FROM b WHERE c IN (?)", 1), false},
		{"two values", args("SELECT a FROM b WHERE c IN (?, ?)", 1, 2), true},
		{"two literals", args("SELECT a FROM b WHERE c in(1,2)"), true},
		{"two words", args("SELECT a FROM b WHERE c NOT IN ('a','b')"), true},
		{"a comma in a word", args("SELECT a FROM b WHERE c IN ('a,b')"), false},
		{"a comma in a call", args("SELECT a FROM b WHERE c IN (coalesce(?, ?))", 1, 2), false},
		{"one pair", args("SELECT a FROM b WHERE (c, d) IN ((?, ?))", 1, 2), false},
		{"two pairs", args("SELECT a FROM b WHERE (c, d) IN ((?, ?), (?, ?))", 1, 2, 3, 4), true},
		{"a query", args("SELECT a FROM b WHERE c IN (SELECT d, e FROM f)"), false},
		{"a list in a query", args("SELECT a FROM b WHERE c IN (SELECT d FROM e WHERE f IN (1, 2))"), true},
		{"rows", args("SELECT a FROM (VALUES (?), (?)) v", 1, 2), true},
		{"one row", args("SELECT a FROM (VALUES (?, ?)) v", 1, 2), false},
		{"an array of literals", args("SELECT a FROM b WHERE c = ANY(ARRAY[1, 2])"), true},
		{"an array as an argument", args("SELECT a FROM b WHERE c = ANY($1)", "{1,2}"), true},
		{"an array of one", args("SELECT a FROM b WHERE c = ANY($1)", "{1}"), false},
		{"an array of bytes", args("SELECT a FROM b WHERE c = ANY($1)", []byte("{1,2}")), true},
		{"an array as it is", args("SELECT a FROM b WHERE c = ANY($1)", []int64{1, 2}), true},
		{"an array of one as it is", args("SELECT a FROM b WHERE c = ANY($1)", []int64{1}), false},
		{"an identifier of 16 bytes", args("SELECT a FROM b WHERE c = $1", [16]byte{1}), false},
		{"a comma in a comment", args("SELECT a FROM b WHERE c IN (? /* , */)", 1), false},
		{"a comma behind two dashes", args("SELECT a FROM b WHERE c IN (? -- , \n)", 1), false},
		{"the end within a list", args("SELECT a FROM b WHERE c IN (1, 2"), true},
		{"the end within a word", args("SELECT a FROM b WHERE c IN ('1"), false},
		{"nothing", args(""), false},
	} {
		require.Equal(t, tt.want, tt.a.lists() != 0, tt.name)
	}
}

// A list that stays is no batch.
func TestListsAreComparedByTheirValues(t *testing.T) {
	same := func(a, b arguments) bool { return a.lists() == b.lists() }
	require.True(t, same(args("b = ? AND c IN (?, ?)", 1, 8, 9), args("b = ? AND c IN (?, ?)", 2, 8, 9)))
	require.False(t, same(args("b = ? AND c IN (?, ?)", 1, 8, 9), args("b = ? AND c IN (?, ?)", 1, 8, 7)))
	require.True(t, same(args("b = $2 AND c IN ($1, $3)", 8, 1, 9), args("b = $2 AND c IN ($1, $3)", 8, 2, 9)))
	require.False(t, same(args("b = $2 AND c IN ($1, $3)", 8, 1, 9), args("b = $2 AND c IN ($1, $3)", 7, 1, 9)))
	require.True(t, same(args("b = 1 AND c IN ('x', 'y')"), args("b = 2 AND c IN ('x', 'y')")))
	require.False(t, same(args("c IN (1, 2)"), args("c IN (1, 3)")))
	require.False(t, same(args("c IN (1, 2)"), args("c IN (1, 2, 3)")))
	require.True(t, same(args("b = $1 AND c = ANY($2)", 1, "{8,9}"), args("b = $1 AND c = ANY($2)", 2, "{8,9}")))
	require.False(t, same(args("c = ANY($1)", "{8,9}"), args("c = ANY($1)", "{8,7}")))
}

// The text of a statement may come from anywhere.
func FuzzLists(f *testing.F) {
	f.Add("SELECT a FROM b WHERE c IN (?, ?) AND d = ANY(ARRAY[$1, '(', \"]\"]) -- x\n /* ) */ VALUES (1), (2)", int64(1), "x")
	f.Add("IN (", int64(0), "{1,2}")
	f.Add("in(((((((1,", int64(0), "[1]")
	f.Fuzz(func(t *testing.T, text string, n int64, s string) {
		a := args(text, n, s)
		lists, hash := a.lists(), a.hash()
		if b := args(text, n, s); lists != b.lists() || hash != b.hash() || hash == 0 {
			t.Fatal("not the same twice, or nothing")
		}
		traitsOf(text)
	})
}

// In quadratic time it would not end.
func TestLongStatementsAreReadOnce(t *testing.T) {
	const n = 1 << 20
	for _, text := range []string{
		"c IN (" + strings.Repeat("(", n) + strings.Repeat("1, ", n),
		strings.Repeat("IN (SELECT ", n),
		strings.Repeat("IN (", n),
		strings.Repeat("VALUES (", n),
		strings.Repeat("IN (?, ?) AND ", n),
		strings.Repeat("'", n) + strings.Repeat("/*", n),
	} {
		require.Equal(t, args(text, 1, 2).lists(), args(text, 1, 2).lists())
	}
}

func TestArgumentsAreEqualIfTheirValuesAre(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	one, other := 1, 1
	type uuid [16]byte
	type pair struct {
		a int
		b any
	}
	equal := [][2]any{
		{int64(1), int64(1)}, {"a", "a"}, {[]byte("a"), []byte("a")}, {1.5, 1.5}, {true, true}, {nil, nil},
		{at, at.In(time.FixedZone("", 3600))}, {&one, &other}, {uuid{1}, uuid{1}}, {[]string{"a", "b"}, []string{"a", "b"}},
		{pair{1, "x"}, pair{1, "x"}}, {map[string]int{"a": 1}, map[string]int{"a": 1}}, {[]any{1, "x"}, []any{1, "x"}},
		{uint8(3), uint8(3)}, {float32(3), float32(3)}, {complex(1, 2), complex(1, 2)},
	}
	for _, e := range equal {
		require.Equal(t, args("q", e[0]).hash(), args("q", e[1]).hash(), "%v", e)
	}
	different := []any{
		int64(0), int64(1), int64(-1), "", "a", "b", "1", []byte("a"), []byte(nil), 1.0, 2.0, true, false, nil, at, at.Add(1),
		uuid{1}, uuid{2}, []string{"a"}, []string{"b"}, []string{"a", "b"}, []string{"ab"}, pair{1, "x"}, pair{2, "x"}, pair{1, "y"},
		new(5), uint8(5), complex(1, 3),
	}
	seen := map[uint64]any{}
	for _, v := range different {
		h := args("q", v).hash()
		require.NotContains(t, seen, h, "%v and %v", v, seen[h])
		seen[h] = v
	}
	require.NotEqual(t, args("q", 1, 2).hash(), args("q", 2, 1).hash())
	require.NotEqual(t, args("a = 1").hash(), args("a = 2").hash())
}

func TestArgumentsThatNeverEndAreComparedToALimit(t *testing.T) {
	type ring struct {
		next *ring
		n    int
	}
	r := &ring{n: 1}
	r.next = r
	require.NotZero(t, args("q", r).hash())
	huge := make([]int, 1<<20)
	require.NotZero(t, args("q", huge, strings.Repeat("x", 1<<20)).hash())
}

func TestComparingArgumentsAllocatesNothing(t *testing.T) {
	a := args("SELECT a FROM b WHERE c IN (?, ?) AND d = ?", int64(1), "text", []byte("bytes"), 1.5, true, nil, time.Now())
	require.Zero(t, testing.AllocsPerRun(100, func() { a.hash(); a.lists() }))
}

func TestTraitsOfFingerprints(t *testing.T) {
	for _, tt := range []struct {
		text string
		want traits
	}{
		{"SELECT a FROM b WHERE c = ?", tabled},
		{"SELECT ?", 0},
		{"SELECT now()", 0},
		{"SELECT a FROM b WHERE c IN (?)", tabled | listing},
		{"SELECT a FROM b WHERE c = ANY (?)", tabled | listing},
		{"SELECT a FROM b ORDER BY c LIMIT ? OFFSET ?", tabled | paging},
		{"SELECT a FROM b LIMIT ?, ?", tabled | paging},
		{"SELECT a FROM b WHERE c > ? ORDER BY c LIMIT ?", tabled | paging | ranging},
		{"SELECT a FROM b WHERE c > ? ORDER BY c FETCH next ? rows only", tabled | paging | ranging},
		{"SELECT a FROM b WHERE c BETWEEN ? AND ?", tabled | ranging},
		{"SELECT a FROM b WHERE c = ? LIMIT ?", tabled},
		{"SELECT a FROM information_schema.tables", tabled | catalog},
		{"SELECT a FROM pg_class WHERE b = ?", tabled | catalog},
		{"SELECT a FROM sqlite_master", tabled | catalog},
	} {
		require.Equal(t, tt.want, traitsOf(tt.text)&^known, tt.text)
	}
}

// Bounds of a scope: what a client can make more of does not grow.
func TestAScopeIsBounded(t *testing.T) {
	m, err := New(Options{})
	require.NoError(t, err)
	defer m.Close()
	src := &source{Monitor: m, texts: newTexts(m.table, SQLite)}
	s := newScope(nil)
	for i := range 1000 {
		q := src.texts.lookup(fmt.Sprintf("SELECT a FROM t%d WHERE b = ?", i))
		for n := range 100 {
			k := &call{src: src, query: q, op: q.op, unit: &s.unit}
			s.unit.repeated(k, args("", n))
			k.site = &site{id: uint64(n)}
			k.site.read()
			k.site.id = uint64(n)
			s.unit.over(k, ok)
		}
	}
	require.Equal(t, maxRepeats, s.repeats.n)
	for i := range s.repeats.n {
		r := s.repeats.at(i)
		require.LessOrEqual(t, len(r.spots), maxSpots)
		require.LessOrEqual(t, len(r.same), maxSame)
		for _, p := range r.spots {
			require.LessOrEqual(t, len(p.seen), maxDistinct)
		}
	}
	require.Equal(t, 100_000, s.tallies[0].queries)
	s.end()
	require.Zero(t, s.repeats)
}

// Scopes hand their memory on: rows that are closed after the end of theirs must
// not be counted in another one.
func TestRowsThatOutliveTheirScopeAreNotCountedInTheNext(t *testing.T) {
	m, err := New(Options{})
	require.NoError(t, err)
	defer m.Close()
	src := &source{Monitor: m, texts: newTexts(m.table, SQLite)}
	begin := func(s *scope, text string) *call {
		q := src.texts.lookup(text)
		k := &call{src: src, query: q, op: q.op, unit: &s.unit}
		s.unit.repeated(k, args(text, 1))
		require.NotNil(t, k.repeat)
		return k
	}
	old := newScope(nil)
	late := begin(old, "SELECT a FROM b WHERE c = ?")
	old.end()

	next := newScope(nil)
	k := begin(next, "SELECT d FROM e WHERE f = ?")
	next.unit.over(k, ok)
	before := *k.repeat
	late.rows = 100
	old.unit.over(late, ok)
	require.Equal(t, before, *k.repeat)
	require.Equal(t, 1, next.tallies[0].queries)
	next.end()
}
