package main

import (
	"crypto/rand"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// with returns the same database under another user or with an option.
func (p place) with(t *testing.T, user, option, value string) place {
	t.Helper()
	u, err := url.Parse(p.url)
	require.NoError(t, err)
	if user != "" {
		u.User = url.User(user)
	}
	if option != "" {
		q := u.Query()
		q.Set(option, value)
		u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // as libpq reads it
	}
	return place{p.system, u.String(), openDB(t, "pgx", u.String())}
}

// role makes a role that can log in, for as long as the test runs.
func (p place) role(t *testing.T) string {
	t.Helper()
	name := "migrate_" + strings.ToLower(rand.Text())
	p.exec(t, "CREATE ROLE "+name+" LOGIN")
	t.Cleanup(func() {
		p.exec(t, "REASSIGN OWNED BY "+name+" TO CURRENT_USER")
		p.exec(t, "DROP OWNED BY "+name)
		p.exec(t, "DROP ROLE "+name)
	})
	return name
}

// begin opens a connection with a transaction, of which something has been read.
func (p place) begin(t *testing.T, statements ...string) (end func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.url)
	require.NoError(t, err)
	for _, s := range append([]string{"BEGIN ISOLATION LEVEL REPEATABLE READ"}, statements...) {
		_, err := conn.Exec(t.Context(), s)
		require.NoError(t, err)
	}
	return sync.OnceFunc(func() { require.NoError(t, conn.Close(t.Context())) })
}

// async runs the command until the returned function is called, which waits for
// its end.
func (p place) async(t *testing.T, args ...string) (end func() answer) {
	t.Helper()
	ended := make(chan answer, 1)
	go func() { ended <- migrateAt(t.Context(), p.url, args...) }()
	return func() answer { return <-ended }
}

// awaitWait waits until a run waits for transactions.
func (p place) awaitWait(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return p.waiting(t) }, 20*time.Second, 10*time.Millisecond)
}

// Sheet g: an open old snapshot. The build waits for it although the role's own
// settings would end it, and goes on when it is gone.
func TestABuildOutlastsAnOldSnapshot(t *testing.T) {
	t.Parallel() // it waits most of its time
	p := newPlace(t, onPostgres)
	role := p.role(t)
	for _, table := range tables(wanted()) {
		p.exec(t, "ALTER TABLE "+table+" OWNER TO "+role)
	}
	p.exec(t, "GRANT CREATE ON SCHEMA public TO "+role)
	// Sheet d.6: with lock_timeout = 500 ms and an old snapshot, a build fails and
	// leaves an invalid index.
	p.exec(t, "ALTER ROLE "+role+" SET lock_timeout = '100ms'")
	p.exec(t, "ALTER ROLE "+role+" SET statement_timeout = '200ms'")
	end := p.begin(t, "SELECT 1 FROM tokens")
	defer end()
	run := p.with(t, role, "", "").async(t, "create")
	p.awaitWait(t)
	<-time.After(700 * time.Millisecond) // longer than what the role allows
	require.True(t, p.waiting(t))
	end()
	run().requireCode(t, exitDone)
	p.requireAll(t)
}

// The limit of -wait ends a build, and what it leaves is gone at once.
func TestABuildThatWaitsTooLongIsGivenUpAndCleanedUp(t *testing.T) {
	t.Parallel() // it waits most of its time
	p := newPlace(t, onPostgres)
	end := p.begin(t, "SET application_name = 'the report'", "SELECT 1 FROM tokens")
	defer end()
	p.exec(t, "DROP TABLE files, tickets")
	a := p.migrate(t, "create", "-wait", "300ms").requireCode(t, exitFailed)
	require.Regexp(t, `failed: process \d+ of \w+ \(the report\), in a transaction for 00:00:\d\d has been in the way for 300ms`, a.out)
	require.Contains(t, a.out, "create: 1 of 14 indexes are there")
	require.NotContains(t, a.out, "stays behind")
	require.Empty(t, p.indexes(t), "nothing that only costs time")
	end()
	a = p.migrate(t, "create").requireCode(t, exitDone)
	require.Contains(t, a.out, "create: 7 of 14 indexes are there")
}

// Sheet g: a long writer. The build waits for it; others write on meanwhile.
func TestALongWriterIsWaitedForAndNobodyElseWaits(t *testing.T) {
	p := newPlace(t, onPostgres)
	p.fill(t, 10)
	end := p.begin(t, "UPDATE messages SET body = 'changed' WHERE id = 1")
	defer end()
	run := p.async(t, "create")
	p.awaitWait(t)
	p.exec(t, "SET statement_timeout = '5s'")
	for range 20 {
		p.exec(t, "UPDATE messages SET body = 'by another' WHERE id = 2")
		require.NoError(t, p.db.QueryRow("SELECT count(*) FROM messages").Scan(new(int)))
	}
	end()
	run().requireCode(t, exitDone)
	p.requireAll(t)
}

// A transaction that uses the very table keeps what is left from being removed,
// too. That is said, and the next run does it.
func TestWhatCannotBeCleanedUpIsSaidAndRebuilt(t *testing.T) {
	t.Parallel() // it waits most of its time
	p := newPlace(t, onPostgres)
	p.fill(t, 10)
	end := p.begin(t, "UPDATE messages SET body = 'changed' WHERE id = 1")
	defer end()
	p.exec(t, "DROP TABLE files, tickets, projects")
	a := p.migrate(t, "create", "-wait", "10ms").requireCode(t, exitFailed)
	require.Contains(t, a.out, "idx_messages_type_sluice_unfinished stays behind, which no read uses and the next run removes")
	require.Contains(t, p.indexes(t), "INVALID idx_messages_type_sluice_unfinished")
	end()
	a = p.migrate(t, "create").requireCode(t, exitDone)
	require.Contains(t, a.out, "an earlier run was stopped while it built it")
	require.Equal(t, []string{"idx_messages_created_at", "idx_messages_type", "idx_messages_username_created_at", "idx_users_role"}, p.indexes(t))
}

// invalidate leaves an invalid index, as a failed build does.
func (p place) invalidate(t *testing.T, statement string) {
	t.Helper()
	end := p.begin(t, "SELECT 1 FROM tokens")
	defer end()
	conn, err := pgx.Connect(t.Context(), p.url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), "SET lock_timeout = '50ms'")
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), statement)
	require.Equal(t, stateLockTimeout, sqlState(err))
}

// Sheet g: a pre-made invalid index. IF NOT EXISTS would report success.
func TestAnInvalidIndexIsRebuilt(t *testing.T) {
	p := newPlace(t, onPostgres)
	p.invalidate(t, "CREATE INDEX CONCURRENTLY idx_messages_type ON messages (type)")
	require.Equal(t, []string{"INVALID idx_messages_type"}, p.indexes(t))
	p.exec(t, "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_messages_type ON messages (type)")
	require.Equal(t, []string{"INVALID idx_messages_type"}, p.indexes(t), "the trap itself")

	a := p.migrate(t, "create").requireCode(t, exitDone)
	require.Regexp(t, `rebuild +idx_messages_type +no read uses it`, a.out)
	p.requireAll(t)
	require.Equal(t, made(), p.indexes(t))
}

// An invalid index of another name is somebody's; it does not count, and stays.
func TestAnInvalidIndexOfAnotherNameDoesNotServe(t *testing.T) {
	p := newPlace(t, onPostgres)
	p.invalidate(t, "CREATE INDEX CONCURRENTLY by_type ON messages (type)")
	a := p.migrate(t, "create").requireCode(t, exitDone)
	require.Contains(t, a.out, "by_type would be the same, but no read uses it")
	require.Equal(t, append([]string{"INVALID by_type"}, made()...), p.indexes(t))
	p.migrate(t, "drop").requireCode(t, exitDone)
	require.Equal(t, []string{"INVALID by_type"}, p.indexes(t))
}

// What a run leaves that was killed at any moment: building, built, and in the
// way of an index that somebody made by hand since.
func TestWhatAKilledRunLeavesIsTakenUp(t *testing.T) {
	p := newPlace(t, onPostgres)
	p.invalidate(t, "CREATE INDEX CONCURRENTLY idx_messages_type_sluice_unfinished ON messages (type)")
	p.exec(t, "CREATE INDEX idx_users_role_sluice_unfinished ON users (role)")
	p.exec(t, "CREATE INDEX idx_files_file_type_sluice_unfinished ON files (name)")
	p.exec(t, "CREATE INDEX idx_files_ticket_id_sluice_unfinished ON files (ticket_id)")
	p.exec(t, "CREATE INDEX idx_files_ticket_id ON files (ticket_id)")
	a := p.migrate(t, "create").requireCode(t, exitDone)
	require.Regexp(t, `rebuild +idx_messages_type `, a.out)
	require.Regexp(t, `finish +idx_users_role `, a.out)
	require.Regexp(t, `rebuild +idx_files_file_type `, a.out)
	require.Regexp(t, `clean +idx_files_ticket_id `, a.out)
	require.Equal(t, made(), p.indexes(t))
	p.requireAll(t)
	p.invalidate(t, "CREATE INDEX CONCURRENTLY idx_users_username_sluice_unfinished ON users (username)")
	p.migrate(t, "drop").requireCode(t, exitDone)
	require.Equal(t, []string{"idx_files_ticket_id"}, p.indexes(t), "the only one made by hand")
}

// Sheet d.6: do not drop one that pg_stat_progress_create_index shows in progress.
func TestAnIndexThatIsBeingBuiltIsLeftAlone(t *testing.T) {
	for _, owner := range []bool{true, false} {
		t.Run(map[bool]string{true: "by a role that sees it", false: "by a role that does not"}[owner], func(t *testing.T) {
			p := newPlace(t, onPostgres)
			role := p.role(t)
			p.exec(t, "ALTER TABLE messages OWNER TO "+role)
			p.exec(t, "GRANT CREATE ON SCHEMA public TO "+role)
			end := p.begin(t, "SELECT 1 FROM tokens")
			defer end()
			built := make(chan error, 1)
			go func() {
				_, err := p.db.ExecContext(t.Context(), "CREATE INDEX CONCURRENTLY idx_messages_type ON messages (type)")
				built <- err
			}()
			p.awaitWait(t)
			by := p
			if !owner {
				by = p.with(t, role, "", "")
			}
			a := by.migrate(t, "create", "-dry-run").requireCode(t, exitFailed)
			require.Regexp(t, `refuse +idx_messages_type +it is being built right now by server process \d+`, a.out)
			end()
			require.NoError(t, <-built)
			p.migrate(t, "create").requireCode(t, exitDone)
			p.requireAll(t)
		})
	}
}

// Sheet d.6: two concurrent builds on one table are a deadlock. Against somebody
// else's no lock of ours helps; it is tried again and not reported.
func TestADeadlockWithSomebodyElsesBuildIsNotReported(t *testing.T) {
	t.Parallel() // it waits most of its time
	p := newPlace(t, onPostgres)
	p.fill(t, 10)
	end := p.begin(t, "UPDATE messages SET body = 'changed' WHERE id = 1")
	defer end()
	run := p.async(t, "create")
	p.awaitWait(t)
	// The other waits for the lock of ours, with a snapshot. Its search for a
	// deadlock comes a second later, before there is one; ours will find it.
	built := make(chan error, 1)
	go func() {
		_, err := p.db.ExecContext(t.Context(), "CREATE INDEX CONCURRENTLY other ON messages (body)")
		built <- err
	}()
	require.Eventually(t, func() (is bool) {
		require.NoError(t, p.db.QueryRow("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'messages'::regclass AND waitstart < now() - interval '1.2 s')").Scan(&is))
		return is
	}, 20*time.Second, 10*time.Millisecond)
	end()
	a := run().requireCode(t, exitDone)
	requireNoConflict(t, a.out+a.err)
	require.NoError(t, <-built)
	require.Equal(t, append(made(), "other"), p.indexes(t))
	require.Eventually(t, func() (met bool) {
		require.NoError(t, p.db.QueryRow("SELECT deadlocks > 0 FROM pg_stat_database WHERE datname = current_database()").Scan(&met))
		return met
	}, 20*time.Second, 50*time.Millisecond, "there was a deadlock to begin with")
}

// A build that comes second waits without being in the way of the first.
func TestSomebodyElsesBuildOnTheTableIsWaitedFor(t *testing.T) {
	t.Parallel() // it waits most of its time
	p := newPlace(t, onPostgres)
	end := p.begin(t, "SELECT 1 FROM tokens")
	defer end()
	built := make(chan error, 1)
	go func() {
		_, err := p.db.ExecContext(t.Context(), "CREATE INDEX CONCURRENTLY other ON messages (body)")
		built <- err
	}()
	p.awaitWait(t)
	p.exec(t, "DROP TABLE files, tickets, projects")
	a := p.migrate(t, "create", "-wait", "50ms").requireCode(t, exitFailed)
	require.Regexp(t, `failed: server process \d+ has been building an index on the table for 50ms`, a.out)
	run := p.async(t, "create")
	end()
	run().requireCode(t, exitDone)
	require.NoError(t, <-built)
}

// Sheet d.6: client kill, statement_timeout, deadlock: same leftover; always clean
// up on a second connection.
func TestAKilledSessionIsCleanedUpAfter(t *testing.T) {
	p := newPlace(t, onPostgres)
	end := p.begin(t, "SELECT 1 FROM tokens")
	defer end()
	run := p.async(t, "create")
	p.awaitWait(t)
	p.exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index WHERE datname = current_database()")
	a := run().requireCode(t, exitFailed)
	require.Contains(t, a.out, "the connection is lost; run the command again")
	require.Contains(t, a.out, "not tried")
	require.Empty(t, p.indexes(t))
	end()
	p.migrate(t, "create").requireCode(t, exitDone)
	p.requireAll(t)
}

// An administrator who cancels one build gets the others.
func TestACanceledBuildIsCleanedUpAndTheOthersFollow(t *testing.T) {
	p := newPlace(t, onPostgres)
	end := p.begin(t, "SELECT 1 FROM tokens")
	defer end()
	run := p.async(t, "create")
	p.awaitWait(t)
	p.exec(t, "SELECT pg_cancel_backend(pid) FROM pg_stat_progress_create_index WHERE datname = current_database()")
	require.Eventually(t, func() bool {
		var next bool
		require.NoError(t, p.db.QueryRow("SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'idx_messages_created_at_sluice_unfinished')").Scan(&next))
		return next
	}, 20*time.Second, 10*time.Millisecond)
	end()
	a := run().requireCode(t, exitFailed)
	require.Contains(t, a.out, "somebody canceled it")
	require.Equal(t, made("idx_messages_username_created_at"), p.indexes(t))
}

// Sheet g: a non-default schema, found through search_path as a statement would.
func TestTablesAreFoundThroughTheSearchPath(t *testing.T) {
	p := postgresPlace(t)
	p.exec(t, `CREATE SCHEMA "My App"`)
	p.exec(t, "CREATE SCHEMA other")
	p.exec(t, `CREATE TABLE "My App".users (id int, username text, role text)`)
	p.exec(t, `CREATE TABLE other.users (id int, username text, role text)`)
	p.exec(t, `CREATE TABLE other.projects (id int, owner_id int)`)
	p.exec(t, `CREATE TABLE public.messages (id int, type text)`)
	p.exec(t, `CREATE INDEX idx_users_role ON other.users (username)`) // the same name, elsewhere
	a := p.with(t, "", "search_path", `"My App",other`).migrate(t, "create").requireCode(t, exitDone)
	require.Contains(t, a.out, "there is no table messages")
	require.Equal(t, []string{`"My App".idx_users_role`, `"My App".idx_users_username`, "other.idx_projects_owner_id", "other.idx_users_role"}, p.indexes(t))
	p.with(t, "", "search_path", `"My App",other`).migrate(t, "drop").requireCode(t, exitDone)
	require.Equal(t, []string{"other.idx_users_role"}, p.indexes(t))
}

// Sheet g: a read-only role gets a clear error, and none where nothing is to do.
func TestARoleThatMayNotIsToldSo(t *testing.T) {
	p := newPlace(t, onPostgres)
	role := p.role(t)
	p.exec(t, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO "+role)
	reader := p.with(t, role, "", "")
	a := reader.migrate(t, "create").requireCode(t, exitFailed)
	require.Contains(t, a.out, "refused: only its owner postgres may change indexes of public.messages")
	require.Contains(t, a.out, "13 to refuse")
	require.Empty(t, p.indexes(t))

	p.exec(t, "ALTER TABLE users OWNER TO "+role)
	a = reader.migrate(t, "create").requireCode(t, exitFailed)
	require.Contains(t, a.out, "refused: this role may not create anything in schema public")

	p.migrate(t, "create").requireCode(t, exitDone)
	reader.migrate(t, "create").requireCode(t, exitDone)
	reader.migrate(t, "drop").requireCode(t, exitFailed)
	require.Equal(t, made(), p.indexes(t))
}

func TestAReadOnlySessionIsToldSo(t *testing.T) {
	p := newPlace(t, onPostgres)
	a := p.with(t, "", "default_transaction_read_only", "on").migrate(t, "create").requireCode(t, exitFailed)
	require.Contains(t, a.out, "refused: the server or the role is read-only")
}

// Sheet d.6: never constraint-backed ones.
func TestAnIndexThatBecameAConstraintsStays(t *testing.T) {
	p := newPlace(t, onPostgres)
	p.exec(t, "CREATE UNIQUE INDEX idx_messages_type ON messages (type)")
	p.exec(t, "COMMENT ON INDEX idx_messages_type IS "+literal(mark))
	p.exec(t, "ALTER TABLE messages ADD CONSTRAINT idx_messages_type UNIQUE USING INDEX idx_messages_type")
	a := p.migrate(t, "drop").requireCode(t, exitFailed)
	require.Contains(t, a.out, "refused: idx_messages_type belongs to a constraint by now")
}

// Somebody may rename what this command made; it stays its own.
func TestARenamedIndexIsDropped(t *testing.T) {
	p := newPlace(t, onPostgres)
	p.migrate(t, "create").requireCode(t, exitDone)
	p.exec(t, "ALTER INDEX idx_messages_type RENAME TO mine")
	require.Contains(t, p.migrate(t, "create").requireCode(t, exitDone).out, "the same index is there as mine")
	p.migrate(t, "drop").requireCode(t, exitDone)
	require.Empty(t, p.indexes(t))
}

// Sheet d.6: try-lock polling, no transaction open while waiting.
func TestARunWaitsForAnother(t *testing.T) {
	t.Parallel() // it waits most of its time
	p := newPlace(t, onPostgres)
	conn, err := pgx.Connect(t.Context(), p.url)
	require.NoError(t, err)
	got, err := tryLock(t.Context(), conn)
	require.NoError(t, err)
	require.True(t, got)
	a := p.migrate(t, "create", "-wait", "300ms").requireCode(t, exitFailed)
	require.Regexp(t, `waiting for another run \(server process \d+\)`, a.err)
	require.Contains(t, a.err, "another run has been at work for 300ms")
	p.migrate(t, "create", "-dry-run").requireCode(t, exitDone)

	run := p.async(t, "create")
	const ours = "FROM pg_stat_activity WHERE application_name = 'sluice migrate' AND datname = current_database()"
	for range 20 {
		var open int
		require.NoError(t, p.db.QueryRow("SELECT count(*) "+ours+" AND state <> 'active' AND xact_start IS NOT NULL").Scan(&open))
		require.Zero(t, open, "idle in a transaction")
		<-time.After(10 * time.Millisecond)
	}
	require.NoError(t, conn.Close(t.Context()))
	run().requireCode(t, exitDone)
	p.requireAll(t)
}
