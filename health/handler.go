package health

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"github.com/sluice-go/sluice/internal/problem"
)

// headers are values that all answers share, which saves each an allocation.
type headers struct {
	noStore, vary, allow, zero, close []string
}

func newHeaders() headers {
	return headers{
		noStore: []string{"no-store"},
		vary:    []string{"Accept"},
		allow:   []string{"GET, HEAD, OPTIONS"},
		zero:    []string{"0"},
		close:   []string{"close"},
	}
}

// endpoint serves one group at one path.
type endpoint struct {
	group   *group
	alias   string        // speaks text, and has ?verbose and ?exclude; empty if it is none
	details DetailsPolicy // who may come at all; nil: everybody
	pages   [len(formats)]page
}

func newEndpoint(g *group, alias string, details DetailsPolicy) *endpoint {
	e := &endpoint{group: g, alias: alias, details: details}
	for i := range formats {
		e.pages[i].group, e.pages[i].format = g, &formats[i]
		e.pages[i].view = view{
			title:      cmp.Or(alias, g.name, "health"),
			components: details != nil || g.checker.opts.ShowComponents,
			details:    details != nil,
			verbose:    details != nil,
		}
	}
	return e
}

// ServeHTTP answers GET, HEAD and OPTIONS with the same status code: HAProxy
// asks with OPTIONS unless it is told otherwise.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := e.group.checker
	h := w.Header()
	h["Cache-Control"] = c.headers.noStore // RFC 9111 §5.2.2.5
	if c.drain.begun.Load() {
		h["Connection"] = c.headers.close
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		h["Allow"] = c.headers.allow
		problem.Write(w, r, problem.Problem{Status: http.StatusMethodNotAllowed})
		return
	}
	if e.details != nil && !e.details(r) {
		problem.Write(w, r, problem.Problem{Status: http.StatusForbidden, Detail: "details are not for everybody"})
		return
	}
	if c.opts.OnDemand {
		e.group.ask(r.Context())
	}
	kind := formatText
	if e.alias == "" {
		kind = negotiate(r)
		h["Vary"] = c.headers.vary
	}
	var s *sheet
	if e.alias != "" && r.URL.RawQuery != "" && c.opts.Details(r) {
		s = e.custom(r)
	} else {
		s = e.pages[kind].get()
	}
	h["Content-Type"] = formats[kind].contentType
	e.send(w, r, s)
}

func (e *endpoint) send(w http.ResponseWriter, r *http.Request, s *sheet) {
	c := e.group.checker
	if s.code != http.StatusOK && e.details == nil { // details are for people
		c.drain.refused(e.group.name)
	}
	h := w.Header()
	switch r.Method {
	case http.MethodOptions:
		h["Allow"], h["Content-Length"] = c.headers.allow, c.headers.zero
		delete(h, "Content-Type")
		w.WriteHeader(s.code)
	case http.MethodHead:
		h["Content-Length"] = s.length
		w.WriteHeader(s.code)
	default:
		h["Content-Length"] = s.length
		w.WriteHeader(s.code)
		_, _ = w.Write(s.body)
	}
}

// custom renders text for somebody who may see details, as the query asks for
// it. Exclusion is theirs alone: it could turn any probe green.
func (e *endpoint) custom(r *http.Request) *sheet {
	query := r.URL.Query()
	s := e.group.stand(query["exclude"])
	return newSheet(s, renderText(s, view{title: e.alias, components: true, details: true, verbose: query.Has("verbose")}))
}

// methods are those of RFC 9110 §9.3 and RFC 5789; a mux takes HEAD for GET.
var methods = [...]string{"GET", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE"}

// Mount puts the answers on a mux: Path and its groups, each at exactly one
// path, and the aliases. Nothing but health is ever served below Path.
//
//	/health              all checks                  /healthz
//	/health/liveness     those in Liveness           /livez
//	/health/readiness    those in Readiness          /readyz
//	/health/startup      those in Startup            /startupz
//	/health/{group}      those in a group of yours
//	/health/detailed     everything about all, see [Options].Details
//
// Like [http.ServeMux.Handle] it panics if one of the paths is taken, and if a
// pattern of yours begins with a wildcard, such as /{tenant}/settings: then give
// the answers a mux of their own, with yours at "/".
func (c *Checker) Mount(mux *http.ServeMux) {
	// One pattern for each method: one for all of them would conflict with a
	// "GET /" of the caller, and leave our path to a "GET /health" of theirs.
	all := c.endpoints()
	for _, method := range methods {
		for path, h := range all {
			mux.Handle(method+" "+path, h)
		}
		// A name that is no group gets an answer of ours: the handler of "/" may well
		// say 200 to everything, and a misspelt probe would stay green for ever.
		mux.HandleFunc(method+" "+c.opts.Path+"/{group}", c.notFound)
	}
}

// Handler serves what [Checker.Mount] mounts, and 404 elsewhere. It compares
// paths as they were sent: a mux would redirect //health, which some probes take
// for a success.
func (c *Checker) Handler() http.Handler {
	all := c.endpoints()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := all[r.URL.EscapedPath()]; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		c.notFound(w, r)
	})
}

// GroupHandler serves one group, at whatever path it is mounted, and all checks
// for the empty name.
func (c *Checker) GroupHandler(name string) (http.Handler, error) {
	g := c.groups[name]
	if g == nil {
		return nil, fmt.Errorf("health: no check is in the group %q", clip(name, maxName))
	}
	return newEndpoint(g, "", nil), nil
}

// DetailedHandler serves /health/detailed to everybody who reaches it: it is for
// a listener that only operators reach.
func (c *Checker) DetailedHandler() http.Handler {
	return newEndpoint(c.groups[everything], "", func(*http.Request) bool { return true })
}

func (c *Checker) endpoints() map[string]http.Handler {
	all := map[string]http.Handler{
		c.opts.Path + "/" + detailed: newEndpoint(c.groups[everything], "", c.opts.Details),
	}
	for name, g := range c.groups {
		all[strings.TrimSuffix(c.opts.Path+"/"+name, "/")] = newEndpoint(g, "", nil)
	}
	if c.opts.DisableAliases {
		return all
	}
	for alias, name := range map[string]string{"healthz": everything, "livez": Liveness, "readyz": Readiness, "startupz": Startup} {
		if path := "/" + alias; all[path] == nil { // it may be Path
			all[path] = newEndpoint(c.groups[name], alias, nil)
		}
	}
	return all
}

func (c *Checker) notFound(w http.ResponseWriter, r *http.Request) {
	if c.drain.begun.Load() {
		w.Header()["Connection"] = c.headers.close
	}
	problem.Write(w, r, problem.Problem{Status: http.StatusNotFound, Detail: "there is no such health check"})
}
