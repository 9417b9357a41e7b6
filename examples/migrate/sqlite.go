package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqliteDB needs no lock over the whole run: each index is one transaction that
// holds SQLite's only write lock from its first statement, looks again at what
// is there, and is undone as a whole when the process is killed. Between two
// indexes other writers get their turn; during one they wait, as SQLite cannot
// build while others write.
//
// What this command made is written down in a table of its own (ledger), since
// SQLite has no comments on indexes.
type sqliteDB struct {
	db   *sql.DB
	conn *sql.Conn
	path string
	wait time.Duration
}

// ledger keeps the text of each index of ours. One whose text is another by now
// was made anew by somebody else.
const ledger = "sluice_migrate_indexes"

// busyTimeout is how long one statement waits for a lock. It is short because a
// wait inside SQLite does not end with a context; retry asks again.
const busyTimeout = 250 * time.Millisecond

func openSQLite(ctx context.Context, cfg config) (database, error) {
	file := strings.TrimPrefix(cfg.database, "sqlite:")
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("-database: %w", err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no database %s; the server makes it at its first start", path)
	}
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // a drive, as in file:///C:/data
	}
	// mode=rw, since SQLite makes an empty database of a path that is wrong.
	dsn := url.URL{Scheme: "file", Path: slashed, RawQuery: url.Values{
		"mode":          {"rw"},
		"_busy_timeout": {fmt.Sprint(busyTimeout.Milliseconds())},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	s := &sqliteDB{db: db, path: path, wait: cfg.wait}
	if s.conn, err = db.Conn(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if cfg.dryRun {
		if _, err := s.conn.ExecContext(ctx, "PRAGMA query_only = on"); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

func (s *sqliteDB) title() string { return "SQLite in " + s.path }

func (s *sqliteDB) lock(context.Context, func(string)) error { return nil }

func (s *sqliteDB) close() error { return errors.Join(s.conn.Close(), s.db.Close()) }

func (s *sqliteDB) inspect(ctx context.Context, names []string) (tables map[string]*table, err error) {
	err = s.retry(ctx, func() error {
		tables, err = s.look(ctx, names)
		return err
	})
	return tables, err
}

func (s *sqliteDB) look(ctx context.Context, names []string) (map[string]*table, error) {
	mine, err := s.readLedger(ctx)
	if err != nil {
		return nil, err
	}
	taken, err := s.names(ctx)
	if err != nil {
		return nil, err
	}
	tables := map[string]*table{}
	for _, name := range names {
		t, err := s.table(ctx, name, mine)
		if err != nil {
			return nil, err
		}
		if t == nil {
			continue
		}
		t.taken = map[string]string{}
		for index, owner := range taken { // names of indexes are unique in the whole database
			if !strings.EqualFold(owner, name) {
				t.taken[index] = "an index of " + owner
			}
			if owner == "" {
				t.taken[index] = "a table or a view"
			}
		}
		tables[name] = t
	}
	return tables, nil
}

// names returns the table of each index, and "" for tables and views.
func (s *sqliteDB) names(ctx context.Context) (map[string]string, error) {
	names := map[string]string{}
	return names, s.each(ctx, func(scan func(...any) error) error {
		var name, owner string
		err := scan(&name, &owner)
		names[strings.ToLower(name)] = owner
		return err
	}, "SELECT name, CASE type WHEN 'index' THEN tbl_name ELSE '' END FROM main.sqlite_schema WHERE type <> 'trigger'")
}

// readLedger returns the text of each index that this command made.
func (s *sqliteDB) readLedger(ctx context.Context) (map[string]string, error) {
	mine := map[string]string{}
	var n int
	err := s.conn.QueryRowContext(ctx, "SELECT count(*) FROM main.sqlite_schema WHERE name = $1", ledger).Scan(&n)
	if err != nil || n == 0 {
		return mine, err
	}
	return mine, s.each(ctx, func(scan func(...any) error) error {
		var name, definition string
		err := scan(&name, &definition)
		mine[name] = definition
		return err
	}, "SELECT name, definition FROM "+ledger)
}

// table returns nil if there is none.
func (s *sqliteDB) table(ctx context.Context, name string, mine map[string]string) (*table, error) {
	t := &table{name: name, folds: true}
	var kind, text string
	err := s.conn.QueryRowContext(ctx, `SELECT type, coalesce(sql, '') FROM main.sqlite_schema
		WHERE lower(name) = $1 AND type IN ('table', 'view')`, name).Scan(&kind, &text)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	case kind == "view":
		t.noIndex = "is a view"
	case strings.HasPrefix(strings.ToUpper(text), "CREATE VIRTUAL"):
		t.noIndex = "is a virtual table"
	}
	// xinfo, since table_info leaves out generated columns.
	err = s.each(ctx, func(scan func(...any) error) error {
		var column string
		err := scan(&column)
		t.columns = append(t.columns, column)
		return err
	}, "SELECT name FROM pragma_table_xinfo($1, 'main')", name)
	if err != nil || t.noIndex != "" {
		return t, err
	}
	t.indexes, err = s.indexes(ctx, name, mine)
	return t, err
}

func (s *sqliteDB) indexes(ctx context.Context, table string, mine map[string]string) (list []found, err error) {
	err = s.each(ctx, func(scan func(...any) error) error {
		f := found{valid: true, plain: true}
		var origin string
		var partial bool
		if err := scan(&f.name, &f.unique, &origin, &partial, &f.definition); err != nil {
			return err
		}
		f.constraint = origin != "c"
		f.plain = !partial
		f.ours = f.definition != "" && mine[f.name] == f.definition
		list = append(list, f)
		return nil
	}, `SELECT l.name, l."unique", l.origin, l.partial, coalesce(x.sql, '') FROM pragma_index_list($1, 'main') l
		LEFT JOIN main.sqlite_schema x ON x.type = 'index' AND x.name = l.name ORDER BY l.name`, table)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if err := s.columns(ctx, &list[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// columns reads what an index is over. A collation other than BINARY is that of
// the column unless the index names one of its own; what a constraint names
// cannot be told, so that one is not taken for equal.
func (s *sqliteDB) columns(ctx context.Context, f *found) error {
	named := f.constraint || strings.Contains(strings.ToUpper(f.definition), "COLLATE")
	return s.each(ctx, func(scan func(...any) error) error {
		var column, collation string
		var descending bool
		err := scan(&column, &descending, &collation)
		f.columns = append(f.columns, column)
		f.plain = f.plain && !descending && column != "" && (!named || collation == "BINARY")
		return err
	}, `SELECT coalesce(name, ''), "desc", coalesce(coll, '') FROM pragma_index_xinfo($1, 'main') WHERE key ORDER BY seqno`, f.name)
}

// apply takes the write lock first and only then believes what it sees: others
// may have run between the plan and now.
func (s *sqliteDB) apply(ctx context.Context, command string, planned step, note func(string)) (done step, err error) {
	note("waiting for the write lock")
	err = s.retry(ctx, func() error {
		_, err := s.conn.ExecContext(ctx, "BEGIN IMMEDIATE")
		return err
	})
	if err != nil {
		return planned, err
	}
	note("building")
	done, err = s.change(ctx, command, planned.index)
	if err == nil {
		// Readers of a database without a WAL hold up a commit, which may be tried again.
		err = s.retry(ctx, func() error {
			_, err := s.conn.ExecContext(ctx, "COMMIT")
			return err
		})
	}
	if err != nil {
		// Some faults end the transaction by themselves; then there is nothing to undo.
		_, _ = s.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	}
	return done, err
}

func (s *sqliteDB) change(ctx context.Context, command string, ix index) (step, error) {
	tables, err := s.look(ctx, []string{ix.table})
	if err != nil {
		return step{index: ix}, err
	}
	now := planStep(command, ix, tables[ix.table])
	for _, name := range now.drop {
		if err := s.exec(ctx, "DROP INDEX main."+quoteSQLite(name)); err != nil {
			return now, err
		}
		if err := s.exec(ctx, "DELETE FROM "+ledger+" WHERE name = $1", name); err != nil {
			return now, err
		}
	}
	if now.action == actCreate {
		err = s.create(ctx, ix)
	}
	return now, err
}

func (s *sqliteDB) create(ctx context.Context, ix index) error {
	// Without quotes: what stands in double quotes and names no column is a
	// string to SQLite (sqlite.org/quirks.html, 8), and the index would be over
	// that. Our own names are plain words.
	text := fmt.Sprintf("CREATE INDEX %s ON %s (%s)", ix.name(), ix.table, strings.Join(ix.columns, ", "))
	if err := s.exec(ctx, text); err != nil {
		return err
	}
	if err := s.exec(ctx, "CREATE TABLE IF NOT EXISTS main."+ledger+
		" (name TEXT PRIMARY KEY, definition TEXT NOT NULL, made_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)"); err != nil {
		return err
	}
	return s.exec(ctx, "INSERT OR REPLACE INTO "+ledger+" (name, definition) SELECT name, sql FROM main.sqlite_schema WHERE type = 'index' AND name = $1", ix.name())
}

// finish lets SQLite measure the tables that changed, without which it takes
// every index for equally good (sqlite.org/pragma.html#pragma_optimize; 0x10000
// is for all tables, as this connection has read none). The ledger goes with
// the last index. A busy database is no fault here: the next run does the same.
func (s *sqliteDB) finish(ctx context.Context) error {
	err := s.exec(ctx, "PRAGMA optimize = 0x10002")
	if err == nil {
		err = s.dropLedger(ctx)
	}
	if isBusy(err) {
		return nil
	}
	return err
}

func (s *sqliteDB) dropLedger(ctx context.Context) error {
	if used, err := s.ledgerUsed(ctx); used || err != nil {
		return err
	}
	if err := s.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	used, err := s.ledgerUsed(ctx) // again, under the lock
	if err == nil && !used {
		err = s.exec(ctx, "DROP TABLE main."+ledger)
	}
	if err == nil {
		err = s.exec(ctx, "COMMIT")
	}
	if err != nil {
		_, _ = s.conn.ExecContext(ctx, "ROLLBACK")
	}
	return err
}

// ledgerUsed reports whether the ledger is to stay as it is: it names an index
// that is there, or is not there itself.
func (s *sqliteDB) ledgerUsed(ctx context.Context) (used bool, err error) {
	err = s.conn.QueryRowContext(ctx, "SELECT count(*) = 0 FROM main.sqlite_schema WHERE name = $1", ledger).Scan(&used)
	if err != nil || used {
		return used, err
	}
	err = s.conn.QueryRowContext(ctx, "SELECT count(*) > 0 FROM main.sqlite_schema x JOIN "+ledger+
		" l ON x.type = 'index' AND x.name = l.name AND x.sql = l.definition").Scan(&used)
	return used, err
}

func (s *sqliteDB) exec(ctx context.Context, query string, args ...any) error {
	_, err := s.conn.ExecContext(ctx, query, args...)
	return err
}

// retry waits for a database that others have locked.
func (s *sqliteDB) retry(ctx context.Context, f func() error) error {
	for start := time.Now(); ; {
		err := f()
		if !isBusy(err) {
			return err
		}
		if time.Since(start) > s.wait {
			return fmt.Errorf("somebody has been writing to the database for %s: %w", s.wait, err)
		}
		if err := pause(ctx, busyTimeout/10); err != nil {
			return err
		}
	}
}

func isBusy(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	// The low byte is the primary code (sqlite.org/rescode.html).
	return ok && slices.Contains([]int{sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}, e.Code()&0xff)
}

func (s *sqliteDB) each(ctx context.Context, row func(scan func(...any) error) error, query string, args ...any) error {
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func quoteSQLite(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
