package health_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluice-go/sluice/health"
)

// list is a set of servers that clients ask before each request, as they do a
// name service. Whoever keeps it knows which state of it each client has seen,
// so that a test does not depend on how long anything takes.
type list struct {
	state atomic.Pointer[listState]
	seen  [posters]atomic.Int64
	turn  [posters]int
}

type listState struct {
	number int64
	urls   []string
}

func newList(urls ...string) *list {
	l := &list{}
	l.state.Store(&listState{1, urls})
	return l
}

// pick is for the one goroutine of a client, which has ended its last request.
func (l *list) pick(client int) string {
	s := l.state.Load()
	l.seen[client].Store(s.number)
	l.turn[client]++
	return s.urls[l.turn[client]%len(s.urls)]
}

// replace changes the list, and waits until no client is at a request that it
// began before.
func (l *list) replace(t *testing.T, urls ...string) {
	t.Helper()
	next := &listState{l.state.Load().number + 1, urls}
	l.state.Store(next)
	require.Eventually(t, func() bool {
		for i := range l.seen {
			if l.seen[i].Load() < next.number {
				return false
			}
		}
		return true
	}, eventually, time.Millisecond)
}

// refused asks for readiness until it was not given n times.
func refused(url string, n int) {
	for n > 0 {
		if readiness(url) != http.StatusOK {
			n--
		}
		time.Sleep(interval)
	}
}

const interval = 2 * time.Millisecond // of probes

// patient ends when it has been told three times, however long that takes.
var patient = health.DrainOptions{Wait: 20 * time.Second, Probes: 3, Quiet: 10 * time.Millisecond, Timeout: 30 * time.Second}

// Trap 35: no request is lost without a proxy either, if those who look up
// addresses do it again.
func TestNoRequestIsLostInRollingRestartsBehindAList(t *testing.T) {
	n := restarts(t)
	got := rollList(t, backendOptions{Drain: patient}, n)
	t.Logf("drained: %v", got)
	require.Zero(t, got.failed, "%v", errors.Join(got.faults...))
	require.Equal(t, got.answered, got.handled, "a request was handled twice")
	require.Equal(t, n, got.early, "a Wait was not cut short")

	plain := rollList(t, backendOptions{End: byShutdown}, min(n, 10))
	t.Logf("Shutdown alone: %v", plain)
	require.Positive(t, plain.failed)
}

func rollList(t *testing.T, o backendOptions, n int) *tally {
	t.Helper()
	var servers [2]*process
	var options [2]backendOptions
	for i := range servers {
		options[i] = o
		options[i].Address = freeAddress(t)
		servers[i] = startProcess(t, options[i])
	}
	l := newList(servers[0].url, servers[1].url)
	load := startClients(t, posters, l.pick)
	got := &tally{}
	for i := range n {
		s := servers[i%2]
		s.terminate(t)
		refused(s.url, 2)
		l.replace(t, servers[(i+1)%2].url)
		if o.End == "" {
			require.Equal(t, http.StatusServiceUnavailable, readiness(s.url), "it did not wait for the third probe")
		}
		got.ended(s.wait(t), o.Drain.Wait)
		servers[i%2] = startProcess(t, options[i%2])
		l.replace(t, servers[0].url, servers[1].url)
	}
	got.end(load)
	for _, s := range servers {
		s.terminate(t)
		if o.End == "" {
			refused(s.url, 3) // so that it need not wait
		}
		got.handled += s.wait(t).Handled
	}
	return got
}

// inProcess is how many ends a process goes through in its own address space.
const inProcess = 200

// The same 200 times in one process, where what is left behind can be seen.
func TestNoRequestIsLostAndNothingIsLeftBehindInManyDrains(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	before := startLocal(t)
	l := newList(before.url)
	load := startClients(t, posters, l.pick)
	got := &tally{}
	for range inProcess {
		next := startLocal(t)
		l.replace(t, before.url, next.url)
		done := before.drain()
		refused(before.url, 2)
		l.replace(t, next.url)
		require.Equal(t, http.StatusServiceUnavailable, readiness(before.url), "it did not wait for the third probe")
		got.ended(before.wait(t, done), patient.Wait)
		before = next
	}
	got.end(load)
	done := before.drain()
	refused(before.url, 3)
	got.handled += before.wait(t, done).Handled

	t.Logf("drained: %v", got)
	require.Zero(t, got.failed, "%v", errors.Join(got.faults...))
	require.Equal(t, got.answered, got.handled, "a request was handled twice")
	require.Equal(t, inProcess, got.early)
	goleak.VerifyNone(t, leaks)
}

// local is a backend in this process.
type local struct {
	*backend
	url    string
	served chan error
}

func startLocal(t *testing.T) *local {
	t.Helper()
	b, err := newBackend(backendOptions{Drain: patient})
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &local{b, "http://" + listener.Addr().String(), make(chan error, 1)}
	go func() { s.served <- b.srv.Serve(listener) }()
	t.Cleanup(func() { // of a test that failed half-way
		_ = b.srv.Close()
		_ = b.hc.Close()
	})
	require.Eventually(t, func() bool { return readiness(s.url) == http.StatusOK }, eventually, time.Millisecond)
	return s
}

type drainEnd struct {
	ended
	err error
}

func (s *local) drain() <-chan drainEnd {
	done := make(chan drainEnd, 1)
	go func() {
		e, err := s.end(context.Background())
		done <- drainEnd{e, err}
	}()
	return done
}

func (s *local) wait(t *testing.T, done <-chan drainEnd) ended {
	t.Helper()
	e := <-done
	require.NoError(t, e.err)
	require.ErrorIs(t, <-s.served, http.ErrServerClosed)
	return e.ended
}
