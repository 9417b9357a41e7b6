package health_test

import (
	"database/sql"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// blackHole is a loopback address where nobody answers: its queue of connections
// is full, and Linux drops what asks for one more.
func blackHole(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*syscall.SockaddrInet4).Port))
	for range 20 {
		conn, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	t.Fatal("the queue is never full")
	return ""
}

// silence is an address that accepts connections and says nothing.
func silence(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// The drill of the sheet: a port that answers nothing, not even a refusal.
func TestWhatDoesNotAnswerIsATimeout(t *testing.T) {
	for place, address := range map[string]string{"a black hole": blackHole(t), "a silent server": silence(t)} {
		db, err := sql.Open("pgx", "postgres://me:s3cret@"+address+"/postgres?sslmode=disable")
		require.NoError(t, err)
		defer db.Close()
		db.SetMaxOpenConns(1)
		_, do := goRedis(t, &redis.Options{Addr: address, ContextTimeoutEnabled: true})
		checks := map[string]health.Func{
			"SQL":         health.SQL(db),
			"Redis":       health.Redis(do),
			"HTTP":        httpCheck(t, "http://"+address, health.HTTPOptions{}),
			"Certificate": health.Certificate(health.CertificateOf(address, ""), health.CertificateOptions{}),
		}
		if place == "a black hole" {
			checks["TCP"], err = health.TCP(address)
			require.NoError(t, err)
		}
		for name, check := range checks {
			t.Run(name+" at "+place, func(t *testing.T) {
				begin := time.Now()
				err := timed(t, check, 300*time.Millisecond)
				requireVerdict(t, err, health.StatusUnhealthy, health.ReasonTimeout)
				require.NotContains(t, err.Error(), "s3cret")
				require.Less(t, time.Since(begin), 2*time.Second)
			})
		}
	}
}
