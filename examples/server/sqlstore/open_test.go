package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/migrations"
	"github.com/sluice-go/sluice/examples/server/sqlstore"
)

func TestOpenRefusesWhatItCannotOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("not a database ", 100)), 0o600))
	for _, c := range []struct {
		name  string
		place sqlstore.Options
		fault string
	}{
		{"nothing", sqlstore.Options{}, "sqlstore: File: is needed"},
		{"a database in memory", sqlstore.Options{File: ":memory:"}, "sqlstore: File: must be a file"},
		{"a folder that is a file", sqlstore.Options{File: filepath.Join(file, "app.db")}, "sqlstore: File: "},
		{"a file of something else", sqlstore.Options{File: file}, "sqlstore: "},
		{"another database", sqlstore.Options{URL: "mysql://localhost/app"}, "sqlstore: URL: must begin with postgres://"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := sqlstore.Open(t.Context(), c.place)
			require.ErrorContains(t, err, c.fault)
			require.Nil(t, s)
		})
	}
}

func TestNoErrorAboutAURLShowsItsPassword(t *testing.T) {
	closed := closedPort(t)
	for _, u := range []string{
		"postgres://ann:secret@" + closed + "/app",
		"postgres://ann:@secret@" + closed + "/app",
		"postgres://ann:x@secret@" + closed + "/app",
		"postgres://ann:1/secret@" + closed + "/app",
		"postgres://ann:1?secret@" + closed + "/app",
		"postgres://ann:1#secret@" + closed + "/app",
		"postgres://ann:secret%zz@" + closed + "/app",
		"postgres://ann:secret@" + closed + "/app?sslmode=wrong",
		"postgres://ann:secret@127.0.0.1:port/app",
		"postgres://ann:secret@[::1/app",
		"postgres://ann:secret",
		"postgres://" + closed + "/app?user=ann&password=secret",
		"postgres://" + closed + "/app?password=secret&connect_timeout=soon",
		"postgres:ann:secret@" + closed + "/app",
		"host=127.0.0.1 user=ann password=secret",
	} {
		t.Run(u, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			s, err := sqlstore.Open(ctx, sqlstore.Options{URL: u})
			require.ErrorContains(t, err, "sqlstore: ")
			require.Nil(t, s)
			for ; err != nil; err = errors.Unwrap(err) {
				require.NotContains(t, err.Error(), "secret")
			}
		})
	}
}

func TestAWrongPasswordIsToldAtOnce(t *testing.T) {
	place := postgresURL(t)
	u, err := url.Parse(place)
	require.NoError(t, err)
	u.User = url.UserPassword("nobody-of-this-name", "wrong-secret")
	start := time.Now()
	_, err = sqlstore.Open(t.Context(), sqlstore.Options{URL: u.String()})
	require.ErrorContains(t, err, "nobody-of-this-name")
	require.NotContains(t, err.Error(), "wrong-secret")
	require.Less(t, time.Since(start), 5*time.Second)
}

func TestOpenWaitsForADatabaseThatIsStarting(t *testing.T) {
	place := postgresURL(t)
	u, err := url.Parse(place)
	require.NoError(t, err)
	address := closedPort(t)
	opened := make(chan error, 1)
	go func() {
		s, err := sqlstore.Open(t.Context(), sqlstore.Options{URL: withHost(t, place, address)})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("did not wait: %v", err)
	case <-time.After(250 * time.Millisecond): // several attempts
	}
	p := &proxy{address: address, target: u.Host}
	p.start(t)
	defer p.stop()
	require.NoError(t, <-opened)
}

func TestOpenEndsWithItsContext(t *testing.T) {
	// A server that accepts and never answers.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		c, err := l.Accept()
		cancel()
		if err == nil {
			defer c.Close()
			_, _ = c.Read(make([]byte, 1<<10))
			_, _ = c.Read(make([]byte, 1)) // until the client leaves
		}
	}()
	_, err = sqlstore.Open(ctx, sqlstore.Options{URL: "postgres://ann:secret@" + l.Addr().String() + "/app?sslmode=disable"})
	require.ErrorIs(t, err, context.Canceled)
}

func TestOpenDBGetsTheDriverAndTheSource(t *testing.T) {
	eachPlace(t, func(t *testing.T, place sqlstore.Options) {
		var opened *sql.DB
		place.OpenDB = func(driver, dsn string) (*sql.DB, error) {
			require.Contains(t, []string{"sqlite", "pgx"}, driver)
			var err error
			opened, err = sql.Open(driver, dsn)
			return opened, err
		}
		s := open(t, place)
		require.Same(t, opened, s.DB())
		require.NoError(t, s.DB().PingContext(t.Context()))
		require.Positive(t, s.DB().Stats().MaxOpenConnections)
	})
}

func TestWhatOpenDBReportsIsPassedOn(t *testing.T) {
	gone := errors.New("gone")
	_, err := sqlstore.Open(t.Context(), sqlstore.Options{
		File:   filepath.Join(t.TempDir(), "app.db"),
		OpenDB: func(string, string) (*sql.DB, error) { return nil, gone },
	})
	require.ErrorIs(t, err, gone)
}

func TestTheFileMayBeCalledAnything(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"with space.db", "q?mode=memory.db", "hash#.db", "100%.db", "pct%41.db", "ünï👍.db", "new/folder/app.db"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		s := open(t, sqlstore.Options{File: path})
		u := newUser(t, s, "ann")
		require.FileExists(t, path)
		again := open(t, sqlstore.Options{File: path})
		got, err := again.GetUser(t.Context(), u.ID)
		require.NoError(t, err, "the second start keeps what there is")
		require.Equal(t, u, got)
	}
	t.Run("a relative path is one of the working directory", func(t *testing.T) {
		t.Chdir(t.TempDir())
		open(t, sqlstore.Options{File: "app.db"})
		require.FileExists(t, "app.db")
	})
	t.Run("what is new is closed to others", func(t *testing.T) {
		open := filepath.Join(dir, "open")
		require.NoError(t, os.Mkdir(open, 0o755))
		s, err := sqlstore.Open(t.Context(), sqlstore.Options{File: filepath.Join(open, "app.db")})
		require.NoError(t, err)
		defer s.Close()
		newUser(t, s, "bob")
		for _, path := range []string{filepath.Join(dir, "new"), filepath.Join(open, "app.db"), filepath.Join(open, "app.db-wal")} {
			info, err := os.Stat(path)
			require.NoError(t, err)
			if runtime.GOOS != "windows" {
				require.Zero(t, info.Mode().Perm()&0o077, path)
			}
		}
	})
}

func TestEveryConnectionToSQLiteIsSetUp(t *testing.T) {
	s := open(t, sqlstore.Options{File: filepath.Join(t.TempDir(), "app.db")})
	require.Equal(t, migrations.SQLite, s.Dialect())
	for range 3 {
		c, err := s.DB().Conn(t.Context()) // all held until the end, so each is another one
		require.NoError(t, err)
		defer c.Close()
		for pragma, want := range map[string]string{"journal_mode": "wal", "foreign_keys": "1", "busy_timeout": "10000", "synchronous": "1"} {
			var got string
			require.NoError(t, c.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got))
			require.Equal(t, want, got, pragma)
		}
	}
}

func TestTheSchemaRefusesWhatTheDomainRefuses(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		u := newUser(t, s, "ann")
		p := newProject(t, s, u.ID)
		for _, statement := range []string{
			"UPDATE users SET role = 'root'",
			"UPDATE projects SET status = 'lost'",
			"INSERT INTO messages (username, type, body, created_at, updated_at, version) SELECT 'a', 'html', 'b', created_at, created_at, 1 FROM users",
			"INSERT INTO tickets (project_id, title, description, status, priority, created_at, updated_at, version) SELECT id, 't', '', 'open', 'none', created_at, created_at, 1 FROM projects",
			"INSERT INTO tickets (project_id, title, description, status, priority, created_at, updated_at, version) SELECT id, 't', '', 'none', 'low', created_at, created_at, 1 FROM projects",
			"INSERT INTO files (name, file_type, size, sha256, blob, uploaded_by, created_at, updated_at, version) SELECT 'f', 't', 1, '', '', id, created_at, created_at, 1 FROM users",
		} {
			_, err := s.DB().Exec(statement)
			require.ErrorContains(t, err, "constraint", statement)
		}
		got, err := s.GetProject(t.Context(), p.ID)
		require.NoError(t, err)
		require.Equal(t, p, got)
	})
}

// closedPort returns a loopback address where nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

// withHost returns a URL with another address in it.
func withHost(t *testing.T, place, host string) string {
	t.Helper()
	u, err := url.Parse(place)
	require.NoError(t, err)
	u.Host = host
	return u.String()
}
