package sqlstore

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
)

// dataSource returns the driver and its data source name. No error of it holds
// any part of the URL: a password may be anywhere in a URL that is at fault.
func (o Options) dataSource() (driver, dsn string, err error) {
	switch {
	case o.URL != "":
		return "pgx", o.URL, checkURL(o.URL)
	case o.File != "":
		dsn, err = sqliteDSN(o.File)
		return "sqlite", dsn, err
	default:
		return "", "", errors.New("sqlstore: File: is needed where URL is empty")
	}
}

func checkURL(u string) error {
	scheme, rest, _ := strings.Cut(u, "://")
	if scheme != "postgres" && scheme != "postgresql" {
		return errors.New("sqlstore: URL: must begin with postgres://")
	}
	// An unescaped delimiter would move the end of the password into the host or
	// the database, which errors and logs do name (RFC 3986 §3.2.1).
	user, host, found := strings.Cut(rest, "@")
	if found && (strings.ContainsAny(user, "/?#") || strings.Contains(host, "@")) {
		return errors.New("sqlstore: URL: write @ / ? # in a user, password or option as %40 %2F %3F %23")
	}
	if _, err := pgx.ParseConfig(u); err != nil {
		return errors.New("sqlstore: URL: is not of the form postgres://user:password@host:port/database?options, " +
			"or an option is wrong")
	}
	return nil
}

// sqliteDSN makes the file and its folder, for this user alone since the file
// holds password hashes (SQLite gives its other files the same mode), and sets up every connection:
//
//   - WAL lets reads go on while one connection writes;
//   - a write waits for the other writer instead of failing at once;
//   - a transaction takes the write lock when it begins, since one that first
//     reads and then writes cannot wait for it;
//   - foreign keys hold, which is off by default.
func sqliteDSN(file string) (string, error) {
	if strings.HasPrefix(file, ":memory:") {
		return "", errors.New("sqlstore: File: must be a file; each connection would have a memory of its own")
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return "", fmt.Errorf("sqlstore: File: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("sqlstore: File: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("sqlstore: File: %w", err)
	}
	if err := f.Close(); err != nil {
		return "", fmt.Errorf("sqlstore: File: %w", err)
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive, as in file:///C:/data
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"_journal_mode":        {"WAL"},
		"_synchronous":         {"NORMAL"},
		"_busy_timeout":        {"10000"},
		"_txlock":              {"immediate"},
		"_foreign_keys":        {"on"},
		"_time_integer_format": {"unix_micro"}, // how a time.Time is bound
	}.Encode()}
	return u.String(), nil
}
