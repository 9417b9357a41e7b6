package main

import (
	"crypto/rand"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Sheet d.6: dropping an index that a foreign key needs is error 1553.
func TestAnIndexThatAForeignKeyNeedsIsExplained(t *testing.T) {
	p := newPlace(t, onMySQL)
	p.exec(t, "ALTER TABLE tickets ADD CONSTRAINT of_project FOREIGN KEY (project_id) REFERENCES projects (id)")
	p.exec(t, "ALTER TABLE files ADD CONSTRAINT of_ticket FOREIGN KEY (ticket_id) REFERENCES tickets (id)")
	require.Equal(t, []string{"of_project", "of_ticket"}, p.indexes(t), "which the server makes by itself")
	a := p.migrate(t, "create").requireCode(t, exitDone)
	require.Contains(t, a.out, "the same index is there as of_ticket")
	require.NotContains(t, p.indexes(t), "of_project", "which the server drops by itself")
	p.requireAll(t)

	a = p.migrate(t, "drop").requireCode(t, exitFailed)
	require.Contains(t, a.out, "foreign key of_project (project_id) needs it, since the server dropped its own when this one came")
	require.Contains(t, a.out, "Error 1553")
	require.Equal(t, []string{"idx_tickets_project_id_status", "of_ticket"}, p.indexes(t))
	p.exec(t, "CREATE INDEX for_key ON tickets (project_id)")
	p.migrate(t, "drop").requireCode(t, exitDone)
	require.Equal(t, []string{"for_key", "of_ticket"}, p.indexes(t))
}

// Sheet d.6: set lock_wait_timeout. A transaction that uses the table is waited
// for, and others do not queue up behind that for long.
func TestATransactionIsWaitedForInMySQL(t *testing.T) {
	t.Parallel() // it waits most of its time
	p := newPlace(t, onMySQL)
	p.fill(t, 10)
	release := p.occupy(t)
	p.exec(t, "DROP TABLE files, tickets, projects")
	a := p.migrate(t, "create", "-wait", "10ms").requireCode(t, exitFailed)
	require.Contains(t, a.out, "failed: transactions have kept the table from being changed for 10ms")

	ended := make(chan answer, 1)
	go func() { ended <- migrateAt(t.Context(), p.url, "create") }()
	require.Eventually(t, func() bool { return p.waiting(t) }, 20*time.Second, 10*time.Millisecond)
	start := time.Now()
	p.exec(t, "UPDATE messages SET body = 'by another' WHERE id = 2")
	require.Less(t, time.Since(start), (lockWait+3)*time.Second)
	release()
	a = <-ended
	a.requireCode(t, exitDone)
	require.Equal(t, []string{"idx_messages_created_at", "idx_messages_type", "idx_messages_username_created_at", "idx_users_role"}, p.indexes(t))
}

func TestAnIndexThatMySQLDoesNotUseDoesNotServe(t *testing.T) {
	p := newPlace(t, onMySQL)
	p.exec(t, "CREATE INDEX by_type ON messages (type)")
	p.exec(t, "ALTER TABLE messages ALTER INDEX by_type IGNORED") // MariaDB's word for INVISIBLE
	a := p.migrate(t, "create").requireCode(t, exitDone)
	require.Contains(t, a.out, "by_type would be the same, but no read uses it")
	require.Contains(t, p.indexes(t), "idx_messages_type")
}

func TestATextColumnIsRefused(t *testing.T) {
	p := newPlace(t, onMySQL)
	p.exec(t, "ALTER TABLE files MODIFY file_type TEXT")
	a := p.migrate(t, "create").requireCode(t, exitFailed)
	require.Contains(t, a.out, "refused: column file_type is a text, of which only a part can be indexed; make it a varchar")
	require.Equal(t, made("idx_files_file_type"), p.indexes(t))
}

// MariaDB indexes as much of a column as fits, and reports success. What is there
// afterwards decides.
func TestAnIndexOverAPartOfAColumnIsNoSuccess(t *testing.T) {
	p := newPlace(t, onMySQL)
	p.exec(t, "ALTER TABLE files MODIFY file_type VARCHAR(4000) CHARACTER SET utf8mb4")
	a := p.migrate(t, "create").requireCode(t, exitFailed)
	require.Contains(t, a.out, "failed: ")
	require.Contains(t, a.out, "create: 13 of 14 indexes are there")
	p.migrate(t, "create").requireCode(t, exitFailed)
	p.migrate(t, "drop").requireCode(t, exitDone)
	require.Empty(t, p.indexes(t))
}

func TestAnAccountThatMayNotIsToldSoInMySQL(t *testing.T) {
	p := newPlace(t, onMySQL)
	name := "r" + strings.ToLower(rand.Text())
	var database string
	require.NoError(t, p.db.QueryRow("SELECT database()").Scan(&database))
	for _, host := range []string{"%", "localhost", "127.0.0.1"} { // a new server's nameless account is for localhost
		account := "'" + name + "'@'" + host + "'"
		p.exec(t, "CREATE USER "+account)
		t.Cleanup(func() { p.exec(t, "DROP USER "+account) })
		p.exec(t, "GRANT SELECT ON "+database+".* TO "+account)
	}
	u, err := url.Parse(p.url)
	require.NoError(t, err)
	u.User = url.User(name)
	a := migrateAt(t.Context(), u.String(), "create").requireCode(t, exitFailed)
	require.Contains(t, a.out, "failed: this account may not change indexes of messages (GRANT INDEX, ALTER)")
	require.Empty(t, p.indexes(t))
}

// A session's lock stands for one run at a time per database.
func TestARunWaitsForAnotherInMySQL(t *testing.T) {
	p := newPlace(t, onMySQL)
	other, err := openMySQL(t.Context(), config{database: p.url, wait: time.Second})
	require.NoError(t, err)
	require.NoError(t, other.lock(t.Context(), func(string) {}))
	a := p.migrate(t, "create", "-wait", "100ms").requireCode(t, exitFailed)
	require.Contains(t, a.err, "another run has been at work for 100ms")
	require.NoError(t, newPlace(t, onMySQL).db.Ping())
	newPlace(t, onMySQL).migrate(t, "create", "-wait", "100ms").requireCode(t, exitDone)
	require.NoError(t, other.close())
	p.migrate(t, "create").requireCode(t, exitDone)
	p.requireAll(t)
}
