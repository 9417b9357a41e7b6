package main

import (
	"net/http"

	"github.com/sluice-go/sluice"
	"github.com/sluice-go/sluice/compress"
	"github.com/sluice-go/sluice/examples/server/web"
	"github.com/sluice-go/sluice/metrics"
	"github.com/sluice-go/sluice/secheaders"
)

// routes is the public service. What a request passes, from the outside in, is
// the order in which it stands here.
func (s *server) routes(adminURL string) (http.Handler, error) {
	metricsURL := ""
	if s.cfg.env == development { // elsewhere visitors need not know where operators look
		metricsURL = adminURL + "/metrics"
	}
	site, err := web.New(web.Options{
		Projects:   s.store,
		Tickets:    s.store,
		Nonce:      secheaders.Nonce,
		Model:      s.model.Name(),
		HealthURL:  "/health",
		MetricsURL: metricsURL,
		Logger:     s.logger,
	})
	if err != nil {
		return nil, err
	}
	service := http.NewServeMux()
	s.api.Mount(service)
	site.Mount(service)
	service.Handle("GET /ws/chat", s.hub.Handler(s.chat))
	patterns := append(s.api.Patterns(), "GET /{$}", "GET /static/", "GET /ws/chat")
	if s.cfg.env == development {
		patterns = append(patterns, s.demo(service)...)
	}
	if err := s.metrics.AddRoutes(patterns...); err != nil {
		return nil, err
	}

	compressor, err := compress.New(compress.Options{OnResult: s.metrics.ObserveCompression})
	if err != nil {
		return nil, err
	}
	// The numbers are those of the order in ARCHITECTURE.md. A number without a
	// layer is the place of a package that is still to come.
	stack := sluice.Chain(
		s.health.Middleware,  // 1
		requestID,            // 2
		s.metrics.Middleware, // 3
		// 4 sentryx: recovers panics; until then net/http cuts the connection
		s.security.Middleware, // 5
		s.security.Isolate,    // 5: what other sites make a browser ask for
		// 6 ratelimit by client address
		s.api.Authenticate, // 7 and then ratelimit by role
		deadlines,          // 8
		// 9 cache
		compressor.Middleware, // 10
		s.monitor.Middleware,  // 11: what queries a request made; the monitor itself is in the driver
		metrics.Router,        // the layers above copy the request, and the route is found further in
	)
	root := http.NewServeMux()
	s.health.Mount(root) // 0: probes see the real listener and nothing else
	// 0: reports come from anybody, in bursts, and bring their own limits.
	root.Handle(reportPath, s.health.Middleware(s.security.ReportHandler()))
	root.Handle("/", stack(service))
	return root, nil
}
