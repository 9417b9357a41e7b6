package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// postgres works with two connections. The session holds the lock and runs what
// changes indexes, one statement at a time and never in a transaction of some
// length: CREATE INDEX CONCURRENTLY waits for every older snapshot, and would
// wait for those of a run that waits for it. The helper looks on, cancels what
// is no longer wanted, and cleans up after it.
//
// The server goes on for a while when a client is killed. The lock belongs to
// the session and so lasts as long; no other run comes in between.
type postgres struct {
	session, helper *pgx.Conn
	pid             uint32 // of the session's server process
	version         string
	place           string // host:port/database, schema and role
	wait            time.Duration
}

// lockKey is the advisory lock of this command, one per database: a build in one
// schema waits for the snapshots of all.
const lockKey int64 = 0x736c756963650001 // "sluice" and a number

// oldest is PostgreSQL 12, the first to show how a build gets on and to rename
// an index without stopping those who use it.
const oldest = 120000

func openPostgres(ctx context.Context, cfg config, stderr io.Writer) (database, error) {
	source, err := pgx.ParseConfig(cfg.database)
	if err != nil { // checked before; this error may hold the URL
		return nil, errors.New("-database: is not valid")
	}
	// Nothing is prepared: a name would not outlive a change of its tables.
	source.DefaultQueryExecMode = pgx.QueryExecModeExec
	if source.RuntimeParams["application_name"] == "" {
		source.RuntimeParams["application_name"] = "sluice migrate"
	}
	p := &postgres{wait: cfg.wait}
	if err := p.connect(ctx, source, cfg.dryRun, stderr); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *postgres) connect(ctx context.Context, source *pgx.ConnConfig, dryRun bool, stderr io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if p.session, err = pgx.ConnectConfig(ctx, source); err != nil {
		return err
	}
	if p.helper, err = pgx.ConnectConfig(ctx, source); err != nil {
		return err
	}
	if err := p.findPooler(ctx, stderr); err != nil {
		return err
	}
	var number int
	var schema, role string
	err = p.session.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_version'),
		coalesce(current_schema(), 'none'), current_user`).Scan(&number, &p.version, &schema, &role)
	if err != nil {
		return err
	}
	if number < oldest {
		return fmt.Errorf("PostgreSQL %s is too old; 12 is the oldest that works", p.version)
	}
	p.place = fmt.Sprintf("%s:%d/%s, schema %s, as %s", source.Host, source.Port, source.Database, schema, role)
	for _, c := range []*pgx.Conn{p.session, p.helper} {
		if err := settle(ctx, c, dryRun); err != nil {
			return err
		}
	}
	return nil
}

// settle turns off what a role or a database may have set, and what would end a
// build in the middle or our lock with it: a build that is ended leaves an
// invalid index. A wait for locks harms nobody else here, as reads and writes do
// not queue up behind the kind of lock that CONCURRENTLY takes; how long it may
// last is for -wait to say.
func settle(ctx context.Context, c *pgx.Conn, dryRun bool) error {
	_, err := c.Exec(ctx, `SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('lock_timeout', 'statement_timeout',
		'transaction_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout')`)
	if err != nil {
		return err
	}
	// Where the server can (14 or later, not on every system): it notices within
	// seconds that a run was killed, also in the middle of a build.
	_, _ = c.Exec(ctx, "SET client_connection_check_interval = '2s'")
	if dryRun {
		_, err = c.Exec(ctx, "SET default_transaction_read_only = on")
	}
	return err
}

// findPooler refuses a pooler that gives each transaction another session: the
// lock would stay behind in one session, while the build runs in another. Two
// connections that share a server process, or one that changes it, prove it; a
// process other than the one named at the start says that there is a pooler.
func (p *postgres) findPooler(ctx context.Context, stderr io.Writer) error {
	for range 5 {
		session, err := backend(ctx, p.session)
		if err != nil {
			return err
		}
		helper, err := backend(ctx, p.helper)
		if err != nil {
			return err
		}
		if session == helper || p.pid != 0 && session != p.pid {
			return errors.New("-database: a pooler in transaction mode is between us and PostgreSQL; name the server itself, or the pooler's port for sessions")
		}
		p.pid = session
	}
	if p.session.PgConn().PID() != p.pid {
		_, _ = fmt.Fprintln(stderr, "warning: there seems to be a pooler between us and PostgreSQL; it must be one of sessions, not of transactions")
	}
	var visible bool
	err := p.helper.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)", p.pid).Scan(&visible)
	if err == nil && !visible {
		err = errors.New("-database: two connections came to two different servers; name one of them")
	}
	return err
}

func backend(ctx context.Context, c *pgx.Conn) (pid uint32, err error) {
	err = c.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid)
	return pid, err
}

func (p *postgres) title() string { return "PostgreSQL " + p.version + " at " + p.place }

func (p *postgres) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanTimeout)
	defer cancel()
	var faults []error
	for _, c := range []*pgx.Conn{p.session, p.helper} {
		if c != nil && !c.IsClosed() {
			faults = append(faults, c.Close(ctx))
		}
	}
	return errors.Join(faults...)
}

// lock asks again and again rather than waiting in the server: a statement that
// waits has a snapshot, for which the build of the run that has the lock would
// wait, and each would wait for the other.
func (p *postgres) lock(ctx context.Context, waiting func(string)) error {
	for start, told := time.Now(), false; ; told = true {
		got, err := tryLock(ctx, p.session)
		switch {
		case err != nil:
			return err
		case got:
			return nil
		case time.Since(start) > p.wait:
			return fmt.Errorf("another run has been at work for %s", p.wait)
		case !told:
			waiting("another run" + p.lockHolder(ctx))
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
}

func tryLock(ctx context.Context, c *pgx.Conn) (got bool, err error) {
	err = c.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", lockKey).Scan(&got)
	return got, err
}

func (p *postgres) lockHolder(ctx context.Context) string {
	var pid uint32
	err := p.helper.QueryRow(ctx, `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND classid::bigint << 32 | objid::bigint = $1`, lockKey).Scan(&pid)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (server process %d)", pid)
}

func (p *postgres) finish(context.Context) error { return nil }

// SQLSTATEs (PostgreSQL, appendix A).
const (
	stateDeadlock    = "40P01"
	stateLockTimeout = "55P03"
	stateCanceled    = "57014"
	stateReadOnly    = "25006"
	stateDenied      = "42501"
)

func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// explain adds what to do about errors that are puzzling.
func explain(err error) error {
	switch sqlState(err) {
	case stateReadOnly:
		return fmt.Errorf("the server or the role is read-only; is it a replica? %w", err)
	case stateDenied:
		return fmt.Errorf("only the owner of a table may change its indexes: %w", err)
	case stateCanceled:
		return fmt.Errorf("somebody canceled it: %w", err)
	}
	return err
}

func quote(names ...string) string { return pgx.Identifier(names).Sanitize() }

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
