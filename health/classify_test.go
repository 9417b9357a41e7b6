package health

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

type stateError string

func (e stateError) Error() string    { return "the server says " + string(e) }
func (e stateError) SQLState() string { return string(e) }

type replyError string

func (e replyError) Error() string { return string(e) }
func (replyError) RedisError()     {}

type slowError struct{ error }

func (slowError) Timeout() bool { return true }

// brokenError panics in each of its methods when it is a nil pointer.
type brokenError struct{ text string }

func (e *brokenError) Error() string    { return e.text }
func (e *brokenError) SQLState() string { return e.text }
func (e *brokenError) Unwrap() error    { return errors.New(e.text) }

// Trap 27: public answers carry an error class.
func TestAnErrorIsClassedByWhatItIs(t *testing.T) {
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
	}
	for name, c := range map[string]struct {
		err    error
		reason string
	}{
		"a text":                       {errors.New("what is this"), ReasonOther},
		"an empty text":                {errors.New(""), ReasonOther},
		"the deadline of a context":    {fmt.Errorf("ping: %w", context.DeadlineExceeded), ReasonTimeout},
		"the deadline of a connection": {&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, ReasonTimeout},
		"a timeout behind others":      {fmt.Errorf("a: %w", &url.Error{Op: "Get", Err: slowError{io.EOF}}), ReasonTimeout},
		"a network that gives up":      {dial(syscall.ETIMEDOUT), ReasonTimeout},
		"an ended context":             {fmt.Errorf("ping: %w", context.Canceled), ReasonCanceled},
		"a refused connection":         {dial(syscall.ECONNREFUSED), ReasonRefused},
		"one refused by Windows":       {dial(syscall.Errno(10061)), ReasonRefused},
		"a reset connection":           {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, ReasonRefused},
		"a closed connection":          {fmt.Errorf("read: %w", io.EOF), ReasonRefused},
		"a connection of a pool":       {driver.ErrBadConn, ReasonRefused},
		"a host that is not there":     {dial(syscall.EHOSTUNREACH), ReasonRefused},
		"a socket that is not there":   {dial(syscall.ENOENT), ReasonRefused},
		"a file that is not there":     {&fs.PathError{Op: "open", Err: syscall.ENOENT}, ReasonOther},
		"an unknown host":              {&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}, ReasonDNS},
		"a resolver that is too slow":  {&net.DNSError{IsTimeout: true, UnwrapErr: context.DeadlineExceeded}, ReasonDNS},
		"a lookup that was called off": {&net.DNSError{UnwrapErr: context.Canceled}, ReasonCanceled},
		"an unknown authority":         {&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, ReasonTLS},
		"another host":                 {x509.HostnameError{}, ReasonTLS},
		"a certificate that has ended": {x509.CertificateInvalidError{Reason: x509.Expired}, ReasonTLS},
		"no TLS at all":                {tls.RecordHeaderError{}, ReasonTLS},
		"an alert":                     {&net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}, ReasonTLS},
		"HTTP where TLS should be":     {http.ErrSchemeMismatch, ReasonTLS},
		"a file we may not read":       {&fs.PathError{Op: "open", Err: syscall.EACCES}, ReasonAuth},
		"a full disk":                  {&fs.PathError{Op: "write", Err: syscall.ENOSPC}, ReasonFull},
		"no descriptors left":          {dial(syscall.EMFILE), ReasonFull},
		"a read-only file system":      {&fs.PathError{Op: "open", Err: syscall.EROFS}, ReasonReadOnly},

		"a wrong password":            {stateError("28P01"), ReasonAuth},
		"a role unknown to SQL":       {fmt.Errorf("a: %w", stateError("28000")), ReasonAuth},
		"no right to a table":         {stateError("42501"), ReasonAuth},
		"a database without places":   {stateError("53300"), ReasonOverloaded},
		"a database without space":    {stateError("53100"), ReasonFull},
		"a database that starts":      {stateError("57P03"), ReasonStarting},
		"a database that ends":        {stateError("57P01"), ReasonRefused},
		"a statement that took long":  {stateError("57014"), ReasonTimeout},
		"a standby":                   {stateError("25006"), ReasonReadOnly},
		"a broken link":               {stateError("08006"), ReasonRefused},
		"a syntax error":              {stateError("42601"), ReasonOther},
		"an empty state":              {stateError(""), ReasonOther},
		"a state over a refusal":      {errors.Join(syscall.ECONNREFUSED, stateError("28P01")), ReasonAuth},
		"a state behind a connection": {fmt.Errorf("%w: %w", io.EOF, stateError("57P03")), ReasonStarting},

		"no password":                    {replyError("NOAUTH Authentication required."), ReasonAuth},
		"a wrong password for Redis":     {replyError("WRONGPASS invalid username-password pair"), ReasonAuth},
		"an old wrong password":          {replyError("ERR invalid password"), ReasonAuth},
		"a password too many":            {replyError("ERR Client sent AUTH, but no password is set"), ReasonAuth},
		"no right to a command":          {replyError("NOPERM this user has no permissions"), ReasonAuth},
		"a replica":                      {replyError("READONLY You can't write against a read only replica."), ReasonReadOnly},
		"a disk of Redis":                {replyError("MISCONF Redis is configured to save RDB snapshots"), ReasonReadOnly},
		"too few replicas":               {replyError("NOREPLICAS Not enough good replicas to write."), ReasonReadOnly},
		"no memory":                      {fmt.Errorf("set: %w", replyError("OOM command not allowed")), ReasonFull},
		"a Redis that starts":            {replyError("LOADING Redis is loading the dataset in memory"), ReasonStarting},
		"a script that runs":             {replyError("BUSY Redis is busy running a script."), ReasonOverloaded},
		"too many clients":               {replyError("ERR max number of clients reached"), ReasonOverloaded},
		"a reply that says nothing":      {replyError("ERR unknown command"), ReasonOther},
		"the text of a reply":            {fmt.Errorf("get: %w", errors.New("NOAUTH Authentication required.")), ReasonAuth},
		"a reply quoted in another text": {errors.New("not NOAUTH at all"), ReasonOther},
		"a word like that of a reply":    {errors.New("OOMPH is missing"), ReasonOther},
		"a broken error":                 {(*brokenError)(nil), ReasonOther},
		"a broken error behind others":   {fmt.Errorf("a: %w", error((*brokenError)(nil))), ReasonOther},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.reason, reasonOf(c.err)) })
	}
}

func TestRealConnectionsFailWithTheirClass(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := listener.Addr().String()
	require.NoError(t, listener.Close())
	_, err = net.Dial("tcp", closed)
	require.Equal(t, ReasonRefused, reasonOf(err))

	_, err = net.Dial("unix", t.TempDir()+"/none")
	require.Equal(t, ReasonRefused, reasonOf(err))

	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // provoked on purpose
	srv.StartTLS()
	defer srv.Close()
	_, err = http.Get(srv.URL)
	require.Equal(t, ReasonTLS, reasonOf(err))
	_, err = tls.Dial("tcp", srv.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"none"}})
	require.Equal(t, ReasonTLS, reasonOf(err), "an alert of the server: %v", err)

	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	_, err = (&net.Dialer{}).DialContext(ctx, "tcp", closed)
	require.Equal(t, ReasonTimeout, reasonOf(err))

	_, err = net.DefaultResolver.LookupHost(t.Context(), "name.invalid.") // RFC 6761 §6.4
	require.Equal(t, ReasonDNS, reasonOf(err))
}

// Trap 27: raw text goes to operators with URL userinfo stripped.
func TestTheTextForOperatorsHasNoUserinfo(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		"no URL, a@b.c":             "no URL, a@b.c",
		"redis://host:6379/0":       "redis://host:6379/0",
		"redis://:secret@host:6379": "redis://host:6379",
		"postgres://me:se%40cret@[::1]:5432/db?a=b":  "postgres://[::1]:5432/db?a=b",
		"postgres://me:se@cret@host/db":              "postgres://host/db",
		"http://token@host":                          "http://host",
		`Get "http://a:secret@h/x": EOF`:             `Get "http://h/x": EOF`,
		"https://h/users/a@b":                        "https://h/users/a@b",
		"https://h:80/users/a@b":                     "https://h:80/users/a@b",
		"https://[::1]/users/a@b":                    "https://[::1]/users/a@b",
		"https://h?mail=a@b":                         "https://h?mail=a@b",
		"https://h/x mail a@b":                       "https://h/x mail a@b",
		"postgres://me:se/cret@host/db":              "postgres://host/db",
		"postgres://me:se?cr#et@host/db":             "postgres://host/db",
		"redis://u:secret@a,redis://u:secret@b":      "redis://a,redis://b",
		"redis://u:secret@a/ and redis://u:secret@b": "redis://a/ and redis://b",
		"a://u@b://secret@c":                         "a://b://c",
		"one\ntwo\x1b[31m\x00\u2028three":            "one two [31m  three",
		"half a rune: \xe2\x82":                      "half a rune: \ufffd\ufffd",
	} {
		require.Equal(t, want, plain(errors.New(in)), in)
	}
	require.Empty(t, plain(nil))
	require.Contains(t, plain((*brokenError)(nil)), "panicked")

	long := plain(errors.New(strings.Repeat("€", 1000)))
	require.LessOrEqual(t, len(long), 512)
	require.Equal(t, strings.Repeat("€", 170), long, "cut between runes")
	cut := plain(errors.New(strings.Repeat("x", 500) + " http://me:secret" + strings.Repeat("x", 2000) + "@host"))
	require.NotContains(t, cut, "secret", "the cut hides no end of userinfo")
}

func TestTheTextForOperatorsTakesLinearTime(t *testing.T) {
	for _, piece := range []string{"://", "://a:b", "://a:1/", "@", "://@", "a://b@c/"} {
		for _, s := range []string{strings.Repeat(piece, 1<<18) + "@", "@" + strings.Repeat(piece, 1<<18)} {
			begin := time.Now()
			plain(errors.New(s))
			require.Less(t, time.Since(begin), 2*time.Second, "%q", piece) // tens of milliseconds
		}
	}
}

func FuzzPlain(f *testing.F) {
	for _, s := range []string{"a://b:c@d", "a://b:c/d@e", "\x00\xff://@", "http://[::1]:1/@", "x://y://z@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := plain(errors.New(s))
		require.LessOrEqual(t, len(text), 512)
		require.True(t, utf8.ValidString(text))
		require.False(t, strings.ContainsFunc(text, unicode.IsControl))
		for rest := text; ; {
			var found bool
			if _, rest, found = strings.Cut(rest, "://"); !found {
				break
			}
			authority := rest
			if i := strings.IndexAny(rest, "/?# \"<>`"); i >= 0 {
				authority = rest[:i]
			}
			require.NotContains(t, authority, "@", "%q", text)
		}
		if !strings.Contains(s, "://") && utf8.ValidString(s) && len(s) <= 512 && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			require.Equal(t, s, text, "nothing else is touched")
		}
	})
}

func FuzzReasonOf(f *testing.F) {
	for _, s := range []string{"", "NOAUTH x", "ERR max number of clients", "28P01", "5", "57P03"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		wrapped := func(err error) error { return fmt.Errorf("a: %w", errors.Join(io.EOF, err)) }
		for _, err := range []error{
			errors.New(s), stateError(s), replyError(s), &brokenError{s}, slowError{errors.New(s)},
			wrapped(stateError(s)), wrapped(replyError(s)), &net.DNSError{Err: s}, syscall.Errno(len(s)),
		} {
			require.True(t, isWord(reasonOf(err), 32), "%T", err)
		}
		require.Equal(t, reasonOf(errors.New(s)), reasonOf(replyError(s)), "a reply is the same as its text")
	})
}
