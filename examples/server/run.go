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
	"time"
)

// How long a stop may take: running requests get shutdownWait to finish, then
// their connections are cut. Both together stay below the 30 s after which
// Kubernetes kills.
const (
	shutdownWait = 15 * time.Second
	closeWait    = 5 * time.Second
)

// run is the whole program; main only adds the operating system.
func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	cfg, err := parseConfig(args, getenv, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	logger := newLogger(cfg)
	s, err := newServer(ctx, cfg, logger)
	if err != nil {
		return err
	}
	return errors.Join(s.serve(ctx, stdout), s.close())
}

func newLogger(cfg config) *slog.Logger {
	if cfg.env == development {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, nil))
}

// serve listens on both addresses until ctx ends or a listener fails, and then
// lets running requests finish.
func (s *server) serve(ctx context.Context, stdout io.Writer) error {
	var network net.ListenConfig
	public, err := network.Listen(ctx, "tcp", s.cfg.addr)
	if err != nil {
		return fmt.Errorf("server: -addr: %w", err)
	}
	admin, err := network.Listen(ctx, "tcp", s.cfg.admin)
	if err != nil {
		return errors.Join(fmt.Errorf("server: -admin: %w", err), public.Close())
	}
	handler, err := s.routes("http://" + admin.Addr().String())
	if err != nil {
		return errors.Join(err, public.Close(), admin.Close())
	}
	servers := []*http.Server{s.httpServer(handler), s.httpServer(s.adminRoutes())}
	failed := make(chan error, len(servers))
	for i, l := range []net.Listener{public, admin} {
		go func() { failed <- servers[i].Serve(l) }()
	}
	s.announce(stdout, public.Addr(), admin.Addr())

	select {
	case <-ctx.Done():
		s.logger.Info("stopping", "wait", shutdownWait)
	case err = <-failed:
	}
	return errors.Join(err, s.shutdown(servers))
}

// httpServer bounds what a client can hold without asking for anything. Bodies
// are bounded per route, since a chat may last for hours.
func (s *server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn),
	}
}

// shutdown ends the public server first, so that operators can watch it end.
func (s *server) shutdown(servers []*http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownWait)
	defer cancel()
	// Shutdown does not know the chat's connections; they are told to go away.
	chat := make(chan error, 1)
	go func() { chat <- s.hub.Close(ctx) }()
	var faults []error
	for _, srv := range servers {
		if err := srv.Shutdown(ctx); err != nil {
			faults = append(faults, fmt.Errorf("server: requests were cut off: %w", err), srv.Close())
		}
	}
	return errors.Join(append(faults, <-chat)...)
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
	if s.firstPassword != "" {
		line("login", "%s, password %s  (made just now, shown only once)", s.firstUsers, s.firstPassword)
	}
	_, _ = fmt.Fprintln(w, "ready; stop with Ctrl-C")
}
