package drivers

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/lib/pq"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/sluice-go/sluice/dbmon"
)

// target is a driver with its database.
type target struct {
	driver string
	dsn    func(*testing.T) string
	arg    func(i int) string // a placeholder
	types  string             // of the columns n, s, b, f and t
	sleep  string             // a query that takes half a minute, or empty
	own    func(*program)     // what only this driver has
}

var targets = []target{
	{"sqlite", func(t *testing.T) string { return filepath.Join(t.TempDir(), "db") },
		func(i int) string { return fmt.Sprint("?", i) }, "n INTEGER PRIMARY KEY, s TEXT, b BLOB, f REAL, t TIMESTAMP",
		"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c", sqliteOwn},
	{"pgx", postgres, func(i int) string { return fmt.Sprint("$", i) },
		"n BIGINT PRIMARY KEY, s VARCHAR(20), b BYTEA, f NUMERIC(10, 2), t TIMESTAMPTZ", "SELECT pg_sleep(30)", pgxOwn},
	{"postgres", postgres, func(i int) string { return fmt.Sprint("$", i) },
		"n BIGINT PRIMARY KEY, s VARCHAR(20), b BYTEA, f NUMERIC(10, 2), t TIMESTAMPTZ", "SELECT pg_sleep(30)", pqOwn},
	{"mysql", func(t *testing.T) string { return mariadb(t, "parseTime=true&multiStatements=true") }, func(int) string { return "?" },
		"n BIGINT PRIMARY KEY, s VARCHAR(20), b BLOB, f DECIMAL(10, 2), t DATETIME", "SELECT SLEEP(30)", mysqlOwn},
	// Arguments are put into the text by the client, and ErrSkip is never seen.
	{"mysql", func(t *testing.T) string { return mariadb(t, "parseTime=true&interpolateParams=true") }, func(int) string { return "?" },
		"n BIGINT PRIMARY KEY, s VARCHAR(20), b BLOB, f DECIMAL(10, 2), t DATETIME", "SELECT SLEEP(30)", func(*program) {}},
}

func postgres(t *testing.T) string { return server(t, "SLUICE_TEST_POSTGRES_URL") }

func server(t *testing.T, variable string) string {
	dsn := os.Getenv(variable)
	if dsn == "" {
		t.Skip(variable, "is not set")
	}
	return dsn
}

func mariadb(t *testing.T, params string) string {
	u, err := url.Parse(server(t, "SLUICE_TEST_MYSQL_URL"))
	require.NoError(t, err)
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr, c.DBName = u.User.Username(), "tcp", u.Host, u.Path[1:]
	c.Passwd, _ = u.User.Password()
	return c.FormatDSN() + "?" + params
}

// program writes down what it sees of a database.
type program struct {
	target
	ctx   context.Context
	db    *sql.DB
	table string
	lines []string
}

func (p *program) note(format string, args ...any) {
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
}

// saw writes an error down, with all that a program can ask about it.
func (p *program) saw(what string, err error) bool {
	p.note("%s: %v (%T; bad %t, canceled %t, deadline %t)", what, err, err, errors.Is(err, driver.ErrBadConn),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded))
	return err == nil
}

func TestAProgramSeesTheSameWithRealDrivers(t *testing.T) {
	for i, target := range targets {
		t.Run(fmt.Sprint(i, " ", target.driver), func(t *testing.T) {
			m, err := dbmon.New(dbmon.Options{})
			require.NoError(t, err)
			defer m.Close()
			dsn, table := target.dsn(t), fmt.Sprintf("sluice_drivers_%d_%d", os.Getpid(), i)
			run := func(open func(string, string) (*sql.DB, error)) []string {
				db, err := open(target.driver, dsn)
				require.NoError(t, err)
				p := &program{target: target, ctx: t.Context(), db: db, table: table}
				p.run()
				require.NoError(t, db.Close())
				return p.lines
			}
			want := run(sql.Open)
			require.NotEmpty(t, want)
			require.Equal(t, want, run(m.Open))
		})
	}
}

func (p *program) run() {
	p.note("%T", p.db.Driver())
	p.saw("ping", p.db.PingContext(p.ctx))
	p.exec("CREATE TABLE " + p.table + " (" + p.types + ")")
	defer p.exec("DROP TABLE " + p.table)
	insert := "INSERT INTO " + p.table + " (n, s, b, f, t) VALUES (" + p.arg(1) + ", " + p.arg(2) + ", " + p.arg(3) + ", " + p.arg(4) + ", " + p.arg(5) + ")"
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	p.exec(insert, 1, "one", []byte{0, 1}, 1.25, at)
	p.exec(insert, int64(2), nil, nil, nil, nil)
	p.exec(insert, uint8(3), sql.NullString{}, []byte{}, 3, sql.NullTime{Time: at, Valid: true})
	p.exec(insert, 1, "again", nil, nil, nil)             // not unique
	p.exec(insert, 4, "x")                                // too few
	p.exec(insert, struct{}{}, "x", nil, nil, nil)        // of no type that is known
	p.exec(insert, "not a number", "x", nil, nil, "when") // of a wrong type
	p.exec("INSERT INTO nowhere VALUES (1)")
	p.exec("this is not SQL")
	p.query("SELECT n, s, b, f, t FROM " + p.table + " ORDER BY n")
	p.query("SELECT s FROM "+p.table+" WHERE n = "+p.arg(1), 1)
	p.query("SELECT s FROM "+p.table+" WHERE n = "+p.arg(1), -1)
	p.query("SELECT nothing FROM " + p.table)
	p.query("SELECT s FROM "+p.table+" WHERE n = "+p.arg(1), sql.Named("n", 1))
	var s string
	p.saw("no row", p.db.QueryRowContext(p.ctx, "SELECT s FROM "+p.table+" WHERE n = "+p.arg(1), 99).Scan(&s))
	p.saw("no string", p.db.QueryRowContext(p.ctx, "SELECT s FROM "+p.table+" WHERE n = 2").Scan(&s))
	p.statements(insert)
	p.transactions(insert)
	p.contexts()
	p.raw()
	p.own(p)
}

func (p *program) exec(text string, args ...any) {
	res, err := p.db.ExecContext(p.ctx, text, args...)
	if p.saw("exec", err) {
		p.result(res)
	}
}

func (p *program) result(res sql.Result) {
	n, err := res.RowsAffected()
	p.note("affected %d %v", n, err)
	n, err = res.LastInsertId()
	p.note("inserted %d %v", n, err)
}

func (p *program) query(text string, args ...any) {
	rows, err := p.db.QueryContext(p.ctx, text, args...)
	if p.saw("query", err) {
		p.read(rows)
	}
}

func (p *program) read(rows *sql.Rows) {
	for more := true; more; more = rows.NextResultSet() {
		types, err := rows.ColumnTypes()
		p.saw("types", err)
		for _, c := range types {
			length, hasLength := c.Length()
			nullable, hasNullable := c.Nullable()
			precision, scale, hasPrecision := c.DecimalSize()
			p.note("%s %v %q %d %t %t %t %d %d %t", c.Name(), c.ScanType(), c.DatabaseTypeName(),
				length, hasLength, nullable, hasNullable, precision, scale, hasPrecision)
		}
		values, dest := make([]any, len(types)), make([]any, len(types))
		for i := range values {
			dest[i] = &values[i]
		}
		for rows.Next() {
			p.saw("scan", rows.Scan(dest...))
			p.note("%#v", values)
		}
		p.saw("rows", rows.Err())
	}
	p.saw("close", rows.Close())
}

func (p *program) statements(insert string) {
	stmt, err := p.db.PrepareContext(p.ctx, insert)
	if p.saw("prepare", err) {
		for i := 10; i < 13; i++ {
			res, err := stmt.ExecContext(p.ctx, i, "prepared", nil, i, nil)
			if p.saw("exec", err) {
				p.result(res)
			}
		}
		p.saw("close", stmt.Close())
		_, err = stmt.ExecContext(p.ctx, 13, "closed", nil, nil, nil)
		p.saw("exec", err)
	}
	stmt, err = p.db.PrepareContext(p.ctx, "SELECT n, f FROM "+p.table+" WHERE n > "+p.arg(1)+" ORDER BY n")
	if p.saw("prepare", err) {
		rows, err := stmt.QueryContext(p.ctx, 9)
		if p.saw("query", err) {
			p.read(rows)
		}
		p.saw("close", stmt.Close())
	}
	_, err = p.db.PrepareContext(p.ctx, "SELECT nothing FROM nowhere")
	p.saw("prepare", err)
}

func (p *program) transactions(insert string) {
	for _, o := range []*sql.TxOptions{nil, {ReadOnly: true}, {Isolation: sql.LevelSerializable}, {Isolation: sql.LevelLinearizable}} {
		for _, end := range []func(*sql.Tx) error{(*sql.Tx).Rollback, (*sql.Tx).Commit} {
			tx, err := p.db.BeginTx(p.ctx, o)
			if !p.saw("begin", err) {
				continue
			}
			_, err = tx.ExecContext(p.ctx, "DELETE FROM "+p.table+" WHERE n = 12")
			p.saw("delete", err)
			_, err = tx.ExecContext(p.ctx, insert, 12, "in a transaction", nil, nil, nil)
			p.saw("insert", err)
			p.saw("end", end(tx))
			p.saw("again", end(tx))
		}
	}
	ctx, cancel := context.WithCancel(p.ctx)
	tx, err := p.db.BeginTx(ctx, nil)
	p.saw("begin", err)
	cancel()
	for !errors.Is(err, sql.ErrTxDone) { // until the goroutine of database/sql has seen it
		err = tx.Commit()
	}
	p.query("SELECT n, s FROM " + p.table + " WHERE n >= 12 ORDER BY n")
}

func (p *program) contexts() {
	ctx, cancel := context.WithCancel(p.ctx)
	cancel()
	_, err := p.db.ExecContext(ctx, "DELETE FROM "+p.table)
	p.saw("a context that is over", err)
	ctx, cancel = context.WithTimeout(p.ctx, 50*time.Millisecond)
	defer cancel()
	var v any
	err = p.db.QueryRowContext(ctx, p.sleep).Scan(&v)
	p.note("a context that ends: deadline %t, canceled %t", errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled))
	p.saw("ping", p.db.PingContext(p.ctx))
}

// raw finds the driver's own connection, with and without a layer.
func (p *program) raw() {
	conn, err := p.db.Conn(p.ctx)
	p.saw("conn", err)
	p.saw("raw", conn.Raw(func(c any) error {
		p.note("%T", dbmon.Raw(c))
		return nil
	}))
	p.saw("close", conn.Close())
}

func sqliteOwn(p *program) {
	p.exec("INSERT INTO "+p.table+" (n, s) VALUES (:n, @s)", sql.Named("n", 20), sql.Named("s", "named"))
	p.exec("INSERT INTO " + p.table + " (n) VALUES (21); INSERT INTO " + p.table + " (n) VALUES (22)")
	var e *sqlite.Error
	_, err := p.db.ExecContext(p.ctx, "INSERT INTO "+p.table+" (n) VALUES (20)")
	p.note("%t", errors.As(err, &e))
	p.note("%d", e.Code())
}

func pgxOwn(p *program) {
	p.query("SELECT ARRAY[1, 2, 3], int4range(1, 5), '{\"a\": 1}'::jsonb, '1.5'::numeric, now() > 'epoch'")
	p.query("SELECT n FROM "+p.table+" WHERE n = ANY($1) ORDER BY n", []int64{1, 2})
	var e *pgconn.PgError
	_, err := p.db.ExecContext(p.ctx, "INSERT INTO "+p.table+" (n) VALUES (1)")
	p.note("%t", errors.As(err, &e))
	p.note("%s", e.Code)
	conn, err := p.db.Conn(p.ctx)
	p.saw("conn", err)
	p.saw("raw", conn.Raw(func(c any) error {
		tag, err := dbmon.Raw(c).(*stdlib.Conn).Conn().Exec(p.ctx, "SELECT 1")
		p.note("%s", tag)
		return err
	}))
	p.saw("close", conn.Close())
}

// pqOwn copies: its statement has no context methods.
func pqOwn(p *program) {
	p.query("SELECT ARRAY[1, 2, 3], '{\"a\": 1}'::jsonb")
	tx, err := p.db.BeginTx(p.ctx, nil)
	p.saw("begin", err)
	stmt, err := tx.PrepareContext(p.ctx, "COPY "+p.table+" (n, s) FROM STDIN")
	p.saw("prepare", err)
	for i := 100; i < 103; i++ {
		_, err = stmt.ExecContext(p.ctx, i, "copied")
		p.saw("copy", err)
	}
	res, err := stmt.ExecContext(p.ctx)
	if p.saw("flush", err) {
		p.result(res)
	}
	p.saw("close", stmt.Close())
	p.saw("commit", tx.Commit())
	p.query("SELECT n, s FROM " + p.table + " WHERE n >= 100 ORDER BY n")
	p.query("SELECT 1; SELECT 2")
	var e *pq.Error
	_, err = p.db.ExecContext(p.ctx, "INSERT INTO "+p.table+" (n) VALUES (1)")
	p.note("%t", errors.As(err, &e))
	p.note("%s", e.Code)
}

func mysqlOwn(p *program) {
	p.query("SELECT 1; SELECT 'two', 2; SELECT 3")
	p.query("SELECT ?", uint64(1<<63))
	p.exec("INSERT INTO "+p.table+" (n) VALUES (?)", time.Minute)
	var e *mysql.MySQLError
	_, err := p.db.ExecContext(p.ctx, "INSERT INTO "+p.table+" (n) VALUES (1)")
	p.note("%t", errors.As(err, &e))
	p.note("%d", e.Number)
}
