package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluice-go/sluice/examples/server/sqlstore"
)

// asCommand makes the test's own program behave as the command, so that a test
// can kill it.
const asCommand = "SLUICE_TEST_AS_MIGRATE"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		code, err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

// place is a database of some kind that a test has for itself.
type place struct {
	system string
	url    string
	db     *sql.DB
}

const (
	onSQLite   = "sqlite"
	onPostgres = "postgres"
	onMySQL    = "mysql"
)

// each runs f on the server's schema in every kind of database.
func each(t *testing.T, f func(t *testing.T, p place)) {
	t.Helper()
	for _, system := range []string{onSQLite, onPostgres, onMySQL} {
		t.Run(system, func(t *testing.T) { f(t, newPlace(t, system)) })
	}
}

// newPlace makes a database with the schema of the server.
func newPlace(t *testing.T, system string) place {
	t.Helper()
	p := emptyPlace(t, system)
	if system == onMySQL {
		for _, statement := range mysqlSchema {
			p.exec(t, statement)
		}
		return p
	}
	o := sqlstore.Options{URL: p.url}
	if system == onSQLite {
		o = sqlstore.Options{File: strings.TrimPrefix(p.url, "sqlite:")}
	}
	s, err := sqlstore.Open(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	return p
}

func emptyPlace(t *testing.T, system string) place {
	t.Helper()
	switch system {
	case onSQLite:
		file := filepath.Join(t.TempDir(), "app.db")
		db := openDB(t, "sqlite", "file:"+filepath.ToSlash(file)+"?_busy_timeout=10000")
		return place{system, "sqlite:" + file, db}
	case onPostgres:
		return postgresPlace(t)
	default:
		return mysqlPlace(t)
	}
}

func openDB(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// postgresPlace makes a database, not a schema: a concurrent build waits for the
// snapshots of a whole database, those of other tests included.
func postgresPlace(t *testing.T) place {
	t.Helper()
	server := os.Getenv("SLUICE_TEST_POSTGRES_URL")
	if server == "" {
		t.Skip("SLUICE_TEST_POSTGRES_URL is not set")
	}
	admin, name := openDB(t, "pgx", server), "migrate_"+strings.ToLower(rand.Text())
	_, err := admin.Exec("CREATE DATABASE " + name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.Exec("DROP DATABASE " + name + " WITH (FORCE)")
		require.NoError(t, err)
	})
	u, err := url.Parse(server)
	require.NoError(t, err)
	u.Path = "/" + name
	return place{onPostgres, u.String(), openDB(t, "pgx", u.String())}
}

func mysqlPlace(t *testing.T) place {
	t.Helper()
	server := os.Getenv("SLUICE_TEST_MYSQL_URL")
	if server == "" {
		t.Skip("SLUICE_TEST_MYSQL_URL is not set")
	}
	open := func(u string) *sql.DB {
		cfg, err := mysqlConfig(u)
		require.NoError(t, err)
		c, err := mysql.NewConnector(cfg)
		require.NoError(t, err)
		db := sql.OpenDB(c)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		return db
	}
	admin, name := open(server), "migrate_"+strings.ToLower(rand.Text())
	_, err := admin.Exec("CREATE DATABASE " + name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.Exec("DROP DATABASE " + name)
		require.NoError(t, err)
	})
	u, err := url.Parse(server)
	require.NoError(t, err)
	u.Path = "/" + name
	return place{onMySQL, u.String(), open(u.String())}
}

// mysqlSchema is the server's, which itself does not run on MySQL.
var mysqlSchema = []string{
	`CREATE TABLE users (id BIGINT AUTO_INCREMENT PRIMARY KEY, username VARCHAR(100) NOT NULL UNIQUE, role VARCHAR(20) NOT NULL,
		created_at DATETIME(6) NOT NULL) ENGINE=InnoDB`,
	`CREATE TABLE messages (id BIGINT AUTO_INCREMENT PRIMARY KEY, username VARCHAR(100) NOT NULL, type VARCHAR(20) NOT NULL,
		body TEXT NOT NULL, created_at DATETIME(6) NOT NULL) ENGINE=InnoDB`,
	`CREATE TABLE projects (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(100) NOT NULL, status VARCHAR(20) NOT NULL,
		owner_id BIGINT NOT NULL, created_at DATETIME(6) NOT NULL) ENGINE=InnoDB`,
	`CREATE TABLE tickets (id BIGINT AUTO_INCREMENT PRIMARY KEY, project_id BIGINT NOT NULL, status VARCHAR(20) NOT NULL,
		priority VARCHAR(20) NOT NULL, assigned_to BIGINT, due_date DATETIME(6)) ENGINE=InnoDB`,
	`CREATE TABLE files (id BIGINT AUTO_INCREMENT PRIMARY KEY, project_id BIGINT, ticket_id BIGINT, name VARCHAR(100) NOT NULL,
		file_type VARCHAR(100) NOT NULL) ENGINE=InnoDB`,
}

func (p place) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	_, err := p.db.Exec(statement, args...)
	require.NoError(t, err, statement)
}

// answer is what one run of the command said.
type answer struct {
	code     int
	out, err string
}

func (p place) migrate(t *testing.T, args ...string) answer {
	t.Helper()
	return migrateAt(t.Context(), p.url, args...)
}

func migrateAt(ctx context.Context, database string, args ...string) answer {
	var stdout, stderr bytes.Buffer
	code, err := run(ctx, append([]string{"-database", database}, args...), func(string) string { return "" }, &stdout, &stderr)
	if err != nil {
		fmt.Fprintln(&stderr, err)
	}
	return answer{code, stdout.String(), stderr.String()}
}

func (a answer) requireCode(t *testing.T, code int) answer {
	t.Helper()
	require.Equal(t, code, a.code, "%s\n%s", a.out, a.err)
	return a
}

// inspect sees the database as the command does.
func (p place) inspect(t *testing.T) map[string]*table {
	t.Helper()
	db, err := open(t.Context(), config{database: p.url, dryRun: true, wait: 1e9}, os.Stderr)
	require.NoError(t, err)
	now, err := db.inspect(t.Context(), tables(wanted()))
	require.NoError(t, errors.Join(err, db.close()))
	return now
}

// indexes lists all indexes of the database but those of constraints, by another
// way than the command's; an invalid one has a mark.
func (p place) indexes(t *testing.T) []string {
	t.Helper()
	query := map[string]string{
		onSQLite: "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL",
		onPostgres: `SELECT CASE WHEN indisvalid AND indisready THEN '' ELSE 'INVALID ' END || indexrelid::regclass::text FROM pg_index
			JOIN pg_class c ON c.oid = indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)`,
		onMySQL: `SELECT DISTINCT index_name FROM information_schema.statistics WHERE table_schema = database() AND non_unique = 1`,
	}[p.system]
	rows, err := p.db.Query(query)
	require.NoError(t, err)
	defer rows.Close()
	list := []string{}
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		list = append(list, name)
	}
	require.NoError(t, rows.Err())
	slices.Sort(list)
	return list
}

// requireAll fails the test unless all 14 are there and valid, by definition.
func (p place) requireAll(t *testing.T) {
	t.Helper()
	now := p.inspect(t)
	for _, ix := range wanted() {
		require.Equal(t, "valid", state(ix, now), ix.String())
	}
	for _, name := range p.indexes(t) {
		require.NotContains(t, name, "INVALID")
		require.NotContains(t, name, "unfinished")
	}
}

// made are the names of all indexes that a run makes on the server's schema. The
// name of a user is unique there, and so has an index.
func made(except ...string) []string {
	names := []string{}
	for _, ix := range wanted() {
		if name := ix.name(); name != "idx_users_username" && !slices.Contains(except, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
