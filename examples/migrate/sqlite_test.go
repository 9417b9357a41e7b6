package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sqliteTried: SQLite does not show who waits, so a second's wait for a process
// to come that far has to do.
func (p place) sqliteTried(t *testing.T) bool {
	t.Helper()
	<-time.After(time.Second)
	return true
}

// Sheet g: SQLite locked by a writer.
func TestAWriterIsWaitedForInSQLite(t *testing.T) {
	t.Parallel() // it waits most of its time
	p := newPlace(t, onSQLite)
	p.fill(t, 10)
	release := p.occupy(t)
	a := p.migrate(t, "create", "-wait", "10ms").requireCode(t, exitFailed)
	require.Contains(t, a.out, "failed: somebody has been writing to the database for 10ms")
	require.Empty(t, p.indexes(t))

	ended := make(chan answer)
	go func() { ended <- migrateAt(t.Context(), p.url, "create") }()
	select {
	case a := <-ended:
		t.Fatalf("it did not wait: %v", a)
	case <-time.After(2 * busyTimeout):
	}
	release()
	a = <-ended
	a.requireCode(t, exitDone)
	p.requireAll(t)
}

// A wrong DATA_DIR must not leave an empty database there.
func TestNoSQLiteDatabaseIsMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sluice.db")
	a := migrateAt(t.Context(), "sqlite:"+file, "create").requireCode(t, exitFailed)
	require.Contains(t, a.err, "there is no database "+file)
	require.NoFileExists(t, file)

	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("not a database ", 100)), 0o600))
	a = migrateAt(t.Context(), "sqlite:"+file, "create").requireCode(t, exitFailed)
	require.Contains(t, a.err, "file is not a database")
}

// Sheet d.6: in SQLite a double-quoted unknown column may become a string. It is
// skipped instead, and a column that is spelled in another case is found.
func TestAnUnknownColumnIsNoStringInSQLite(t *testing.T) {
	p := emptyPlace(t, onSQLite)
	p.exec(t, `CREATE TABLE Messages (id INTEGER PRIMARY KEY, UserName TEXT, created_at INTEGER, kind TEXT)`)
	a := p.migrate(t, "create").requireCode(t, exitDone)
	require.Contains(t, a.out, "messages has no column type")
	require.Equal(t, []string{"idx_messages_created_at", "idx_messages_username_created_at"}, p.indexes(t))
	a = p.migrate(t, "create").requireCode(t, exitDone)
	require.Contains(t, a.out, "2 to keep, 12 to skip")
}

// Generated columns are not in pragma table_info.
func TestAGeneratedColumnCanBeIndexedInSQLite(t *testing.T) {
	p := emptyPlace(t, onSQLite)
	p.exec(t, "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, username TEXT AS (lower(name)) VIRTUAL, role TEXT)")
	p.migrate(t, "create").requireCode(t, exitDone)
	require.Equal(t, []string{"idx_users_role", "idx_users_username"}, p.indexes(t))
}

func TestAVirtualTableIsSkipped(t *testing.T) {
	p := newPlace(t, onSQLite)
	p.exec(t, "DROP TABLE files")
	p.exec(t, "CREATE VIRTUAL TABLE files USING fts5 (project_id, ticket_id, file_type)")
	a := p.migrate(t, "create").requireCode(t, exitDone)
	require.Contains(t, a.out, "files is a virtual table")
}

// The collation of a column is that of its indexes, unless they name another.
func TestTheColumnsOwnCollationIsNoDifference(t *testing.T) {
	p := emptyPlace(t, onSQLite)
	p.exec(t, "CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT COLLATE NOCASE, role TEXT COLLATE NOCASE)")
	p.exec(t, "CREATE INDEX by_role ON users (role)")
	p.exec(t, "CREATE INDEX by_name ON users (username COLLATE BINARY)")
	for range 2 {
		a := p.migrate(t, "create").requireCode(t, exitDone)
		require.Contains(t, a.out, "the same index is there as by_role")
	}
	require.Equal(t, []string{"by_name", "by_role"}, p.indexes(t)[:2])
}

// Sheet d.6: run PRAGMA optimize after. Without figures SQLite takes any index
// for equally good.
func TestSQLiteMeasuresItsTablesAfterwards(t *testing.T) {
	p := newPlace(t, onSQLite)
	p.fill(t, 5000)
	p.migrate(t, "create").requireCode(t, exitDone)
	var stat string
	require.NoError(t, p.db.QueryRow("SELECT stat FROM sqlite_stat1 WHERE idx = 'idx_messages_username_created_at'").Scan(&stat))
	require.Regexp(t, `^\d+ \d+ 1`, stat)
}

// Sheet d.6: an own ledger marks what is ours. It follows what others do to it.
func TestTheLedgerKnowsWhatWasMadeAnew(t *testing.T) {
	p := newPlace(t, onSQLite)
	p.migrate(t, "create").requireCode(t, exitDone)
	p.exec(t, "DROP INDEX idx_users_role")
	p.exec(t, "CREATE INDEX idx_users_role ON users (role) /* by hand */")
	p.exec(t, "CREATE INDEX other ON users (role)")
	a := p.migrate(t, "drop").requireCode(t, exitDone)
	require.Contains(t, a.out, "was not made by this command")
	require.Equal(t, []string{"idx_users_role", "other"}, p.indexes(t))
	err := p.db.QueryRow("SELECT 1 FROM sqlite_schema WHERE name = $1", ledger).Scan(new(int))
	require.ErrorIs(t, err, sql.ErrNoRows, "the ledger goes with the last index of ours")
}
