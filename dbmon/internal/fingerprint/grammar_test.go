package fingerprint_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

// grammar makes templates (see templates) of statements that no one thought of.
type grammar struct {
	*rand.Rand
	aliases int      // that were declared
	scope   []string // what columns may be qualified by
}

const (
	maxDepth   = 3
	maxAliases = 8
)

func (g *grammar) pick(from ...string) string { return from[g.IntN(len(from))] }

// maybe is a text, or nothing.
func (g *grammar) maybe(text func() string) string {
	if g.IntN(3) > 0 {
		return ""
	}
	return " " + text()
}

func (g *grammar) table() string { return fmt.Sprintf("T%d", g.IntN(2)) }

func (g *grammar) column() string {
	c := fmt.Sprintf("C%d", g.IntN(3))
	if len(g.scope) == 0 || g.IntN(2) == 0 {
		return c
	}
	return g.pick(g.scope...) + "." + c
}

func (g *grammar) expr(depth int) string {
	if depth >= maxDepth {
		return g.pick(g.column(), "L")
	}
	switch g.IntN(9) {
	case 0:
		return "L"
	case 1:
		return "coalesce ( " + g.expr(depth+1) + " , L )"
	case 2:
		return "( " + g.expr(depth+1) + " )"
	case 3:
		return "CASE WHEN " + g.predicate(depth+1) + " THEN " + g.expr(depth+1) + " ELSE L END"
	case 4:
		return g.column() + g.pick(" + ", " * ", " || ", " - ") + g.expr(depth+1)
	case 5:
		return "( " + g.query(depth+1) + " )"
	case 6:
		return "CAST ( " + g.expr(depth+1) + " AS char )"
	default:
		return g.column()
	}
}

func (g *grammar) predicate(depth int) string {
	if depth >= maxDepth {
		return g.column() + " = L"
	}
	switch g.IntN(12) {
	case 0:
		return g.expr(depth+1) + " IN ( I )"
	case 1:
		return "( " + g.column() + " , " + g.column() + " ) IN ( P )"
	case 2:
		return g.column() + " NOT BETWEEN L AND L"
	case 3:
		return g.column() + g.pick(" IS NULL", " IS NOT NULL")
	case 4:
		return "NOT ( " + g.predicate(depth+1) + " )"
	case 5:
		return g.predicate(depth+1) + g.pick(" AND ", " OR ") + g.predicate(depth+1)
	case 6:
		return g.pick("", "NOT ") + "EXISTS ( " + g.query(depth+1) + " )"
	case 7:
		return g.column() + " LIKE L"
	case 8:
		return g.column() + " IN ( " + g.query(depth+1) + " )"
	default:
		return g.expr(depth+1) + g.pick(" = ", " <> ", " >= ", " < ") + g.expr(depth+1)
	}
}

// source is a table or a query with an alias that no other has.
func (g *grammar) source(depth int) string {
	if g.aliases >= maxAliases {
		return g.table()
	}
	if depth+1 < maxDepth && g.IntN(5) == 0 {
		q := g.query(depth + 1)
		if g.aliases < maxAliases {
			return "( " + q + " ) AS " + g.declare()
		}
		return g.table()
	}
	if g.IntN(4) == 0 {
		return g.table()
	}
	return g.table() + " AS " + g.declare()
}

func (g *grammar) declare() string {
	a := fmt.Sprintf("A%d", g.aliases)
	g.aliases++
	g.scope = append(g.scope, a)
	return a
}

func (g *grammar) query(depth int) string {
	outer := len(g.scope)
	from := g.source(depth)
	for range g.IntN(3) {
		if g.IntN(3) == 0 {
			from += " , " + g.source(depth)
			continue
		}
		from += g.pick(" JOIN ", " LEFT JOIN ", " INNER JOIN ") + g.source(depth)
		from += " ON " + g.column() + " = " + g.column() + g.maybe(func() string { return "AND " + g.predicate(depth+1) })
	}
	items := g.pick("count ( * )", g.expr(depth+1), "DISTINCT "+g.column())
	for range g.IntN(3) {
		items += " , " + g.expr(depth+1)
	}
	q := "SELECT " + items + " FROM " + from
	q += g.maybe(func() string { return "WHERE " + g.predicate(depth) })
	q += g.maybe(func() string { return "GROUP BY " + g.column() + " HAVING " + g.predicate(depth+1) })
	if depth > 0 || g.IntN(4) > 0 {
		q += g.maybe(func() string { return "ORDER BY " + g.column() + g.pick("", " DESC") })
		q += g.maybe(func() string { return "LIMIT L" })
		g.scope = g.scope[:outer]
		return q
	}
	g.scope = g.scope[:outer]
	return q + " UNION ALL " + g.query(depth+1)
}

func (g *grammar) statement() string {
	switch g.IntN(8) {
	case 0:
		return "INSERT INTO " + g.table() + " ( C0 , C1 ) VALUES R"
	case 1:
		return "INSERT INTO " + g.table() + " ( C0 , C1 ) " + g.query(1)
	case 2:
		return "UPDATE " + g.table() + " SET C0 = " + g.expr(1) + " , C1 = L WHERE " + g.predicate(0)
	case 3:
		return "DELETE FROM " + g.table() + " WHERE " + g.predicate(0)
	case 4:
		return "WITH w AS ( " + g.query(1) + " ) SELECT C0 FROM w WHERE " + g.predicate(1)
	default:
		return g.query(0)
	}
}

// generated are templates that the grammar makes.
func generated(r *rand.Rand, n int) []string {
	all := make([]string, n)
	for i := range all {
		g := grammar{Rand: r}
		all[i] = strings.Join(strings.Fields(g.statement()), " ")
	}
	return all
}

// Whatever a statement is, its id is that of its tables and columns, and
// of nothing else in the holes of its template.
func TestIDsOfGeneratedStatements(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	tables := []string{"users", "orders", "items"}
	columns := []string{"id", "owner", "email", "total"}
	leak := regexp.MustCompile(`(?i)secret|42|cafe|0101`)
	for _, template := range generated(r, 600) {
		d := dialects[r.IntN(len(dialects))]
		v := variant{Rand: r, dialect: d, tables: tables, columns: columns}
		v.aliases = renamed(r)
		first := v.fill(template)
		want := fingerprint.Of(d, first)
		require.NotRegexp(t, leak, want.Text, "%v: %s", d, first)
		for range 4 {
			v.aliases = renamed(r)
			q := v.fill(template)
			got := fingerprint.Of(d, q)
			require.Equal(t, want, got, "%v: %s\n%s\n%s", d, template, first, q)
			require.Equal(t, got.ID, fingerprint.Of(d, got.Text).ID, got.Text)
		}
		for _, i := range []int{0, 1, 2} {
			other := v
			other.columns = append([]string{}, columns...)
			other.columns[i] = "other"
			differs(t, template, fmt.Sprintf("C%d", i), want, other)
			other.columns, other.tables = columns, append([]string{}, tables...)
			other.tables[i] = "others"
			differs(t, template, fmt.Sprintf("T%d", i), want, other)
		}
	}
}

func differs(t *testing.T, template, hole string, first fingerprint.Statement, v variant) {
	t.Helper()
	q := v.fill(template)
	got := fingerprint.Of(v.dialect, q)
	if strings.Contains(template, hole) {
		require.NotEqual(t, first.ID, got.ID, "%v: %s\n%s\n%s", v.dialect, template, first.Text, got.Text)
	} else {
		require.Equal(t, first.ID, got.ID, "%v: %s\n%s\n%s", v.dialect, template, first.Text, got.Text)
	}
}

// renamed are names of aliases, in any order.
func renamed(r *rand.Rand) []string {
	all := []string{"a", "b", "u", "x9", "usr", "ord", "T1", "t2", "al_x", "tt", "It", "z"}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}
