package reqinfo

import (
	"mime/multipart"
	"net/http"
	"path"
	"slices"
	"strings"
)

// visit is a layer's stay at a copy of the request.
type visit struct {
	req     *http.Request
	pattern string          // that the copy came with
	form    *multipart.Form // likewise
	own     bool            // by a layer; others' may be in the hands of another goroutine
}

// A trail follows a request from its innermost copy outward, and knows the
// pattern that served it so far.
type trail struct {
	known   bool
	whole   bool // the outside is reached
	pattern string
	path    string // that the pattern matched

	fresh bool   // nothing further out was looked at since a copy was left
	base  string // the pattern of what is next further out, at that moment
}

// outward takes in the next request further out. An inner mux knows better than
// an outer one, but for the prefix of the path that was stripped in between.
func (t *trail) outward(r *http.Request, pattern string) {
	if t.fresh && t.base != r.Pattern {
		*t = trail{} // another handler was tried since, on this request
	}
	t.fresh = false
	at := pathOf(r)
	if t.known {
		t.pattern = joinPatterns(pattern, at, t.pattern, t.path)
	} else {
		t.known, t.pattern = true, pattern
	}
	t.path = at
}

// outwardCopy is outward for a copy. The pattern it came with is that of another
// path, or of somebody further out.
func (t *trail) outwardCopy(v visit) {
	if v.req.Pattern != v.pattern {
		t.outward(v.req, patternOf(v.req))
	}
}

// pathOf is the path in the form that patterns are matched with: an escaped
// slash parts no segments.
func pathOf(r *http.Request) string {
	if r.URL == nil { // made by hand
		return ""
	}
	return r.URL.EscapedPath()
}

// patternOf is the pattern that a mux left on a request. ServeMux redirects a
// CONNECT that lacks a trailing slash, and leaves where to as its pattern: a
// client could make as many as it likes (golang.org/issue/73688).
func patternOf(r *http.Request) string {
	if r.Method == http.MethodConnect && r.URL != nil && r.URL.Path != "" && r.Pattern == path.Join("/", r.URL.Path)+"/" {
		return ""
	}
	return r.Pattern
}

// matched is the pattern as far as it is known: by copies that layers have left,
// by those of our own, and inside the handler by all others. Callers hold mu.
func (i *Info) matched(in *inner, inside bool) string {
	t := in.trail
	if t.whole {
		return t.pattern
	}
	for _, v := range slices.Backward(in.visits) {
		if v.own || inside {
			t.outwardCopy(v)
		}
	}
	pattern := patternOf(i.seen)
	if in.echoed && i.seen.Pattern == in.echo {
		pattern = in.unechoed
	}
	t.outward(i.seen, pattern)
	return t.pattern
}

// joinPatterns is the full pattern of a request that an outer mux matched by
// its outerPath and an inner one by its innerPath, the rest of it as
// [http.StripPrefix] leaves it. What was stripped is named by the segments of
// the outer pattern, as the path's own may be anything a client likes.
func joinPatterns(outer, outerPath, inner, innerPath string) string {
	stripped, ok := strings.CutSuffix(outerPath, innerPath)
	if inner == "" || !ok || stripped == "" || innerPath != "" && innerPath[0] != '/' {
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
