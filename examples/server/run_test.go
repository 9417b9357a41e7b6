package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// console is what the server prints.
type console struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

// instance is a server that runs in this process.
type instance struct {
	url, admin string
	out        *console
	stop       func() error
}

// start runs the program on free ports until the test ends.
func start(t *testing.T, env map[string]string) instance {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, done := &console{}, make(chan error, 1)
	vars := map[string]string{
		"ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0", "DATA_DIR": t.TempDir(), "ADMIN_PASSWORD": password,
	}
	for name, value := range env {
		vars[name] = value
	}
	go func() { done <- run(ctx, nil, func(name string) string { return vars[name] }, out) }()
	stop := sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { require.NoError(t, stop()) })
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "ready") }, 20*time.Second, 5*time.Millisecond,
		"the server did not start")
	addr := func(what string) string {
		m := regexp.MustCompile(what + ` +(http://[^/]+)/`).FindStringSubmatch(out.String())
		require.NotNil(t, m, out.String())
		return m[1]
	}
	return instance{addr("page"), addr("operators"), out, stop}
}

const password = "correct horse battery"

// databases runs f on SQLite, and on PostgreSQL where there is one.
func databases(t *testing.T, f func(t *testing.T, env map[string]string)) {
	t.Run("SQLite", func(t *testing.T) { f(t, nil) })
	t.Run("PostgreSQL", func(t *testing.T) {
		base := os.Getenv("SLUICE_TEST_POSTGRES_URL")
		if base == "" {
			t.Skip("SLUICE_TEST_POSTGRES_URL is not set")
		}
		f(t, map[string]string{"DATABASE_URL": newDatabase(t, base)})
	})
}

// newDatabase makes an empty database for one test.
func newDatabase(t *testing.T, base string) string {
	t.Helper()
	admin, err := sql.Open("pgx", base)
	require.NoError(t, err)
	name := fmt.Sprintf("sluice_server_%d", time.Now().UnixNano())
	_, err = admin.Exec("CREATE DATABASE " + name)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := admin.Exec("DROP DATABASE " + name + " WITH (FORCE)")
		require.NoError(t, err)
		require.NoError(t, admin.Close())
	})
	u, err := url.Parse(base)
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}

func TestEveryRouteAnswersWithSeededData(t *testing.T) {
	databases(t, func(t *testing.T, env map[string]string) {
		s := start(t, env)
		exercise(t, s.url, s.admin, password)
		require.NoError(t, s.stop())
	})
}

// TestARunningServer is for a server that was started as a user starts it.
func TestARunningServer(t *testing.T) {
	public, admin := os.Getenv("SLUICE_TEST_SERVER_URL"), os.Getenv("SLUICE_TEST_SERVER_ADMIN_URL")
	if public == "" || admin == "" {
		t.Skip("SLUICE_TEST_SERVER_URL and SLUICE_TEST_SERVER_ADMIN_URL are not set")
	}
	exercise(t, public, admin, os.Getenv("SLUICE_TEST_SERVER_PASSWORD"))
}

func TestASecondStartKeepsTheDataAndMakesNoAccounts(t *testing.T) {
	databases(t, func(t *testing.T, env map[string]string) {
		all := map[string]string{"DATA_DIR": t.TempDir()}
		for k, v := range env {
			all[k] = v
		}
		count := func(s instance) int {
			c := client{t: t, base: s.url}
			return len(c.get("/api/messages?limit=100", 200)["items"].([]any))
		}
		first := start(t, all)
		before := count(first)
		require.Positive(t, before)
		require.NoError(t, first.stop())
		all["ADMIN_PASSWORD"] = "another password"
		second := start(t, all)
		require.Equal(t, before, count(second))
		c := client{t: t, base: second.url}
		c.login("admin", password)
	})
}

func TestOnlyDevelopmentGetsDemonstrationData(t *testing.T) {
	s := start(t, map[string]string{"APP_ENV": "production", "ADMIN_PASSWORD": "", "DRAIN_WAIT": "0s"})
	m := regexp.MustCompile(`first start: made user "admin", password ([A-Z2-7]{26})\n`).FindStringSubmatch(s.out.String())
	require.NotNil(t, m, "a random password is printed once: %s", s.out.String())
	c := client{t: t, base: s.url}
	require.Empty(t, c.get("/api/messages", 200)["items"])
	_, page := c.do("GET", "/", nil, nil)
	require.NotContains(t, page, strings.TrimPrefix(s.admin, "http://"), "visitors do not learn where operators look")
	for _, path := range []string{"/demo/slow", "/demo/n-plus-one"} {
		res, _ := c.do("GET", path, nil, nil)
		require.Equal(t, 404, res.StatusCode, path)
		require.Empty(t, res.Header.Get("Server-Timing"))
	}
	c.login("admin", m[1])
	require.Len(t, c.get("/api/users", 200)["items"], 1)
}

func TestAStopLetsRequestsFinishAndSendsListenersAway(t *testing.T) {
	s := start(t, nil)
	c := client{t: t, base: s.url}
	socket := c.dial("")
	defer socket.CloseNow()
	_, _, err := socket.Read(t.Context())
	require.NoError(t, err, "the welcome")
	require.NoError(t, s.stop())
	_, _, err = socket.Read(t.Context())
	require.ErrorContains(t, err, "StatusGoingAway")
	_, err = http.Get(s.url + "/health")
	require.Error(t, err)
}

func TestTheDefaultsAreEnough(t *testing.T) {
	t.Chdir(t.TempDir())
	s := start(t, map[string]string{"DATA_DIR": "", "ADMIN_PASSWORD": ""})
	c := client{t: t, base: s.url}
	c.becomes("/health/readiness", "healthy")
	require.FileExists(t, filepath.Join("data", "sluice.db"))
	require.NoError(t, s.stop())
}

func TestHelpExplainsEveryFlagAndVariable(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-h"}, func(string) string { return "" }, &out))
	for _, word := range []string{
		"-addr", "-admin", "-data", "ADDR", "ADMIN_ADDR", "DATA_DIR", "APP_ENV", "DATABASE_URL", "ADMIN_PASSWORD",
		"OLLAMA_URL", "OLLAMA_MODEL", "REDIS_URL", "DRAIN_WAIT", "CHAT_ORIGINS", "127.0.0.1:8080", "127.0.0.1:9090", "./data",
	} {
		require.Contains(t, out.String(), word)
	}
}

func TestFaultyConfigurationIsRefusedWhole(t *testing.T) {
	tests := []struct {
		name string
		args []string
		env  map[string]string
		want []string
	}{
		{"all faults at once", []string{"-addr", "8080", "rest"}, map[string]string{"APP_ENV": "test", "ADMIN_PASSWORD": "short"},
			[]string{"-addr: must be like", "APP_ENV: must be", "ADMIN_PASSWORD: must have", "arguments: there are none"}},
		{"an unknown flag", []string{"-x"}, nil, []string{"-x", "-h explains"}},
		{"one address for both", []string{"-addr", "127.0.0.1:1", "-admin", "127.0.0.1:1"}, nil, []string{"-admin: must differ"}},
		{"a long password", nil, map[string]string{"ADMIN_PASSWORD": strings.Repeat("x", 73)}, []string{"at most 72 bytes"}},
		{"a database URL keeps its password", nil,
			map[string]string{"DATABASE_URL": "postgres://u:hunter2@127.0.0.1:x/db"}, []string{"sqlstore: URL"}},
		{"a model URL keeps its password", nil,
			map[string]string{"OLLAMA_URL": "ftp://u:hunter2@127.0.0.1"}, []string{"llm: URL"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			vars := map[string]string{"DATA_DIR": t.TempDir(), "ADDR": "127.0.0.1:0", "ADMIN_ADDR": "127.0.0.1:0"}
			for k, v := range tt.env {
				vars[k] = v
			}
			var out bytes.Buffer
			err := run(t.Context(), tt.args, func(name string) string { return vars[name] }, &out)
			require.Error(t, err)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestAnAddressInUseIsAClearError(t *testing.T) {
	s := start(t, nil)
	vars := map[string]string{"DATA_DIR": t.TempDir(), "ADDR": strings.TrimPrefix(s.url, "http://"), "ADMIN_ADDR": "127.0.0.1:0"}
	err := run(t.Context(), nil, func(name string) string { return vars[name] }, &bytes.Buffer{})
	require.ErrorContains(t, err, "server: -addr:")
	require.NoFileExists(t, filepath.Join(vars["DATA_DIR"], "sluice.db"), "no account was made whose password nobody saw")
}

func TestAStopDoesNotWaitForASenderThatSendsNothing(t *testing.T) {
	s := start(t, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /api/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nContent-Length: 9\r\n\r\n")
	require.NoError(t, err)
	begun := time.Now()
	require.NoError(t, s.stop())
	require.Less(t, time.Since(begun), 20*time.Second, "what a drain leaves to the servers")
}
