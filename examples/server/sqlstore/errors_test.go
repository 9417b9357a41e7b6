package sqlstore

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sluice-go/sluice/examples/server/app"
)

func TestReasons(t *testing.T) {
	for err, want := range map[error]reason{
		&pgconn.PgError{Code: "23505"}:                    duplicate,
		&pgconn.PgError{Code: "23503"}:                    badReference,
		&pgconn.PgError{Code: "23514"}:                    unexpected, // a check
		&pgconn.PgError{Code: "40P01"}:                    unavailable,
		&pgconn.PgError{Code: "53300"}:                    unavailable, // too many connections
		&pgconn.PgError{Code: "57P01"}:                    unavailable, // shut down
		&pgconn.PgError{Code: "57014"}:                    unavailable, // a statement timeout of the server
		&pgconn.PgError{Code: "28P01"}:                    unexpected,  // a wrong password
		&pgconn.PgError{}:                                 unexpected,
		driver.ErrBadConn:                                 unavailable,
		io.ErrUnexpectedEOF:                               unavailable,
		&net.OpError{Op: "read", Err: syscall.ECONNRESET}: unavailable,
		errors.New("sql: Scan error"):                     unexpected,
	} {
		require.Equal(t, want, (&Store{}).reasonOf(fmt.Errorf("wrapped: %w", err)), "%v", err)
	}
	for code, want := range map[int]reason{
		sqlite3.SQLITE_CONSTRAINT_UNIQUE:     duplicate,
		sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: duplicate,
		sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: badReference,
		sqlite3.SQLITE_CONSTRAINT_CHECK:      unexpected,
		sqlite3.SQLITE_BUSY_SNAPSHOT:         unavailable,
		sqlite3.SQLITE_IOERR_WRITE:           unavailable,
		sqlite3.SQLITE_FULL:                  unavailable,
		sqlite3.SQLITE_CORRUPT:               unexpected,
	} {
		require.Equal(t, want, sqliteReason(code), "%d", code)
	}
}

func TestAReferenceThatCameMeanwhileIsAConflict(t *testing.T) {
	s, err := Open(t.Context(), Options{File: filepath.Join(t.TempDir(), "app.db")})
	require.NoError(t, err)
	defer s.Close()
	u, err := s.CreateUser(t.Context(), app.User{Username: "ann", Role: app.RolePublic})
	require.NoError(t, err)
	err = dangling(t.Context(), s, &projects, &app.Project{OwnerID: u.ID}, errors.New("cause"))
	var e *app.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, app.CodeConflict, e.Code)
}
