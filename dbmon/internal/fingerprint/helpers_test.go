package fingerprint_test

import "github.com/sluice-go/sluice/dbmon/internal/fingerprint"

const (
	unknown    = fingerprint.Unknown
	postgresql = fingerprint.PostgreSQL
	mysql      = fingerprint.MySQL
	sqlite     = fingerprint.SQLite
)

var dialects = []fingerprint.Dialect{unknown, postgresql, mysql, sqlite}

func text(d fingerprint.Dialect, q string) string { return fingerprint.Of(d, q).Text }

// corpus are statements as programs send them.
func corpus() []string {
	return []string{
		"SELECT id, name FROM users WHERE email = $1 AND deleted_at IS NULL LIMIT 1",
		"SELECT u.id, count(*) AS n FROM users u LEFT JOIN orders AS o ON o.user_id = u.id WHERE u.id IN (1, 2, 3) GROUP BY u.id HAVING count(*) > 5 ORDER BY n DESC",
		"SELECT * FROM (SELECT id, row_number() OVER (PARTITION BY kind ORDER BY id) AS r FROM items) x WHERE x.r <= 10",
		"INSERT INTO users (name, age) VALUES ('a', 1), ('b', DEFAULT) ON CONFLICT (name) DO UPDATE SET age = excluded.age RETURNING id",
		"INSERT INTO t (a, b) VALUES (1, 2) ON DUPLICATE KEY UPDATE a = VALUES(a), b = b + 1",
		"UPDATE items SET price = price - 5, seen = true WHERE (a, b) IN ((1, 2), (3, 4)) AND c BETWEEN -1 AND +2",
		"DELETE FROM sessions WHERE expires < now() - INTERVAL '1 day'",
		"WITH moved AS (DELETE FROM a WHERE id = 5 RETURNING *) INSERT INTO b SELECT * FROM moved",
		"WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 100) SELECT sum(n) FROM t",
		"SELECT data->'a'->>'b', x::int, ARRAY[1, 2], a[1:2] FROM t WHERE data ? 'k' AND tags && $1 AND d @> '{\"a\": 1}'",
		"SELECT $tag$ it's $tag$, E'a\\'b', U&'\\0041', B'01', X'ff', 4_242, 1.5e-3 FROM t",
		"SELECT `id`, \"text\" FROM `users` WHERE name = \"o'brien\" AND x = 0b101 -- note",
		"SELECT \"id\", [name] FROM \"users\" WHERE \"id\" = ?1 OR name = :name OR x = @x OR y = $y",
		"/*!40001 SELECT */ SQL_NO_CACHE id FROM t # it's",
		"EXPLAIN (ANALYZE, BUFFERS) SELECT 1",
		"EXPLAIN QUERY PLAN SELECT a FROM t",
		"CREATE TABLE IF NOT EXISTS t (id bigint PRIMARY KEY, name varchar(20) NOT NULL DEFAULT 'x', ref int REFERENCES s(id))",
		"CREATE UNIQUE INDEX CONCURRENTLY i ON t USING btree (a, lower(b)) WHERE c > 5",
		"CREATE OR REPLACE FUNCTION f() RETURNS int AS $$ BEGIN RETURN 1; END $$ LANGUAGE plpgsql",
		"ALTER TABLE t ADD COLUMN c text DEFAULT 'x', DROP COLUMN d",
		"ALTER USER bob WITH PASSWORD 'secret'; GRANT ALL ON t TO bob",
		"BEGIN; SET LOCAL x = 5; SELECT a FROM t FOR UPDATE SKIP LOCKED; ROLLBACK TO SAVEPOINT s",
		"COPY t (a, b) FROM STDIN;\n1\tsecret\n\\.",
		"MERGE INTO t AS a USING s b ON a.id = b.id WHEN MATCHED THEN UPDATE SET x = b.x WHEN NOT MATCHED THEN INSERT (id) VALUES (b.id)",
		"SELECT a.x FROM t a WHERE EXISTS (SELECT 1 FROM s a WHERE a.y = 1) UNION SELECT b.x FROM t AS b",
		"SELECT CASE WHEN a = 1 THEN 'x' ELSE -1 END AS k, CAST(b AS numeric(10, 2)) FROM t ORDER BY FIELD(id, 3, 1, 2)",
		"(SELECT 1) UNION (SELECT 2)",
		"CALL f(1, 'x')",
		"TRUNCATE TABLE a, b CASCADE",
	}
}
