package sqlstore_test

import (
	"context"
	"database/sql"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/migrations"
	"github.com/sluice-go/sluice/examples/server/sqlstore"
)

// calls are one call of every kind, with arguments that fit no row.
func calls(s *sqlstore.Store) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"get": func(ctx context.Context) error { _, err := s.GetUser(ctx, 1); return err },
		"list": func(ctx context.Context) error {
			_, err := s.ListFiles(ctx, app.FileFilter{}, app.PageRequest{})
			return err
		},
		"create": func(ctx context.Context) error {
			_, err := s.CreateMessage(ctx, app.Message{Username: "ann", Type: "text", Body: "b"})
			return err
		},
		"update":       func(ctx context.Context) error { _, err := s.UpdateUser(ctx, app.User{ID: 1}); return err },
		"delete":       func(ctx context.Context) error { return s.DeleteTicket(ctx, 1, 1) },
		"search":       func(ctx context.Context) error { _, err := s.SearchMessages(ctx, []string{"b"}, 1); return err },
		"by name":      func(ctx context.Context) error { _, err := s.GetUserByName(ctx, "ann"); return err },
		"by token":     func(ctx context.Context) error { _, err := s.UserByToken(ctx, []byte("h"), time.Now()); return err },
		"new token":    func(ctx context.Context) error { return s.CreateToken(ctx, []byte("h"), 1, time.Now()) },
		"delete token": func(ctx context.Context) error { return s.DeleteToken(ctx, []byte("h")) },
		"log out":      func(ctx context.Context) error { return s.DeleteUserTokens(ctx, 1) },
	}
}

func TestAnErrorOfTheContextStaysOne(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		late, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		for name, call := range calls(s) {
			require.ErrorIs(t, call(canceled), context.Canceled, name)
			require.ErrorIs(t, call(late), context.DeadlineExceeded, name)
		}
		require.NoError(t, s.DB().PingContext(t.Context()), "the store survives it")
	})
}

func TestAClosedStoreIsUnavailable(t *testing.T) {
	eachPlace(t, func(t *testing.T, place sqlstore.Options) {
		s, err := sqlstore.Open(t.Context(), place)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		require.NoError(t, s.Close(), "closing twice is no error")
		for name, call := range calls(s) {
			e := requireCode(t, app.CodeUnavailable, call(t.Context()))
			require.NotContains(t, e.Message, "sql", name)
		}
	})
}

func TestACallWaitingForALockEndsWithItsContext(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		m := newMessage(t, s, "text", "locked")
		tx, err := s.DB().Begin()
		require.NoError(t, err)
		_, err = tx.Exec("UPDATE messages SET body = 'mine'")
		require.NoError(t, err)

		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		m.Body = "theirs"
		_, err = s.UpdateMessage(ctx, m)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, tx.Rollback())

		m.Version = 0 // a PostgreSQL may have made the change nevertheless
		_, err = s.UpdateMessage(t.Context(), m)
		require.NoError(t, err)
	})
}

func TestALongQueryEndsWithItsContext(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		numbers := "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
		if s.Dialect() == migrations.SQLite {
			numbers = "INSERT INTO messages (username, type, body, created_at, updated_at, version) " + numbers +
				" SELECT 'ann', 'text', hex(zeroblob(1000)), i, i, 1 FROM n"
		} else {
			numbers = "INSERT INTO messages (username, type, body, created_at, updated_at, version) " + numbers +
				" SELECT 'ann', 'text', repeat('0', 2000), now(), now(), 1 FROM n"
		}
		_, err := s.DB().Exec(numbers)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		words := make([]string, 200) // many seconds of work
		for i := range words {
			words[i] = strings.Repeat("0", 100+i) + "x"
		}
		_, err = s.SearchMessages(ctx, words, 1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestALockThatStaysIsUnavailable(t *testing.T) {
	s := open(t, sqlstore.Options{
		File: filepath.Join(t.TempDir(), "app.db"),
		OpenDB: func(driver, dsn string) (*sql.DB, error) {
			require.Contains(t, dsn, "_busy_timeout=10000")
			return sql.Open(driver, strings.Replace(dsn, "_busy_timeout=10000", "_busy_timeout=1", 1))
		},
	})
	tx, err := s.DB().Begin() // immediate: takes the write lock
	require.NoError(t, err)
	_, err = s.CreateMessage(t.Context(), app.Message{Username: "ann", Type: "text", Body: "b"})
	e := requireCode(t, app.CodeUnavailable, err)
	require.ErrorContains(t, e.Cause, "SQLITE_BUSY")
	require.NotContains(t, e.Message, "SQLITE")
	require.NoError(t, tx.Rollback())
}

func TestAFaultOfOursTellsTheClientNothing(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		_, err := s.CreateMessage(t.Context(), app.Message{Username: "ann", Type: "not a type", Body: "b"})
		e := requireCode(t, app.CodeInternal, err)
		require.NotContains(t, e.Message, "constraint")
		require.ErrorContains(t, e.Cause, "constraint", "the log learns the cause")

		_, err = s.DB().Exec("DROP TABLE messages")
		require.NoError(t, err)
		_, err = s.GetMessage(t.Context(), 1)
		requireCode(t, app.CodeInternal, err)
	})
}

func TestConnectionsThatTheServerEndsAreReplaced(t *testing.T) {
	place := postgresURL(t)
	u, err := url.Parse(place)
	require.NoError(t, err)
	options := u.Query()
	options.Set("application_name", options.Get("search_path")) // a name to find them by
	u.RawQuery = options.Encode()
	s, other := open(t, sqlstore.Options{URL: u.String()}), open(t, sqlstore.Options{URL: place})
	m := newMessage(t, s, "text", "b")
	for range 3 {
		_, err := other.DB().Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
			options.Get("application_name"))
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			got, err := s.GetMessage(t.Context(), m.ID)
			return err == nil && got == m
		}, 10*time.Second, time.Millisecond)
	}
}

func TestADatabaseThatGoesAwayIsUnavailableAndComesBack(t *testing.T) {
	place := postgresURL(t)
	u, err := url.Parse(place)
	require.NoError(t, err)
	password, has := u.User.Password()
	if !has { // a server that asks for none does not mind one
		password = "hunter2"
		u.User = url.UserPassword(u.User.Username(), password)
	}
	p := startProxy(t, u.Host)
	s := open(t, sqlstore.Options{URL: withHost(t, u.String(), p.address)})
	m := newMessage(t, s, "text", "b")

	p.stop()
	for name, call := range calls(s) {
		e := requireCode(t, app.CodeUnavailable, call(t.Context()))
		require.NotContains(t, e.Error(), password, name)
	}
	p.start(t)
	got, err := s.GetMessage(t.Context(), m.ID)
	require.NoError(t, err)
	require.Equal(t, m, got)
}

// proxy forwards connections to a database until it is stopped.
type proxy struct {
	address, target string
	listener        net.Listener
	mu              sync.Mutex
	conns           []net.Conn
	wg              sync.WaitGroup
}

func startProxy(t *testing.T, target string) *proxy {
	t.Helper()
	p := &proxy{address: "127.0.0.1:0", target: target}
	p.start(t)
	t.Cleanup(p.stop)
	return p
}

func (p *proxy) start(t *testing.T) {
	t.Helper()
	var err error
	p.listener, err = net.Listen("tcp", p.address)
	require.NoError(t, err)
	p.address = p.listener.Addr().String()
	p.wg.Go(func() {
		for {
			client, err := p.listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", p.target)
			if err != nil {
				client.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, client, server)
			p.mu.Unlock()
			p.wg.Go(func() { _, _ = io.Copy(server, client); server.Close() })
			p.wg.Go(func() { _, _ = io.Copy(client, server); client.Close() })
		}
	})
}

func (p *proxy) stop() {
	p.listener.Close()
	p.mu.Lock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
	p.mu.Unlock()
	p.wg.Wait()
}
