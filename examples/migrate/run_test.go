package main

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheListIsTheFourteenThatWereAskedFor(t *testing.T) {
	var list []string
	for _, ix := range wanted() {
		list = append(list, ix.String())
	}
	require.Equal(t, []string{
		"messages (username, created_at)", "messages (created_at)", "messages (type)",
		"projects (status, created_at)", "projects (owner_id)",
		"tickets (project_id, status)", "tickets (assigned_to)", "tickets (priority, status)", "tickets (due_date)",
		"files (project_id)", "files (ticket_id)", "files (file_type)",
		"users (username)", "users (role)",
	}, list)
}

func TestCreateMakesWhatIsMissingAndDropRemovesIt(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		require.Empty(t, p.indexes(t))
		a := p.migrate(t, "create").requireCode(t, exitDone)
		require.Contains(t, a.out, "plan of create: 13 to create, 1 to keep\n")
		require.Contains(t, a.out, "create: 14 of 14 indexes are there")
		require.Equal(t, made(), p.indexes(t))
		p.requireAll(t)

		a = p.migrate(t, "create").requireCode(t, exitDone)
		require.Contains(t, a.out, "plan of create: 14 to keep\n", "a second run changes nothing")
		require.Equal(t, made(), p.indexes(t))

		a = p.migrate(t, "drop").requireCode(t, exitDone)
		require.Contains(t, a.out, "plan of drop: 13 to drop, 1 to keep\n")
		require.Empty(t, p.indexes(t))
		require.Equal(t, "valid", state(index{"users", []string{"username"}}, p.inspect(t)), "that of the constraint stays")
		a = p.migrate(t, "drop").requireCode(t, exitDone)
		require.Contains(t, a.out, "plan of drop: 14 to keep\n")
		p.migrate(t, "create").requireCode(t, exitDone)
		p.requireAll(t)
	})
}

func TestADryRunChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		a := p.migrate(t, "create", "-dry-run").requireCode(t, exitDone)
		require.Contains(t, a.out, "plan of create (nothing is changed): 13 to create, 1 to keep\n")
		require.Empty(t, p.indexes(t))
		p.migrate(t, "create").requireCode(t, exitDone)
		a = p.migrate(t, "-dry-run", "drop").requireCode(t, exitDone)
		require.Contains(t, a.out, "13 to drop")
		require.Equal(t, made(), p.indexes(t))
	})
}

// Sheet d.6: equal index under another name = skip; drop removes only what this
// command made.
func TestAnEqualIndexUnderAnotherNameIsEnoughAndStays(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		p.exec(t, "CREATE INDEX by_type ON messages (type)")
		a := p.migrate(t, "create").requireCode(t, exitDone)
		require.Contains(t, a.out, "the same index is there as by_type")
		require.NotContains(t, p.indexes(t), "idx_messages_type")
		p.requireAll(t)
		p.migrate(t, "drop").requireCode(t, exitDone)
		require.Equal(t, []string{"by_type"}, p.indexes(t))
	})
}

// Sheet d.6: drop removes only indexes this command made.
func TestAnIndexThatSomebodyElseMadeUnderOurNameStays(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		p.exec(t, "CREATE INDEX idx_messages_type ON messages (type)")
		a := p.migrate(t, "create").requireCode(t, exitDone)
		require.Contains(t, a.out, "it is there, made by somebody else")
		a = p.migrate(t, "drop").requireCode(t, exitDone)
		require.Contains(t, a.out, "idx_messages_type was not made by this command")
		require.Equal(t, []string{"idx_messages_type"}, p.indexes(t))
	})
}

// Sheet d.6: never trust the name; the same name with another definition is an
// error, and the exit code is not 0. The others are made nevertheless.
func TestTheSameNameForSomethingElseIsRefused(t *testing.T) {
	t.Parallel() // it waits most of its time
	all := []string{onSQLite, onPostgres, onMySQL}
	for _, c := range []struct {
		name, statement string
		on              []string
	}{
		{"another column", "CREATE INDEX idx_messages_type ON messages (username)", all},
		{"one column more", "CREATE INDEX idx_messages_type ON messages (type, username)", all},
		{"descending", "CREATE INDEX idx_messages_type ON messages (type DESC)", []string{onSQLite, onPostgres}},
		{"some rows", "CREATE INDEX idx_messages_type ON messages (type) WHERE type = 'text'", []string{onSQLite, onPostgres}},
		{"an expression", "CREATE INDEX idx_messages_type ON messages (lower(type))", []string{onSQLite, onPostgres}},
		{"another collation", "CREATE INDEX idx_messages_type ON messages (type COLLATE NOCASE)", []string{onSQLite}},
		{"another collation", `CREATE INDEX idx_messages_type ON messages (type COLLATE "C")`, []string{onPostgres}},
		{"another method", "CREATE INDEX idx_messages_type ON messages USING hash (type)", []string{onPostgres}},
		{"another operator class", "CREATE INDEX idx_messages_type ON messages (type text_pattern_ops)", []string{onPostgres}},
		{"a column beside the key", "CREATE INDEX idx_messages_type ON messages (type) INCLUDE (username)", []string{onPostgres}},
		{"a prefix", "CREATE INDEX idx_messages_type ON messages (type(5))", []string{onMySQL}},
		{"another table", "CREATE INDEX idx_messages_type ON users (role)", []string{onSQLite, onPostgres}},
		{"a table", "CREATE TABLE idx_messages_type (id INT)", []string{onSQLite, onPostgres}},
	} {
		for _, system := range c.on {
			t.Run(c.name+" on "+system, func(t *testing.T) {
				p := newPlace(t, system)
				p.exec(t, c.statement)
				before := p.indexes(t)
				a := p.migrate(t, "create").requireCode(t, exitFailed)
				require.Contains(t, a.out, "refused: the name belongs to ")
				require.Contains(t, a.out, "create: 13 of 14 indexes are there")
				require.Subset(t, p.indexes(t), made("idx_messages_type", "idx_users_role"))
				p.migrate(t, "drop")
				require.Equal(t, before, p.indexes(t))
			})
		}
	}
}

// Sheet d.6: a missing table or column is skipped with a reason, and the exit
// code tells only in strict mode.
func TestWhatIsNotThereIsSkipped(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		p.exec(t, "DROP TABLE files")
		p.exec(t, "ALTER TABLE tickets DROP COLUMN due_date")
		a := p.migrate(t, "create").requireCode(t, exitDone)
		require.Contains(t, a.out, "skipped: there is no table files")
		require.Regexp(t, `skipped: (public\.)?tickets has no column due_date`, a.out)
		rest := made("idx_files_project_id", "idx_files_ticket_id", "idx_files_file_type", "idx_tickets_due_date")
		require.Equal(t, rest, p.indexes(t))
		p.migrate(t, "create", "-strict").requireCode(t, exitMissing)
		p.migrate(t, "create", "-strict", "-dry-run").requireCode(t, exitMissing)
		p.migrate(t, "drop").requireCode(t, exitDone)
		require.Empty(t, p.indexes(t))
	})
}

func TestNothingIsThereAtAll(t *testing.T) {
	for _, system := range []string{onSQLite, onPostgres, onMySQL} {
		t.Run(system, func(t *testing.T) {
			p := emptyPlace(t, system)
			require.NoError(t, p.db.Ping())
			p.migrate(t, "create").requireCode(t, exitDone)
			p.migrate(t, "create", "-strict").requireCode(t, exitMissing)
			p.migrate(t, "drop").requireCode(t, exitDone)
		})
	}
}

func TestAViewIsSkipped(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		p.exec(t, "DROP TABLE files")
		p.exec(t, "CREATE VIEW files AS SELECT id AS project_id, id AS ticket_id, role AS file_type FROM users")
		a := p.migrate(t, "create").requireCode(t, exitDone)
		require.Regexp(t, `skipped: (public\.)?files is a view`, a.out)
	})
}

func TestASignalBeforeTheStartStopsIt(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		a := migrateAt(ctx, p.url, "create").requireCode(t, exitStopped)
		require.Contains(t, a.err, "migrate: stopped; run it again")
		require.Empty(t, p.indexes(t))
	})
}

// terminal looks to the command like one, and notes what is written.
type terminal struct{ strings.Builder }

type deviceInfo struct{ fs.FileInfo }

func (deviceInfo) Mode() fs.FileMode                  { return fs.ModeDevice | fs.ModeCharDevice }
func (*terminal) Stat() (info fs.FileInfo, err error) { return deviceInfo{}, nil }

func TestATerminalShowsWhatIsGoingOn(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		var stdout terminal
		var stderr strings.Builder
		code, err := run(t.Context(), []string{"create", "-database", p.url}, func(string) string { return "" }, &stdout, &stderr)
		require.NoError(t, err)
		require.Equal(t, exitDone, code)
		require.Contains(t, stdout.String(), "\r\x1b[K\x1b[?7l[ 1/13] idx_messages_username_created_at 0s \x1b[?7h")
		require.Contains(t, stdout.String(), "\r\x1b[K[13/13] idx_users_role created in ")
		a := p.migrate(t, "drop")
		require.NotContains(t, a.out, "\x1b", "what is no terminal gets no control characters")
	})
}

// Its notes come in the order of time and end with the line's last form.
func TestProgressOverwritesItsLine(t *testing.T) {
	var w terminal
	p := newProgress(&w, 2)
	p.begin("one")
	p.note("building, 42 %")
	p.end(result{step: step{action: actCreate}})
	require.Equal(t, "\r\x1b[K\x1b[?7l[1/2] one 0s \x1b[?7h\r\x1b[K\x1b[?7l[1/2] one 0s building, 42 %\x1b[?7h"+
		"\r\x1b[K[1/2] one created in 1ms\n", w.String())
	require.Equal(t, time.Millisecond, shorten(0))
}
