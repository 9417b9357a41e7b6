package metrics

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

// routes knows the series of each route: by its name, of which there is a
// limited number, and by the patterns that mean it.
type routes struct {
	m        *Metrics
	names    *bounded[string, route]
	patterns *bounded[string, route] // patterns of several methods and hosts share a route
	recent   [256]atomic.Pointer[named]
	faulty   sync.Once // RoutePattern was
	hint     sync.Once // that routes are missing
	methods  *overflow
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

	mu       sync.Mutex // held to admit a method
	admitted int        // methods that clients asked for
}

func newRoutes(m *Metrics, f *factory) *routes {
	rs := &routes{m: m, methods: f.overflow("method", "patterns that name their method")}
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

// of returns the series of a request that was answered with status; nil for one
// that is not to be counted. pattern is what the carrier says, and named whether
// it is a name that was given.
func (rs *routes) of(r *http.Request, m method, pattern string, named bool, status int) *series {
	if f := rs.m.opts.RoutePattern; f != nil && !named {
		if p := rs.ask(f, r); p != "" {
			pattern = p
		}
	}
	switch pattern {
	case excluded:
		return nil
	case "":
		return rs.none(status).series(m)
	}
	rt := rs.byPattern(pattern)
	if s := rt.known(m); s != nil {
		return s
	}
	if rt.name == Other || namesMethod(pattern) {
		return rt.series(m)
	}
	if s := rt.admit(m, status); s != nil {
		return s
	}
	return rt.series(rs.m.otherMethod())
}

// none is the route of a request without a pattern.
func (rs *routes) none(status int) *route {
	if status == http.StatusNotFound || status == http.StatusMethodNotAllowed {
		return rs.names.lookup(Unmatched)
	}
	if status >= 200 && status < 300 {
		rs.hint.Do(func() {
			rs.m.opts.Logger.Info("metrics: a request was answered without a route; if there was one, it got lost on a copy of the request: see metrics.Router and metrics.Route")
		})
	}
	return rs.names.lookup(Unrouted)
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

// namesMethod reports whether a pattern is for one method, which the service and
// not the client has chosen.
func namesMethod(pattern string) bool {
	i := strings.IndexAny(pattern, " \t/")
	return i > 0 && pattern[i] != '/'
}

// methodsPerRoute is how many methods get series of their own because clients
// used them, where the pattern leaves the method open.
const methodsPerRoute = 4

// admit makes series of its own for a method that a client used, or returns nil:
// not where it was refused (RFC 9110 §15.5.6, §15.6.2), and not without end.
func (rt *route) admit(m method, status int) *series {
	if status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented {
		return nil
	}
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if s := rt.known(m); s != nil {
		return s // by another client, at the same moment
	}
	if rt.admitted == methodsPerRoute {
		rt.m.routes.methods.note()
		return nil
	}
	rt.admitted++
	return rt.series(m)
}

// known returns the children for a method that are there already, or nil.
func (rt *route) known(m method) *series { return rt.methods[rt.place(m)].Load() }

// place is that of the children for a method. The overflow names no method, as
// that is the client's to choose.
func (rt *route) place(m method) int {
	if rt.name == Other {
		return len(rt.m.methods)
	}
	return int(m)
}

// series returns the children for a method.
func (rt *route) series(m method) *series {
	i := rt.place(m)
	if s := rt.methods[i].Load(); s != nil {
		return s
	}
	name := Other
	if i < len(rt.m.methods) {
		name = rt.m.methods[i]
	}
	s := newSeries(rt, name)
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

func (m *Metrics) otherMethod() method { return method(len(m.methods)) }
