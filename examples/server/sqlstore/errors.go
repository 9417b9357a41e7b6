package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sluice-go/sluice/examples/server/app"
)

// reason is why a statement failed, whatever the driver.
type reason int

const (
	unexpected   reason = iota // a fault of ours
	duplicate                  // a unique constraint
	badReference               // a foreign key
	unavailable                // the database, not the statement
)

func (s *Store) reasonOf(err error) reason {
	if s.closed.Load() {
		return unavailable
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return postgresReason(e.Code)
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return sqliteReason(e.Code())
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return unavailable
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return unavailable
	}
	for _, lost := range []error{driver.ErrBadConn, sql.ErrConnDone, pgconn.ErrConnClosed, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, lost) {
			return unavailable
		}
	}
	return unexpected
}

// postgresReason reads an SQLSTATE (PostgreSQL, appendix A).
func postgresReason(state string) reason {
	switch state {
	case "23505":
		return duplicate
	case "23503", "23001":
		return badReference
	case "40001", "40P01", "55P03", "25006": // serialization, deadlock, lock timeout, a standby
		return unavailable
	}
	switch state[:min(2, len(state))] {
	case "08", "53", "57": // connection, resources, intervention
		return unavailable
	}
	return unexpected
}

// sqliteReason reads an extended result code (sqlite.org/rescode.html).
func sqliteReason(code int) reason {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return duplicate
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return badReference
	}
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT:
		return unavailable
	}
	return unexpected
}

// fault translates an error that is not about the row at hand. An error of the
// caller's context stays recognisable.
func (s *Store) fault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("sqlstore: %w", err)
	case s.reasonOf(err) == unavailable:
		return &app.Error{Code: app.CodeUnavailable, Message: "the database is not available; try again later", Cause: err}
	default:
		return &app.Error{Code: app.CodeInternal, Message: "something went wrong on our side", Cause: err}
	}
}
