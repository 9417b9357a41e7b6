// Package migrations holds the schema of the service, one set of SQL files per
// database, numbered alike. Each migration is one transaction, and servers that
// start together on one database apply it once. The indexes that only make
// things faster are not here: a command of their own creates and drops them
// while the servers run.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// The dialects that [Up] knows.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// lockWait is how many seconds a server waits for another one to migrate.
const lockWait = 300

// Up brings the schema of db to the newest version. It logs nothing.
func Up(ctx context.Context, db *sql.DB, dialect string) error {
	provider, err := newProvider(db, dialect)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	attempts := 1
	if dialect == SQLite {
		// SQLite has no lock that outlives a transaction. Of two servers that
		// migrate together one fails on what the other has just made, rolls back,
		// and finds it made on the next attempt: once per migration, and once for
		// the table of versions.
		attempts += 1 + len(provider.ListSources())
	}
	for ; attempts > 0; attempts-- {
		if _, err = provider.Up(ctx); err == nil {
			return nil
		}
	}
	return fmt.Errorf("migrations: %w", err)
}

func newProvider(db *sql.DB, dialect string) (*goose.Provider, error) {
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	var name goose.Dialect
	switch dialect {
	case SQLite:
		name = goose.DialectSQLite3
	case Postgres:
		name = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, lockWait))
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	default:
		return nil, fmt.Errorf("unknown dialect %q", dialect)
	}
	dir, err := fs.Sub(files, dialect)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(name, db, dir, options...)
}
