package dbmon

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// outcome is how an operation ended, of a closed set: it can be a label. There
// is a class of its own for what somebody would act on in another way.
type outcome uint8

const (
	ok              outcome = iota
	canceled                // the caller did not want it any more
	timeout                 // a deadline of the caller or a time limit of the server
	uniqueViolation         // it is there already; often what the application expects
	constraint              // foreign key, not null, check, exclusion: bad data
	serialization           // a deadlock or a conflict of transactions; to be repeated
	lockTimeout             // waited for somebody else's lock, or would have had to
	badConnection           // refused, reset, closed, or ended by the server
	syntax                  // the statement is wrong: grammar, names, types
	denied                  // credentials or rights
	readOnly                // a write on a replica or in a transaction that reads
	resources               // no memory, space, or places for connections left
	failed                  // anything else
	outcomes                // how many there are
)

func (o outcome) String() string {
	return [outcomes]string{
		"ok", "canceled", "timeout", "unique_violation", "constraint", "serialization", "lock_timeout",
		"bad_connection", "syntax", "denied", "read_only", "resources", "error",
	}[o]
}

// outcomeOf decides by the context first, then by what the driver says: what an
// interrupted call returns is different in each driver, and may be anything.
func outcomeOf(ctx context.Context, err error) outcome {
	if err == nil {
		return ok
	}
	return outcomeOfError(ctx, err)
}

// outcomeOfError is apart so that a call that succeeds pays for no defer.
func outcomeOfError(ctx context.Context, err error) (how outcome) {
	// The methods of an error are foreign code, and a nil pointer in an error
	// panics in most of them.
	defer func() {
		if recover() != nil {
			how = failed
		}
	}()
	how = outcomeOfCode(err)
	if how == uniqueViolation || how == constraint {
		return how // no interrupted call ends like this, whatever became of the context since
	}
	switch ctx.Err() { //nolint:errorlint // the two that there are (package context, Context.Err)
	case context.Canceled:
		return canceled
	case context.DeadlineExceeded:
		return timeout
	}
	switch {
	case errors.Is(err, context.Canceled): // of another context, such as the transaction's
		return canceled
	case errors.Is(err, context.DeadlineExceeded):
		return timeout
	case how != failed:
		return how
	default:
		return outcomeOfNetwork(err)
	}
}

func outcomeOfNetwork(err error) outcome {
	var slow interface {
		error
		Timeout() bool
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return timeout
	case isOne(err, driver.ErrBadConn, net.ErrClosed, io.EOF, io.ErrUnexpectedEOF,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE),
		has[*net.OpError](err), has[*net.DNSError](err), saysClosed(err):
		return badConnection
	default:
		return failed
	}
}

// saysClosed knows two errors that are nothing but a text: what go-sql-driver
// returns where a query had been sent, and pgx for a connection that it closed.
func saysClosed(err error) bool {
	for e := range causes(err) {
		switch e.Error() {
		case "invalid connection", "conn closed":
			return true
		}
	}
	return false
}

func has[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func isOne(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// asContextError makes an error match that of the context which it stands for.
// lib/pq, for one, hands on the server's own. It is for hooks: the caller of
// database/sql gets what the driver returned.
func asContextError(err error, how outcome) error {
	if how != canceled && how != timeout || isOne(err, context.Canceled, context.DeadlineExceeded) {
		return err
	}
	if how == canceled {
		return &interrupted{err, context.Canceled}
	}
	return &interrupted{err, context.DeadlineExceeded}
}

// interrupted is an error that a context caused.
type interrupted struct {
	error
	context error
}

func (e *interrupted) Unwrap() []error { return []error{e.error, e.context} }
