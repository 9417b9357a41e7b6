package health_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// forDrain are options without what draining has nothing to do with.
func forDrain(o health.DrainOptions) health.Options {
	return health.Options{
		Drain:  o,
		System: health.SystemOptions{Disable: true},
		Logger: slog.New(slog.DiscardHandler),
	}
}

// service is a service that can be drained: health paths, and a handler inside
// the middleware.
type service struct {
	hc   *health.Checker
	root http.Handler
	srv  *http.Server
	addr string
	dial func() (net.Conn, error)
}

func newService(t testing.TB, o health.Options, h http.HandlerFunc) *service {
	t.Helper()
	hc, err := health.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = hc.Close() })
	mux := http.NewServeMux()
	hc.Mount(mux)
	mux.Handle("/", hc.Middleware(h))
	return &service{hc: hc, root: mux, srv: &http.Server{Handler: mux, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}}
}

// onTCP serves on a loopback port.
func (s *service) onTCP(t testing.TB) *service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.addr = l.Addr().String()
	s.dial = func() (net.Conn, error) { return net.Dial("tcp", s.addr) }
	s.serve(t, l)
	return s
}

// onPipes serves on pipes, on which time can be virtual. Nothing is buffered: a
// peer that does not read blocks the first write.
func (s *service) onPipes(t testing.TB) *service {
	t.Helper()
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	s.addr = "pipe"
	s.dial = l.dial
	s.serve(t, l)
	return s
}

func (s *service) serve(t testing.TB, l net.Listener) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.srv.Serve(l)
	}()
	t.Cleanup(func() { _ = s.srv.Close(); <-done })
}

// peer is the client's end of a connection.
type peer struct {
	net.Conn
	*bufio.Reader
}

func (p peer) Read(b []byte) (int, error) { return p.Reader.Read(b) }

func (s *service) connect(t testing.TB) peer {
	t.Helper()
	c, err := s.dial()
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	return peer{c, bufio.NewReader(c)}
}

// send sends text as it is.
func (s *service) send(t testing.TB, format string, args ...any) peer {
	t.Helper()
	p := s.connect(t)
	_, err := fmt.Fprintf(p, format, args...)
	require.NoError(t, err)
	return p
}

// get sends a request; answer reads what comes back.
func (s *service) get(t testing.TB, path string) peer {
	t.Helper()
	return s.send(t, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
}

func (p peer) answer(t testing.TB, method string) *http.Response {
	t.Helper()
	res, err := http.ReadResponse(p.Reader, &http.Request{Method: method})
	require.NoError(t, err)
	return res
}

// requireEOF says that the server closed the connection, and sent nothing else.
func (p peer) requireEOF(t testing.TB) {
	t.Helper()
	rest, err := io.ReadAll(p.Reader)
	require.NoError(t, err)
	require.Empty(t, rest)
}

// probe asks for a health path without a server.
func (s *service) probe(method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.root.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

func (s *service) ready() int { return s.probe(http.MethodGet, "/health/readiness").Code }

// begin begins to drain. Its outcome comes on the channel.
func (s *service) begin(ctx context.Context, servers ...*http.Server) <-chan error {
	done := make(chan error, 1)
	go func() { done <- s.hc.Drain(ctx, servers...) }()
	return done
}

// drain begins to drain and returns when probes show it.
func (s *service) drain(t testing.TB, ctx context.Context, servers ...*http.Server) <-chan error {
	t.Helper()
	done := s.begin(ctx, servers...)
	s.awaitDraining(t)
	return done
}

// awaitDraining asks often enough to work in virtual time, too.
func (s *service) awaitDraining(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(eventually); s.probe(http.MethodGet, "/health/liveness").Header().Get("Connection") != "close"; {
		require.True(t, time.Now().Before(end), "does not drain")
		time.Sleep(tick)
	}
}

// result waits for the outcome of a drain.
func result(t testing.TB, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Minute):
		require.FailNow(t, "the drain does not end")
		return nil
	}
}

// pipes is a listener of pipes.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipes) dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// notes are what happened, in order.
type notes struct {
	mu  sync.Mutex
	all []string
}

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, fmt.Sprintf(format, args...))
}

func (n *notes) list() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string{}, n.all...)
}
