package fingerprint_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

// Trap d.4: what must collapse, and did not elsewhere.
func TestTheSameQueryHasOneID(t *testing.T) {
	tests := []struct {
		name    string
		dialect fingerprint.Dialect
		queries []string
	}{
		{"whatever the length of IN", postgresql, []string{
			"SELECT a FROM t WHERE b IN ($1)", "SELECT a FROM t WHERE b IN ($1, $2, $3)", "select a from t where b in (1,-2,'x',NULL)",
		}},
		{"whatever the number of tuples", mysql, []string{
			"SELECT a FROM t WHERE (b, c) IN ((1, 2))", "SELECT a FROM t WHERE (b, c) IN ((1, 2), (?, 'x'), (-1, NULL))",
		}},
		{"whatever the number of rows", postgresql, []string{
			"INSERT INTO t (a, b) VALUES (1, 'x')", "INSERT INTO t(a,b)VALUES ($1, $2), ($3, $4)", "INSERT INTO t (a, b) VALUES (1, DEFAULT), (DEFAULT, 2), (NULL, -1)",
		}},
		{"whatever the number of rows of MySQL", mysql, []string{
			"INSERT INTO t (a) VALUES (1), (2) ON DUPLICATE KEY UPDATE a = VALUES(a)", "INSERT INTO t (a) VALUE (1) ON DUPLICATE KEY UPDATE a = VALUES(a)",
		}},
		{"whatever the number of rows in a constructor", mysql, []string{"VALUES ROW(1, 2)", "VALUES ROW(1,2), ROW(3,4),row(5,6)"}},
		{"whatever the length of an array", postgresql, []string{
			"SELECT a FROM t WHERE b = ANY(ARRAY[1])", "SELECT a FROM t WHERE b = ANY (array[1, 2, 3])",
		}},
		{"whatever the shape of an array", postgresql, []string{"SELECT ARRAY[[1,2],[3,4]]", "SELECT ARRAY[[1]]", "SELECT array[[1,2,3]]"}},
		{"whatever the values that order it", mysql, []string{"SELECT a FROM t ORDER BY FIELD(id, 3, 1, 2)", "SELECT a FROM t ORDER BY field(id, 1)"}},
		{"whatever the sign", postgresql, []string{
			"SELECT a FROM t WHERE b = 5", "SELECT a FROM t WHERE b = -5", "SELECT a FROM t WHERE b = - 5.0", "SELECT a FROM t WHERE b=-$1",
			"SELECT a FROM t WHERE b = + - +5", "SELECT a FROM t WHERE b = -'5'",
		}},
		{"whatever the sign behind keywords", sqlite, []string{
			"SELECT 1 FROM t WHERE a BETWEEN 1 AND 2 OR b LIKE 1 OR CASE WHEN 1 THEN 2 ELSE 3 END LIMIT 1 OFFSET 2",
			"SELECT -1 FROM t WHERE a BETWEEN -1 AND -2 OR b LIKE -1 OR CASE WHEN -1 THEN -2 ELSE -3 END LIMIT -1 OFFSET -2",
		}},
		{"with placeholders or literals", sqlite, []string{
			"SELECT a FROM t WHERE b = 1 AND c = 'x'", "SELECT a FROM t WHERE b = ? AND c = ?2", "SELECT a FROM t WHERE b = :b AND c = @c", "SELECT a FROM t WHERE b = $b AND c = NULL",
		}},
		{"whatever the case of keywords and names", postgresql, []string{
			"SELECT Id, NAME FROM Users WHERE Email = $1", "select ID, name FROM users WHERE EMAIL = $1", `SELECT "id", name FROM "users" WHERE "email" = $1`,
		}},
		{"whatever the case and the quotes of columns", mysql, []string{
			"SELECT Id FROM users WHERE NAME = 1", "SELECT `id` FROM `users` WHERE `Name` = 1",
		}},
		{"whatever the quotes in SQLite", sqlite, []string{
			"SELECT id FROM Users WHERE name = 1", "SELECT `Id` FROM [users] WHERE [name] = 1", `SELECT id FROM "users" WHERE "name" = 1`,
		}},
		{"whatever white space and comments", postgresql, []string{
			"SELECT count(*), a FROM t WHERE b = 1", "SELECT\n\tcount ( * ) ,a\r\nFROM/* x */t -- y\nWHERE b=1 ;", "/*app='x',traceparent='00-1'*/ SELECT count(*),a FROM t WHERE b=1/* z */",
		}},
		{"whatever the names of aliases", postgresql, []string{
			"SELECT u.id FROM users u WHERE u.x = 1", "SELECT usr.id FROM users AS usr WHERE usr.x = 1", "SELECT users.id FROM users WHERE users.x = 1",
			`SELECT "U".id FROM users "U" WHERE "U".x = 1`,
		}},
		{"whatever the aliases of joined tables", mysql, []string{
			"SELECT u.id, o.id FROM users u JOIN orders o ON o.uid = u.id LEFT JOIN items AS i ON i.oid = o.id",
			"SELECT a.id, b.id FROM users AS a JOIN orders AS b ON b.uid = a.id LEFT JOIN items c ON c.oid = b.id",
			"SELECT users.id, orders.id FROM users JOIN orders ON orders.uid = users.id LEFT JOIN items ON items.oid = orders.id",
		}},
		{"whatever the aliases of one table joined to itself", sqlite, []string{
			"SELECT a.id FROM users a JOIN users b ON a.parent = b.id", "SELECT t2.id FROM users AS t2 JOIN users AS t1 ON t2.parent = t1.id",
		}},
		{"whatever the alias of a subquery or function", postgresql, []string{
			"SELECT a.x FROM (SELECT x FROM t) a, generate_series(1, 5) AS b WHERE b.n = a.x", "SELECT s.x FROM (SELECT x FROM t) AS s, generate_series(1, 9) g WHERE g.n = s.x",
		}},
		{"whatever the aliases in the parts of a union", postgresql, []string{
			"SELECT a.x FROM t a UNION SELECT a.y FROM s a", "SELECT b.x FROM t b UNION SELECT b.y FROM s b",
		}},
		{"with aliases that nothing refers to", postgresql, []string{
			"SELECT id, count(*) FROM users GROUP BY id", "SELECT id AS x, count(*) AS n FROM users AS u GROUP BY id", "SELECT id AS user_id, count(*) n FROM users u GROUP BY id",
		}},
		{"with and without a semicolon", mysql, []string{"SELECT a FROM t", "SELECT a FROM t;", ";;SELECT a FROM t; ; "}},
		{"with names in strings, where SQLite takes them for names", sqlite, []string{
			"SELECT users.a FROM users WHERE users.b = 'x'", "SELECT 'users'.'a' FROM 'users' WHERE 'users'.'b' = 'x'",
		}},
		{"with names in strings when it writes", sqlite, []string{
			"INSERT INTO t (a) VALUES (1)", "INSERT INTO 't' ('a') VALUES ('x')",
		}},
		{"whatever the aliases behind the condition of a join", postgresql, []string{
			"SELECT c.x FROM a JOIN b ON a.x = b.x, d c", "SELECT e.x FROM a JOIN b ON a.x = b.x, d AS e",
		}},
		{"whatever the sign behind SYMMETRIC", postgresql, []string{
			"SELECT a FROM t WHERE b BETWEEN SYMMETRIC 1 AND 2", "SELECT a FROM t WHERE b BETWEEN symmetric -1 AND -2",
		}},
		{"in a comment that MySQL executes", mysql, []string{"SELECT a FROM t", "/*!40001 SELECT a */ FROM t", "SELECT /*! a FROM t */"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := fingerprint.Of(tt.dialect, tt.queries[0])
			for _, q := range tt.queries[1:] {
				require.Equal(t, want, fingerprint.Of(tt.dialect, q), q)
			}
		})
	}
}

// Trap d.4: different tables or columns never merge.
func TestDifferentQueriesStayApart(t *testing.T) {
	tests := []struct {
		name    string
		dialect fingerprint.Dialect
		queries []string
	}{
		{"by their tables", postgresql, []string{"SELECT a FROM t", "SELECT a FROM s", "SELECT a FROM x.t", `SELECT a FROM "T"`}},
		{"by their columns", postgresql, []string{"SELECT a FROM t", "SELECT b FROM t", `SELECT "A" FROM t`, "SELECT a, b FROM t", "SELECT b, a FROM t", "SELECT a, a FROM t"}},
		{"by the case of tables, where files have it", mysql, []string{"SELECT a FROM Users", "SELECT a FROM users"}},
		{"by what aliases stand for", postgresql, []string{
			"SELECT a.id FROM users a JOIN orders b ON true", "SELECT b.id FROM users a JOIN orders b ON true",
			"SELECT a.id FROM users b JOIN orders a ON a.x = 1", "SELECT a.id FROM users a JOIN orders b ON a.x = 1",
		}},
		{"by what the alias of a subquery stands for", sqlite, []string{
			"SELECT a.x FROM t, (SELECT x FROM s) a", "SELECT t.x FROM t, (SELECT x FROM s) a", "SELECT t.x FROM t, f(1) a", "SELECT a.x FROM t, f(1) a",
		}},
		{"by what aliases of the same table stand for", mysql, []string{
			"SELECT a.id FROM users a JOIN users b ON a.parent = b.id", "SELECT b.id FROM users a JOIN users b ON a.parent = b.id",
		}},
		{"by what an alias without a dot stands for", mysql, []string{
			"DELETE U FROM users U JOIN orders V ON U.a = V.b", "DELETE V FROM users U JOIN orders V ON U.a = V.b", "DELETE U FROM users V JOIN orders U ON V.a = U.b",
		}},
		{"by what labels stand for", postgresql, []string{
			"SELECT a AS x, b AS y FROM t ORDER BY x", "SELECT a AS y, b AS x FROM t ORDER BY x",
		}},
		{"by what labels of a subquery stand for", postgresql, []string{
			"SELECT x FROM (SELECT a AS x, b AS y FROM t) s", "SELECT x FROM (SELECT a AS y, b AS x FROM t) s",
		}},
		{"by what a name that could be a column stands for", postgresql, []string{
			"SELECT a AS name FROM t WHERE name = 1", "SELECT a AS email FROM t WHERE email = 1",
		}},
		{"by tables with the names of aliases", postgresql, []string{
			"SELECT t1.x FROM users u JOIN t1 ON true", "SELECT u.x FROM users u JOIN t1 ON true", "SELECT b.x FROM users a JOIN users b ON a.y = b.y JOIN t1 ON true",
		}},
		{"by a column that looks like a label", postgresql, []string{
			"SELECT DISTINCT ON (a) b FROM t", "SELECT DISTINCT ON (a) c FROM t",
		}},
		{"by a column behind a modifier", mysql, []string{
			"SELECT SQL_CALC_FOUND_ROWS a FROM t", "SELECT SQL_CALC_FOUND_ROWS b FROM t", "SELECT BINARY a FROM t", "SELECT BINARY b FROM t",
		}},
		{"by an operand of an operator", postgresql, []string{
			"SELECT f(a) OPERATOR(pg_catalog.+) b FROM t", "SELECT f(a) OPERATOR(pg_catalog.+) c FROM t", "SELECT x.a ILIKE b FROM x", "SELECT x.a ILIKE c FROM x",
		}},
		{"by the temporary table that they make", postgresql, []string{
			"SELECT a INTO TEMP x FROM t", "SELECT a INTO TEMP y FROM t", "SELECT a AS b INTO TEMP x FROM t",
		}},
		{"by the unit of an interval", mysql, []string{
			"SELECT a + INTERVAL t.b DAY FROM t", "SELECT a + INTERVAL t.b MONTH FROM t",
		}},
		{"by the labels that a natural join goes by", sqlite, []string{
			"SELECT 1 FROM (SELECT a AS x FROM t) s NATURAL JOIN u", "SELECT 1 FROM (SELECT a AS y FROM t) s NATURAL JOIN u",
		}},
		{"by which of the same tables has no alias", postgresql, []string{
			"SELECT t.a FROM t LEFT JOIN t x ON true", "SELECT t.a FROM t x LEFT JOIN t ON true",
		}},
		{"by a label that hides the name of a column", sqlite, []string{
			"SELECT s.b FROM (SELECT b AS x, a AS b FROM t) s", "SELECT s.b FROM (SELECT b, a AS b FROM t) s",
		}},
		{"by the names of a CTE in double quotes", sqlite, []string{
			`WITH "x" AS (SELECT a FROM t), "y" AS (SELECT b FROM t) SELECT 1 FROM x`, `WITH "y" AS (SELECT a FROM t), "x" AS (SELECT b FROM t) SELECT 1 FROM x`,
		}},
		{"by tables behind the condition of a join", mysql, []string{
			`SELECT 1 FROM a JOIN b ON a.x = b.x, "c"`, `SELECT 1 FROM a JOIN b ON a.x = b.x, "d"`,
		}},
		{"by tables in strings", sqlite, []string{"SELECT a FROM 'users'", "SELECT a FROM 'orders'", "UPDATE 't' SET 'a' = 1", "UPDATE 't' SET 'b' = 1"}},
		{"by elements that are no values", postgresql, []string{
			"SELECT a FROM t WHERE b IN (c, 1)", "SELECT a FROM t WHERE b IN (d, 1)", "SELECT a FROM t WHERE b IN (SELECT x FROM s)", "SELECT a FROM t WHERE b IN (SELECT x, x FROM s)",
		}},
		{"by rows that are no values", postgresql, []string{
			"INSERT INTO t VALUES (1), ((SELECT a FROM s))", "INSERT INTO t VALUES (1), ((SELECT b FROM s))", "INSERT INTO t VALUES (1)",
		}},
		{"by what is set", mysql, []string{
			"INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = VALUES(a)", "INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE b = VALUES(a)", "INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = VALUES(a), b = (b)",
		}},
		{"by an operator", postgresql, []string{"SELECT a - 5 FROM t", "SELECT a + 5 FROM t", "SELECT a -5 , - b FROM t", "SELECT a -5 , b FROM t", "SELECT a->-1 FROM t", "SELECT a->>1 FROM t"}},
		{"by the predicate", postgresql, []string{"SELECT a FROM t WHERE b IS NULL", "SELECT a FROM t WHERE b IS NOT NULL", "SELECT a FROM t WHERE b IS TRUE", "SELECT a FROM t WHERE b = NULL"}},
		{"by tables that begin with digits", mysql, []string{"SELECT 2fa.a FROM 2fa", "SELECT 3fa.a FROM 3fa", "SELECT 2fa.b FROM 2fa"}},
		{"by names in quotes", mysql, []string{"SELECT `a b` FROM t", "SELECT `a c` FROM t", "SELECT `a``b` FROM t"}},
		{"by columns in double quotes", sqlite, []string{`SELECT t."a" FROM t`, `SELECT t."b" FROM t`, `SELECT a FROM t WHERE "a" = 1`, `SELECT a FROM t WHERE "b" = 1`}},
		{"by a table in a definition", postgresql, []string{"DROP TABLE a", "DROP TABLE b", "ALTER TABLE a ADD c int", "ALTER TABLE a ADD d int", "CREATE INDEX i ON a (b)", "CREATE INDEX i ON a (c)", "TRUNCATE a", "TRUNCATE b"}},
		{"by each statement", postgresql, []string{"SELECT a FROM t; SELECT b FROM t", "SELECT a FROM t; SELECT c FROM t", "SELECT a FROM t"}},
		{"by a function", mysql, []string{"SELECT replace(a, 'x', 'y') FROM t", "SELECT insert(a, 1, 2, 'y') FROM t", "SELECT f(1) FROM t", "SELECT f(1, 2) FROM t"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seen := map[uint64]string{}
			for _, q := range tt.queries {
				s := fingerprint.Of(tt.dialect, q)
				require.NotContains(t, seen, s.ID, "%s and %s", q, seen[s.ID])
				seen[s.ID] = q
			}
		})
	}
}

func TestTheTextIsAnEquivalentQuery(t *testing.T) {
	for q, want := range map[string]string{
		"SELECT a.id FROM users a JOIN users b ON a.parent = b.id":                   "SELECT t1.id FROM users AS t1 JOIN users AS t2 ON t1.parent = t2.id",
		"SELECT u.id FROM app.users u, o WHERE u.x = o.y":                            "SELECT users.id FROM app.users, o WHERE users.x = o.y",
		"SELECT u.id, u FROM users u":                                                "SELECT u.id, u FROM users AS u",
		"SELECT a.b FROM x a, y b WHERE b.c = a.d":                                   "SELECT x.b FROM x, y WHERE y.c = x.d",
		"SELECT o.id FROM users u WHERE u.id IN (SELECT o.id FROM o)":                "SELECT o.id FROM users WHERE users.id IN (SELECT o.id FROM o)",
		"SELECT u.id FROM users u JOIN orders users ON u.id = users.id":              "SELECT u.id FROM users AS u JOIN orders AS users ON u.id = users.id",
		"WITH t AS (SELECT 1) SELECT x.a FROM t AS x":                                "WITH t AS (SELECT ?) SELECT t1.a FROM t AS t1",
		"UPDATE t u SET x = 1 FROM s v WHERE u.id = v.id":                            "UPDATE t SET x = ? FROM s WHERE t.id = s.id",
		"SELECT x.a FROM f(1) x (a, b), (VALUES (1), (2)) AS y (c)":                  "SELECT x.a FROM f(?) x(a, b), (VALUES (?)) AS y(c)",
		"SELECT t1.x FROM users a JOIN users b ON a.x = b.x, t1":                     "SELECT t1.x FROM users AS a JOIN users AS b ON a.x = b.x, t1",
		"SELECT a.x FROM p a WHERE EXISTS (SELECT 1 FROM q a WHERE a.y = 1)":         "SELECT t1.x FROM p AS t1 WHERE EXISTS (SELECT ? FROM q AS t1 WHERE t1.y = ?)",
		"INSERT INTO t AS x (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = x.b":    "INSERT INTO t AS x(a) VALUES (?) ON CONFLICT (a) DO UPDATE SET b = x.b",
		"SELECT CAST(a AS text), a::text AS b, extract(day FROM c) AS d FROM t AS u": "SELECT cast(a AS text), a::text, extract(day FROM c) FROM t",
	} {
		require.Equal(t, want, text(postgresql, q))
	}
}

func TestManyAliasesStay(t *testing.T) {
	var q, tables strings.Builder
	for i := range 17 {
		name := "a" + strings.Repeat("x", i)
		q.WriteString(", " + name + ".c")
		tables.WriteString(", t AS " + name)
	}
	sql := "SELECT ?" + q.String() + " FROM s" + tables.String()
	require.Equal(t, sql, text(sqlite, sql))
}
