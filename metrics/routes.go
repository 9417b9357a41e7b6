package metrics

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// routes knows the series of each route: by its name, of which there is a
// limited number, and by the patterns that mean it.
type routes struct {
	m        *Metrics
	names    *bounded[string, route]
	patterns *bounded[string, route] // patterns of several methods and hosts share a route
	recent   [256]atomic.Pointer[named]
	faulty   sync.Once // RoutePattern was
}

// named is a pattern that was looked up.
type named struct {
	pattern string
	route   *route
}

const (
	patternsPerRoute = 16  // that are remembered, on average; others cost a look at their text
	maxPattern       = 256 // bytes of one that is remembered
)

// route is one value of the route label.
type route struct {
	name    string
	m       *Metrics
	methods []atomic.Pointer[series] // by place in Metrics.methods, the last for all others
	sockets atomic.Pointer[sockets]
}

func newRoutes(m *Metrics, f *factory) *routes {
	rs := &routes{m: m}
	over := f.overflow("route", "MaxRoutes")
	rs.names = newBounded(m.opts.MaxRoutes, over, Other, label, rs.open)
	for _, fixed := range []string{Unmatched, Unrouted, Other} {
		rs.names.force(fixed)
		rs.names.limit++ // for these are ours
	}
	rs.patterns = newBounded(m.opts.MaxRoutes*patternsPerRoute, over, "", strings.Clone,
		func(pattern string) *route { return rs.names.get(rs.nameOf(pattern)) })
	return rs
}

func (rs *routes) open(name string) *route {
	return &route{name: name, m: rs.m, methods: make([]atomic.Pointer[series], len(rs.m.methods)+1)}
}

// of is the route of a request that was answered with code; nil for one that is
// not to be counted. pattern is what the carrier says, and named whether it is a
// name that was given.
func (rs *routes) of(r *http.Request, pattern string, named bool, code int) *route {
	if f := rs.m.opts.RoutePattern; f != nil && !named {
		if p := rs.ask(f, r); p != "" {
			pattern = p
		}
	}
	switch {
	case pattern == excluded:
		return nil
	case pattern == "" && (code == http.StatusNotFound || code == http.StatusMethodNotAllowed):
		return rs.names.lookup(Unmatched)
	case pattern == "":
		return rs.names.lookup(Unrouted)
	}
	return rs.byPattern(pattern)
}

// ask calls the function of a user, whose panic must not take the place of an
// answer that was given.
func (rs *routes) ask(f func(*http.Request) string, r *http.Request) (pattern string) {
	defer func() {
		if p := recover(); p != nil {
			rs.faulty.Do(func() { rs.m.opts.Logger.Error("metrics: RoutePattern panicked", "panic", p) })
		}
	}()
	return f(r)
}

func (rs *routes) byPattern(pattern string) *route {
	// A router hands out the same string each time, which is equal at a glance.
	place := &rs.recent[(len(pattern)*7+int(pattern[len(pattern)/2])*3+int(pattern[len(pattern)-1]))%len(rs.recent)]
	if last := place.Load(); last != nil && last.pattern == pattern {
		return last.route
	}
	rt := rs.patterns.lookup(pattern)
	if rt == nil {
		if rt = rs.names.get(rs.nameOf(pattern)); rt.name == Other || len(pattern) > maxPattern {
			return rt
		}
		pattern = strings.Clone(pattern)
		rs.patterns.insert(pattern)
	}
	if place.Load() == nil {
		place.Store(&named{pattern, rt}) // the first stays, as taking turns would cost more
	}
	return rt
}

// nameOf takes the method, and the host where it is not wanted, from a pattern
// "[METHOD ][HOST]/[PATH]".
func (rs *routes) nameOf(pattern string) string {
	if i := strings.IndexAny(pattern, " \t/"); i > 0 && pattern[i] != '/' {
		pattern = strings.TrimLeft(pattern[i:], " \t")
	}
	if i := strings.IndexByte(pattern, '/'); i > 0 && !rs.m.opts.KeepHost {
		pattern = pattern[i:]
	}
	return pattern
}

// series returns the children for a method. Those of the overflow name no
// method, as that is the client's to choose.
func (rt *route) series(m method) *series {
	i := int(m)
	if rt.name == Other {
		i = len(rt.m.methods)
	}
	if s := rt.methods[i].Load(); s != nil {
		return s
	}
	name := Other
	if i < len(rt.m.methods) {
		name = rt.m.methods[i]
	}
	s := newSeries(&rt.m.requests, name, rt.name)
	if !rt.methods[i].CompareAndSwap(nil, s) {
		return rt.methods[i].Load()
	}
	return s
}

// method is the place of a method in the list of Metrics; the length of the list
// stands for all that are not in it.
type method uint8

func (m *Metrics) method(name string) method {
	place := 0 // a scan, as the frequent ones come first
	for place < len(m.methods) && m.methods[place] != name {
		place++
	}
	return method(place)
}

// AddRoutes creates the series of routes at zero, so that the first request,
// and the first error, is an increase that rate() sees. Patterns are those of
// [http.ServeMux]; one without a method is taken for a GET. It is called before
// the service starts.
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
	if i := strings.IndexAny(pattern, " \t/"); i > 0 && pattern[i] != '/' {
		return pattern[:i]
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
		s.requests.errors.WithLabelValues(s.method, s.route, name)
	}
}

// Route names the route of what h serves, for routers that leave no pattern in
// Request.Pattern. The pattern is the full template, as in "GET /things/{id}";
// its method and host are treated as those of a ServeMux are. It wins over any
// other name.
func Route(pattern string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if info := reqinfo.Find(w, r); info != nil {
			info.SetRoute(pattern)
		} else if pattern != excluded {
			r.Pattern = pattern // for whoever shares the request
		}
		h.ServeHTTP(w, r)
	})
}

// Router lets the patterns of a router reach [Metrics.Middleware] across a
// middleware in between that hands on a copy of the request, as
// [http.StripPrefix] and everything that adds to a context do. It goes directly
// around the router:
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
