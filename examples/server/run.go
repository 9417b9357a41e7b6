package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// readTimeout is how long a client may take to send a request, but for uploads.
// It is shorter than the time of a drain, so that no slow sender can hold up a
// stop.
const readTimeout = 10 * time.Second

// run is the whole program, until ctx ends or a signal asks for its end.
func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg, err := parseConfig(args, getenv, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	// First of all, so that an address in use costs nothing.
	public, admin, err := listen(ctx, cfg)
	if err != nil {
		return err
	}
	s, err := newServer(ctx, cfg, newLogger(cfg), stdout)
	if err != nil {
		return errors.Join(err, public.Close(), admin.Close())
	}
	return errors.Join(s.serve(ctx, stop, public, admin, stdout), s.close())
}

func listen(ctx context.Context, cfg config) (public, admin net.Listener, err error) {
	var network net.ListenConfig
	if public, err = network.Listen(ctx, "tcp", cfg.addr); err != nil {
		return nil, nil, fmt.Errorf("server: -addr: %w", err)
	}
	if admin, err = network.Listen(ctx, "tcp", cfg.admin); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("server: -admin: %w", err), public.Close())
	}
	return public, admin, nil
}

func newLogger(cfg config) *slog.Logger {
	if cfg.env == development {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, nil))
}

// serve answers on both listeners until ctx ends or one of them fails, and then
// drains: the public server first, so that operators can watch it end.
func (s *server) serve(ctx context.Context, stop context.CancelFunc, public, admin net.Listener, stdout io.Writer) error {
	handler, err := s.routes("http://" + admin.Addr().String())
	if err != nil {
		return errors.Join(err, public.Close(), admin.Close())
	}
	servers := []*http.Server{s.httpServer(handler), s.httpServer(s.adminRoutes())}
	servers[0].ReadTimeout = readTimeout // profiles for operators take longer
	failed := make(chan error, len(servers))
	for i, l := range []net.Listener{public, admin} {
		go func() { failed <- servers[i].Serve(l) }()
	}
	s.announce(stdout, public.Addr(), admin.Addr())

	select {
	case <-ctx.Done():
		stop() // a second signal is the operating system's to handle: it ends the process at once
		s.logger.Info("stopping")
	case err = <-failed:
	}
	return errors.Join(err, s.health.Drain(ctx, servers...))
}

// httpServer bounds what a client can hold without asking for anything. How long
// an answer may take is bounded per route, since a chat may last for hours.
func (s *server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn),
	}
}

// announce says what is on, what is off and where to look.
func (s *server) announce(w io.Writer, public, admin net.Addr) {
	line := func(what, format string, args ...any) {
		_, _ = fmt.Fprintf(w, "  %-9s %s\n", what, fmt.Sprintf(format, args...))
	}
	_, _ = fmt.Fprintln(w, "sluice reference server")
	line("page", "http://%s/", public)
	line("API", "http://%s/api/messages  (and projects, tickets, files, users)", public)
	line("chat", "ws://%s/ws/chat", public)
	line("health", "http://%s/health", public)
	line("operators", "http://%s/  (metrics, health in detail, debug)", admin)
	line("mode", "%s", s.cfg.env)
	line("database", "%s", s.databaseName())
	line("AI", "%s", s.modelNote())
	_, _ = fmt.Fprintln(w, "ready; stop with Ctrl-C")
}
