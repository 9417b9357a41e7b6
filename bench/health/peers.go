package health

import (
	"context"
	"net/http"

	sundheit "github.com/AppsFlyer/go-sundheit"
	sundheitchecks "github.com/AppsFlyer/go-sundheit/checks"
	sundheithttp "github.com/AppsFlyer/go-sundheit/http"
	alex "github.com/alexliesenfeld/health"
	hellofresh "github.com/hellofresh/health-go/v5"
	heptio "github.com/heptiolabs/healthcheck"
)

func openAlexPeriodic(s setting) (http.Handler, func(), error) {
	return openAlex(s, func(c alex.Check) alex.CheckerOption { return alex.WithPeriodicCheck(s.interval, 0, c) })
}

// openAlexCached has the library's defaults: a probe runs the checks unless one
// did so in the last second.
func openAlexCached(s setting) (http.Handler, func(), error) { return openAlex(s, alex.WithCheck) }

func openAlexUncached(s setting) (http.Handler, func(), error) {
	return openAlex(s, alex.WithCheck, alex.WithDisabledCache())
}

func openAlex(s setting, add func(alex.Check) alex.CheckerOption, more ...alex.CheckerOption) (http.Handler, func(), error) {
	options := append(more, alex.WithTimeout(s.timeout))
	for _, c := range s.checks {
		options = append(options, add(alex.Check{Name: c.name, Check: c.run}))
	}
	checker := alex.NewChecker(options...)
	return alex.NewHandler(checker), checker.Stop, nil
}

func openHellofresh(s setting) (http.Handler, func(), error) {
	var checks []hellofresh.Config
	for _, c := range s.checks {
		checks = append(checks, hellofresh.Config{Name: c.name, Timeout: s.timeout, Check: c.run})
	}
	h, err := hellofresh.New(hellofresh.WithChecks(checks...))
	if err != nil {
		return nil, nil, err
	}
	return h.Handler(), func() {}, nil
}

func openSundheit(s setting) (http.Handler, func(), error) {
	h := sundheit.New()
	for _, c := range s.checks {
		check := &sundheitchecks.CustomCheck{CheckName: c.name, CheckFunc: func(ctx context.Context) (any, error) { return nil, c.run(ctx) }}
		if err := h.RegisterCheck(check, sundheit.ExecutionPeriod(s.interval), sundheit.ExecutionTimeout(s.timeout)); err != nil {
			return nil, nil, err
		}
	}
	return sundheithttp.HandleHealthJSON(h), h.DeregisterAll, nil
}

// openHeptio answers with an empty object: it shows results only if the query
// asks for them.
func openHeptio(s setting) (http.Handler, func(), error) {
	h := heptio.NewHandler()
	for _, c := range s.checks {
		h.AddReadinessCheck(c.name, heptio.Timeout(func() error { return c.run(context.Background()) }, s.timeout))
	}
	return http.HandlerFunc(h.ReadyEndpoint), func() {}, nil
}

func openHeptioFull(s setting) (http.Handler, func(), error) {
	h, end, err := openHeptio(s)
	return full(h), end, err
}

func openHeptioAsync(s setting) (http.Handler, func(), error) {
	ctx, end := context.WithCancel(context.Background())
	h := heptio.NewHandler()
	for _, c := range s.checks {
		limited := heptio.Timeout(func() error { return c.run(ctx) }, s.timeout)
		h.AddReadinessCheck(c.name, heptio.AsyncWithContext(ctx, limited, s.interval))
	}
	return full(http.HandlerFunc(h.ReadyEndpoint)), end, nil
}

// full asks for results. The request is the client's own, so that no copy is
// charged to the library.
func full(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.RawQuery = "full=1"
		h.ServeHTTP(w, r)
	})
}
