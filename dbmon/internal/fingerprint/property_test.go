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

// templates are statements with holes: T is a table, C a column, A an alias, L
// a literal, I a list of them, P a list of pairs, R rows of two, and AS may be
// left out. Tokens are separated by blanks, which a variant may change.
var templates = []string{
	"SELECT C0 , C1 FROM T0 WHERE C0 = L AND C1 IN ( I )",
	"SELECT C0 FROM T0 WHERE C1 IS NULL OR C2 LIKE L ORDER BY C0 LIMIT L OFFSET L",
	"SELECT C0 FROM T0 WHERE ( C0 , C1 ) IN ( P ) AND NOT C2 BETWEEN L AND L",
	"SELECT A0.C0 , A1.C1 FROM T0 AS A0 JOIN T1 AS A1 ON A0.C0 = A1.C0 WHERE A0.C2 > L OR A1.C2 <> L",
	"SELECT A0.C0 , A1.C1 FROM T0 AS A0 JOIN T0 AS A1 ON A0.C0 = A1.C1 WHERE A1.C2 > L",
	"SELECT A0.C0 FROM ( SELECT C0 , C1 FROM T0 WHERE C2 = L ) AS A0 WHERE A0.C0 = L",
	"SELECT A0.C0 FROM T1 , ( SELECT C0 , C1 FROM T0 WHERE C2 = L ) AS A0 WHERE A0.C0 = T1.C1",
	"SELECT T1.C0 FROM T1 , ( SELECT C0 , C1 FROM T0 WHERE C2 = L ) AS A0 WHERE A0.C0 = T1.C1",
	"SELECT A0.C0 FROM T1 JOIN f ( L ) AS A0 ON A0.C0 = T1.C1",
	"SELECT A0.C0 , A1.C0 FROM ( T0 AS A0 JOIN T1 AS A1 ON A0.C1 = A1.C1 ) WHERE A1.C2 IN ( I )",
	"SELECT A0.C0 FROM T0 AS A0 WHERE EXISTS ( SELECT L FROM T1 AS A1 WHERE A1.C0 = A0.C1 AND A1.C2 = L )",
	"SELECT A0.C0 FROM T0 AS A0 WHERE A0.C1 = L UNION SELECT A0.C0 FROM T1 AS A0 WHERE A0.C1 = L",
	"SELECT count ( * ) AS A0 , max ( C0 ) AS A1 FROM T0 WHERE C1 + L > C2 - L GROUP BY C1",
	"SELECT CASE WHEN C0 = L THEN L ELSE L END , coalesce ( C1 , L ) FROM T0",
	"SELECT C0 FROM T0 WHERE C1 IN ( SELECT C2 FROM T1 WHERE C0 IN ( I ) )",
	"INSERT INTO T0 ( C0 , C1 ) VALUES R",
	"INSERT INTO T0 ( C0 , C1 ) SELECT C0 , L FROM T1 WHERE C2 = L",
	"UPDATE T0 SET C0 = L , C1 = C1 - L WHERE C2 = L AND C0 IN ( I )",
	"DELETE FROM T0 WHERE C0 < L AND C1 = C2 * L",
	"WITH w AS ( SELECT C0 FROM T0 WHERE C1 = L ) SELECT w.C0 FROM w WHERE w.C0 = L",
	"WITH w AS ( SELECT C0 FROM T0 ) DELETE FROM T1 WHERE C1 IN ( SELECT C0 FROM w ) AND C2 = L",
	"CREATE TABLE T0 ( C0 int DEFAULT L , C1 text )",
	"SELECT C0 FROM T0 WHERE C1 = L ; DELETE FROM T1 WHERE C2 = L",
}

// variant fills a template in one of many ways that mean the same.
type variant struct {
	*rand.Rand
	dialect fingerprint.Dialect
	tables  []string
	columns []string
	aliases []string
}

// pick is one of some texts.
func (v *variant) pick(from ...string) string { return from[v.IntN(len(from))] }

// literal is text with SECRET in it, or with 42.
func (v *variant) literal(signed bool) string {
	all := []string{
		"'SECRET'", "'it''s SECRET'", "''", "'SECRET; -- SECRET'", "'/* SECRET'", "'SECRET \"'", "4242", "42.42", ".42", "42e-42", "0x4242",
		"NULL", "TRUE", "false", "null",
	}
	switch v.dialect {
	case postgresql:
		all = append(all, "$42", "@SECRET", "E'it\\'s SECRET'", "e'\\\\SECRET'", "$$it's SECRET$$", "$é$ $$SECRET$$ $é$", "U&'\\0041SECRET'",
			"B'0101'", "x'CAFE'", "4_242", "'a\\'", "'SECRET'\n'SECRET'")
	case mysql:
		all = append(all, "?", `"it's SECRET"`, `"SECRET""SECRET"`, `'it\'s SECRET'`, `"SECRET\""`, "_utf8mb4'SECRET'", "0b101", "x'CAFE'", "N'SECRET'", "@SECRET", `'SECRET' "SECRET"`)
	case sqlite:
		all = append(all, "?", "?42", ":SECRET", "@SECRET", "$SECRET", "x'CAFE'", `'a\'`, `"it's SECRET"`)
	default:
		all = append(all, "?", "$42", ":SECRET", "@SECRET", "x'CAFE'", `"SECRET"`)
	}
	l := v.pick(all...)
	if signed && v.IntN(4) == 0 {
		l = v.pick("-", "- ", "+", "- + ") + l
	}
	return l
}

func (v *variant) list(element func() string) string {
	var b strings.Builder
	b.WriteString(element())
	for range v.IntN(4) {
		b.WriteString(v.pick(",", " ,\t", ", /* SECRET */ "))
		b.WriteString(element())
	}
	return b.String()
}

func (v *variant) pair() string {
	return "(" + v.literal(true) + v.blank() + "," + v.literal(true) + ")"
}

func (v *variant) row() string {
	if v.IntN(4) == 0 {
		return "( DEFAULT , " + v.literal(true) + ")"
	}
	return v.pair()
}

// blank is what may be between any two tokens.
func (v *variant) blank() string {
	all := []string{" ", " ", " ", "\n", "\t ", "\r\n", " /* it's SECRET */ ", "/**/", " -- it's SECRET\n"}
	switch v.dialect {
	case postgresql:
		all = append(all, "/* /* ' */ SECRET */", " --SECRET\n")
	case mysql:
		all = append(all, " # it's SECRET\n", "/* /* ' SECRET */", " -- \n", "/*!*/", "/*!99999 */")
	case sqlite:
		all = append(all, "/* /* ' SECRET */", " --SECRET\n")
	}
	return v.pick(all...)
}

func (v *variant) anyCase(s string) string {
	b := []byte(s)
	for i := range b {
		if v.IntN(2) == 0 {
			b[i] = strings.ToUpper(string(b[i]))[0]
		} else {
			b[i] = strings.ToLower(string(b[i]))[0]
		}
	}
	return string(b)
}

func (v *variant) column(name string) string {
	switch {
	case v.IntN(3) > 0:
		return v.anyCase(name)
	case v.dialect == postgresql:
		return `"` + name + `"`
	case v.dialect == mysql:
		return "`" + v.anyCase(name) + "`"
	case v.dialect == sqlite:
		return v.pick("`"+v.anyCase(name)+"`", "["+v.anyCase(name)+"]")
	default:
		return name
	}
}

func (v *variant) table(name string) string {
	switch {
	case v.dialect == sqlite || v.dialect == postgresql && v.IntN(2) == 0:
		return v.anyCase(name)
	case v.dialect == mysql:
		return v.pick(name, "`"+name+"`")
	default:
		return v.pick(name, `"`+name+`"`)
	}
}

var hole = regexp.MustCompile(`\b([TCA])([0-9])\b`)

func (v *variant) names(token string) string {
	return hole.ReplaceAllStringFunc(token, func(h string) string {
		i := int(h[1] - '0')
		switch h[0] {
		case 'T':
			return v.table(v.tables[i])
		case 'C':
			return v.column(v.columns[i])
		default:
			return v.aliases[i]
		}
	})
}

func (v *variant) token(t, previous string) string {
	switch {
	case t == "L":
		return v.literal(true)
	case t == "I":
		return v.list(func() string { return v.literal(true) })
	case t == "P":
		return v.list(v.pair)
	case t == "R":
		return v.list(v.row)
	case t == "AS" && strings.HasPrefix(previous, "T") && v.IntN(2) == 0:
		return ""
	case hole.MatchString(t):
		return v.names(t)
	case t == "w":
		return t // a table: its case may matter
	default:
		return v.anyCase(t)
	}
}

func (v *variant) fill(template string) string {
	var b strings.Builder
	if v.IntN(3) == 0 {
		b.WriteString(v.blank())
	}
	previous := ""
	for i, t := range strings.Fields(template) {
		punctuated := strings.Contains("(),=", t) || strings.Contains("(),=", previous)
		glued := punctuated && v.IntN(2) == 0
		if i > 0 && !glued {
			b.WriteString(v.blank())
		}
		b.WriteString(v.token(t, previous))
		previous = t
	}
	return b.String() + v.pick("", ";", " ", v.blank()+";")
}

// Whatever fills the holes, a query has one id, and another query another:
// against the template, the tables and the columns as a model.
func TestIDsFollowAModel(t *testing.T) {
	const seed = 5
	r := rand.New(rand.NewPCG(seed, seed))
	tables := []string{"users", "orders", "items"}
	columns := []string{"id", "owner", "email", "total", "kind"}
	aliases := [][]string{{"u", "x"}, {"a", "b"}, {"b", "a"}, {"usr", "ord"}, {"T1", "al_x"}, {"t2", "t1"}}
	leak := regexp.MustCompile(`(?i)secret|42|cafe|0101`)
	for _, d := range dialects {
		ids, keys := map[string]uint64{}, map[uint64]string{}
		for range 4_000 {
			n := r.IntN(len(templates))
			v := variant{Rand: r, dialect: d, aliases: aliases[r.IntN(len(aliases))]}
			for _, i := range r.Perm(len(tables))[:2] {
				v.tables = append(v.tables, tables[i])
			}
			for _, i := range r.Perm(len(columns))[:3] {
				v.columns = append(v.columns, columns[i])
			}
			key := model(n, v.tables, v.columns)
			q := v.fill(templates[n])
			got := fingerprint.Of(d, q)
			require.NotRegexp(t, leak, got.Text, "%v: %s", d, q)
			require.Equal(t, got.ID, fingerprint.Of(d, got.Text).ID, "%v: %s", d, q)
			if id, ok := ids[key]; ok {
				require.Equal(t, id, got.ID, "%v: %s\n%s", d, q, got.Text)
			}
			if k, ok := keys[got.ID]; ok {
				require.Equal(t, k, key, "%v: %s\n%s", d, q, got.Text)
			}
			ids[key], keys[got.ID] = got.ID, key
		}
		require.Greater(t, len(ids), 1000)
	}
}

// model is what a query depends on: the template and the names in its holes.
func model(n int, tables, columns []string) string {
	return fmt.Sprint(n, hole.ReplaceAllStringFunc(templates[n], func(h string) string {
		i := int(h[1] - '0')
		switch h[0] {
		case 'T':
			return tables[i]
		case 'C':
			return columns[i]
		default:
			return h
		}
	}))
}
