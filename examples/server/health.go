package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// pingWait is below the second that probes wait by default.
const pingWait = 800 * time.Millisecond

type component struct {
	Status string `json:"status"`
	Note   string `json:"note,omitempty"`
}

// mountHealth serves the probes: alive is whoever answers, ready is who also
// reaches the database.
func (s *server) mountHealth(mux *http.ServeMux) {
	mux.HandleFunc("GET /health/liveness", func(w http.ResponseWriter, _ *http.Request) {
		writeHealth(w, map[string]component{})
	})
	ready := func(w http.ResponseWriter, r *http.Request) {
		writeHealth(w, map[string]component{"database": s.pingDatabase(r.Context())})
	}
	mux.HandleFunc("GET /health", ready)
	mux.HandleFunc("GET /health/readiness", ready)
}

func (s *server) detailedHealth(w http.ResponseWriter, r *http.Request) {
	writeHealth(w, map[string]component{
		"database":  s.pingDatabase(r.Context()),
		"ai":        {Status: "healthy", Note: s.model.Name()},
		"websocket": {Status: "healthy"},
	})
}

func (s *server) pingDatabase(ctx context.Context) component {
	ctx, cancel := context.WithTimeout(ctx, pingWait)
	defer cancel()
	start, status := time.Now(), "healthy"
	err := s.store.Ping(ctx)
	if err != nil {
		status = "unhealthy"
	}
	s.metrics.ObserveHealth("database", status, time.Since(start), err)
	return component{Status: status}
}

func writeHealth(w http.ResponseWriter, components map[string]component) {
	status, code := "healthy", http.StatusOK
	for _, c := range components {
		if c.Status != "healthy" {
			status, code = c.Status, http.StatusServiceUnavailable
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"status":     status,
		"timestamp":  float64(time.Now().UnixMilli()) / 1000,
		"components": components,
	})
}
