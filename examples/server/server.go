package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/sluice-go/sluice/dbmon"
	"github.com/sluice-go/sluice/dbmon/prom"
	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/diskstore"
	"github.com/sluice-go/sluice/examples/server/httpapi"
	"github.com/sluice-go/sluice/examples/server/llm"
	"github.com/sluice-go/sluice/examples/server/sqlstore"
	"github.com/sluice-go/sluice/examples/server/ws"
	"github.com/sluice-go/sluice/health"
	"github.com/sluice-go/sluice/metrics"
	"github.com/sluice-go/sluice/metrics/host"
	"github.com/sluice-go/sluice/secheaders"
)

// server holds the parts that live as long as the process.
type server struct {
	cfg    config
	logger *slog.Logger

	metrics  *metrics.Metrics
	health   *health.Checker
	monitor  *dbmon.Monitor
	security *secheaders.Secure
	store    *sqlstore.Store
	blobs    *diskstore.Store
	hub      *ws.Hub
	model    app.Model
	chat     *app.Chat
	api      *httpapi.API

	closing sync.Mutex
	closers []func() error
}

// newServer opens everything, or closes again what it opened.
func newServer(ctx context.Context, cfg config, logger *slog.Logger, stdout io.Writer) (*server, error) {
	s := &server{cfg: cfg, logger: logger}
	if err := s.open(ctx, stdout); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *server) open(ctx context.Context, stdout io.Writer) (err error) {
	if err := s.openMetrics(); err != nil {
		return err
	}
	if err := s.openSecurity(); err != nil {
		return err
	}
	if s.blobs, err = diskstore.New(diskstore.Options{Dir: filepath.Join(s.cfg.data, "files")}); err != nil {
		return err
	}
	s.closers = append(s.closers, s.blobs.Close)
	if err := s.openMonitor(); err != nil {
		return err
	}
	s.store, err = sqlstore.Open(ctx, sqlstore.Options{URL: s.cfg.databaseURL, File: s.databaseFile(), OpenDB: s.monitor.Open})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, s.store.Close)
	if err := s.metrics.RegisterDB("main", s.store.DB()); err != nil {
		return err
	}
	if s.hub, err = ws.New(ws.Options{Logger: s.logger, Origins: s.cfg.origins}); err != nil {
		return err
	}
	if s.model, err = s.openModel(); err != nil {
		return err
	}
	s.declare()
	s.chat = &app.Chat{Messages: s.store, Listeners: s.hub}
	library := &app.Library{Files: s.store, Blobs: s.blobs}
	s.api, err = httpapi.New(httpapi.Options{
		Store:         s.store,
		Chat:          s.chat,
		Library:       library,
		Assistant:     &app.Assistant{Messages: observedSearch{s.store, s.metrics}, Model: s.model},
		Logger:        s.logger,
		SecureCookies: s.cfg.env != development,
		Hooks:         apiHooks(s.metrics),
	})
	if err != nil {
		return err
	}
	if err := s.seed(ctx, library, stdout); err != nil {
		return err
	}
	if err := library.Sweep(ctx); err != nil {
		s.logger.Warn("left-over uploads were not all removed", "error", err)
	}
	return s.openHealth()
}

func (s *server) openMetrics() (err error) {
	if s.metrics, err = metrics.New(metrics.Options{Logger: s.logger}); err != nil {
		return err
	}
	if err := os.MkdirAll(s.cfg.data, 0o750); err != nil {
		return fmt.Errorf("server: -data: %w", err)
	}
	machine, err := host.New(host.Options{Paths: map[string]string{"data": s.cfg.data}, Logger: s.logger})
	if errors.Is(err, errors.ErrUnsupported) { // as on Windows
		return nil
	}
	if err != nil {
		return err
	}
	return s.metrics.Registerer().Register(machine)
}

// openMonitor makes what watches the database. Development asks for the plans of
// slow reads, too, and tells browsers the number of queries of each answer.
func (s *server) openMonitor() (err error) {
	s.monitor, err = dbmon.New(dbmon.Options{
		OnQuery:  s.metrics.ObserveQuery,
		NPlusOne: dbmon.NPlusOneOptions{Header: s.cfg.env == development},
		Explain:  dbmon.ExplainOptions{Enable: s.cfg.env == development},
		Logger:   s.logger,
	})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, s.monitor.Close)
	return s.metrics.Registerer().Register(prom.NewCollector(s.monitor, prom.Options{DisableDurations: true}))
}

// declare tells the metrics what will be observed, so that the first of it counts.
func (s *server) declare() {
	s.metrics.Declare(metrics.Known{
		Queries:  []string{"SELECT", "INSERT", "UPDATE", "DELETE"},
		Caches:   []string{"client"},
		Policies: []string{"login", "ask"},
		Models:   []metrics.AICall{{Provider: s.provider(), Model: s.model.Name()}},
		Sources:  []string{"messages"},
		Uploads:  []metrics.Upload{{ContentType: "text/plain"}, {ContentType: "image/png"}, {Rejected: "too_large"}, {Rejected: "unsupported_type"}},
		Errors:   map[string][]string{"api": {"internal", "unavailable", "timeout"}, "isolation": {"cross-site", "malformed"}},
	})
}

func (s *server) provider() string {
	if s.cfg.ollamaURL == "" {
		return "built-in"
	}
	return "ollama"
}

func (s *server) openModel() (app.Model, error) {
	if s.cfg.ollamaURL == "" {
		return observedModel{llm.Standin{}, s.provider(), s.metrics}, nil
	}
	model, err := llm.NewOllama(llm.OllamaOptions{
		URL:    s.cfg.ollamaURL,
		Model:  s.cfg.ollamaModel,
		Client: &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()},
	})
	return observedModel{model, s.provider(), s.metrics}, err
}

// close ends what open began, the last first. It may be called again.
func (s *server) close() error {
	var faults []error
	s.closing.Lock()
	closers := s.closers
	s.closers = nil
	s.closing.Unlock()
	for _, end := range slices.Backward(closers) {
		faults = append(faults, end())
	}
	return errors.Join(faults...)
}

func (s *server) databaseFile() string { return filepath.Join(s.cfg.data, "sluice.db") }

// databaseName is fit to be printed: a URL may hold a password.
func (s *server) databaseName() string {
	if s.cfg.databaseURL == "" {
		return "SQLite in " + s.databaseFile()
	}
	if u, err := url.Parse(s.cfg.databaseURL); err == nil {
		return "PostgreSQL at " + u.Host + u.Path
	}
	return "PostgreSQL"
}

func (s *server) modelNote() string {
	if s.cfg.ollamaURL == "" {
		return s.model.Name() + ", no language model  (OLLAMA_URL is not set)"
	}
	return s.model.Name()
}
