package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// mysqlDB works on MySQL and MariaDB with two connections: the session holds the
// lock and runs the statements; the helper looks on, and ends a statement that
// is no longer wanted. A server goes on with a statement whose client is gone,
// and keeps the session's lock for as long; so no other run comes in between.
//
// An index bears its mark from the moment it exists, as a comment, and either
// exists as a whole or not at all: nothing can be left half done.
type mysqlDB struct {
	db              *sql.DB
	session, helper *sql.Conn
	id              int64 // of the session
	name, address   string
	mariadb         bool
	wait            time.Duration
}

// mark is the comment by which this command knows its own indexes.
const mark = "made by sluice examples/migrate"

// lockWait is for how many seconds a statement waits for the transactions that
// use its table. All other statements on that table queue up behind it, so it is
// short; the next attempt comes after a pause in which they run.
const lockWait = 2

func openMySQL(ctx context.Context, cfg config) (database, error) {
	source, err := mysqlConfig(cfg.database)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(source)
	if err != nil {
		return nil, err
	}
	m := &mysqlDB{db: sql.OpenDB(connector), address: source.Addr + "/" + source.DBName, wait: cfg.wait}
	if err := m.connect(ctx, cfg.dryRun); err != nil {
		return nil, errors.Join(err, m.close())
	}
	return m, nil
}

func (m *mysqlDB) connect(ctx context.Context, dryRun bool) (err error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if m.session, err = m.db.Conn(ctx); err != nil {
		return err
	}
	if m.helper, err = m.db.Conn(ctx); err != nil {
		return err
	}
	if err := m.session.QueryRowContext(ctx, "SELECT version(), connection_id()").Scan(&m.name, &m.id); err != nil {
		return err
	}
	m.mariadb = strings.Contains(m.name, "MariaDB")
	settings := []string{fmt.Sprintf("SET SESSION lock_wait_timeout = %d", lockWait)}
	if m.mariadb {
		settings = append(settings, "SET SESSION max_statement_time = 0") // it would end a long build
	}
	if dryRun {
		settings = append(settings, "SET SESSION TRANSACTION READ ONLY")
	}
	for _, s := range settings {
		if _, err := m.session.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (m *mysqlDB) title() string {
	kind := "MySQL "
	if m.mariadb {
		kind = "" // the version says it
	}
	return kind + m.name + " at " + m.address
}

func (m *mysqlDB) close() error {
	for _, c := range []*sql.Conn{m.session, m.helper} {
		if c != nil {
			_ = c.Close() // the pool's Close tells the same
		}
	}
	return m.db.Close()
}

// lock asks again and again. Names of locks are the whole server's and have at
// most 64 bytes.
func (m *mysqlDB) lock(ctx context.Context, waiting func(string)) error {
	for start, told := time.Now(), false; ; told = true {
		var got sql.NullBool
		err := m.session.QueryRowContext(ctx,
			"SELECT GET_LOCK(concat('sluice migrate ', left(sha2(database(), 256), 32)), 0)").Scan(&got)
		switch {
		case err != nil:
			return err
		case got.Bool:
			return nil
		case time.Since(start) > m.wait:
			return fmt.Errorf("another run has been at work for %s", m.wait)
		case !told:
			waiting("another run")
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
}

func (m *mysqlDB) finish(context.Context) error { return nil }

// apply states how a change is to be done, so that the server refuses what would
// lock the table rather than doing it.
func (m *mysqlDB) apply(ctx context.Context, _ string, s step, note func(string)) (step, error) {
	for _, name := range s.drop {
		err := m.patiently(ctx, fmt.Sprintf("ALTER TABLE %s DROP INDEX %s, ALGORITHM=INPLACE, LOCK=NONE",
			quoteMySQL(s.table.name), quoteMySQL(name)), note)
		if err != nil {
			return s, m.explain(ctx, err, s)
		}
	}
	if s.action == actDrop || s.action == actClean {
		return s, nil
	}
	columns := make([]string, len(s.index.columns))
	for i, c := range s.index.columns {
		columns[i] = quoteMySQL(c)
	}
	// CREATE INDEX needs the privilege INDEX alone, ALTER TABLE three of them.
	err := m.patiently(ctx, fmt.Sprintf("CREATE INDEX %s ON %s (%s) COMMENT '%s' ALGORITHM=INPLACE LOCK=NONE",
		quoteMySQL(s.index.name()), quoteMySQL(s.table.name), strings.Join(columns, ", "), mark), note)
	return s, m.explain(ctx, err, s)
}

const (
	codeCommandDenied = 1142
	codeLockTimeout   = 1205
	codeDeadlock      = 1213
	codeReadOnly      = 1290
	codeInterrupted   = 1317
	codeNeededByKey   = 1553
	codeNotInPlace    = 1845
	codeNotInPlaceWhy = 1846
)

// patiently tries again while transactions keep the table.
func (m *mysqlDB) patiently(ctx context.Context, statement string, note func(string)) error {
	for start := time.Now(); ; {
		err := m.watched(ctx, statement, note)
		if code := codeOf(err); code != codeLockTimeout && code != codeDeadlock {
			return err
		}
		if time.Since(start) > m.wait {
			return fmt.Errorf("transactions have kept the table from being changed for %s: %w", m.wait, err)
		}
		note("waiting for transactions that use the table")
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
}

// watched runs a statement to its end, or ends it with ctx. To close the
// connection would not do: the server would go on.
func (m *mysqlDB) watched(ctx context.Context, statement string, note func(string)) error {
	running, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	ended := make(chan error, 1)
	go func() {
		_, err := m.session.ExecContext(running, statement)
		ended <- err
	}()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return lostMySQL(err)
		case <-tick.C:
			note(m.doing(ctx))
		case <-ctx.Done():
			return m.kill(ctx, ended, abandon)
		}
	}
}

func (m *mysqlDB) kill(ctx context.Context, ended <-chan error, abandon func()) error {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
	defer cancel()
	_, _ = m.helper.ExecContext(last, fmt.Sprintf("KILL QUERY %d", m.id))
	var err error
	select {
	case err = <-ended:
	case <-last.Done():
		abandon()
		err = <-ended
	}
	if err == nil { // it was faster
		return nil
	}
	return ctx.Err()
}

// doing is what the server says the session does.
func (m *mysqlDB) doing(ctx context.Context) string {
	columns := "state, 0"
	if m.mariadb {
		columns = "state, progress"
	}
	ctx, cancel := unbroken(ctx)
	defer cancel()
	var state sql.NullString
	var percent float64
	err := m.helper.QueryRowContext(ctx, "SELECT "+columns+" FROM information_schema.processlist WHERE id = ?", m.id).Scan(&state, &percent)
	if err != nil { // not every version has this
		return "building"
	}
	if percent > 0 {
		return fmt.Sprintf("%s, %.0f %%", state.String, percent)
	}
	return state.String
}

func codeOf(err error) uint16 {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number
	}
	return 0
}

// lostMySQL marks what is not the server's answer: there is no connection then.
func lostMySQL(err error) error {
	if err != nil && codeOf(err) == 0 {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

// explain adds what to do about errors that are puzzling.
func (m *mysqlDB) explain(ctx context.Context, err error, s step) error {
	advice := ""
	switch codeOf(err) {
	case codeCommandDenied:
		advice = "this account may not change indexes of " + s.table.name + " (GRANT INDEX, ALTER)"
	case codeReadOnly:
		advice = "the server is read-only; is it a replica?"
	case codeNotInPlace, codeNotInPlaceWhy:
		advice = "this table cannot be changed while others write to it"
	case codeInterrupted:
		advice = "somebody ended the statement"
	case codeNeededByKey:
		// When an index comes that a foreign key can use, the server drops the one
		// that it had made for the key itself.
		advice = fmt.Sprintf("foreign key %s needs it, since the server dropped its own when this one came; "+
			"create another index on that column first", m.foreignKeys(ctx, s))
	default:
		return err
	}
	return fmt.Errorf("%s: %w", advice, err)
}

func (m *mysqlDB) foreignKeys(ctx context.Context, s step) string {
	ctx, cancel := unbroken(ctx)
	defer cancel()
	rows, err := m.query(ctx, `SELECT constraint_name, column_name FROM information_schema.key_column_usage
		WHERE table_schema = database() AND table_name = ? AND column_name = ? AND referenced_table_name IS NOT NULL`,
		s.table.name, s.index.columns[0])
	if err != nil || len(rows) == 0 {
		return "of another table"
	}
	return rows[0]["constraint_name"] + " (" + rows[0]["column_name"] + ")"
}

func quoteMySQL(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }
