package health_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

const (
	eventually = 10 * time.Second
	tick       = 5 * time.Millisecond
)

// state is a way a service can stand, and the status codes that probes must get
// while it does.
type state struct {
	name                     string
	enter                    func(t *testing.T, o health.Options) *health.Checker
	liveness, ready, startup int
}

// states are the table of trap 9, with what traps 7, 8, 10 and 25 say of the
// groups.
var states = []state{
	{"no checks", func(t *testing.T, o health.Options) *health.Checker { return open(t, o) }, 200, 200, 200},
	{"healthy", with(health.StatusHealthy, dependency(pass)), 200, 200, 200},
	{"degraded", with(health.StatusDegraded, dependency(degrade)), 200, 200, 200},
	{"unhealthy from the start", with(health.StatusUnhealthy, dependency(fail)), 200, 503, 503},
	{"unhealthy later", failsLater, 200, 503, 200},
	{"a shared dependency unhealthy", with(health.StatusDegraded, shared(fail)), 200, 200, 503},
	{"unknown, as nothing has returned", with(health.StatusUnknown, dependency(hang)), 200, 503, 503},
	{"a fault of the process", faulty, 503, 200, 200},
	{"given up", failed, 503, 200, 200},
	{"not ready by hand", notReady, 200, 503, 200},
	{"draining", drains(false), 200, 503, 200},
	{"draining, but the only replica", drains(true), 200, 200, 200},
	{"closed", closed, 200, 503, 200},
}

func pass(context.Context) error    { return nil }
func fail(context.Context) error    { return errors.New("dial tcp 192.0.2.1:5432: connection refused") }
func degrade(context.Context) error { return health.Degraded(errors.New("the pool is busy")) }

func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// dependency is a check that runs once in a test.
func dependency(f health.Func) health.Check {
	return health.Check{
		Name: "database", Func: f, Groups: []string{health.Readiness, health.Startup},
		Interval: time.Hour, Timeout: 30 * time.Minute,
	}
}

func shared(f health.Func) health.Check {
	c := dependency(f)
	c.Shared = true
	return c
}

func open(t *testing.T, o health.Options, checks ...health.Check) *health.Checker {
	t.Helper()
	o.Checks = append(o.Checks, checks...)
	o.System.Disable = true
	o.Logger = slog.New(slog.DiscardHandler)
	o.Drain = health.DrainOptions{Wait: time.Minute, Probes: -1, Timeout: 2 * time.Minute, StayReady: o.Drain.StayReady}
	hc, err := health.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hc.Close()) })
	return hc
}

// with opens a checker and waits until readiness is what it should be.
func with(status string, checks ...health.Check) func(*testing.T, health.Options) *health.Checker {
	return func(t *testing.T, o health.Options) *health.Checker {
		hc := open(t, o, checks...)
		settle(t, hc, health.Readiness, status)
		return hc
	}
}

func settle(t *testing.T, hc *health.Checker, group, status string) {
	t.Helper()
	require.Eventually(t, func() bool {
		r, ok := hc.Report(group)
		return ok && r.Status == status
	}, eventually, tick)
}

func failsLater(t *testing.T, o health.Options) *health.Checker {
	var down atomic.Bool
	c := dependency(func(ctx context.Context) error {
		if down.Load() {
			return fail(ctx)
		}
		return nil
	})
	c.Interval, c.Timeout = time.Second, 500*time.Millisecond
	hc := with(health.StatusHealthy, c)(t, o)
	down.Store(true)
	settle(t, hc, health.Readiness, health.StatusUnhealthy)
	return hc
}

func faulty(t *testing.T, o health.Options) *health.Checker {
	loop := health.Check{Name: "event loop", Internal: fail, Groups: []string{health.Liveness}, Interval: time.Hour}
	hc := with(health.StatusHealthy, dependency(pass), loop)(t, o)
	settle(t, hc, health.Liveness, health.StatusUnhealthy)
	return hc
}

func failed(t *testing.T, o health.Options) *health.Checker {
	hc := with(health.StatusHealthy, dependency(pass))(t, o)
	hc.Fail(errors.New("the event loop is gone"))
	return hc
}

func notReady(t *testing.T, o health.Options) *health.Checker {
	hc := with(health.StatusHealthy, dependency(pass))(t, o)
	hc.SetReady(false, "the cache is being filled")
	return hc
}

func closed(t *testing.T, o health.Options) *health.Checker {
	hc := with(health.StatusHealthy, dependency(pass))(t, o)
	require.NoError(t, hc.Close())
	return hc
}

// drains leaves the checker in the middle of a drain until the test ends.
func drains(stayReady bool) func(*testing.T, health.Options) *health.Checker {
	return func(t *testing.T, o health.Options) *health.Checker {
		begun := make(chan struct{})
		o.OnDrain = func() { close(begun) }
		o.Drain.StayReady = stayReady
		hc := with(health.StatusHealthy, dependency(pass))(t, o)
		ctx, cancel := context.WithCancel(context.Background())
		drained := make(chan error, 1)
		go func() { drained <- hc.Drain(ctx) }()
		t.Cleanup(func() {
			cancel()
			require.NoError(t, <-drained)
		})
		<-begun
		return hc
	}
}

// code is what probes of a path must get.
func (s state) code(path string) int {
	switch path {
	case "/health/liveness", "/livez":
		return s.liveness
	case "/health/startup", "/startupz":
		return s.startup
	default:
		return s.ready
	}
}

// routes mounts everything, and readiness at "/" for those who ask for nothing
// else.
func routes(t *testing.T, hc *health.Checker) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	hc.Mount(mux)
	ready, err := hc.GroupHandler(health.Readiness)
	require.NoError(t, err)
	mux.Handle("/", ready)
	return mux
}

// serve starts srv on a free loopback port and returns the address.
func serve(t *testing.T, srv *http.Server) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, srv.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
	return l.Addr().(*net.TCPAddr)
}
