//go:build unix

package health_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// drainingProcess is what a main function looks like, with the lines that the
// documentation of Drain gives.
func drainingProcess() error {
	hc, err := health.New(forDrain(health.DrainOptions{Wait: 20 * time.Second, Probes: 1, Quiet: 50 * time.Millisecond}))
	if err != nil {
		return err
	}
	release := make(chan struct{})
	mux := http.NewServeMux()
	hc.Mount(mux)
	mux.Handle("/", hc.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/release" {
			close(release)
			return
		}
		<-release
	})))
	hc.OnShutdown("closer", func(context.Context) error { fmt.Println("closed"); return nil })

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: mux}
	go srv.Serve(l)
	fmt.Println(l.Addr())
	<-ctx.Done()
	stop() // a second signal has its usual effect again
	err = hc.Drain(ctx, srv)
	fmt.Println("drained", err)
	return err
}

// Trap 37: the first signal drains, the second one ends the process at once.
func TestTheSecondSignalEndsTheProcess(t *testing.T) {
	const child = "SLUICE_TEST_DRAINING_PROCESS"
	if os.Getenv(child) != "" {
		require.NoError(t, drainingProcess())
		return
	}
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		for _, signals := range []int{1, 2} {
			t.Run(fmt.Sprint(sig, " ", signals), func(t *testing.T) {
				cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTheSecondSignalEndsTheProcess$", "-test.v")
				cmd.Env = append(os.Environ(), child+"=1")
				cmd.Stderr = os.Stderr
				out, err := cmd.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, cmd.Start())
				t.Cleanup(func() { _ = cmd.Process.Kill() })
				lines := bufio.NewScanner(out)
				next := func() string {
					for lines.Scan() {
						if s := lines.Text(); !strings.HasPrefix(s, "===") && !strings.HasPrefix(s, "---") {
							return s
						}
					}
					return "the end"
				}
				s := &service{addr: next()}
				s.dial = func() (net.Conn, error) { return net.Dial("tcp", s.addr) }
				require.Equal(t, 200, s.get(t, "/health/readiness").answer(t, "GET").StatusCode)
				c := s.connect(t) // open before, so that it can be used after
				hanging := s.get(t, "/hang")
				requireAnswers(t, s, 200)

				require.NoError(t, cmd.Process.Signal(sig))
				requireAnswers(t, s, 503)
				if signals == 2 {
					require.NoError(t, cmd.Process.Signal(sig))
					require.Equal(t, "the end", next(), "nothing is closed, nothing is drained")
					_ = cmd.Wait()
					status := cmd.ProcessState.Sys().(syscall.WaitStatus)
					require.True(t, status.Signaled(), "ended by %s", cmd.ProcessState)
					require.Equal(t, sig, status.Signal())
					return
				}
				_, err = fmt.Fprint(c, "GET /release HTTP/1.1\r\nHost: x\r\n\r\n")
				require.NoError(t, err)
				require.True(t, c.answer(t, "GET").Close)
				require.True(t, hanging.answer(t, "GET").Close)
				require.Equal(t, "closed", next())
				require.Equal(t, "drained <nil>", next())
				require.Equal(t, "PASS", next())
				require.NoError(t, cmd.Wait())
			})
		}
	}
}

// requireAnswers waits until readiness has the code.
func requireAnswers(t *testing.T, s *service, code int) {
	t.Helper()
	require.Eventually(t, func() bool {
		p, err := s.dial()
		if err != nil {
			return false
		}
		defer p.Close()
		_, _ = fmt.Fprint(p, "GET /health/readiness HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(p), nil)
		return err == nil && res.StatusCode == code
	}, eventually, tick)
}
