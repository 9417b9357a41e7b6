package migrations

import (
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"
)

func TestTheSchemaComesTwiceAndGoesWithoutATrace(t *testing.T) {
	for dialect, db := range databases(t) {
		t.Run(dialect, func(t *testing.T) {
			if db == nil {
				t.Skip("SLUICE_TEST_POSTGRES_URL is not set")
			}
			require.NoError(t, Up(t.Context(), db, dialect))
			require.NoError(t, Up(t.Context(), db, dialect), "a second start changes nothing")
			require.Equal(t, []string{"files", "messages", "projects", "tickets", "tokens", "users"}, tables(t, db, dialect))

			p, err := newProvider(db, dialect)
			require.NoError(t, err)
			_, err = p.DownTo(t.Context(), 0)
			require.NoError(t, err)
			require.Empty(t, tables(t, db, dialect))
			require.NoError(t, Up(t.Context(), db, dialect))
		})
	}
}

func TestBothDialectsHaveTheSameMigrationsAndColumns(t *testing.T) {
	sqlite, err := files.ReadDir(SQLite)
	require.NoError(t, err)
	postgres, err := files.ReadDir(Postgres)
	require.NoError(t, err)
	require.Len(t, postgres, len(sqlite))
	for i := range sqlite {
		require.Equal(t, sqlite[i].Name(), postgres[i].Name())
	}

	dbs := databases(t)
	if dbs[Postgres] == nil {
		t.Skip("SLUICE_TEST_POSTGRES_URL is not set")
	}
	for dialect, db := range dbs {
		require.NoError(t, Up(t.Context(), db, dialect))
	}
	for _, table := range tables(t, dbs[SQLite], SQLite) {
		columns := map[string][]string{}
		for dialect, db := range dbs {
			rows, err := db.Query("SELECT * FROM " + table)
			require.NoError(t, err)
			columns[dialect], err = rows.Columns()
			require.NoError(t, err)
			require.NoError(t, rows.Close())
		}
		require.Equal(t, columns[SQLite], columns[Postgres], table)
	}
}

func TestAMigrationThatFailsIsReported(t *testing.T) {
	db := databases(t)[SQLite]
	_, err := db.Exec("CREATE TABLE tickets (mine TEXT)")
	require.NoError(t, err)
	require.ErrorContains(t, Up(t.Context(), db, SQLite), "tickets already exists")
	require.Equal(t, []string{"tickets"}, tables(t, db, SQLite), "it is rolled back as a whole")
}

func TestAnUnknownDialectIsRefused(t *testing.T) {
	require.EqualError(t, Up(t.Context(), databases(t)[SQLite], "oracle"), `migrations: unknown dialect "oracle"`)
}

// databases opens an empty database per dialect; nil where there is no server.
func databases(t *testing.T) map[string]*sql.DB {
	t.Helper()
	open := func(driver, dsn string) *sql.DB {
		db, err := sql.Open(driver, dsn)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		return db
	}
	dbs := map[string]*sql.DB{SQLite: open("sqlite", filepath.Join(t.TempDir(), "app.db")+"?_txlock=immediate"), Postgres: nil}
	server := os.Getenv("SLUICE_TEST_POSTGRES_URL")
	if server == "" {
		return dbs
	}
	admin, schema := open("pgx", server), "test_"+strings.ToLower(rand.Text())
	_, err := admin.Exec("CREATE SCHEMA " + schema)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.Exec("DROP SCHEMA " + schema + " CASCADE")
		require.NoError(t, err)
	})
	u, err := url.Parse(server)
	require.NoError(t, err)
	options := u.Query()
	options.Set("search_path", schema)
	u.RawQuery = options.Encode()
	dbs[Postgres] = open("pgx", u.String())
	return dbs
}

func tables(t *testing.T, db *sql.DB, dialect string) []string {
	t.Helper()
	query := "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'goose%' ORDER BY name"
	if dialect == Postgres {
		query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename NOT LIKE 'goose%' ORDER BY tablename"
	}
	rows, err := db.Query(query)
	require.NoError(t, err)
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names = append(names, name)
	}
	require.NoError(t, rows.Err())
	return names
}
