// Package sqlstore keeps the domain in SQLite or PostgreSQL, with one set of
// SQL for both. It implements [app.Store]: every rule there holds on both, and
// every error is an [app.Error] whose message is public, or wraps the error of
// the caller's context. A write that the context or a lost connection ended may
// have happened nevertheless.
//
// On SQLite an answered write survives a crash of the process; a power cut may
// take the last ones with it. One server per file is what SQLite is good at;
// several servers share a PostgreSQL.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/migrations"
)

var _ app.Store = (*Store)(nil)

// Options says where the database is.
type Options struct {
	// URL of a PostgreSQL, postgres://user:password@host:port/database?options.
	// Default: none, which means SQLite.
	URL string
	// File of the SQLite database, created with its folder if it is missing;
	// not read when URL is set. Default: none; one of the two is needed.
	File string
	// OpenDB opens the pool, for instance a monitored one. Default: sql.Open.
	OpenDB func(driver, dsn string) (*sql.DB, error)
}

// Store is the database. It is safe for concurrent use.
type Store struct {
	db      *sql.DB
	dialect string
	closed  atomic.Bool
}

const (
	// Open waits so long for a database that is starting, or that another server
	// is just making, and asks again after each pause.
	connectWait  = 10 * time.Second
	connectPause = 100 * time.Millisecond
	// PostgreSQL pays a process per connection and allows 100 by default.
	postgresConns = 20
	// SQLite has one writer at a time; more connections only let more reads by.
	sqliteConns = 8
)

// Open connects, and brings the schema to the newest version.
func Open(ctx context.Context, o Options) (*Store, error) {
	driver, dsn, err := o.dataSource()
	if err != nil {
		return nil, err
	}
	open := o.OpenDB
	if open == nil {
		open = sql.Open
	}
	db, err := open(driver, dsn)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: opening: %w", err)
	}
	s := &Store{db: db, dialect: migrations.SQLite}
	conns := sqliteConns
	if o.URL != "" {
		s.dialect, conns = migrations.Postgres, postgresConns
		// A failover or a rebalanced proxy is noticed in time.
		db.SetConnMaxLifetime(30 * time.Minute)
		db.SetConnMaxIdleTime(5 * time.Minute)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	if err := s.connect(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("sqlstore: connecting: %w", err), db.Close())
	}
	if err := migrations.Up(ctx, db, s.dialect); err != nil {
		return nil, errors.Join(fmt.Errorf("sqlstore: %w", err), db.Close())
	}
	return s, nil
}

func (s *Store) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectWait)
	defer cancel()
	for {
		err := s.db.PingContext(ctx)
		if err == nil || s.reasonOf(err) != unavailable {
			return err // a wrong password does not get better
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(connectPause):
		}
	}
}

// DB returns the pool, for health checks and statistics.
func (s *Store) DB() *sql.DB { return s.db }

// Dialect returns migrations.SQLite or migrations.Postgres.
func (s *Store) Dialect() string { return s.dialect }

// Close ends all connections once their statements have ended. Whoever comes
// later finds the database unavailable.
func (s *Store) Close() error {
	s.closed.Store(true)
	return s.db.Close()
}
