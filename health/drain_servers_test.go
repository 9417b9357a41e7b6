package health_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// Trap 35: clients that keep their connections and send what must not be sent
// twice, while one replica after the other is replaced. A plain Shutdown loses
// some in each round. The balancer of this test learns by readiness, as others do.
func TestARollingRestartLosesNoRequest(t *testing.T) {
	var served atomic.Int64
	replica := func() *service {
		o := forDrain(health.DrainOptions{Wait: 10 * time.Second, Probes: 2, Quiet: 300 * time.Millisecond})
		return newService(t, o, func(w http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body)
			served.Add(1)
			_, _ = fmt.Fprint(w, n)
		}).onTCP(t)
	}
	var target atomic.Pointer[service]
	target.Store(replica())

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var sent, used atomic.Int64
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				used.Add(1)
				return new(net.Dialer).DialContext(ctx, "tcp", target.Load().addr)
			}}
			defer tr.CloseIdleConnections()
			c := &http.Client{Transport: tr}
			for ctx.Err() == nil {
				res, err := c.Post("http://service/", "text/plain", strings.NewReader("12345"))
				require.NoError(t, err)
				body, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
				require.Equal(t, "5", string(body))
				sent.Add(1)
			}
		})
	}
	for range 5 {
		before := sent.Load()
		require.Eventually(t, func() bool { return sent.Load() > before+200 }, eventually, tick)
		old, next := target.Load(), replica()
		done := old.begin(t.Context(), old.srv)
		for range 2 { // it acts on the second failure
			require.Eventually(t, func() bool {
				res := old.get(t, "/health/readiness").answer(t, "GET")
				return res.StatusCode == http.StatusServiceUnavailable
			}, eventually, tick)
		}
		target.Store(next)
		require.NoError(t, result(t, done))
	}
	stop()
	clients.Wait()
	require.Equal(t, sent.Load(), served.Load(), "and none was served twice")
	require.Less(t, used.Load(), sent.Load()/4, "connections are kept, or this shows nothing")
}
