package dbmon

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

func TestEachOutcomeHasALabelOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for how := range outcomes {
		label := how.String()
		require.NotEmpty(t, label)
		require.Equal(t, strings.ToLower(label), label)
		require.NotContains(t, seen, label)
		seen[label] = true
	}
}

func postgresError(state string) error { return &pgconn.PgError{Code: state, Message: "m"} }

func mysqlError(number uint16, state string) error {
	e := &mysql.MySQLError{Number: number, Message: "m"}
	copy(e.SQLState[:], state)
	return e
}

// fielded is an error by the keys of the protocol, as in pgdriver.
type fielded map[byte]string

func (f fielded) Error() string       { return "fielded" }
func (f fielded) Field(k byte) string { return f[k] }

// touchy panics, as most errors do as nil pointers.
type touchy struct{ text string }

func (e *touchy) Error() string    { return e.text }
func (e *touchy) SQLState() string { return e.text }

// endless is its own cause.
type endless struct{}

func (endless) Error() string   { return "endless" }
func (e endless) Unwrap() error { return e }

// Trap d.3: error classes, where nobody has ended the context.
func TestErrorsAreOfClasses(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want outcome
	}{
		{"no error", nil, ok},
		{"an error without a code", errors.New("hm"), failed},

		{"PostgreSQL: unique violation", postgresError("23505"), uniqueViolation},
		{"PostgreSQL: foreign key", postgresError("23503"), constraint},
		{"PostgreSQL: not null", postgresError("23502"), constraint},
		{"PostgreSQL: check", postgresError("23514"), constraint},
		{"PostgreSQL: exclusion", postgresError("23P01"), constraint},
		{"PostgreSQL: serialization failure", postgresError("40001"), serialization},
		{"PostgreSQL: deadlock", postgresError("40P01"), serialization},
		{"PostgreSQL: lock timeout", postgresError("55P03"), lockTimeout},
		{"PostgreSQL: 57014 with nobody who left is a time limit", postgresError("57014"), timeout},
		{"PostgreSQL: idle in a transaction for too long", postgresError("25P03"), timeout},
		{"PostgreSQL: shut down", postgresError("57P01"), badConnection},
		{"PostgreSQL: not up yet", postgresError("57P03"), badConnection},
		{"PostgreSQL: connection failure", postgresError("08006"), badConnection},
		{"PostgreSQL: syntax", postgresError("42601"), syntax},
		{"PostgreSQL: no such table", postgresError("42P01"), syntax},
		{"PostgreSQL: no such database", postgresError("3D000"), syntax},
		{"PostgreSQL: no right, though of the class of syntax", postgresError("42501"), denied},
		{"PostgreSQL: password", postgresError("28P01"), denied},
		{"PostgreSQL: read-only", postgresError("25006"), readOnly},
		{"PostgreSQL: too many connections", postgresError("53300"), resources},
		{"PostgreSQL: disk full", postgresError("53100"), resources},
		{"PostgreSQL: division by zero", postgresError("22012"), failed},
		{"PostgreSQL: a state that is too short", postgresError("4"), failed},
		{"PostgreSQL: by the keys of the protocol", fielded{'C': "23505"}, uniqueViolation},

		{"MySQL: duplicate entry", mysqlError(1062, "23000"), uniqueViolation},
		{"MySQL: foreign key", mysqlError(1452, "23000"), constraint},
		{"MySQL: not null", mysqlError(1048, "23000"), constraint},
		{"MySQL: no default", mysqlError(1364, "HY000"), constraint},
		{"MySQL: check", mysqlError(3819, "HY000"), constraint},
		{"MariaDB: check", mysqlError(4025, "23000"), constraint},
		{"MySQL: deadlock", mysqlError(1213, "40001"), serialization},
		{"MariaDB: changed since last read", mysqlError(1020, "HY000"), serialization},
		{"MySQL: lock wait timeout", mysqlError(1205, "HY000"), lockTimeout},
		{"MySQL: NOWAIT", mysqlError(3572, "HY000"), lockTimeout},
		{"MySQL: max_execution_time", mysqlError(3024, "HY000"), timeout},
		{"MariaDB: max_statement_time", mysqlError(1969, "70100"), timeout},
		{"MySQL: killed query", mysqlError(1317, "70100"), timeout},
		{"MySQL: shut down", mysqlError(1053, "08S01"), badConnection},
		{"MariaDB: killed connection", mysqlError(1927, "70100"), badConnection},
		{"MySQL: syntax", mysqlError(1064, "42000"), syntax},
		{"MySQL: no such table", mysqlError(1146, "42S02"), syntax},
		{"MySQL: ambiguous column, which has the state of a constraint", mysqlError(1052, "23000"), syntax},
		{"MySQL: access denied", mysqlError(1045, "28000"), denied},
		{"MySQL: no right, which has the state of syntax", mysqlError(1142, "42000"), denied},
		{"MySQL: read-only", mysqlError(1290, "HY000"), readOnly},
		{"MySQL: too many connections, which has the state of a connection", mysqlError(1040, "08004"), resources},
		{"MySQL: without a state", mysqlError(1062, ""), uniqueViolation},
		{"MySQL: anything else", mysqlError(1105, "HY000"), failed},

		{"ErrBadConn", driver.ErrBadConn, badConnection},
		{"go-sql-driver's lost connection", mysql.ErrInvalidConn, badConnection},
		{"pgx's closed connection", pgconn.ErrConnClosed, badConnection},
		{"an end in the middle", io.ErrUnexpectedEOF, badConnection},
		{"an end", io.EOF, badConnection},
		{"refused", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, badConnection},
		{"no such host", &net.DNSError{Err: "no such host", Name: "db"}, badConnection},
		{"reset", os.NewSyscallError("read", syscall.ECONNRESET), badConnection},
		{"closed by ourselves", net.ErrClosed, badConnection},
		{"a deadline of the connection", &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, timeout},
		{"of another context", context.Canceled, canceled},
		{"of another context that ran out", context.DeadlineExceeded, timeout},

		{"wrapped", fmt.Errorf("a: %w", fmt.Errorf("b: %w", postgresError("23505"))), uniqueViolation},
		{"joined", errors.Join(errors.New("a"), fmt.Errorf("b: %w", mysqlError(1213, "40001"))), serialization},
		{"an interrupted call with the code of it", fmt.Errorf("%w: %w", context.Canceled, postgresError("57014")), canceled},
		{"a nil pointer", (*touchy)(nil), failed},
		{"a nil pointer of a driver", (*pgconn.PgError)(nil), failed},
		{"no cause", fmt.Errorf("%w", error(nil)), failed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want.String(), outcomeOf(t.Context(), tt.err).String())
		})
	}
}

func TestResultCodesOfSQLiteAreOfClasses(t *testing.T) {
	for code, want := range map[int64]outcome{
		1555: uniqueViolation, 2067: uniqueViolation, 2579: uniqueViolation,
		19: constraint, 787: constraint, 1299: constraint, 275: constraint, 3091: constraint,
		517: serialization, 5: lockTimeout, 261: lockTimeout, 773: lockTimeout, 6: lockTimeout, 262: lockTimeout,
		1: syntax, 25: syntax, 8: readOnly, 776: readOnly, 13: resources, 7: resources, 14: badConnection,
		9: canceled, 23: denied, 10: failed, 11: failed, 0: failed, -1: failed,
	} {
		require.Equal(t, want.String(), outcomeOfSQLite(code).String(), code)
	}
}

// Trap d.3: the context decides first, as an interrupted call may return anything.
func TestTheContextDecidesFirst(t *testing.T) {
	left, leave := context.WithCancelCause(t.Context())
	leave(errors.New("the client went away"))
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	for _, tt := range []struct {
		name       string
		err        error
		left, late outcome
	}{
		{"nothing went wrong", nil, ok, ok},
		{"lib/pq's own error", postgresError("57014"), canceled, timeout},
		{"a broken connection", driver.ErrBadConn, canceled, timeout},
		{"a text", errors.New("closed"), canceled, timeout},
		{"syntax, as of half a statement", postgresError("42601"), canceled, timeout},
		{"a nil pointer", (*touchy)(nil), failed, failed},
		// These are never the doing of a context, which may have ended since.
		{"unique violation", postgresError("23505"), uniqueViolation, uniqueViolation},
		{"foreign key", mysqlError(1452, "23000"), constraint, constraint},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.left.String(), outcomeOf(left, tt.err).String())
			require.Equal(t, tt.late.String(), outcomeOf(late, tt.err).String())
		})
	}
}

func TestHooksGetErrorsThatMatchTheContexts(t *testing.T) {
	server := postgresError("57014")
	for _, tt := range []struct {
		name  string
		err   error
		how   outcome
		match error // besides err itself
	}{
		{"canceled", server, canceled, context.Canceled},
		{"out of time", server, timeout, context.DeadlineExceeded},
		{"one that matches as it is", fmt.Errorf("q: %w", context.Canceled), canceled, nil},
		{"one that matches the other", context.Canceled, timeout, nil},
		{"another outcome", server, failed, nil},
		{"none", nil, ok, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := asContextError(tt.err, tt.how)
			if tt.match == nil {
				require.Equal(t, tt.err, got)
				return
			}
			require.ErrorIs(t, got, tt.match)
			require.ErrorIs(t, got, tt.err)
			require.Equal(t, tt.err.Error(), got.Error())
			var code *pgconn.PgError
			require.ErrorAs(t, got, &code)
		})
	}
}

// The walk is bounded where [errors.Is] is not.
func TestCausesAreBounded(t *testing.T) {
	n := 0
	for range causes(errors.Join(endless{}, endless{})) {
		n++
	}
	require.LessOrEqual(t, n, maxCauses)
}

func TestAnOutcomeWithoutAnErrorCostsNothing(t *testing.T) {
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = outcomeOf(ctx, nil) }))
}
