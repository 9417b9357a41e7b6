package reqinfo

import (
	"net/http"
	"path"
	"slices"
	"strings"
)

// A trail follows a request from its innermost copy outward, and knows the
// pattern that served it so far.
type trail struct {
	known   bool
	whole   bool // the outside is reached
	pattern string
	path    string // that the pattern matched
}

// outward takes in the next request further out. An inner mux knows better than
// an outer one, but for the prefix of the path that was stripped in between.
func (t *trail) outward(r *http.Request) {
	at := pathOf(r)
	if t.known {
		t.pattern = joinPatterns(patternOf(r), at, t.pattern, t.path)
	} else {
		t.known, t.pattern = true, patternOf(r)
	}
	t.path = at
}

func pathOf(r *http.Request) string {
	if r.URL == nil { // made by hand
		return ""
	}
	return r.URL.Path
}

// patternOf is the pattern that a mux left on a request. ServeMux redirects a
// CONNECT that lacks a trailing slash, and leaves where to as its pattern: a
// client could make as many as it likes (golang.org/issue/73688).
func patternOf(r *http.Request) string {
	if r.Method == http.MethodConnect && pathOf(r) != "" && r.Pattern == path.Join("/", pathOf(r))+"/" {
		return ""
	}
	return r.Pattern
}

// matched is the pattern by the requests that layers have seen the end of.
// Callers hold mu.
func (i *Info) matched() string { return i.follow(i.inner.trail) }

// matching is matched as seen by the handler. Callers hold mu.
func (i *Info) matching() string {
	t := i.inner.trail
	for _, r := range slices.Backward(i.inner.copies) {
		t.outward(r)
	}
	return i.follow(t)
}

// follow leads a trail from the copies of foreign middlewares to the outside.
func (i *Info) follow(t trail) string {
	if t.whole {
		return t.pattern
	}
	if in := i.inner; in.outer != nil && in.outer.Pattern != in.given {
		t = trail{} // another handler was tried later, on the same request
		t.outward(in.outer)
	} else {
		t.outward(&in.req)
	}
	t.outward(i.seen)
	return t.pattern
}

// joinPatterns is the full pattern of a request that an outer mux matched by
// its outerPath and an inner one by its innerPath, the rest of it as
// [http.StripPrefix] leaves it. What was stripped is named by the segments of
// the outer pattern, as the path's own may be anything a client likes.
func joinPatterns(outer, outerPath, inner, innerPath string) string {
	stripped, ok := strings.CutSuffix(outerPath, innerPath)
	if inner == "" || !ok || stripped == "" || !strings.HasPrefix(innerPath, "/") {
		return inner
	}
	outerMethod, outerHost, outerTemplate := splitPattern(outer)
	method, host, template := splitPattern(inner)
	if method == "" {
		method = outerMethod
	}
	if host == "" {
		host = outerHost
	}
	if method != "" {
		method += " "
	}
	return method + host + firstSegments(outerTemplate, strings.Count(stripped, "/")) + template
}

// splitPattern parses "[METHOD ][HOST]/[PATH]" (net/http, Patterns).
func splitPattern(p string) (method, host, path string) {
	if i := strings.IndexAny(p, " \t"); i >= 0 {
		method, p = p[:i], strings.TrimLeft(p[i:], " \t")
	}
	if i := strings.IndexByte(p, '/'); i >= 0 {
		return method, p[:i], p[i:]
	}
	return method, p, ""
}

// firstSegments is "/a/{b}" of "/a/{b}/c/" for two segments. What matches the
// rest of a path, "/" at the end or "/{name...}", is no segment.
func firstSegments(template string, n int) string {
	if i := strings.LastIndexByte(template, '/'); i >= 0 {
		if last := template[i+1:]; last == "" || last == "{$}" || strings.HasSuffix(last, "...}") {
			template = template[:i]
		}
	}
	for i := range len(template) {
		if template[i] != '/' {
			continue
		}
		if n == 0 {
			return template[:i]
		}
		n--
	}
	return template
}
