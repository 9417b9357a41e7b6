package main

import (
	"expvar"
	"io"
	"net/http"
	"net/http/pprof"
)

// adminRoutes is for operators. It has no login: its listener is what protects
// it, and that is bound to loopback unless the operator says otherwise.
func (s *server) adminRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, adminPage)
	})
	mux.Handle("/metrics", s.metrics.Handler())
	mux.Handle("/health/detailed", s.health.DetailedHandler())
	mux.Handle("/debug/queries", s.monitor.StatsHandler())
	mux.Handle("GET /debug", http.RedirectHandler("/debug/pprof/", http.StatusFound))
	mux.Handle("GET /debug/vars", expvar.Handler())
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

const adminPage = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Operators</title>
<h1>Operators</h1>
<ul>
<li><a href="/metrics">Metrics</a></li>
<li><a href="/health/detailed">Health in detail</a></li>
<li><a href="/debug/queries">Queries</a></li>
<li><a href="/debug/pprof/">Profiles</a></li>
<li><a href="/debug/vars">Variables</a></li>
</ul>
</html>
`
