package fingerprint_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

// Trap d.4: utility text carries secrets. Only the verb is kept.
func TestUtilityStatementsAreTheirVerb(t *testing.T) {
	tests := []struct {
		dialect   fingerprint.Dialect
		sql, want string
		class     fingerprint.Class
	}{
		{postgresql, "ALTER USER bob WITH PASSWORD 'SECRET'", "ALTER USER", fingerprint.Alter},
		{postgresql, "ALTER ROLE secret SET work_mem = '1GB'", "ALTER ROLE", fingerprint.Alter},
		{postgresql, "create user SECRET password 'x'", "CREATE USER", fingerprint.Create},
		{postgresql, "CREATE SUBSCRIPTION s CONNECTION 'password=SECRET' PUBLICATION p", "CREATE SUBSCRIPTION", fingerprint.Create},
		{postgresql, "CREATE SERVER s OPTIONS (host 'SECRET')", "CREATE SERVER", fingerprint.Create},
		{postgresql, "CREATE FOREIGN TABLE t (a int) SERVER s OPTIONS (x 'SECRET')", "CREATE", fingerprint.Create},
		{postgresql, "ALTER SYSTEM SET x = SECRET", "ALTER SYSTEM", fingerprint.Alter},
		{postgresql, "DROP OWNED BY SECRET", "DROP", fingerprint.Drop},
		{postgresql, "COPY t (a) FROM STDIN;\n1\tSECRET\n\\.\nSELECT 'SECRET", "COPY", fingerprint.Copy},
		{postgresql, "COPY (SELECT 1) TO STDOUT", "COPY", fingerprint.Copy},
		{postgresql, "SET SESSION AUTHORIZATION SECRET", "SET", fingerprint.Set},
		{postgresql, "RESET ALL", "RESET", fingerprint.Set},
		{postgresql, "GRANT ALL ON t TO SECRET", "GRANT", fingerprint.Grant},
		{postgresql, "REVOKE ALL ON t FROM SECRET", "REVOKE", fingerprint.Revoke},
		{postgresql, "NOTIFY c, 'SECRET'", "NOTIFY", fingerprint.Other},
		{postgresql, "DO $$ BEGIN PERFORM 'SECRET'; END $$", "DO", fingerprint.Other},
		{postgresql, "COMMENT ON TABLE t IS 'SECRET'", "COMMENT", fingerprint.Other},
		{postgresql, "PREPARE p AS SELECT 'SECRET'", "PREPARE", fingerprint.Other},
		{postgresql, "EXECUTE p('SECRET')", "EXECUTE", fingerprint.Other},
		{postgresql, "CREATE FUNCTION f() RETURNS int AS $$ SECRET $$ LANGUAGE sql", "CREATE FUNCTION", fingerprint.Create},
		{sqlite, "CREATE TRIGGER x AFTER INSERT ON t BEGIN UPDATE s SET a = SECRET; END", "CREATE TRIGGER", fingerprint.Create},
		{mysql, "CREATE DEFINER='SECRET'@'%' PROCEDURE p() BEGIN SELECT 1; DELETE FROM SECRET; END", "CREATE", fingerprint.Create},
		{sqlite, "PRAGMA key = \"SECRET\"", "PRAGMA", fingerprint.Pragma},
		{sqlite, "PRAGMA table_info(SECRET)", "PRAGMA", fingerprint.Pragma},
		{sqlite, "ATTACH DATABASE 'x' AS y KEY 'SECRET'", "ATTACH", fingerprint.Other},
		{sqlite, "VACUUM INTO 'SECRET'", "VACUUM", fingerprint.Vacuum},
		{mysql, "SET PASSWORD FOR 'bob'@'%' = 'SECRET;SECRET'", "SET", fingerprint.Set},
		{mysql, "CHANGE MASTER TO MASTER_PASSWORD='SECRET'", "CHANGE", fingerprint.Other},
		{mysql, "START REPLICA USER='x' PASSWORD='SECRET'", "START", fingerprint.Other},
		{mysql, "LOAD DATA INFILE 'SECRET' INTO TABLE t", "LOAD", fingerprint.Other},
		{mysql, "SHOW GRANTS FOR SECRET", "SHOW", fingerprint.Show},
		{mysql, "LOCK TABLES SECRET WRITE", "LOCK", fingerprint.Lock},
		{mysql, "ANALYZE TABLE SECRET", "ANALYZE", fingerprint.Analyze},
		{mysql, "DESCRIBE SECRET", "EXPLAIN", fingerprint.Explain},
		{postgresql, "EXPLAIN EXECUTE p('SECRET')", "EXPLAIN", fingerprint.Explain},
		{unknown, "SECRET things", "OTHER", fingerprint.Other},
		{unknown, "'SECRET", "OTHER", fingerprint.Other},
		{unknown, "# SECRET", "OTHER", fingerprint.Other},
		{unknown, "secret.secret()", "OTHER", fingerprint.Other},
	}
	for _, tt := range tests {
		t.Run(tt.sql, func(t *testing.T) {
			got := fingerprint.Of(tt.dialect, tt.sql)
			require.Equal(t, tt.want, got.Text)
			require.Equal(t, tt.class, got.Class)
			require.False(t, got.Reads)
			require.Equal(t, tt.want, text(tt.dialect, got.Text))
		})
	}
}

// Trap d.4: the class looks through comments, brackets, WITH, EXPLAIN, and many
// statements.
func TestClass(t *testing.T) {
	tests := []struct {
		name    string
		dialect fingerprint.Dialect
		sql     string
		want    fingerprint.Class
		reads   bool
	}{
		{"a query", postgresql, "SELECT 1", fingerprint.Select, true},
		{"behind comments", postgresql, "/* a */ -- b\n SELECT 1", fingerprint.Select, true},
		{"in brackets", postgresql, "((SELECT 1) UNION (SELECT 2))", fingerprint.Select, true},
		{"a list of values", postgresql, "VALUES (1), (2)", fingerprint.Select, true},
		{"a whole table", postgresql, "TABLE t", fingerprint.Select, true},
		{"behind WITH", postgresql, "WITH a AS (SELECT 1), b AS (SELECT 2) SELECT * FROM a", fingerprint.Select, true},
		{"behind WITH in brackets", postgresql, "(WITH a AS (SELECT 1) SELECT * FROM a)", fingerprint.Select, true},
		{"a write behind WITH", postgresql, "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", fingerprint.Insert, false},
		{"a CTE that writes", postgresql, "WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", fingerprint.Delete, false},
		{"a second CTE that writes", postgresql, "WITH a AS (SELECT 1), b AS NOT MATERIALIZED (UPDATE t SET a = 1) SELECT * FROM a", fingerprint.Update, false},
		{"a CTE of two that write", postgresql, "WITH a AS (DELETE FROM t) INSERT INTO s SELECT 1", fingerprint.Insert, false},
		{"a query in brackets behind WITH", postgresql, "WITH a AS (SELECT 1) (SELECT * FROM a) UNION (SELECT 2)", fingerprint.Select, true},
		{"a query in brackets behind a CTE that writes", postgresql, "WITH a (x) AS (DELETE FROM t RETURNING *) (SELECT * FROM a)", fingerprint.Delete, false},
		{"a function with the name of a verb", mysql, "SELECT (REPLACE(a, 'x', 'y')), (INSERT(a, 1, 2, 'x')) FROM t", fingerprint.Select, true},
		{"a column with the name of a CTE", postgresql, "WITH a AS (SELECT replace(b, 'x', '') FROM t) SELECT 1", fingerprint.Select, true},
		{"an insert", mysql, "INSERT IGNORE INTO t VALUES (1)", fingerprint.Insert, false},
		{"an insert that updates", mysql, "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1", fingerprint.Insert, false},
		{"an insert that replaces", sqlite, "INSERT OR REPLACE INTO t VALUES (1)", fingerprint.Insert, false},
		{"a replacement", mysql, "REPLACE INTO t VALUES (1)", fingerprint.Replace, false},
		{"an update", sqlite, "UPDATE OR IGNORE t SET a = 1", fingerprint.Update, false},
		{"a deletion", mysql, "DELETE FROM t", fingerprint.Delete, false},
		{"a merge", postgresql, "MERGE INTO t USING s ON a = b WHEN MATCHED THEN DELETE", fingerprint.Merge, false},
		{"a call", mysql, "CALL p(1)", fingerprint.Call, false},
		{"a definition", postgresql, "CREATE UNLOGGED TABLE t (a int)", fingerprint.Create, false},
		{"a table made of a query", postgresql, "CREATE TABLE t AS SELECT 1", fingerprint.Create, false},
		{"a view", postgresql, "CREATE OR REPLACE VIEW v AS SELECT 1", fingerprint.Create, false},
		{"a removal", postgresql, "DROP INDEX CONCURRENTLY i", fingerprint.Drop, false},
		{"a truncation", postgresql, "TRUNCATE t", fingerprint.Truncate, false},
		{"a plan", postgresql, "EXPLAIN DELETE FROM t", fingerprint.Explain, false},
		{"a plan with options", postgresql, "EXPLAIN (VERBOSE, FORMAT JSON) SELECT 1", fingerprint.Explain, false},
		{"a plan of SQLite", sqlite, "EXPLAIN QUERY PLAN SELECT 1", fingerprint.Explain, false},
		{"a plan of MySQL", mysql, "DESC FORMAT=JSON SELECT 1", fingerprint.Explain, false},
		{"a plan that is run", postgresql, "EXPLAIN ANALYZE VERBOSE DELETE FROM t", fingerprint.Delete, false},
		{"a plan that is run by an option", postgresql, "EXPLAIN (BUFFERS, ANALYZE) WITH a AS (SELECT 1) UPDATE t SET b = 1", fingerprint.Update, false},
		{"a plan that is run and makes a table", postgresql, "EXPLAIN (ANALYZE) CREATE TABLE t AS SELECT 1", fingerprint.Create, false},
		{"a plan that is run in MariaDB", mysql, "ANALYZE UPDATE t SET a = 1", fingerprint.Update, false},
		{"in an executed comment", mysql, "/*!50000 DELETE */ FROM t", fingerprint.Delete, false},
		{"a query in an executed comment", mysql, "/*!50000 SELECT 1 */", fingerprint.Select, true},
		{"the begin of a transaction", sqlite, "BEGIN IMMEDIATE", fingerprint.Begin, false},
		{"the start of a transaction", mysql, "START TRANSACTION READ ONLY", fingerprint.Begin, false},
		{"its end", postgresql, "END", fingerprint.Commit, false},
		{"its abort", postgresql, "ABORT", fingerprint.Rollback, false},
		{"a rollback", postgresql, "ROLLBACK AND CHAIN", fingerprint.Rollback, false},
		{"a rollback of a part", postgresql, "ROLLBACK WORK TO SAVEPOINT s", fingerprint.Savepoint, false},
		{"a savepoint", postgresql, "SAVEPOINT s1", fingerprint.Savepoint, false},
		{"a release", postgresql, "RELEASE s1", fingerprint.Savepoint, false},
		{"two queries", postgresql, "SELECT 1; SELECT 2", fingerprint.Select, false},
		{"a write behind a query", postgresql, "SELECT 1; DELETE FROM t; SELECT 2", fingerprint.Delete, false},
		{"a write in a transaction", postgresql, "BEGIN; SET x = 1; UPDATE t SET a = 1; COMMIT", fingerprint.Update, false},
		{"a query behind a setting", postgresql, "SET x = 1; SELECT 1", fingerprint.Select, false},
		{"rows locked for update", postgresql, "SELECT a FROM t FOR UPDATE", fingerprint.Select, false},
		{"rows locked for no key update", postgresql, "SELECT a FROM t FOR NO KEY UPDATE OF t", fingerprint.Select, false},
		{"rows locked for key share", postgresql, "SELECT a FROM t WHERE b IN (SELECT c FROM s FOR KEY SHARE)", fingerprint.Select, false},
		{"rows locked in share mode", mysql, "SELECT a FROM t LOCK IN SHARE MODE", fingerprint.Select, false},
		{"a part of a string is no lock", postgresql, "SELECT substring(a FROM 1 FOR 5) FROM t", fingerprint.Select, true},
		{"a table made by INTO", postgresql, "SELECT a INTO s FROM t", fingerprint.Select, false},
		{"a file made by INTO", mysql, "SELECT a FROM t INTO OUTFILE 'x'", fingerprint.Select, false},
		{"a column with the name of a lock", postgresql, "SELECT lock FROM t", fingerprint.Select, true},
		{"a named argument", postgresql, "SELECT f(a := 1)", fingerprint.Select, true},
		{"a sequence of MariaDB", mysql, "SELECT NEXT VALUE FOR s", fingerprint.Select, false},
		{"a sequence of MariaDB as a function", mysql, "SELECT SETVAL(s, 1)", fingerprint.Select, false},
		{"a quoted function that writes", postgresql, `SELECT "setval"('s', 1)`, fingerprint.Select, false},
		{"a statement for another server", postgresql, "SELECT * FROM dblink_open('c', 'x')", fingerprint.Select, false},
		{"a large object", postgresql, "SELECT lo_unlink(1)", fingerprint.Select, false},
		{"a lock of MySQL", mysql, "SELECT GET_LOCK('x', 1)", fingerprint.Select, false},
		{"an extension", sqlite, "SELECT load_extension('x')", fingerprint.Select, false},
		{"a variable that is set", mysql, "SELECT @a := 1", fingerprint.Select, false},
		{"functions that write", postgresql, "SELECT pg_catalog.nextval('s')", fingerprint.Select, false},
		{"functions that lock", postgresql, "SELECT pg_advisory_lock(1)", fingerprint.Select, false},
		{"nothing", postgresql, " /* a */ ; ", fingerprint.Other, false},
		{"what is cut off in an unknown dialect", unknown, "SELECT a FROM t # FOR UPDATE", fingerprint.Select, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := fingerprint.Of(tt.dialect, tt.sql)
			require.Equal(t, tt.want.String(), got.Class.String(), got.Text)
			require.Equal(t, tt.reads, got.Reads)
			again := fingerprint.Of(tt.dialect, got.Text)
			require.Equal(t, got.ID, again.ID)
			require.Equal(t, got.Class, again.Class)
		})
	}
}

// Trap d.5: queues poll with SKIP LOCKED.
func TestSkipLockedIsSeen(t *testing.T) {
	for q, want := range map[string]bool{
		"SELECT a FROM t LIMIT 1 FOR UPDATE SKIP LOCKED":                                                          true,
		"select a from t for no key update of t skip /* x */ locked":                                              true,
		"UPDATE t SET a = 1 WHERE id = (SELECT id FROM t FOR UPDATE SKIP LOCKED LIMIT 1)":                         true,
		"WITH j AS (SELECT id FROM t FOR UPDATE SKIP LOCKED) DELETE FROM t USING j WHERE t.id = j.id RETURNING *": true,
		"SELECT a FROM t FOR UPDATE NOWAIT":                                                                       false,
		"SELECT skip, locked FROM t":                                                                              false,
		"SELECT 'SKIP LOCKED' FROM t FOR UPDATE":                                                                  false,
	} {
		require.Equal(t, want, fingerprint.Of(postgresql, q).SkipLocked, q)
	}
}

func TestClassesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for c := fingerprint.Other; c <= fingerprint.Vacuum; c++ {
		require.Equal(t, strings.ToUpper(c.String()), c.String())
		require.NotEmpty(t, c.String())
		seen[c.String()] = true
	}
	require.Len(t, seen, int(fingerprint.Vacuum)+1)
	require.Equal(t, "OTHER", (fingerprint.Vacuum + 1).String())
	require.Equal(t, "unknown postgresql mysql sqlite unknown", strings.Join([]string{
		unknown.String(), postgresql.String(), mysql.String(), sqlite.String(), fingerprint.Dialect(9).String(),
	}, " "))
}
