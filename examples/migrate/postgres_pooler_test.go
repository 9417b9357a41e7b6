package main

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pooler starts a PgBouncer before the database of p.
func pooler(t *testing.T, p place, mode string) place {
	t.Helper()
	if os.Getenv("SLUICE_TEST_PGBOUNCER") == "" {
		t.Skip("SLUICE_TEST_PGBOUNCER is not set")
	}
	u, err := url.Parse(p.url)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, l.Close())

	dir, err := os.MkdirTemp("", "pooler") // where another user gets at it, unlike T.TempDir
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	file := filepath.Join(dir, "pgbouncer.ini")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "[databases]\n* = host=%s port=%s user=%s\n[pgbouncer]\n"+
		"listen_addr = 127.0.0.1\nlisten_port = %s\nunix_socket_dir =\nauth_type = any\npool_mode = %s\n",
		u.Hostname(), u.Port(), u.User.Username(), port, mode), 0o644))
	args := []string{file}
	if os.Getuid() == 0 { // which PgBouncer refuses to run as
		args = []string{"-u", "nobody", file}
	}
	c := exec.Command("pgbouncer", args...)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	u.Host = net.JoinHostPort("127.0.0.1", port)
	pooled := place{p.system, u.String(), openDB(t, "pgx", u.String()+"&default_query_exec_mode=simple_protocol")}
	require.Eventually(t, func() bool { return pooled.db.Ping() == nil }, 20*time.Second, 20*time.Millisecond)
	return pooled
}

// Sheet d.6: refuse or warn behind a transaction pooler.
func TestAPoolerOfTransactionsIsRefused(t *testing.T) {
	t.Parallel() // it waits most of its time
	p := newPlace(t, onPostgres)
	for _, mode := range []string{"transaction", "statement"} {
		a := pooler(t, p, mode).migrate(t, "create").requireCode(t, exitFailed)
		require.Contains(t, a.err, "a pooler in transaction mode is between us and PostgreSQL")
		require.Empty(t, p.indexes(t))
	}
}

func TestAPoolerOfSessionsIsWarnedAbout(t *testing.T) {
	t.Parallel() // it waits most of its time
	p := newPlace(t, onPostgres)
	pooled := pooler(t, p, "session")
	a := pooled.migrate(t, "create").requireCode(t, exitDone)
	require.Contains(t, a.err, "warning: there seems to be a pooler")
	p.requireAll(t)
	require.NotContains(t, p.migrate(t, "create").err, "warning")
}
