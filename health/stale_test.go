//go:build unix

package health_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// suspendable makes this test binary a server whose one check asks the URL that
// the variable holds.
const suspendable = "SLUICE_TEST_HEALTH_SUSPENDABLE"

// serveSuspendable prints the address and serves until its input ends.
func serveSuspendable() {
	dependency := os.Getenv(suspendable)
	hc, err := health.New(health.Options{
		System: health.SystemOptions{Disable: true},
		Logger: slog.New(slog.DiscardHandler),
		Checks: []health.Check{{
			Name: "dependency", Interval: 400 * time.Millisecond, Timeout: 200 * time.Millisecond,
			// Damping must not bring back what was true before the gap.
			FailureThreshold: 3,
			Func: func(ctx context.Context) error {
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, dependency, nil)
				if err != nil {
					return err
				}
				answer, err := http.DefaultClient.Do(r)
				if err != nil {
					return err
				}
				defer answer.Body.Close()
				if answer.StatusCode != http.StatusOK {
					return errors.New(answer.Status)
				}
				return nil
			},
		}},
	})
	if err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(l, hc.Handler())
	fmt.Println(l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// child is the server as a process of its own.
func child(t *testing.T, dependency string) (address string, p *os.Process) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), suspendable+"="+dependency)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line), cmd.Process
}

// stop returns when the process has stopped: kill(2) does not wait for it.
func stop(t *testing.T, p *os.Process) {
	require.NoError(t, p.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(p.Pid, &status, syscall.WUNTRACED, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		require.NoError(t, err)
		require.True(t, status.Stopped())
		return
	}
}

// probe is one that can be sent before its answer is waited for.
type probe struct{ net.Conn }

func send(t *testing.T, address string) probe {
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	_, err = io.WriteString(c, "GET /health/readiness HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	return probe{c}
}

func (p probe) answer(t *testing.T) (code int, body string) {
	defer p.Close()
	require.NoError(t, p.SetReadDeadline(time.Now().Add(eventually)))
	r, err := http.ReadResponse(bufio.NewReader(p), nil)
	require.NoError(t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.StatusCode, string(b)
}

// Trap 16: a process that was stopped does not tell what was true before.
func TestAProcessThatWasStoppedDoesNotTellOldNews(t *testing.T) {
	if testing.Short() {
		t.Skip("stops a process for three seconds")
	}
	var down atomic.Bool
	dependency := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			<-r.Context().Done() // a dependency that hangs gives the old result the most time
		}
	}))
	t.Cleanup(dependency.Close)
	address, process := child(t, dependency.URL)
	ready := func() bool {
		code, _ := send(t, address).answer(t)
		return code == http.StatusOK
	}
	require.Eventually(t, ready, eventually, 10*time.Millisecond)

	stop(t, process)
	down.Store(true)
	waiting := send(t, address) // the kernel takes it while the process is stopped
	time.Sleep(3 * time.Second)
	require.NoError(t, process.Signal(syscall.SIGCONT))
	code, body := waiting.answer(t)
	require.Equal(t, http.StatusServiceUnavailable, code, body)
	t.Log("the first answer:", strings.TrimSpace(body))
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		code, body := send(t, address).answer(t)
		require.Equal(t, http.StatusServiceUnavailable, code, body)
	}

	down.Store(false)
	require.Eventually(t, ready, eventually, 10*time.Millisecond, "it recovers")
}
