package secheaders

import (
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
)

// Options configure a [Secure]. The zero value is strict: it suits a page that gives
// its scripts the nonce. [QuickStart] suits others.
type Options struct {
	// Document is what pages get, and what no other kind is known of.
	// Default: [Document], or [Dev] in Development. Zero fields are those of it.
	Document Headers
	// API is what JSON, plain text, event streams and downloads get.
	// Default: [API]. Zero fields are those of it.
	API Headers
	// Static is what scripts, styles, images, fonts and media get.
	// Default: [Static]. Zero fields are those of it.
	Static Headers
	// HSTS is Strict-Transport-Security. It is sent over TLS only, and neither for
	// addresses nor for localhost.
	// Default: two years, with subdomains. None in Development.
	HSTS HSTS
	// TrustedProxies are the addresses of those whose word counts that a request came
	// to them over TLS: Forwarded (RFC 7239) or X-Forwarded-Proto. As clients that send
	// reports they have no rate of their own.
	// Default: none.
	TrustedProxies []netip.Prefix
	// Development makes [Dev] the default for documents, and sends no HSTS.
	// Default: false.
	Development bool

	// Reports says where browsers report violations, and what becomes of them.
	// Default: nowhere.
	Reports ReportOptions
	// Isolation is for [Secure.Isolate].
	// Default: requests of other sites are refused, but for navigations.
	Isolation IsolationOptions

	// Logger is told what an operator can act on.
	// Default: [slog.Default].
	Logger *slog.Logger
}

// Bounds of the headers of one response, in bytes. Proxies refuse more than 4 to 8 KiB.
const (
	warnSize = 4 << 10
	maxSize  = 8 << 10
)

// endpoint is the name of [ReportOptions].URL in Reporting-Endpoints.
const endpoint = "security"

// withDefaults fills in what is not set.
func (o Options) withDefaults() Options {
	base := Document()
	if o.Development {
		base = Dev()
		o.HSTS = HSTS{MaxAge: -1}
	}
	o.Document = o.Document.over(base)
	o.API = o.API.over(API())
	o.Static = o.Static.over(Static())
	inherit(&o.Static.Embedder, o.Document.Embedder)
	inherit(&o.Static.EmbedderReportOnly, o.Document.EmbedderReportOnly)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// faults are all that is wrong with options that have their defaults.
func (o *Options) faults() error {
	var f faults
	o.Document.faults(&f, "Document")
	o.API.faults(&f, "API")
	o.Static.faults(&f, "Static")
	o.HSTS.faults(&f, "HSTS")
	proxyFaults(&f, o.TrustedProxies)
	reportURLFaults(&f, o.Reports.URL)
	o.Reports.faults(&f)
	o.Isolation.faults(&f)
	return f.err()
}

// reportURLFaults checks where browsers are told to report: they take a path on the
// same host, or another host over TLS (Reporting §3.3).
func reportURLFaults(f *faults, s string) {
	if s == "" {
		return
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || !isText(s):
		f.add("Reports.URL", "it is no URL that fits into a policy")
	case strings.Contains(s, string(WithNonce)):
		f.add("Reports.URL", "the nonce has no place in it")
	case u.User != nil || u.Fragment != "":
		f.add("Reports.URL", "it has a user or a fragment")
	case u.IsAbs() && (u.Scheme != "https" || u.Host == ""):
		f.add("Reports.URL", "%q is not https, which browsers insist on", s)
	case !u.IsAbs() && (!strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//")):
		f.add("Reports.URL", "%q is neither a path from the root nor an https URL", s)
	}
}
