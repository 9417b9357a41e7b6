package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/diskstore"
	"github.com/sluice-go/sluice/examples/server/httpapi"
	"github.com/sluice-go/sluice/examples/server/llm"
	"github.com/sluice-go/sluice/examples/server/sqlstore"
	"github.com/sluice-go/sluice/examples/server/ws"
)

// server holds the parts that live as long as the process.
type server struct {
	cfg    config
	logger *slog.Logger

	store    *sqlstore.Store
	blobs    *diskstore.Store
	hub      *ws.Hub
	model    app.Model
	chat     *app.Chat
	api      *httpapi.API
	registry *prometheus.Registry

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
	if s.blobs, err = diskstore.New(diskstore.Options{Dir: filepath.Join(s.cfg.data, "files")}); err != nil {
		return err
	}
	s.closers = append(s.closers, s.blobs.Close)
	s.store, err = sqlstore.Open(ctx, sqlstore.Options{URL: s.cfg.databaseURL, File: s.databaseFile()})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, s.store.Close)
	if s.hub, err = ws.New(ws.Options{Logger: s.logger, Origins: s.cfg.origins}); err != nil {
		return err
	}
	if s.model, err = s.openModel(); err != nil {
		return err
	}
	s.chat = &app.Chat{Messages: s.store, Listeners: s.hub}
	library := &app.Library{Files: s.store, Blobs: s.blobs}
	s.api, err = httpapi.New(httpapi.Options{
		Store:         s.store,
		Chat:          s.chat,
		Library:       library,
		Assistant:     &app.Assistant{Messages: s.store, Model: s.model},
		Logger:        s.logger,
		SecureCookies: s.cfg.env != development,
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
	s.registry = newRegistry(s.store.DB())
	return nil
}

func (s *server) openModel() (app.Model, error) {
	if s.cfg.ollamaURL == "" {
		return llm.Standin{}, nil
	}
	return llm.NewOllama(llm.OllamaOptions{
		URL:    s.cfg.ollamaURL,
		Model:  s.cfg.ollamaModel,
		Client: &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()},
	})
}

// close ends what open began, the last first.
func (s *server) close() error {
	var faults []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		faults = append(faults, s.closers[i]())
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
