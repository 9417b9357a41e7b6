package metrics

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// AddRoutes creates series of routes at zero, so that their first event is an
// increase that rate() sees: the codes 200 and 500, the durations of successes,
// the sizes, and all error types. Patterns are those of [http.ServeMux]; one
// without a method is taken for a GET. It is called before the service starts.
//
// It is an error when a pattern has no path, or when there are more routes than
// Options.MaxRoutes; all others are added.
func (m *Metrics) AddRoutes(patterns ...string) error {
	var faults []error
	for _, p := range patterns {
		name := m.routes.nameOf(p)
		if !strings.Contains(name, "/") || label(name) != name {
			faults = append(faults, fmt.Errorf("metrics: AddRoutes: %q is not a pattern like \"GET /things/{id}\" of at most %d bytes", p, maxLabel))
			continue
		}
		rt, ok := m.routes.names.insert(name)
		if !ok {
			faults = append(faults, fmt.Errorf("metrics: AddRoutes: %q is one more than MaxRoutes (%d) allows", p, m.opts.MaxRoutes))
			continue
		}
		m.routes.patterns.insert(p)
		rt.create(methodOf(p))
	}
	return errors.Join(faults...)
}

func methodOf(pattern string) string {
	if namesMethod(pattern) {
		return pattern[:strings.IndexAny(pattern, " \t")]
	}
	return http.MethodGet
}

// create makes the series that ratios and objectives are computed from.
func (rt *route) create(name string) {
	s := rt.series(rt.m.method(name))
	for _, code := range []int{http.StatusOK, http.StatusInternalServerError} {
		s.count(code)
	}
	s.duration(success)
	for _, name := range failureNames[1:] {
		rt.m.requests.errors.WithLabelValues(s.method, rt.name, name)
	}
}

// Route names the route of what h serves, for routers that leave no pattern in
// Request.Pattern. The pattern is the full template, as in "GET /things/{id}";
// its method and host are treated as those of a ServeMux are. It wins over any
// other name, and an empty one is none.
func Route(pattern string, h http.Handler) http.Handler {
	if pattern == "" {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if info := reqinfo.Find(w, r); info != nil {
			info.SetRoute(&pattern)
		} else if pattern != excluded {
			r.Pattern = pattern // for whoever shares the request
		}
		h.ServeHTTP(w, r)
	})
}

// Router lets the patterns of a router reach [Metrics.Middleware] across a
// middleware in between that hands on a copy of the request, as
// [http.StripPrefix] and everything that adds to a context do. It goes directly
// around a [http.ServeMux]; for others see the package comment:
//
//	mux.Handle("/api/", http.StripPrefix("/api", metrics.Router(api)))
//
// The route is then the full template, "/api/things/{id}". Every other layer of
// sluice does the same for what is inside of it. It costs a copy of the request
// where no other layer has made one.
func Router(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := reqinfo.Enter(w, r)
		defer e.Leave()
		e.Next(h)
	})
}

// excluded is a route that no pattern can be.
const excluded = "\x00excluded"

// Exclude keeps the requests to h out of all metrics but the one of requests in
// flight: probes and scrapes are no traffic, and none of them should count
// towards an objective.
func Exclude(h http.Handler) http.Handler { return Route(excluded, h) }
