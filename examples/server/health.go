package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/redis/go-redis/v9"

	"github.com/sluice-go/sluice/examples/server/llm"
	"github.com/sluice-go/sluice/health"
	"github.com/sluice-go/sluice/metrics"
)

// openHealth starts the checks of all that the service stands on. Only the
// database decides whether requests come here: without a model, without the
// cache or with a full chat, the rest of the service goes on.
func (s *server) openHealth() error {
	cache, err := s.openCache()
	if err != nil {
		return err
	}
	ai, err := s.checkModel()
	if err != nil {
		return err
	}
	checks := []health.Check{
		{Name: "database", Func: health.SQL(s.store.DB()), Groups: []string{health.Readiness, health.Startup}},
		{Name: "ai", Func: ai, Criticality: health.Degrading},
		// A hub that hangs is a fault of this process, and a restart would end it.
		{Name: "websocket", Internal: s.checkChat, Groups: []string{health.Liveness}, FailureThreshold: 3},
	}
	if cache != nil {
		checks = append(checks, health.Check{Name: "cache", Func: cache, Criticality: health.Degrading, Shared: true})
	}
	o := health.Options{
		Checks:         checks,
		System:         health.SystemOptions{Path: s.cfg.data},
		ShowComponents: true,
		Drain:          health.DrainOptions{Wait: s.cfg.drainWait},
		OnResult:       s.metrics.ObserveHealth,
		OnTransition:   s.metrics.ObserveHealthTransition,
		OnStuck:        s.metrics.ObserveHealthStuck,
		OnDrain:        s.metrics.ObserveDrain,
		Logger:         s.logger,
	}
	if s.cfg.env != development { // operators have a listener of their own
		o.Details = func(*http.Request) bool { return false }
	}
	if s.health, err = health.New(o); err != nil {
		return err
	}
	s.closers = append(s.closers, s.health.Close)
	// In the order of the drain from the last to the first.
	s.health.OnShutdown("stores", func(context.Context) error { return s.close() })
	s.health.OnShutdown("chat", s.hub.Close)
	s.declareChecks()
	return nil
}

func (s *server) declareChecks() {
	var known metrics.Known
	all, _ := s.health.Report("")
	for _, c := range all.Components {
		known.Checks = append(known.Checks, c.Name)
	}
	s.metrics.Declare(known)
}

// openCache connects to Redis, if there is one, and returns how to check it.
func (s *server) openCache() (health.Func, error) {
	if s.cfg.redisURL == "" {
		return nil, nil
	}
	o, err := redis.ParseURL(s.cfg.redisURL)
	if err != nil { // its text may repeat the password
		return nil, errors.New("server: REDIS_URL: must be like redis://user:password@127.0.0.1:6379/0")
	}
	o.ContextTimeoutEnabled = true // checks have less time than this client gives a server
	redis.SetLogger(redisLog{s.logger})
	client := redis.NewClient(o)
	s.closers = append(s.closers, client.Close)
	return health.Redis(func(ctx context.Context, args ...any) (any, error) {
		return client.Do(ctx, args...).Result()
	}), nil
}

// redisLog keeps what Redis has to say about each connection out of the way: a
// server that is gone shows in its check.
type redisLog struct{ logger *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, v ...any) {
	l.logger.DebugContext(ctx, fmt.Sprintf(format, v...))
}

// checkModel asks Ollama for its version, which loads no model. The built-in
// stand-in is asked to answer.
func (s *server) checkModel() (health.Func, error) {
	if s.cfg.ollamaURL == "" {
		return func(ctx context.Context) error {
			health.Set(ctx, "model", s.model.Name())
			_, err := llm.Standin{}.Generate(ctx, "Is anybody there?", nil, func(string) error { return nil })
			return err
		}, nil
	}
	version, err := url.JoinPath(s.cfg.ollamaURL, "/api/version")
	if err != nil {
		return nil, errors.New("server: OLLAMA_URL: must be like http://127.0.0.1:11434")
	}
	answers, err := health.HTTP(version, health.HTTPOptions{})
	if err != nil {
		return nil, fmt.Errorf("server: OLLAMA_URL: %w", err)
	}
	return func(ctx context.Context) error {
		health.Set(ctx, "model", s.model.Name())
		return answers(ctx)
	}, nil
}

var errChatFull = errors.New("all places of the chat are taken")

// checkChat takes the lock of the hub, so that a hub that hangs misses the time
// of the check.
func (s *server) checkChat(ctx context.Context) error {
	listeners := s.hub.Listeners()
	health.Set(ctx, "connections", listeners)
	if listeners >= s.hub.Places() {
		return health.Degraded(health.WithReason(errChatFull, health.ReasonFull))
	}
	return nil
}
