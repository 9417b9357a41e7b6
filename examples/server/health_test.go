package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// noticed is how long it takes a check to see a change: its interval, its
// timeout, and what a busy machine adds.
const noticed = 30 * time.Second

// detailed is what operators see.
func (s instance) detailed(t *testing.T) (components map[string]any, whole map[string]any) {
	t.Helper()
	ops := &client{t: t, base: s.admin}
	res, text := ops.do("GET", "/health/detailed", nil, nil)
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	whole = decode(t, text)
	return whole["components"].(map[string]any), whole
}

// await waits until a component has a status and a reason.
func (s instance) await(t *testing.T, name, status, reason string) map[string]any {
	t.Helper()
	var c map[string]any
	require.Eventually(t, func() bool {
		components, _ := s.detailed(t)
		c, _ = components[name].(map[string]any)
		got, _ := c["reason"].(string)
		return c["status"] == status && got == reason
	}, noticed, 50*time.Millisecond, "%s is not %s %s", name, status, reason)
	return c
}

// probe is the status code and the status of a path that everybody may ask.
func (s instance) probe(t *testing.T, path string) string {
	t.Helper()
	c := &client{t: t, base: s.url}
	res, text := c.do("GET", path, nil, nil)
	require.NotContains(t, text, "error", "texts of errors are for operators")
	return fmt.Sprint(res.StatusCode, " ", decode(t, text)["status"])
}

func TestEveryComponentIsShownAsItIs(t *testing.T) {
	t.Parallel()
	ollama := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/version" {
			t.Errorf("a probe must not load a model: %s", r.URL.Path)
		}
		_, _ = io.WriteString(w, `{"version":"0.12.0"}`)
	}))
	defer ollama.Close()
	s := start(t, map[string]string{"OLLAMA_URL": ollama.URL, "OLLAMA_MODEL": "tiny"})
	ai := s.await(t, "ai", "healthy", "")
	require.Equal(t, "tiny", ai["model"])
	require.Equal(t, 200.0, ai["status_code"])
	require.Equal(t, 0.0, s.await(t, "websocket", "healthy", "")["connections"])
	s.await(t, "database", "healthy", "")

	var whole map[string]any
	for _, name := range []string{"cpu", "memory", "disk"} { // the first measure of processors takes a while
		require.Eventually(t, func() bool {
			var components map[string]any
			components, whole = s.detailed(t)
			measure, measured := whole["metrics"].(map[string]any)[name+"_usage_percent"].(float64)
			component := components[name].(map[string]any)
			percent, seen := component["usage_percent"].(float64)
			return measured && seen && measure >= 0 && percent >= 0 &&
				(component["status"] == "healthy" || component["status"] == "degraded")
		}, noticed, 50*time.Millisecond, name)
	}
	require.InDelta(t, float64(time.Now().Unix()), whole["timestamp"], 5)

	ollama.Close()
	require.Contains(t, s.await(t, "ai", "unhealthy", "refused")["error"], "refused")
	require.Equal(t, "200 degraded", s.probe(t, "/health"), "the rest goes on")
	require.Equal(t, "200 degraded", s.probe(t, "/health/readiness"))
	require.Equal(t, "200 healthy", s.probe(t, "/health/liveness"))
	require.Equal(t, "200 healthy", s.probe(t, "/health/startup"))
}

func TestAListenerIsSeenInTheHealthOfTheChat(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	socket := (&client{t: t, base: s.url}).dial("")
	defer socket.CloseNow()
	require.Eventually(t, func() bool {
		components, _ := s.detailed(t)
		c, _ := components["websocket"].(map[string]any)
		return c["connections"] == 1.0
	}, noticed, 50*time.Millisecond)
}

func TestARedisThatStopsDegrades(t *testing.T) {
	t.Parallel()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	port := freePort(t)
	redis := exec.CommandContext(t.Context(), binary, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	require.NoError(t, redis.Start())
	stop := sync.OnceFunc(func() {
		_ = redis.Process.Signal(os.Interrupt)
		_ = redis.Wait()
	})
	defer stop()
	s := start(t, map[string]string{"REDIS_URL": "redis://127.0.0.1:" + port + "/0"})
	s.await(t, "cache", "healthy", "")
	stop()
	s.await(t, "cache", "unhealthy", "refused")
	require.Equal(t, "200 degraded", s.probe(t, "/health/readiness"))
}

func TestADatabaseThatIsBusyIsNotTakenForOneThatIsGone(t *testing.T) {
	t.Parallel()
	base := os.Getenv("SLUICE_TEST_POSTGRES_URL")
	if base == "" {
		t.Skip("SLUICE_TEST_POSTGRES_URL is not set")
	}
	database := newDatabase(t, base)
	u, err := url.Parse(database)
	require.NoError(t, err)
	line := newWire(t, u.Host)
	u.Host = line.addr
	s := start(t, map[string]string{"DATABASE_URL": u.String()})
	s.await(t, "database", "healthy", "")
	require.Equal(t, "200 healthy", s.probe(t, "/health/readiness"))

	release := lockMessages(t, database)
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range 40 { // twice as many as there are connections
		waiting.Go(func() {
			req, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/messages", nil)
			if res, err := http.DefaultClient.Do(req); err == nil {
				_ = res.Body.Close()
			}
		})
	}
	busy := s.await(t, "database", "degraded", "pool_saturated")
	require.Equal(t, busy["max_open"], busy["in_use"])
	require.Equal(t, "200 degraded", s.probe(t, "/health/readiness"), "a full pool is no reason to send requests elsewhere")
	release()
	cancel()
	waiting.Wait()
	http.DefaultClient.CloseIdleConnections()
	s.await(t, "database", "healthy", "")

	line.cut()
	gone := s.await(t, "database", "unhealthy", "refused")
	require.NotContains(t, gone["error"], "postgres://")
	require.Equal(t, "503 unhealthy", s.probe(t, "/health/readiness"))
	require.Equal(t, "503 unhealthy", s.probe(t, "/health"))
	require.Equal(t, "200 healthy", s.probe(t, "/health/liveness"), "a restart would not bring it back")
}

// lockMessages keeps everybody else from reading messages until it is released.
func lockMessages(t *testing.T, database string) (release func()) {
	t.Helper()
	db, err := sql.Open("pgx", database)
	require.NoError(t, err)
	tx, err := db.Begin()
	require.NoError(t, err)
	_, err = tx.Exec("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	release = sync.OnceFunc(func() {
		_ = tx.Rollback()
		_ = db.Close()
	})
	t.Cleanup(release)
	return release
}

// wire is a way to a server that can be cut.
type wire struct {
	addr string
	cut  func()
}

func newWire(t *testing.T, to string) wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var open sync.WaitGroup
	open.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { join(ctx, near, to) })
		}
	})
	w := wire{l.Addr().String(), sync.OnceFunc(func() {
		_ = l.Close()
		cancel()
		open.Wait()
	})}
	t.Cleanup(w.cut)
	return w
}

// join copies both ways until one side or the context ends.
func join(ctx context.Context, near net.Conn, to string) {
	defer near.Close()
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	defer context.AfterFunc(ctx, func() { _ = near.Close(); _ = far.Close() })()
	back := make(chan struct{})
	go func() {
		_, _ = io.Copy(near, far)
		_ = near.Close()
		close(back)
	}()
	_, _ = io.Copy(far, near)
	_ = far.Close()
	<-back
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return port
}

func TestDetailsAreNotForEverybody(t *testing.T) {
	s := start(t, nil)
	c := &client{t: t, base: s.url}
	for name, header := range map[string]map[string]string{
		"behind a proxy":                {"X-Forwarded-For": "192.0.2.1"},
		"behind a proxy with standards": {"Forwarded": "for=192.0.2.1"},
	} {
		res, text := c.do("GET", "/health/detailed", nil, header)
		require.Equal(t, 403, res.StatusCode, name)
		require.NotContains(t, text, "database", name)
	}
	res, text := c.do("GET", "/health/detailed", nil, nil)
	require.Equal(t, 200, res.StatusCode, "this host may")
	require.Contains(t, text, "duration_ms")
	s = start(t, map[string]string{"APP_ENV": "production", "DRAIN_WAIT": "0s"})
	res, _ = (&client{t: t, base: s.url}).do("GET", "/health/detailed", nil, nil)
	require.Equal(t, 403, res.StatusCode, "a proxy on this host may look like this host")
}
