package secheaders

import (
	"cmp"
	"maps"
	"net/http"
	"net/textproto"
	"slices"

	"github.com/sluice-go/sluice/internal/httpheader"
)

// Omit in a field of [Headers] means that the header is not sent.
const Omit = "omit"

// Headers are what a kind of response gets. A zero field is inherited: from the
// preset of the kind in [Options], from the kind in [Secure.Override].
type Headers struct {
	// CSP is the Content-Security-Policy. An empty one is none.
	CSP Policy
	// CSPReportOnly is a second policy that only reports (CSP Level 3 §3.2). An empty
	// one is none.
	CSPReportOnly Policy
	// FrameOptions is X-Frame-Options, for browsers that do not know frame-ancestors.
	// Default: what frame-ancestors says, in a policy that only reports if there is no
	// other; DENY where none says anything.
	FrameOptions FrameOptions
	// Referrer is the Referrer-Policy.
	Referrer ReferrerPolicy
	// Permissions is the Permissions-Policy. An empty one is none.
	Permissions Permissions
	// PermissionsReportOnly only reports. An empty one is none.
	PermissionsReportOnly Permissions

	// Opener is the Cross-Origin-Opener-Policy: who shares a browsing context group
	// with the document. "same-origin" breaks logins in pop-up windows of others.
	Opener OpenerPolicy
	// OpenerReportOnly only reports.
	OpenerReportOnly OpenerPolicy
	// Embedder is the Cross-Origin-Embedder-Policy: what the document may embed that
	// did not agree to it.
	Embedder EmbedderPolicy
	// EmbedderReportOnly only reports.
	EmbedderReportOnly EmbedderPolicy
	// Resource is the Cross-Origin-Resource-Policy: who may embed the response.
	Resource ResourcePolicy
	// AgentCluster is the Origin-Agent-Cluster. It must be the same on each page of an
	// origin.
	AgentCluster AgentCluster

	// Integrity is the Integrity-Policy: what must come with a hash of its content.
	Integrity *IntegrityPolicy
	// IntegrityReportOnly only reports.
	IntegrityReportOnly *IntegrityPolicy
	// Document is the Document-Policy.
	Document DocumentPolicy
	// DocumentReportOnly only reports.
	DocumentReportOnly DocumentPolicy

	// XSSProtection is X-XSS-Protection, which "0" turns off: the filters of old
	// browsers could be used against a page.
	XSSProtection XSSProtection
	// Extra are other headers, each with one value.
	Extra http.Header
	// AnyType gives the headers to responses of every content type where they are an
	// override, and not only to documents.
	AnyType bool
}

// FrameOptions is a value of X-Frame-Options (RFC 7034). ALLOW-FROM is ignored by
// browsers.
type FrameOptions string

const (
	FrameDeny       FrameOptions = "DENY"
	FrameSameOrigin FrameOptions = "SAMEORIGIN"
)

// XSSProtection is a value of X-XSS-Protection. There is one sound one.
type XSSProtection string

// XSSProtectionOff turns the filter of old browsers off.
const XSSProtectionOff XSSProtection = "0"

// over returns h with the fields of base in the place of zero ones.
func (h Headers) over(base Headers) Headers {
	if !h.CSP.has("frame-ancestors") { // else another policy takes its X-Frame-Options with it
		inherit(&h.FrameOptions, base.FrameOptions)
	}
	h.CSP = inherited(h.CSP, base.CSP)
	h.CSPReportOnly = inherited(h.CSPReportOnly, base.CSPReportOnly)
	inherit(&h.Referrer, base.Referrer)
	h.Permissions = slices.Clone(h.Permissions.over(base.Permissions))
	h.PermissionsReportOnly = slices.Clone(h.PermissionsReportOnly.over(base.PermissionsReportOnly))
	inherit(&h.Opener, base.Opener)
	inherit(&h.OpenerReportOnly, base.OpenerReportOnly)
	inherit(&h.Embedder, base.Embedder)
	inherit(&h.EmbedderReportOnly, base.EmbedderReportOnly)
	inherit(&h.Resource, base.Resource)
	inherit(&h.AgentCluster, base.AgentCluster)
	h.Integrity = copied(cmp.Or(h.Integrity, base.Integrity))
	h.IntegrityReportOnly = copied(cmp.Or(h.IntegrityReportOnly, base.IntegrityReportOnly))
	inherit(&h.Document, base.Document)
	inherit(&h.DocumentReportOnly, base.DocumentReportOnly)
	inherit(&h.XSSProtection, base.XSSProtection)
	extra := base.Extra.Clone()
	for name, values := range h.Extra {
		if extra == nil {
			extra = http.Header{}
		}
		extra[name] = slices.Clone(values)
	}
	h.Extra = extra
	return h
}

// over is the same for one header: members replace those of the same feature.
func (p Permissions) over(base Permissions) Permissions {
	switch {
	case p == nil:
		return base
	case len(p) == 0:
		return p
	}
	return base.with(p)
}

// inherited and copied return nothing that a caller can still change.
func inherited(p, base Policy) Policy {
	if p == nil {
		return slices.Clone(base)
	}
	return slices.Clone(p)
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

func inherit[T comparable](field *T, base T) {
	var zero T
	if *field == zero {
		*field = base
	}
}

// faults adds what is wrong with headers that have inherited.
func (h Headers) faults(f *faults, field string) {
	h.CSP.faults(f, field+".CSP", enforced)
	h.CSPReportOnly.faults(f, field+".CSPReportOnly", reported)
	h.frameFaults(f, field+".FrameOptions")
	h.Permissions.faults(f, field+".Permissions")
	h.PermissionsReportOnly.faults(f, field+".PermissionsReportOnly")
	check(f, field+".Referrer", h.Referrer)
	check(f, field+".Opener", h.Opener)
	check(f, field+".OpenerReportOnly", h.OpenerReportOnly)
	check(f, field+".Embedder", h.Embedder)
	check(f, field+".EmbedderReportOnly", h.EmbedderReportOnly)
	check(f, field+".Resource", h.Resource)
	check(f, field+".AgentCluster", h.AgentCluster)
	check(f, field+".Document", h.Document)
	check(f, field+".DocumentReportOnly", h.DocumentReportOnly)
	if h.XSSProtection != "" && h.XSSProtection != Omit && h.XSSProtection != XSSProtectionOff {
		f.add(field+".XSSProtection", "%q opens leaks; only 0 is safe", string(h.XSSProtection))
	}
	for _, name := range slices.Sorted(maps.Keys(h.Extra)) {
		extraFaults(f, field+".Extra", name, h.Extra[name])
	}
}

// checked are the types of fields that know their values.
type checked interface {
	~string
	faults(f *faults, field string)
}

func check[T checked](f *faults, field string, value T) {
	if value != "" && value != Omit {
		value.faults(f, field)
	}
}

func (h Headers) frameFaults(f *faults, field string) {
	derived := h.CSP.frameOptions()
	switch {
	case h.FrameOptions == "" || h.FrameOptions == Omit:
	case h.FrameOptions != FrameDeny && h.FrameOptions != FrameSameOrigin:
		f.add(field, "%q is neither DENY nor SAMEORIGIN; browsers ignore others", string(h.FrameOptions))
	case h.CSP.has("frame-ancestors") && derived != h.FrameOptions:
		f.add(field, "%s contradicts the policy's frame-ancestors", string(h.FrameOptions))
	}
}

func extraFaults(f *faults, field, name string, values []string) {
	switch {
	case !httpheader.IsToken(name):
		f.add(field, "%q is no name of a header", name)
	case textproto.CanonicalMIMEHeaderKey(name) != name:
		f.add(field, "%q is not in canonical form, %q", name, textproto.CanonicalMIMEHeaderKey(name))
	case slices.Contains(ownHeaders, name):
		f.add(field, "%s has a field of its own", name)
	case slices.Contains(handlers, name) || slices.Contains(usualFields[:], name):
		f.add(field, "%s is about one response, and up to its handler", name)
	case len(values) != 1:
		f.add(field, "%s has %d values, not one", name, len(values))
	case !isFieldValue(values[0]):
		f.add(field, "%s: %q has a line break or another control character, with which HTTP/2 loses the header", name, values[0])
	case name == reportingField:
		if _, err := httpheader.ParseSFDictionary(values[0]); err != nil {
			f.add(field, "%s: it is no dictionary (RFC 9651 §3.2): %w", name, err)
		}
	}
}

// handlers are further fields that describe one response or its connection.
var handlers = []string{"Connection", "Content-Encoding", "Content-Language", "Content-Range", "Content-Disposition", "Date",
	"Expires", "Keep-Alive", "Set-Cookie", "Trailer", "Transfer-Encoding", "Upgrade", "Www-Authenticate", "Report-To"}

// isFieldValue reports whether s arrives as it is on every version of HTTP (RFC 9110
// §5.5).
func isFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c >= 0x7f {
			return false
		}
	}
	return s != ""
}
