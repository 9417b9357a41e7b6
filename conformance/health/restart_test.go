package health_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

const posters = 24

// restarts is how many a run makes.
func restarts(t *testing.T) int {
	t.Helper()
	v := os.Getenv("SLUICE_TEST_RESTARTS")
	if v == "" {
		return 10
	}
	n, err := strconv.Atoi(v)
	require.NoError(t, err, "SLUICE_TEST_RESTARTS")
	require.Positive(t, n, "SLUICE_TEST_RESTARTS")
	return n
}

// rolling is a proxy in front of two servers. Nothing of it hides a failure: it
// never sends a request twice, nor to another server, and keeps connections to
// both sides.
const rolling = `defaults
	%s
	retries 0
	no option redispatch
	timeout connect 5s
	timeout check 5s
	timeout client 10s
	timeout server 10s
frontend in
	bind %s
	default_backend app
backend app
	balance roundrobin
	option httpchk GET /health/readiness
	server 0 %s check inter 100ms fall 2 rise 1
	server 1 %s check inter 100ms fall 2 rise 1
`

// What the proxy does with a connection of a client.
const (
	perRequest = "mode http\n\toption http-keep-alive\n\thttp-reuse safe" // each request goes to another server
	pooled     = "mode http\n\toption http-keep-alive\n\thttp-reuse always"
	pinned     = "mode tcp" // it stays with one server while it is open, as with kube-proxy
)

// brief is how the servers end behind it. HAProxy needs two probes to take one
// out, and sends the third when the second has had its effect. Wait is for when a
// busy machine holds the probes up.
var brief = health.DrainOptions{Wait: 5 * time.Second, Probes: 3, Quiet: 100 * time.Millisecond, Timeout: 20 * time.Second}

// Traps 6 and 35: no request is lost while servers are restarted one after the
// other behind a load balancer, and none is handled twice.
func TestNoRequestIsLostInRollingRestartsBehindHAProxy(t *testing.T) {
	requireHAProxy(t)
	n := restarts(t)
	for _, tt := range []struct {
		name, proxy string
		n           int
	}{
		{"a server for each request", perRequest, n},
		{"connections to servers shared", pooled, (n + 4) / 5},
		{"a server for each connection", pinned, n},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := roll(t, tt.proxy, backendOptions{Drain: brief}, tt.n)
			t.Log(got)
			require.Zero(t, got.failed, "%v", errors.Join(got.faults...))
			require.Equal(t, got.answered, got.handled, "a request was handled twice")
			require.Positive(t, got.early, "no Wait was cut short")
		})
	}
}

// The same without what a drain does, or else the test above could not tell.
func TestRequestsAreLostInRollingRestartsWithoutADrain(t *testing.T) {
	requireHAProxy(t)
	patience := brief
	patience.Probes, patience.Wait = -1, 600*time.Millisecond
	for _, tt := range []struct {
		name, proxy string
		o           backendOptions
	}{
		{"Shutdown alone, a server for each request", perRequest, backendOptions{End: byShutdown}},
		{"Shutdown alone, a server for each connection", pinned, backendOptions{End: byShutdown}},
		{"connections are not given up, a server for each connection", pinned, backendOptions{End: withoutMiddleware, Drain: patience}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := roll(t, tt.proxy, tt.o, min(restarts(t), 10))
			t.Log(got)
			require.Positive(t, got.failed)
		})
	}
}

// roll restarts the two servers in turns, under load.
func roll(t *testing.T, proxy string, o backendOptions, n int) *tally {
	t.Helper()
	front := freeAddress(t)
	var servers [2]*process
	var options [2]backendOptions
	for i := range servers {
		options[i] = o
		options[i].Address = freeAddress(t)
		servers[i] = startProcess(t, options[i])
	}
	p := startHAProxy(t, fmt.Sprintf(rolling, proxy, front, options[0].Address, options[1].Address))
	p.waitFor(t, 0, "UP")
	p.waitFor(t, 1, "UP")
	load := startClients(t, posters, func(int) string { return "http://" + front })

	got := &tally{}
	for i := range n {
		s := &servers[i%2]
		(*s).terminate(t)
		got.ended((*s).wait(t), o.Drain.Wait)
		p.waitFor(t, i%2, "DOWN") // or it would see nothing of a quick restart
		*s = startProcess(t, options[i%2])
		p.waitFor(t, i%2, "UP")
	}
	got.end(load)
	for _, s := range servers {
		s.terminate(t)
		got.handled += s.wait(t).Handled
	}
	return got
}

// waitFor waits until HAProxy has found a server to be up or down.
func (p *haproxy) waitFor(t *testing.T, i int, status string) {
	t.Helper()
	require.Eventually(t, func() bool {
		s := p.servers(t)[fmt.Sprintf("app/%d", i)]
		return s["status"] == status && !strings.HasSuffix(s["check_status"], "INI")
	}, eventually, tick)
}

// freeAddress finds a loopback port below those that systems give to outgoing
// connections: one of these could take it while a server is restarted.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.N(10000)))
		if err == nil {
			require.NoError(t, l.Close())
			return l.Addr().String()
		}
	}
	require.Fail(t, "there is no free port")
	return ""
}
