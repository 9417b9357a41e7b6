package fingerprint_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

func open(t *testing.T, driver, dsn string) *sql.DB {
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	db.SetMaxOpenConns(1) // of the memory
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func server(t *testing.T, variable string) *url.URL {
	if os.Getenv(variable) == "" {
		t.Skipf("%s is not set", variable)
	}
	u, err := url.Parse(os.Getenv(variable))
	require.NoError(t, err)
	return u
}

// pieces are what literals, comments, names and operators are made of.
var pieces = strings.Split("'|'|'|'|\"|\"|,|,|,| | |\n|--|-- |/*|*/|\\|''|1|42|.|(|)|+|-|=|e|x|N|E|'ab'|/* c */|null|::|:|\r|AS |a|_|0x4|1e5|IN (|LIKE ", "|")

// A server that takes a row of pieces for a SELECT says itself what was a string
// in it: what it returns.
func TestNoValueThatAServerReturnsIsLeft(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		own := strings.Split("[|]|`|/* /* */|x'41'|->|->>|>|<|~|%|||", "|")
		returned(t, sqlite, open(t, "sqlite", ":memory:"), own, 60_000)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		u := server(t, "SLUICE_TEST_POSTGRES_URL")
		u.RawQuery += "&default_query_exec_mode=simple_protocol"
		own := strings.Split("$$|$a$|$|E'|e'|U&'|B'1'|x'4'|\\'|\\\\|/* /* */|[|]|@|#|&|?|~|UESCAPE '!'|!|array[|é|$é$|/* /*|\f|\v", "|")
		returned(t, postgresql, open(t, "pgx", u.String()), own, 20_000)
	})
	t.Run("MySQL", func(t *testing.T) {
		u := server(t, "SLUICE_TEST_MYSQL_URL")
		own := strings.Split("`|#|/*!|/*!99999 |/*M!|_utf8|_utf8mb4 |\\'|\\\\|-- |\"\"|0b1|b'1'|x'41'|X'41|@|{d|->|!|&&|\x00|\x01", "|")
		returned(t, mysql, open(t, "mysql", fmt.Sprintf("%s@tcp(%s)/", u.User, u.Host)), own, 20_000)
	})
}

var marker = regexp.MustCompile(`SECRET\d`)

func returned(t *testing.T, d fingerprint.Dialect, db *sql.DB, own []string, statements int) {
	r := rand.New(rand.NewPCG(11, 11))
	all := slices.Concat(pieces, own)
	seen := 0
	for range statements {
		q := "SELECT "
		for i := range 2 + r.IntN(8) {
			switch r.IntN(6) {
			case 0:
				q += fmt.Sprintf("SECRET%d", i)
			case 1:
				q += fmt.Sprintf("'SECRET%d'", i)
			default:
				q += all[r.IntN(len(all))] + all[r.IntN(len(all))]
			}
		}
		rows, err := results(db, q)
		if err != nil {
			continue
		}
		values := marker.FindAllString(strings.Join(rows, " "), -1)
		for _, of := range []fingerprint.Dialect{d, unknown} {
			printed := strings.ToUpper(text(of, q) + fingerprint.Redact(of, q))
			for _, v := range values {
				require.NotContains(t, printed, v, "%v: %q", of, q)
				seen++
			}
		}
	}
	require.Greater(t, seen, statements/100)
}

// results are the rows of a query, in any order.
func results(db *sql.DB, q string) (all []string, err error) {
	rows, err := db.Query(q)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		for i, v := range values {
			if b, ok := v.([]byte); ok {
				values[i] = string(b)
			}
		}
		all = append(all, fmt.Sprint(values...))
	}
	slices.Sort(all)
	return all, rows.Err()
}

// tangle makes queries whose tables, columns, labels and aliases have the same
// few names, so that one hides the other wherever it can.
type tangle struct{ *rand.Rand }

var (
	tangledTables  = []string{"users", "orders", "a", "t2"}
	tangledColumns = []string{"id", "owner", "b"}
	tangledNames   = []string{"a", "b", "t1", "t2", "users", "x", "orders", "id", "U", "u"}
)

func (g tangle) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g tangle) column(scope []string) string {
	switch n := g.IntN(12); {
	case n == 0:
		return g.pick(tangledNames...)
	case n < 9:
		return g.pick(scope...) + "." + g.pick(tangledColumns...)
	default:
		return g.pick(tangledColumns...)
	}
}

func (g tangle) expr(depth int, scope []string) string {
	switch n := g.IntN(8); {
	case n == 0:
		return "1"
	case n == 1 && depth < 3:
		return "(" + g.query(depth+1, scope, 1, false) + ")"
	case n == 2:
		return g.column(scope) + " + " + g.column(scope)
	case n == 3:
		return "max(" + g.column(scope) + ", 1)"
	case n == 4:
		return "(" + g.column(scope) + ")"
	default:
		return g.column(scope)
	}
}

func (g tangle) predicate(depth int, scope []string) string {
	switch n := g.IntN(6); {
	case n == 0 && depth < 3:
		return g.pick("", "NOT ") + "EXISTS (" + g.query(depth+1, scope, 1, false) + ")"
	case n == 1 && depth < 3:
		return g.column(scope) + " IN (" + g.query(depth+1, scope, 1, false) + ")"
	case n == 2 && depth < 4:
		return g.predicate(depth+1, scope) + g.pick(" AND ", " OR ") + g.predicate(depth+1, scope)
	default:
		return g.expr(depth+1, scope) + g.pick(" = ", " < ") + g.expr(depth+1, scope)
	}
}

func (g tangle) source(depth int) (source, name string) {
	table, alias := g.pick(tangledTables...), g.pick(tangledNames...)
	switch n := g.IntN(4); {
	case n == 0:
		return table, table
	case n == 1 && depth < 3:
		return "(" + g.query(depth+1, nil, len(tangledColumns), true) + ")" + g.pick(" AS ", " ") + alias, alias
	default:
		return table + g.pick(" AS ", " ") + alias, alias
	}
}

func (g tangle) query(depth int, outer []string, columns int, derived bool) string {
	from, name := g.source(depth)
	scope := append(slices.Clone(outer), name)
	if g.IntN(2) == 0 {
		source, name := g.source(depth)
		scope = append(scope, name)
		from += g.pick(", "+source, " NATURAL JOIN "+source,
			" JOIN "+source+" ON "+g.predicate(depth+1, scope), " LEFT JOIN "+source+" ON "+g.predicate(depth+1, scope))
	}
	items, labels := make([]string, columns), []string{g.column(scope)}
	for i := range items {
		items[i] = g.expr(depth+1, scope)
		if label := g.pick(tangledNames...); derived {
			items[i] += " AS " + tangledColumns[i]
		} else if g.IntN(3) == 0 {
			items[i] += g.pick(" AS ", " ") + label
			labels = append(labels, label)
		}
	}
	q := "SELECT " + strings.Join(items, ", ") + " FROM " + from
	if g.IntN(2) == 0 {
		q += " WHERE " + g.predicate(depth+1, scope)
	}
	return q + g.pick("", "", " GROUP BY "+g.pick(labels...), " ORDER BY "+g.pick(labels...))
}

// The text of a query is an equivalent query: with its values, SQLite returns
// the same rows.
func TestTheTextReturnsTheSameRows(t *testing.T) {
	db := open(t, "sqlite", ":memory:")
	r := rand.New(rand.NewPCG(12, 12))
	for _, table := range tangledTables {
		_, err := db.Exec("CREATE TABLE " + table + " (id, owner, b)")
		require.NoError(t, err)
		for range 4 {
			_, err := db.Exec("INSERT INTO "+table+" VALUES (?, ?, ?)", r.IntN(4), r.IntN(4), r.IntN(4))
			require.NoError(t, err)
		}
	}
	valid, rewritten := 0, 0
	for range 6_000 {
		q := tangle{r}.query(0, nil, 1+r.IntN(2), false)
		want, err := results(db, q)
		if err != nil {
			continue
		}
		again := strings.ReplaceAll(text(sqlite, q), "?", "1")
		got, err := results(db, again)
		require.NoError(t, err, "%s\n%s", q, again)
		require.Equal(t, want, got, "%s\n%s", q, again)
		valid++
		if again != q {
			rewritten++
		}
	}
	require.Greater(t, valid, 2_000)
	require.Greater(t, rewritten, 1_500)
}
