package secheaders

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// ownHeaders are those that have a field in [Headers] or [Options].
var ownHeaders = []string{
	enforced, reported, "X-Frame-Options", "Referrer-Policy", "Permissions-Policy", "Permissions-Policy-Report-Only",
	"Cross-Origin-Opener-Policy", "Cross-Origin-Opener-Policy-Report-Only", "Cross-Origin-Embedder-Policy",
	"Cross-Origin-Embedder-Policy-Report-Only", "Cross-Origin-Resource-Policy", "Origin-Agent-Cluster",
	"Integrity-Policy", "Integrity-Policy-Report-Only", "Document-Policy", "Document-Policy-Report-Only",
	"X-Xss-Protection", "X-Content-Type-Options", "Strict-Transport-Security",
}

// reportingField names endpoints. [Headers].Extra may add some.
const reportingField = "Reporting-Endpoints"

// field is a header with its value. The slice has no room, so that a handler's Add
// makes a copy.
type field struct {
	name   string
	values []string
}

// noncedField is a header whose value is another one for each response.
type noncedField struct {
	name string
	text *policyText
}

// set is what one kind of response gets over one transport.
type set struct {
	fields []field
	nonced []noncedField // at most two
}

func (s *set) add(name, value string) {
	if value != "" && value != Omit {
		s.fields = append(s.fields, field{name, []string{value}})
	}
}

func (s *set) addPolicy(name string, text *policyText) {
	switch {
	case text == nil:
	case text.hasNonce():
		s.nonced = append(s.nonced, noncedField{name, text})
	default:
		s.add(name, text.execute(nil))
	}
}

// size is how many bytes the fields take on the wire of HTTP/1.1.
func (s *set) size() (n int) {
	for _, f := range s.fields {
		n += len(f.name) + len(": \r\n") + len(f.values[0])
	}
	for _, f := range s.nonced {
		n += len(f.name) + len(": \r\n") + f.text.length + (len(f.text.pieces)-1)*nonceLength
	}
	return n
}

// transport is how a request came, as far as headers depend on it.
type transport uint8

const (
	plain     transport = iota
	encrypted           // of a host that HSTS is not for
	pinned              // with HSTS
	transports
)

// compile makes the headers ready for one transport.
func (h Headers) compile(t transport, hsts, reportURL string) *set {
	var to string
	var reports []Directive
	if reportURL != "" {
		to = endpoint
		reports = []Directive{ReportURI(reportURL), ReportTo(endpoint)}
	}
	s := new(set)
	s.addPolicy(enforced, h.CSP.compile(t != plain, reports))
	s.addPolicy(reported, h.CSPReportOnly.compile(t != plain, reports))
	s.add("X-Content-Type-Options", "nosniff")
	s.add("X-Frame-Options", string(cmp.Or(h.FrameOptions, h.CSP.frameOptions(), h.CSPReportOnly.frameOptions(), FrameDeny)))
	s.add("Referrer-Policy", string(h.Referrer))
	s.add("Permissions-Policy", h.Permissions.value(""))
	s.add("Permissions-Policy-Report-Only", h.PermissionsReportOnly.value(to))
	s.add("Cross-Origin-Opener-Policy", h.Opener.value(to))
	s.add("Cross-Origin-Opener-Policy-Report-Only", h.OpenerReportOnly.value(to))
	s.add("Cross-Origin-Embedder-Policy", h.Embedder.value(to))
	s.add("Cross-Origin-Embedder-Policy-Report-Only", h.EmbedderReportOnly.value(to))
	s.add("Cross-Origin-Resource-Policy", string(h.Resource))
	s.add("Origin-Agent-Cluster", string(h.AgentCluster))
	s.add("Integrity-Policy", h.Integrity.value(to))
	s.add("Integrity-Policy-Report-Only", h.IntegrityReportOnly.value(to))
	s.add("Document-Policy", string(h.Document))
	s.add("Document-Policy-Report-Only", string(h.DocumentReportOnly))
	s.add("X-Xss-Protection", string(h.XSSProtection))
	if t == pinned {
		s.add("Strict-Transport-Security", hsts)
	}
	for _, name := range slices.Sorted(maps.Keys(h.Extra)) {
		if name != reportingField {
			s.add(name, h.Extra[name][0])
		}
	}
	s.add(reportingField, h.endpoints(s, reportURL))
	return s
}

// endpoints are those that somebody asked for, and ours where a field can make a browser
// report there.
func (h Headers) endpoints(s *set, reportURL string) string {
	var all []string
	if reportURL != "" && s.reports() {
		all = append(all, reportingEndpoints(endpoint, reportURL))
	}
	if own := h.Extra[reportingField]; len(own) > 0 && own[0] != Omit {
		all = append(all, own[0])
	}
	return strings.Join(all, ", ")
}

// reports tells whether a field names our endpoint: in a policy, as a parameter, or in
// a list.
func (s *set) reports() bool {
	return len(s.nonced) > 0 || slices.ContainsFunc(s.fields, func(f field) bool {
		return f.name == enforced || f.name == reported || strings.Contains(f.values[0], "report-to=") || strings.Contains(f.values[0], "endpoints=")
	})
}

// plan is what the responses of a route get.
type plan struct {
	secure  *Secure
	headers [kinds]Headers
	views   [transports]view
	size    int // of the largest set, in bytes
}

// view is a plan for requests of one transport.
type view struct {
	policy      reqinfo.HeaderPolicy // whose Data is the view
	plan        *plan
	transport   transport
	sets        [kinds]*set
	revalidated *set // for 304
}

// newPlan compiles headers that have no faults, and finds those that are too long.
func newPlan(s *Secure, headers [kinds]Headers, f *faults, name string) *plan {
	p := &plan{secure: s, headers: headers}
	size := 0
	for t := range transports {
		v := &p.views[t]
		v.policy = reqinfo.HeaderPolicy{Set: setHeaders, Data: v}
		v.plan, v.transport = p, t
		for k := range kinds {
			v.sets[k] = headers[k].compile(t, s.hsts, s.reportURL)
			size = max(size, v.sets[k].size())
		}
		v.revalidated = common(v.sets)
	}
	if size > maxSize {
		f.tooLong(name, size)
	}
	p.size = size
	return p
}

// mount returns the plan as middleware.
func (p *plan) mount() func(http.Handler) http.Handler {
	if p.size > warnSize {
		p.secure.logger.Warn("secheaders: the headers are long, and some proxies refuse them", "bytes", p.size, "advised", warnSize)
	}
	return func(next http.Handler) http.Handler { return &middleware{p, next} }
}

// common are the fields that every kind has: those that a 304 may renew without
// knowing of what kind the stored response is. A policy that carries a nonce is none
// of them: the nonce of the stored page would no longer be in it (RFC 9111 §3.2).
func common(sets [kinds]*set) *set {
	out := new(set)
	for _, f := range sets[document].fields {
		in := func(s *set) bool {
			return slices.ContainsFunc(s.fields, func(g field) bool { return g.name == f.name && g.values[0] == f.values[0] })
		}
		if in(sets[data]) && in(sets[asset]) {
			out.fields = append(out.fields, f)
		}
	}
	return out
}

// setHeaders sets what the handler has not set itself, right before the header is
// fixed.
func setHeaders(of any, i *reqinfo.Info, status int, h http.Header, room *[2]string) {
	v := of.(*view)
	s := v.sets[document]
	switch status {
	case http.StatusSwitchingProtocols:
		return
	case http.StatusNotModified:
		s = v.revalidated
		dropNonced(h)
	case reqinfo.Abandoned: // of what type the answer to a panic is, nobody knows yet
	default:
		s = v.sets[kindOf(h["Content-Type"])]
	}
	usual := isUsual(h)
	if i.NonceRead() {
		keepPrivate(h, usual)
	}
	s.apply(h, usual)
	for n, f := range s.nonced {
		if _, own := h[f.name]; !own {
			nonce, draft := i.CommitNonce(v.newNonce)
			if n > 0 || draft.By != &v.policy || s != v.sets[document] {
				draft.Text = f.text.execute([]byte(nonce))
			}
			room[n] = draft.Text
			h[f.name] = room[n : n+1 : n+1]
		}
	}
}

// apply leaves what is there: the handler knows better, and what a proxy copied is not
// doubled. Among usual fields there is nothing of ours.
func (s *set) apply(h http.Header, usual bool) {
	if usual {
		for k := range s.fields {
			h[s.fields[k].name] = s.fields[k].values
		}
		return
	}
	for k := range s.fields {
		f := &s.fields[k]
		if _, own := h[f.name]; !own {
			h[f.name] = f.values
		}
	}
}

// usualFields are those that handlers set, none of which is ours.
var usualFields = [...]string{"Content-Type", "Content-Length", "Cache-Control", "Etag", "Vary", "Last-Modified", "Location", "X-Request-Id"}

// isUsual reports whether nothing else is there yet, which takes fewer look-ups than to
// ask for each of ours.
func isUsual(h http.Header) bool {
	left := len(h)
	for _, name := range usualFields {
		if left == 0 {
			return true
		}
		if _, ok := h[name]; ok {
			left--
		}
	}
	return left == 0
}
