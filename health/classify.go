package health

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"unicode"
)

// reasonOf is the class of an error that brings none of its own. What the other
// side said comes before how the connection ended.
func reasonOf(err error) (reason string) {
	// The methods of an error are foreign code, and a nil pointer in an error
	// panics in most of them.
	defer func() {
		if recover() != nil {
			reason = ReasonOther
		}
	}()
	for _, classify := range []func(error) string{
		sqlReason, redisReason, canceledReason, tlsReason, systemReason, networkReason, textReason,
	} {
		if r := classify(err); r != "" {
			return r
		}
	}
	return ReasonOther
}

// sqlReason goes by the SQLSTATE, whose first two characters are its class
// (ISO/IEC 9075-2, clause 24.1; PostgreSQL, appendix A).
func sqlReason(err error) string {
	var state interface {
		error
		SQLState() string
	}
	if !errors.As(err, &state) {
		return ""
	}
	code := state.SQLState()
	switch code {
	case "25006": // read_only_sql_transaction
		return ReasonReadOnly
	case "42501": // insufficient_privilege
		return ReasonAuth
	case "53300": // too_many_connections
		return ReasonOverloaded
	case "57014": // query_canceled, which is how the server's own time limit ends a query
		return ReasonTimeout
	case "57P01", "57P02": // admin_shutdown, crash_shutdown
		return ReasonRefused
	case "57P03": // cannot_connect_now
		return ReasonStarting
	}
	switch code[:min(2, len(code))] {
	case "08": // connection exception
		return ReasonRefused
	case "28": // invalid authorization specification
		return ReasonAuth
	case "53": // insufficient resources: disk, memory
		return ReasonFull
	}
	return ""
}

// redisReason goes by the reply of a Redis server, where the client has a method
// that tells replies from errors of its own.
func redisReason(err error) string {
	var reply interface {
		error
		RedisError()
	}
	if errors.As(err, &reply) {
		return replyReason(reply.Error())
	}
	return ""
}

// textReason is for the other clients, which hand on the text of a reply as it is.
func textReason(err error) string {
	for range maxDepth {
		if err == nil {
			break
		}
		if r := replyReason(err.Error()); r != "" {
			return r
		}
		err = errors.Unwrap(err)
	}
	return ""
}

// maxDepth bounds the walk through errors that wrap each other.
const maxDepth = 32

// replyReason is the class of an error reply. By convention its first word, in
// upper case, is the kind of error (Redis serialization protocol, simple errors).
func replyReason(reply string) string {
	word, rest, _ := strings.Cut(reply, " ")
	switch word {
	case "NOAUTH", "WRONGPASS", "NOPERM":
		return ReasonAuth
	case "READONLY", "MISCONF", "NOREPLICAS":
		return ReasonReadOnly
	case "OOM":
		return ReasonFull
	case "LOADING", "MASTERDOWN", "CLUSTERDOWN": // the data is not there, or not yet
		return ReasonStarting
	case "BUSY", "TRYAGAIN":
		return ReasonOverloaded
	case "ERR": // older than the words
		switch {
		case strings.HasPrefix(rest, "max number of clients"):
			return ReasonOverloaded
		case strings.HasPrefix(rest, "invalid password"), strings.Contains(rest, "AUTH"):
			return ReasonAuth
		}
	}
	return ""
}

func canceledReason(err error) string {
	if errors.Is(err, context.Canceled) {
		return ReasonCanceled
	}
	return ""
}

func tlsReason(err error) string {
	is := has[*tls.CertificateVerificationError](err) ||
		has[tls.RecordHeaderError](err) ||
		has[tls.AlertError](err) ||
		has[*tls.ECHRejectionError](err) ||
		has[x509.UnknownAuthorityError](err) ||
		has[x509.CertificateInvalidError](err) ||
		has[x509.HostnameError](err) ||
		has[x509.SystemRootsError](err) ||
		has[x509.ConstraintViolationError](err) ||
		has[x509.UnhandledCriticalExtension](err) ||
		errors.Is(err, http.ErrSchemeMismatch)
	if op, ok := errors.AsType[*net.OpError](err); ok {
		// This is how package tls reports alerts (RFC 8446 §6), whose type it keeps
		// to itself.
		is = is || op.Op == "remote error" || op.Op == "local error"
	}
	if is {
		return ReasonTLS
	}
	return ""
}

// systemReason is for what the operating system refused, here or on a file
// system; package syscall maps what it knows of Windows to the same errors.
func systemReason(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return ReasonAuth
	case errors.Is(err, syscall.EROFS):
		return ReasonReadOnly
	case isOne(err, syscall.ENOSPC, syscall.EDQUOT, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE):
		return ReasonFull
	}
	return ""
}

func networkReason(err error) string {
	var slow interface {
		error
		Timeout() bool
	}
	switch op, _ := errors.AsType[*net.OpError](err); {
	case has[*net.DNSError](err): // also the one that timed out
		return ReasonDNS
	case isOne(err, context.DeadlineExceeded, os.ErrDeadlineExceeded),
		errors.As(err, &slow) && slow.Timeout():
		return ReasonTimeout
	case isOne(err, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE,
		syscall.EHOSTUNREACH, syscall.ENETUNREACH, io.EOF, io.ErrUnexpectedEOF, driver.ErrBadConn):
		return ReasonRefused
	case isOne(err, wsaConnRefused, wsaConnReset, wsaConnAborted, wsaHostUnreachable, wsaNetUnreachable):
		return ReasonRefused
	case op != nil && op.Op == "dial" && errors.Is(err, fs.ErrNotExist): // a socket that is a file
		return ReasonRefused
	}
	return ""
}

// The numbers that Windows gives to errors of connections. Package syscall has
// its own for the names without WSA. No Unix uses them.
const (
	wsaNetUnreachable  = syscall.Errno(10051)
	wsaConnAborted     = syscall.Errno(10053)
	wsaConnReset       = syscall.Errno(10054)
	wsaConnRefused     = syscall.Errno(10061)
	wsaHostUnreachable = syscall.Errno(10065)
)

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

const maxErrorText = 512 // bytes

// plain is the text of an error for operators: no userinfo of URLs, no control
// characters, no end in sight.
func plain(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = "health: the error has no text: its method panicked"
		}
	}()
	if err == nil {
		return ""
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) { // line breaks would forge lines of a log
			return ' '
		}
		return r
	}, err.Error())
	return clip(withoutUserinfo(text), maxErrorText)
}

// withoutUserinfo takes the userinfo (RFC 3986 §3.2.1) out of every URL in s.
func withoutUserinfo(s string) string {
	if !strings.Contains(s, "://") || !strings.Contains(s, "@") {
		return s
	}
	var b strings.Builder
	for s != "" {
		// No URL goes past a character that cannot be part of one.
		n := strings.IndexAny(s, " \"<>`") + 1
		if n == 0 {
			n = len(s)
		}
		appendStripped(&b, s[:n])
		s = s[n:]
	}
	return b.String()
}

// appendStripped looks at each byte a bounded number of times: an error may hold
// a body of megabytes.
func appendStripped(b *strings.Builder, s string) {
	last := strings.LastIndexByte(s, '@')
	for from := 0; ; {
		i := strings.Index(s[from:], "://")
		if i < 0 || from > last {
			b.WriteString(s[from:])
			return
		}
		start := from + i + len("://")
		b.WriteString(s[from:start])
		from = start
		end := len(s)
		if i := strings.IndexAny(s[start:], "/?#"); i >= 0 {
			end = start + i
		}
		if !isHostPort(s[start:end]) {
			end = len(s)
		}
		if end == len(s) {
			from = max(from, last+1)
		} else if at := strings.LastIndexByte(s[start:end], '@'); at >= 0 {
			from = start + at + 1
		}
	}
}

// isHostPort tells a host with a port, behind userinfo or not, from a password
// with a slash in it that should have been escaped: a port is a number.
func isHostPort(s string) bool {
	port := s[strings.LastIndexByte(s, ':')+1:]
	return len(port) == len(s) || strings.HasSuffix(port, "]") || strings.Trim(port, "0123456789") == ""
}
