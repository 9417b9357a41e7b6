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
// some in each round. The balancer of this test learns by readiness, as others do,
// and sends its third probe when its clients have left, however slow they are.
func TestARollingRestartLosesNoRequest(t *testing.T) {
	var served atomic.Int64
	replica := func() *service {
		o := forDrain(health.DrainOptions{Wait: 10 * time.Second, Probes: 3, Quiet: 10 * time.Millisecond})
		return newService(t, o, func(w http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body)
			served.Add(1)
			_, _ = fmt.Fprint(w, n)
		}).onTCP(t)
	}
	var dialing sync.RWMutex // held while the target is in use
	target := replica()

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var sent, used atomic.Int64
	var clients sync.WaitGroup
	var each [8]atomic.Int64
	for i := range each {
		clients.Go(func() {
			tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				used.Add(1)
				dialing.RLock()
				defer dialing.RUnlock()
				return new(net.Dialer).DialContext(ctx, "tcp", target.addr)
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
				each[i].Add(1)
			}
		})
	}
	for range 5 {
		before := sent.Load()
		require.Eventually(t, func() bool { return sent.Load() > before+200 }, eventually, tick)
		old, next := target, replica()
		done := old.begin(t.Context(), old.srv)
		probe := func() int { return old.get(t, "/health/readiness").answer(t, "GET").StatusCode }
		require.Eventually(t, func() bool { return probe() == http.StatusServiceUnavailable }, eventually, tick)
		require.Equal(t, http.StatusServiceUnavailable, probe()) // it acts on the second failure
		dialing.Lock()
		target = next
		dialing.Unlock()
		for i := range each { // whose answer of the old one closes the connection
			before := each[i].Load()
			require.Eventually(t, func() bool { return each[i].Load() >= before+2 }, eventually, tick)
		}
		require.Equal(t, http.StatusServiceUnavailable, probe())
		require.NoError(t, result(t, done))
	}
	stop()
	clients.Wait()
	require.Equal(t, sent.Load(), served.Load(), "and none was served twice")
	require.Less(t, used.Load(), sent.Load()/4, "connections are kept, or this shows nothing")
}
