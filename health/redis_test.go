package health_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// goRedis is a client of a real server.
func goRedis(t *testing.T, o *redis.Options) (*redis.Client, health.RedisDo) {
	t.Helper()
	o.MaxRetries = -1
	rdb := redis.NewClient(o)
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb, func(ctx context.Context, args ...any) (any, error) { return rdb.Do(ctx, args...).Result() }
}

// startRedis starts a server of its own, on a free port, with its data in a
// temporary folder.
func startRedis(t *testing.T, args ...string) (addr, dir string) {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	host, port, err := net.SplitHostPort(closedAddress(t))
	require.NoError(t, err)
	dir = filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.Mkdir(dir, 0o755))
	args = append([]string{"--port", port, "--bind", host, "--save", "", "--appendonly", "no", "--dir", dir}, args...)
	server := exec.Command(binary, args...)
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	addr = net.JoinHostPort(host, port)
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	return addr, dir
}

// closedAddress is a loopback address that nobody listens at.
func closedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func TestARealRedisIsHealthy(t *testing.T) {
	server := os.Getenv("SLUICE_TEST_REDIS_URL")
	if server == "" {
		t.Skip("SLUICE_TEST_REDIS_URL is not set")
	}
	o, err := redis.ParseURL(server)
	require.NoError(t, err)
	rdb, do := goRedis(t, o)
	facts, err := health.Run(t.Context(), health.Redis(do))
	requireHealthy(t, err)
	require.Equal(t, "master", facts["role"])
	require.Positive(t, facts["used_memory_bytes"])

	key := "sluice:test:health:" + t.Name()
	requireHealthy(t, timed(t, health.RedisWrite(do, key), 5*time.Second))
	left, err := rdb.PTTL(t.Context(), key).Result()
	require.NoError(t, err)
	require.LessOrEqual(t, left, time.Second, "it does not stay")
	requireHealthy(t, timed(t, health.Ping(func(ctx context.Context) error { return rdb.Ping(ctx).Err() }), 5*time.Second))
}

// Trap 23: PING is not enough for a writable cache, and credentials have a class
// of their own.
func TestARedisThatRefusesWritesIsDegraded(t *testing.T) {
	type verdict struct{ status, reason string }
	degraded := func(reason string) verdict { return verdict{health.StatusDegraded, reason} }
	unhealthy := func(reason string) verdict { return verdict{health.StatusUnhealthy, reason} }
	healthy := verdict{health.StatusHealthy, ""}
	fill := []any{"EVAL", "for i = 1, 100 do redis.call('set', i, string.rep('x', 10000)) end return 1", "0"}

	for name, c := range map[string]struct {
		args        []string
		setup       [][]any
		breakFolder bool
		user, pass  string
		read, write verdict
	}{
		"a plain one": {read: healthy, write: healthy},
		"a replica": {
			args: []string{"--replicaof", "127.0.0.1 1"},
			read: degraded(health.ReasonReadOnly), write: degraded(health.ReasonReadOnly),
		},
		"a replica that takes writes": {
			args: []string{"--replicaof", "127.0.0.1 1", "--replica-read-only", "no"},
			read: healthy, write: healthy,
		},
		"a replica without its data": {
			args: []string{"--replicaof", "127.0.0.1 1", "--replica-serve-stale-data", "no"},
			read: unhealthy(health.ReasonStarting), write: degraded(health.ReasonReadOnly),
		},
		"too few replicas": {
			args: []string{"--min-replicas-to-write", "1"},
			read: healthy, write: degraded(health.ReasonReadOnly),
		},
		"a cluster without slots": {
			args: []string{"--cluster-enabled", "yes"},
			read: healthy, write: unhealthy(health.ReasonStarting),
		},
		"a full memory that nothing leaves": {
			setup: [][]any{fill, {"CONFIG", "SET", "maxmemory", "1500000"}},
			read:  degraded(health.ReasonFull), write: degraded(health.ReasonFull),
		},
		"a full memory where nothing expires": {
			setup: [][]any{fill, {"CONFIG", "SET", "maxmemory", "1500000", "maxmemory-policy", "volatile-lru"}},
			read:  degraded(health.ReasonFull), write: degraded(health.ReasonFull),
		},
		"a full memory where all may leave": {
			setup: [][]any{fill, {"CONFIG", "SET", "maxmemory", "1500000", "maxmemory-policy", "allkeys-lru"}},
			read:  healthy, write: healthy,
		},
		"a full memory without a key": {
			setup: [][]any{{"CONFIG", "SET", "maxmemory", "1", "maxmemory-policy", "allkeys-lru"}},
			read:  degraded(health.ReasonFull), write: degraded(health.ReasonFull),
		},
		"a disk that takes nothing": {
			args: []string{"--save", "3600 1"}, breakFolder: true,
			setup: [][]any{{"SET", "a", "b"}, {"BGSAVE"}},
			read:  degraded(health.ReasonReadOnly), write: degraded(health.ReasonReadOnly),
		},
		"a password that we lack": {
			args: []string{"--requirepass", "right"},
			read: unhealthy(health.ReasonAuth), write: unhealthy(health.ReasonAuth),
		},
		"a password that is wrong": {
			args: []string{"--requirepass", "right"}, pass: "wrong",
			read: unhealthy(health.ReasonAuth), write: unhealthy(health.ReasonAuth),
		},
		"a user without rights": {
			setup: [][]any{{"ACL", "SETUSER", "bob", "on", ">pw"}}, user: "bob", pass: "pw",
			read: unhealthy(health.ReasonAuth), write: unhealthy(health.ReasonAuth),
		},
		"a user that may only ping": {
			setup: [][]any{{"ACL", "SETUSER", "bob", "on", ">pw", "+ping"}}, user: "bob", pass: "pw",
			read: healthy, write: unhealthy(health.ReasonAuth),
		},
		"a user that may not use the key": {
			setup: [][]any{{"ACL", "SETUSER", "bob", "on", ">pw", "+@all", "~other"}}, user: "bob", pass: "pw",
			read: healthy, write: unhealthy(health.ReasonAuth),
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr, dir := startRedis(t, c.args...)
			admin, _ := goRedis(t, &redis.Options{Addr: addr})
			if c.breakFolder {
				require.NoError(t, os.Remove(dir))
			}
			for _, args := range c.setup {
				require.NoError(t, admin.Do(t.Context(), args...).Err())
			}
			_, do := goRedis(t, &redis.Options{Addr: addr, Username: c.user, Password: c.pass})
			read, write := health.Redis(do), health.RedisWrite(do, "probe")
			if c.breakFolder { // the server saves in the background
				require.Eventually(t, func() bool { return timed(t, read, 5*time.Second) != nil }, 10*time.Second, 10*time.Millisecond)
			}
			for range 3 {
				requireVerdict(t, timed(t, read, 5*time.Second), c.read.status, c.read.reason)
				requireVerdict(t, timed(t, write, 5*time.Second), c.write.status, c.write.reason)
			}
		})
	}
}

func TestARedisThatRunsAScriptIsOverloaded(t *testing.T) {
	addr, _ := startRedis(t, "--busy-reply-threshold", "10")
	admin, _ := goRedis(t, &redis.Options{Addr: addr})
	done := make(chan error, 1)
	go func() { done <- admin.Do(t.Context(), "EVAL", "while true do end", "0").Err() }()
	_, do := goRedis(t, &redis.Options{Addr: addr})
	require.Eventually(t, func() bool { return timed(t, health.Redis(do), 5*time.Second) != nil }, 10*time.Second, 10*time.Millisecond)
	requireVerdict(t, timed(t, health.Redis(do), 5*time.Second), health.StatusUnhealthy, health.ReasonOverloaded)
	_, err := do(t.Context(), "SCRIPT", "KILL")
	require.NoError(t, err)
	require.Error(t, <-done)
	requireHealthy(t, timed(t, health.Redis(do), 5*time.Second))
}

func TestARedisThatIsAwayIsRefused(t *testing.T) {
	_, do := goRedis(t, &redis.Options{Addr: closedAddress(t)})
	requireVerdict(t, timed(t, health.Redis(do), 1800*time.Millisecond), health.StatusUnhealthy, health.ReasonRefused)
	requireVerdict(t, timed(t, health.RedisWrite(do, "probe"), 1800*time.Millisecond), health.StatusUnhealthy, health.ReasonRefused)
}

// answers is a server of which each command has one answer.
func answers(table map[string]any) health.RedisDo {
	return func(_ context.Context, args ...any) (any, error) {
		switch a := table[args[0].(string)].(type) {
		case error:
			return nil, a
		default:
			return a, nil
		}
	}
}

func TestOtherServersAndClientsAreUnderstood(t *testing.T) {
	info := "# Replication\r\nrole:slave\r\nslave_read_only:1\r\n"
	for name, c := range map[string]struct {
		do             health.RedisDo
		status, reason string
	}{
		"replies in bytes":         {answers(map[string]any{"PING": []byte("PONG"), "INFO": []byte(info)}), health.StatusDegraded, health.ReasonReadOnly},
		"another answer to PING":   {answers(map[string]any{"PING": "PANG"}), health.StatusUnhealthy, health.ReasonOther},
		"no answer to PING":        {answers(map[string]any{"PING": nil}), health.StatusUnhealthy, health.ReasonOther},
		"no INFO":                  {answers(map[string]any{"PING": "PONG", "INFO": errors.New("ERR unknown command")}), health.StatusHealthy, ""},
		"no right to INFO":         {answers(map[string]any{"PING": "PONG", "INFO": errors.New("NOPERM this user has no permissions")}), health.StatusHealthy, ""},
		"a connection that ends":   {answers(map[string]any{"PING": "PONG", "INFO": net.ErrClosed}), health.StatusUnhealthy, health.ReasonOther},
		"no time for INFO":         {answers(map[string]any{"PING": "PONG", "INFO": context.DeadlineExceeded}), health.StatusUnhealthy, health.ReasonTimeout},
		"memory above the limit":   {answers(map[string]any{"PING": "PONG", "INFO": "used_memory:10\nmaxmemory:5\nmaxmemory_policy:noeviction\nmem_not_counted_for_evict:4"}), health.StatusDegraded, health.ReasonFull},
		"memory that is no data":   {answers(map[string]any{"PING": "PONG", "INFO": "used_memory:10\nmaxmemory:5\nmaxmemory_policy:noeviction\nmem_not_counted_for_evict:5"}), health.StatusHealthy, ""},
		"an empty INFO":            {answers(map[string]any{"PING": "PONG", "INFO": ""}), health.StatusHealthy, ""},
		"an INFO of another type":  {answers(map[string]any{"PING": "PONG", "INFO": 3}), health.StatusHealthy, ""},
		"a disk of ours":           {answers(map[string]any{"PING": &os.PathError{Err: os.ErrPermission}}), health.StatusUnhealthy, health.ReasonAuth},
		"a pool that the do knows": {answers(map[string]any{"PING": health.Degraded(health.WithReason(redis.ErrPoolTimeout, health.ReasonPoolSaturated))}), health.StatusDegraded, health.ReasonPoolSaturated},
	} {
		t.Run(name, func(t *testing.T) {
			requireVerdict(t, health.Redis(c.do)(t.Context()), c.status, c.reason)
		})
	}
}

func TestARedisCheckThatCannotWorkSaysSo(t *testing.T) {
	require.ErrorContains(t, health.Redis(nil)(t.Context()), "no function")
	require.ErrorContains(t, health.RedisWrite(nil, "a")(t.Context()), "no function")
	require.ErrorContains(t, health.RedisWrite(answers(nil), "")(t.Context()), "no key")
	require.ErrorContains(t, health.Ping(nil)(t.Context()), "no function")
}

func FuzzRedisInfo(f *testing.F) {
	f.Add("role:slave\r\nslave_read_only:1\r\nused_memory:9\r\nmaxmemory:5\r\ndb0:keys=1,expires=0")
	f.Add("used_memory:99999999999999999999\nmaxmemory:-1\nmem_not_counted_for_evict:x\nmaxmemory_policy:volatile-ttl")
	f.Fuzz(func(t *testing.T, info string) {
		facts, err := health.Run(t.Context(), health.Redis(answers(map[string]any{"PING": "PONG", "INFO": info})))
		status, _ := health.Judge(err)
		require.NotEqual(t, health.StatusUnhealthy, status, "a server that answers")
		for _, name := range []string{"used_memory_bytes", "max_memory_bytes"} {
			if v, ok := facts[name]; ok {
				require.Positive(t, v)
			}
		}
		again, err := health.Run(t.Context(), health.Redis(answers(map[string]any{"PING": "PONG", "INFO": []byte(info)})))
		againStatus, _ := health.Judge(err)
		require.Equal(t, status, againStatus)
		require.Equal(t, facts, again)
	})
}

// A password in the URL of a server does not get into an error.
func TestTheErrorOfARedisHasNoPassword(t *testing.T) {
	server := url.URL{Scheme: "redis", User: url.UserPassword("me", "s3cret"), Host: closedAddress(t)}
	o, err := redis.ParseURL(server.String())
	require.NoError(t, err)
	_, do := goRedis(t, o)
	require.NotContains(t, timed(t, health.Redis(do), time.Second).Error(), "s3cret")
}
