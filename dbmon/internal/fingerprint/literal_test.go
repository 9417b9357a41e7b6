package fingerprint_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

// Trap d.4: what leaks from, or is glued together by, the usual lexers.
func TestNoLiteralIsLeft(t *testing.T) {
	tests := []struct {
		name    string
		dialect fingerprint.Dialect
		sql     string
		want    string
	}{
		{"a backslash ends no escape in SQLite", sqlite, `SELECT 'a\', 'SECRET'`, `SELECT ?, ?`},
		{"a backslash escapes in MySQL", mysql, `SELECT 'a\', SECRET', 'b'`, `SELECT ?, ?`},
		{"a backslash is one in PostgreSQL", postgresql, `SELECT 'a\', 'SECRET'`, `SELECT ?, ?`},
		{"a backslash before a quote ends what is read of an unknown dialect", unknown, `SELECT a, 'a\', 'SECRET', b FROM t`, `SELECT a, ?`},
		{"two backslashes are the same in all dialects", unknown, `SELECT 'a\\', 'SECRET' FROM t`, `SELECT ?, ? FROM t`},
		{"a backslash escapes behind E", postgresql, `SELECT E'a\', SECRET', e'b\'SECRET'`, `SELECT ?, ?`},
		{"a string that begins a statement is of no statement", postgresql, `E'a\'; SELECT SECRET', 'b'`, `OTHER`},
		{"a continued string keeps the escapes of its start", postgresql, "SELECT E'a'\n'b\\' SECRET', 'c'", `SELECT ?, ?`},
		{"a comment may be between the parts of a string", postgresql, "SELECT 'a' -- it's\n'SECRET', b", `SELECT ?, b`},
		{"doubled quotes", postgresql, `SELECT 'it''s SECRET', b`, `SELECT ?, b`},
		{"strings next to each other are one in MySQL", mysql, `SELECT 'a' "SECRET" 'b', c`, `SELECT ?, c`},

		{"nested comments", postgresql, `SELECT /* a /* b */ SECRET */ 1`, `SELECT ?`},
		{"comments do not nest in MySQL", mysql, `SELECT /* a /* SECRET */ b`, `SELECT b`},
		{"comments do not nest in SQLite", sqlite, `SELECT /* a /* SECRET */ b`, `SELECT b`},
		{"nested comments end what is read of an unknown dialect", unknown, `SELECT a /* a /* b */ SECRET */ , 1`, `SELECT a ?`},
		{"an open comment", mysql, `SELECT a /* SECRET`, `SELECT a`},
		{"a comment that begins with two dashes", postgresql, "SELECT a --SECRET '\n, 'SECRET'", `SELECT a, ?`},
		{"a comment ends at a carriage return in PostgreSQL", postgresql, "SELECT a -- it's\r, 'SECRET'", `SELECT a, ?`},
		{"two dashes without a blank are operators in MySQL", mysql, `SELECT 5--1, 'SECRET'`, `SELECT ? - ?, ?`},
		{"two dashes without a blank end what is read of an unknown dialect", unknown, `SELECT 5--1, 'SECRET'`, `SELECT ?`},
		{"a hash begins a comment in MySQL", mysql, "SELECT a # it's SECRET\n, 'SECRET'", `SELECT a, ?`},
		{"a hash begins an operator in PostgreSQL", postgresql, `SELECT a #>> '{SECRET}' FROM t`, `SELECT a #>> ? FROM t`},
		{"a hash ends what is read of an unknown dialect", unknown, `SELECT a # it's SECRET`, `SELECT a ?`},
		{"an executed comment", mysql, `SELECT /*!40101 'SECRET', */ b /*M!100100 , 'SECRET' */ FROM t`, `SELECT ?, b, ? FROM t`},
		{"an executed comment ends what is read of an unknown dialect", unknown, `SELECT a /*!40101 , 'SECRET' */`, `SELECT a ?`},
		{"a comment that an older server skips ends what is read", mysql, "SELECT a, /*!99999 it's */ b, 'SECRET'", `SELECT a, it ?`},
		{"a name in a comment that an older server skips", mysql, "SELECT a /*!99999 ` */, 'SECRET' `", `SELECT a ?`},
		{"a line in a comment that an older server skips", mysql, "SELECT a /*!99999 -- */ , 'x\n SECRET'", `SELECT a ?`},
		{"a NUL ends a comment in MySQL", mysql, "SELECT a -- it's \x00 , 'b\nSECRET'", `SELECT a, ?`},
		{"square brackets end what is read of an unknown dialect", unknown, `SELECT a, [it's], 'SECRET'`, `SELECT a, ?`},
		{"a backtick around a quote ends what is read of an unknown dialect", unknown, "SELECT a, ` 'SECRET' `", `SELECT a, ?`},
		{"a comment glued to an operator", postgresql, "SELECT a=>--SECRET\n5", `SELECT a => ?`},

		{"text in dollar quotes", postgresql, `SELECT $$it's SECRET$$, $a$ $$ SECRET $b$ $a$, b`, `SELECT ?, ?, b`},
		{"open dollar quotes", postgresql, `SELECT $$abc SECRET`, `SELECT ?`},
		{"open dollar quotes with a tag", postgresql, `SELECT $tag$abc SECRET $$ $tagg$`, `SELECT ?`},
		{"a tag that is not ASCII", postgresql, `SELECT $é$it's SECRET$é$, b`, `SELECT ?, b`},
		{"dollar quotes end what is read of an unknown dialect", unknown, `SELECT a, $$it's SECRET$$, b`, `SELECT a, ?`},
		{"dollar quotes behind a number", postgresql, `SELECT 1$$it's SECRET$$, $1$a$it's SECRET$a$, 'SECRET'`, `SELECT ? ?, ? ?, ?`},
		{"a dollar sign within a name", postgresql, `SELECT a$b$c, 'SECRET$b$'`, `SELECT a$b$c, ?`},

		{"an open string", postgresql, `SELECT 'abc SECRET`, `SELECT ?`},
		{"an open name", postgresql, `SELECT "abc SECRET`, `SELECT ?`},
		{"an open name in backticks", mysql, "SELECT `abc SECRET", `SELECT ?`},
		{"an open name in square brackets", sqlite, `SELECT [abc SECRET`, `SELECT ?`},
		{"an open name that ends in doubled quotes", sqlite, `SELECT a FROM "SECRET""`, `SELECT a FROM ?`},

		{"numbers with underscores", postgresql, `SELECT 4_242, 1_000.5`, `SELECT ?, ?`},
		{"numbers in other bases", postgresql, `SELECT 0xCAFE4242, 0b0101, 0o4242`, `SELECT ?, ?, ?`},
		{"numbers with exponents", mysql, `SELECT 4242e-10, .4242E+5, 4242.`, `SELECT ?, ?, ?`},
		{"numbers with letters behind", sqlite, `SELECT 4242abc`, `SELECT ?`},
		{"a number behind a name and an operator", postgresql, `SELECT f1/1000, a-4242, a*-4242`, `SELECT f1 / ?, a - ?, a * ?`},
		{"bit and hex strings", postgresql, `SELECT B'0101', x'CAFE', N'SECRET'`, `SELECT ?, ?, ?`},
		{"bit and hex strings in MySQL", mysql, `SELECT b'0101', X'CAFE', 0b101, 0xCAFE, n'SECRET\' x'`, `SELECT ?, ?, ?, ?, ?`},
		{"hex and bit strings have no escapes in MySQL", mysql, `SELECT x'41\', 'SECRET', _latin1 b'1\', 'SECRET', x'41' 'it\'s SECRET'`, `SELECT ?, ?, ?, ?, ?`},
		{"strings of a character set", mysql, `SELECT _utf8'SECRET', _utf8mb4 "SECRET", _latin1 0x4242, _binary x'CAFE', _id`, `SELECT ?, ?, ?, ?, _id`},
		{"strings of Unicode escapes", postgresql, `SELECT U&'\0041SECRET', u&'!0041' UESCAPE '!', u & 'x'`, `SELECT ?, ? uescape ?, u & ?`},
		{"names of Unicode escapes", postgresql, `SELECT U&"d\0061t" FROM t`, `SELECT U&"d\0061t" FROM t`},
		{"typed literals and casts", postgresql, `SELECT DATE '2020-12-31', INTERVAL '4242 days', '4242'::int, CAST('SECRET' AS varchar(4242))`, `SELECT date ?, INTERVAL ?, ?::int, cast(? AS varchar(?))`},
		{"paths into JSON", postgresql, `SELECT a->'SECRET'->>'SECRET', a @? '$.SECRET', a ? 'SECRET', a ?| ARRAY['SECRET', 'b']`, `SELECT a -> ? ->> ?, a @? ?, a ? ?, a ?| ARRAY[?]`},
		{"numbers behind operators that may begin placeholders", postgresql, `SELECT a ?1e4242, b :1e4242, :1$$it's SECRET$$, ?1$$it's SECRET$$, 'SECRET'`, `SELECT a ?, b ?, ? ?, ? ?, ?`},
		{"a string with escapes behind a number", postgresql, `SELECT 1E'it\'s SECRET', $42e'it\'s SECRET', 0xE'\', 'SECRET'`, `SELECT ? ?, ? ?, ? ?, ?`},
		{"names behind numbers", postgresql, `SELECT 0x4.a$$b'"$$SECRET', 'SECRET'`, `SELECT ?.a$$b ?, ?`},
		{"a string with escapes behind a question mark", postgresql, `SELECT a ?E'it\'s SECRET', 'SECRET'`, `SELECT a ? ?, ?`},
		{"a string with escapes behind an operator", postgresql, `SELECT @E'1\'SECRET', a[1:E'2\'SECRET'], :U&'\', 'SECRET'`, `SELECT @ ?, a[? : ?], : ?, ?`},
		{"paths into JSON in MySQL", mysql, `SELECT a->'$.SECRET', a->>"$.SECRET", JSON_EXTRACT(a, "$.SECRET")`, `SELECT a -> ?, a ->> ?, json_extract(a, ?)`},
		{"words that are literals", postgresql, `SELECT TRUE, false, Null, a IS NULL, b IS NOT TRUE`, `SELECT ?, ?, ?, a IS NULL, b IS NOT TRUE`},
		{"placeholders", sqlite, `SELECT ?, ?4242, :SECRET, @SECRET, $SECRET`, `SELECT ?, ?, ?, ?, ?`},
		{"Tcl variables of SQLite", sqlite, `SELECT $a(it's), $b::c(d'SECRET), :e(f), 'SECRET'`, `SELECT ?, ?, ?, ?`},
		{"placeholders in PostgreSQL", postgresql, `SELECT $4242, a=$1, b=@SECRET, :SECRET, a @> $1, a <@b`, `SELECT ?, a = ?, b = ?, ?, a @> ?, a <@ b`},
		{"variables in MySQL", mysql, `SELECT @SECRET := 4242, @@version`, `SELECT ? := ?, @@ version`},
		{"slices", postgresql, `SELECT a[1:4242], a[1:n], a[b::int]`, `SELECT a[? : ?], a[? : n], a[b::int]`},
		{"a string in a list of columns", mysql, `SELECT a, 'SECRET' AS 'SECRET', b "SECRET" FROM t`, `SELECT a, ? AS ?, b ? FROM t`},
		{"control characters", postgresql, "SELECT\x00a,\x01'SECRET\x00'", `SELECT a, ?`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := text(tt.dialect, tt.sql)
			require.Equal(t, tt.want, got)
			require.NotContains(t, strings.ToUpper(got), "SECRET")
			require.NotContains(t, got, "42")
		})
	}
}

// Trap d.4: double quotes are names, strings, or either.
func TestDoubleQuotes(t *testing.T) {
	tests := []struct {
		name    string
		dialect fingerprint.Dialect
		sql     string
		want    string
	}{
		{"are names in PostgreSQL", postgresql, `SELECT "id" FROM "Users" WHERE "x y" = "id" AND f("Id") > "a""b"`, `SELECT id FROM "Users" WHERE "x y" = id AND f("Id") > "a""b"`},
		{"keep a keyword a name", postgresql, `SELECT "user", user, "order" FROM t`, `SELECT "user", USER, "order" FROM t`},
		{"are strings in MySQL", mysql, `SELECT "SECRET" FROM t WHERE a = "SECRET" AND "SECRET" = 5 ORDER BY "SECRET"`, `SELECT ? FROM t WHERE a = ? AND ? = ? ORDER BY ?`},
		{"have escapes in MySQL", mysql, `SELECT "a\"SECRET", b`, `SELECT ?, b`},
		{"may be names in MySQL where nothing else can be", mysql, `INSERT INTO "Users" ("a", "b") VALUES ("SECRET", "x")`, `INSERT INTO Users (a, b) VALUES (?, ?)`},
		{"may be names in SET", mysql, `UPDATE "t" SET "a" = "SECRET", "b" = "x" WHERE "t"."c" = "SECRET"`, `UPDATE t SET a = ?, b = ? WHERE t.c = ?`},
		{"are no table behind the FROM of a function", mysql, `SELECT TRIM(LEADING "x" FROM "SECRET"), EXTRACT(YEAR FROM "4242") FROM t WHERE a IS DISTINCT FROM "SECRET"`, `SELECT trim(leading ? FROM ?), extract(year FROM ?) FROM t WHERE a IS DISTINCT FROM ?`},
		{"are the name of a file", mysql, `SELECT a FROM t INTO OUTFILE "SECRET" FIELDS TERMINATED BY "SECRET"`, `SELECT a FROM t INTO outfile ? fields terminated BY ?`},
		{"are a period of time", mysql, `SELECT a FROM t FOR SYSTEM_TIME FROM "SECRET 1" TO "SECRET"`, `SELECT a FROM t FOR system_time FROM ? TO ?`},
		{"are a part of a period of time", mysql, `DELETE FROM t FOR PORTION OF p FROM "SECRET" TO "SECRET"`, `DELETE FROM t FOR portion of p FROM ? TO ?`},
		{"are values in the condition of a join in a view", mysql, `CREATE VIEW v AS SELECT a FROM t JOIN s ON "SECRET" = s.b, "u"`, `CREATE VIEW v AS SELECT a FROM t JOIN s ON ? = s.b, u`},
		{"name a CTE", sqlite, `WITH "a" ("x") AS (SELECT "SECRET"), "b" AS (VALUES ("SECRET")) SELECT x FROM "a"`, `WITH a(x) AS (SELECT ?), b AS (VALUES (?)) SELECT x FROM a`},
		{"are strings in an unknown dialect", unknown, `SELECT "SECRET" FROM "t" WHERE "a" = "SECRET"`, `SELECT ? FROM t WHERE ? = ?`},
		{"are strings in the list of a SELECT of SQLite, where they may be both", sqlite, `SELECT "SECRET", DISTINCT_X, "x" AS "y" FROM "Users"`, `SELECT ?, distinct_x, ? FROM users`},
		{"are strings where nothing is selected from", sqlite, `SELECT "SECRET", "x"`, `SELECT ?, ?`},
		{"are strings in a subquery without a FROM", sqlite, `SELECT a FROM t WHERE b IN (SELECT "SECRET", "x")`, `SELECT a FROM t WHERE b IN (SELECT ?, ?)`},
		{"are strings that are inserted", sqlite, `INSERT INTO t SELECT "SECRET", a FROM s`, `INSERT INTO t SELECT ?, a FROM s`},
		{"are columns where they are compared with a value", sqlite, `SELECT a FROM t WHERE "b" = 5 AND ("c" > ? OR "d" IN (1, 2)) AND "e" IS NOT NULL AND "f" NOT LIKE 'x' AND "g" BETWEEN 1 AND 2`, `SELECT a FROM t WHERE b = ? AND (c > ? OR d IN (?)) AND e IS NOT NULL AND f NOT LIKE ? AND g BETWEEN ? AND ?`},
		{"are strings where they are a value", sqlite, `SELECT a FROM t WHERE b = "SECRET" AND c LIKE "SECRET%" AND d IN ("SECRET", "x") AND e BETWEEN "SECRET" AND "x"`, `SELECT a FROM t WHERE b = ? AND c LIKE ? AND d IN (?) AND e BETWEEN ? AND ?`},
		{"are strings where it is in doubt", sqlite, `SELECT f("SECRET"), a || "SECRET", CASE WHEN b THEN "SECRET" ELSE "x" END FROM t WHERE "SECRET" = name`, `SELECT f(?), a || ?, CASE WHEN b THEN ? ELSE ? END FROM t WHERE ? = name`},
		{"are columns in the order", sqlite, `SELECT a FROM t GROUP BY "b", "c" ORDER BY "d" DESC, "order"`, `SELECT a FROM t GROUP BY b, c ORDER BY d DESC, "order"`},
		{"are strings in RETURNING", sqlite, `INSERT INTO t VALUES ("SECRET") RETURNING "SECRET", t."x"`, `INSERT INTO t VALUES (?) RETURNING ?, t.x`},
		{"are strings if they are no plain name", sqlite, `SELECT "it's SECRET", a FROM t ORDER BY "SECRET 42"`, `SELECT ?, a FROM t ORDER BY ?`},
		{"are tables, aliases and columns beside a dot", sqlite, `SELECT "u"."id", u."Name" FROM "users" AS "u"`, `SELECT users.id, users.name FROM users`},
		{"are names in definitions", sqlite, `CREATE TABLE "t" ("a" INTEGER, "b" TEXT DEFAULT "SECRET", PRIMARY KEY ("a"))`, `CREATE TABLE t (a integer, b text DEFAULT ?, primary KEY (a))`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := text(tt.dialect, tt.sql)
			require.Equal(t, tt.want, got)
			require.NotContains(t, got, "SECRET")
			require.Equal(t, got, text(tt.dialect, got))
		})
	}
}
