package health_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// backendEnv makes a process of the test binary one that is restarted.
const backendEnv = "SLUICE_TEST_BACKEND"

func TestMain(m *testing.M) {
	if o := os.Getenv(backendEnv); o != "" {
		if err := runBackend(o); err != nil {
			fmt.Fprintln(os.Stderr, "backend:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// backendOptions say how a backend ends.
type backendOptions struct {
	Address string
	End     string // besides a drain: one of the ends below
	Drain   health.DrainOptions
}

// Ends that lose requests.
const (
	byShutdown        = "http.Server.Shutdown alone" // as most services do
	withoutMiddleware = "a drain without its middleware"
)

// ended is what a backend says at its end.
type ended struct {
	Handled int64         // requests
	Took    time.Duration // the end
}

func runBackend(options string) error {
	var o backendOptions
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		return err
	}
	go func() { // nobody is left to end us
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(2)
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	b, err := newBackend(o)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", o.Address)
	if err != nil {
		return err
	}
	go func() { _ = b.srv.Serve(l) }()
	<-ctx.Done()
	e, err := b.end(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(e)
}

// backend is a service that echoes.
type backend struct {
	how     string
	hc      *health.Checker
	srv     *http.Server
	handled atomic.Int64
}

func newBackend(o backendOptions) (*backend, error) {
	hc, err := health.New(health.Options{
		Checks: []health.Check{dependency(pass)},
		System: health.SystemOptions{Disable: true},
		Drain:  o.Drain,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	b := &backend{how: o.End, hc: hc}
	root := http.NewServeMux()
	hc.Mount(root)
	echo := http.Handler(http.HandlerFunc(b.echo))
	if o.End != withoutMiddleware {
		echo = hc.Middleware(echo)
	}
	root.Handle("POST /echo", echo)
	b.srv = &http.Server{Handler: root, ReadHeaderTimeout: 5 * time.Second}
	return b, nil
}

func (b *backend) echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.handled.Add(1)
	_, _ = w.Write(body)
}

func (b *backend) end(ctx context.Context) (ended, error) {
	start := time.Now()
	var err error
	if b.how == byShutdown {
		err = b.srv.Shutdown(context.WithoutCancel(ctx))
	} else {
		err = b.hc.Drain(ctx, b.srv)
	}
	return ended{b.handled.Load(), time.Since(start)}, err
}

// process is a backend in a process of its own.
type process struct {
	url    string
	cmd    *exec.Cmd
	stdout *bufio.Reader
}

// startProcess starts one and waits until it is ready.
func startProcess(t *testing.T, o backendOptions) *process {
	t.Helper()
	options, err := json.Marshal(o)
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), backendEnv+"="+string(options))
	cmd.Stderr = os.Stderr
	_, err = cmd.StdinPipe() // it ends when this one is closed, as by our end
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	p := &process{"http://" + o.Address, cmd, bufio.NewReader(stdout)}
	require.Eventually(t, func() bool { return readiness(p.url) == http.StatusOK }, eventually, tick)
	return p
}

// readiness is the status code of one probe, 0 if there was no answer.
func readiness(url string) int {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: eventually}
	resp, err := client.Get(url + "/health/readiness")
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func (p *process) terminate(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
}

// wait waits for the end of the process.
func (p *process) wait(t *testing.T) ended {
	t.Helper()
	var e ended
	require.NoError(t, json.NewDecoder(p.stdout).Decode(&e))
	require.NoError(t, p.cmd.Wait())
	return e
}
