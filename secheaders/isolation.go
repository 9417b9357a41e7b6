package secheaders

import (
	"cmp"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/sluice-go/sluice/internal/problem"
	"github.com/sluice-go/sluice/internal/reqinfo"
	"github.com/sluice-go/sluice/internal/respw"
)

// IsolationOptions configure [Secure.Isolate]. The zero value refuses what pages of other
// sites ask for, but for links.
type IsolationOptions struct {
	// LogOnly lets everything pass, logs what would be refused and tells OnRefuse. Start
	// with it: what other sites embed is rarely known.
	// Default: false.
	LogOnly bool
	// Origins are those of pages of other sites that may send any request, such as
	// "https://app.example": for CORS, WebSockets and forms that are posted here. They
	// are compared as a whole with Origin. The fields of CORS are still up to the handler.
	// Default: none.
	Origins []string
	// DenySameSite treats pages of sibling hosts, such as blog.example.com for
	// www.example.com, as those of other sites: for a domain whose other hosts are not
	// trusted.
	// Default: false.
	DenySameSite bool
	// Exempt tells of requests that everybody may send: public images and scripts, an API
	// for all origins, badges. It must not use the response.
	// Default: none. Preflights of CORS, and [ReportOptions].URL, always are.
	Exempt func(*http.Request) bool
	// OnRefuse is told of each request that is refused, or with refused false would be
	// without LogOnly. The cause is "cross-site", "same-site" or "malformed", which is
	// fit for a label of a metric.
	// Default: none.
	OnRefuse func(r *http.Request, cause string, refused bool)
}

// isolation is what IsolationOptions are compiled to.
type isolation struct {
	logOnly, denySameSite bool
	origins               map[string]struct{}
	exempt                func(*http.Request) bool
	onRefuse              func(*http.Request, string, bool)
	reports               reportPlace
	log                   refusalLog

	// What an answer depends on: the site alone, where that was enough to let the
	// request pass, or further fields.
	varySite, varyAll *vary
}

// newIsolation compiles options that have no faults. reportURL may be empty.
func newIsolation(o IsolationOptions, reportURL string, logger *slog.Logger) *isolation {
	i := &isolation{
		logOnly: o.LogOnly, denySameSite: o.DenySameSite,
		origins: make(map[string]struct{}, len(o.Origins)),
		exempt:  o.Exempt, onRefuse: o.OnRefuse, reports: newReportPlace(reportURL),
		log:      refusalLog{logger: cmp.Or(logger, slog.Default())},
		varySite: newVary("Sec-Fetch-Site"),
		varyAll:  newVary("Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest"),
	}
	for _, origin := range o.Origins {
		i.origins[origin] = struct{}{}
		i.varyAll = newVary("Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Origin")
	}
	return i
}

// Isolate refuses requests that pages of other sites make a browser send, with 403: by
// Fetch Metadata, which no page can forge. Other sites may link to a page, and put it
// into a frame as far as frame-ancestors lets them. They may not load it as a script,
// an image or an object, fetch it, post to it or open a WebSocket, so that its content,
// its length and its time stay unknown to them (XSSI, XS-Leaks, Spectre, CSRF).
//
// In this order:
//   - Preflights of CORS, the path of [ReportOptions].URL and what
//     [IsolationOptions].Exempt tells of pass.
//   - A request without Sec-Fetch-Site passes: it is from a program, a browser from
//     before 2023, or one that does not take the origin for trustworthy, as with plain
//     HTTP on any host but localhost.
//   - same-origin, none (the user typed the address) and same-site pass. What is none
//     of the known values, or is there twice, counts as cross-site.
//   - Of others, GET and HEAD pass that navigate to a document or a frame. To objects
//     and embeds they do not, nor to destinations that are not known.
//   - What has an Origin of [IsolationOptions].Origins passes.
//
// Answers name in Vary what they depend on, so that no cache hands them to others. With
// LogOnly they do so, too, as what is cached meanwhile outlives it.
//
// Use [http.CrossOriginProtection] beside it, on either side. That one lets every GET,
// HEAD and OPTIONS pass, and of others refuses what is not of the same origin: also from
// sibling hosts, and, by Origin, from browsers that send no Fetch Metadata. This one
// looks at GET as well. Neither one knows who the user is, and neither protects a GET
// that changes something from a link. A WebSocket handler still has to compare Origin,
// for browsers without Fetch Metadata.
//
// It is a layer of its own, inside of [Secure.Middleware], so that its refusals have
// all headers, too, and outside of caches.
func (s *Secure) Isolate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.isolation.serve(w, r, next) })
}

func (i *isolation) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if i.isOpen(r) {
		next.ServeHTTP(w, r)
		return
	}
	cause, depends := i.judge(r)
	if cause != passes {
		i.log.tell(r, cause, i.logOnly)
		if i.onRefuse != nil {
			i.onRefuse(r, cause.String(), !i.logOnly)
		}
		if !i.logOnly {
			depends.BeforeHeader(http.StatusForbidden, w.Header())
			problem.Write(w, r, problem.Problem{Status: http.StatusForbidden, Detail: "Pages of other sites may not send this request."})
			return
		}
	}
	// No context is needed: where there is a recorder, the hook is all.
	if rec := respw.From(w); rec != nil {
		rec.OnHeader(depends)
		next.ServeHTTP(w, r)
		return
	}
	e := reqinfo.Enter(w, r)
	defer e.Leave()
	e.Rec.OnHeader(depends)
	e.Next(next)
}

// isOpen reports whether everybody may send the request, so that nothing depends on who
// does.
func (i *isolation) isOpen(r *http.Request) bool {
	return i.reports.isFor(r) || isPreflight(r) || i.exempt != nil && i.exempt(r)
}

// reportPlace is where browsers report to. Another host may be this server, too.
type reportPlace struct{ host, path string }

func newReportPlace(s string) reportPlace {
	u, err := url.Parse(s)
	if s == "" || err != nil {
		return reportPlace{}
	}
	return reportPlace{u.Host, cmp.Or(u.Path, "/")}
}

func (p reportPlace) isFor(r *http.Request) bool {
	return r.URL.Path == p.path && p.path != "" && (p.host == "" || equal(r.Host, p.host))
}

// isPreflight tells a preflight (Fetch §4.8), which has no credentials and which no page
// can send by itself, as Access-Control-Request-Method is not up to scripts. To refuse it
// would hide from the page what its handler says of CORS.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && one(r.Header["Access-Control-Request-Method"]) != "" && one(r.Header["Origin"]) != ""
}

// cause is why a request is refused.
type cause uint8

const (
	passes cause = iota
	crossSite
	sameSite
	malformed
	causes // how many there are
)

func (c cause) String() string { return [causes]string{"", "cross-site", "same-site", "malformed"}[c] }

// judge returns why a request is refused, if it is, and what that depends on.
func (i *isolation) judge(r *http.Request) (cause, *vary) {
	from := i.from(r.Header["Sec-Fetch-Site"])
	switch {
	case from == passes:
		return passes, i.varySite
	case isNavigation(r) || i.isListed(r.Header["Origin"]):
		return passes, i.varyAll
	}
	return from, i.varyAll
}

// from reads Sec-Fetch-Site (Fetch Metadata §2.4).
func (i *isolation) from(lines []string) cause {
	if len(lines) == 0 {
		return passes
	}
	switch one(lines) {
	case "same-origin", "none":
		return passes
	case "same-site":
		if i.denySameSite {
			return sameSite
		}
		return passes
	case "cross-site":
		return crossSite
	default:
		return malformed
	}
}

// isNavigation reports whether the browser goes to a page. Objects and embeds do so as
// well, with the response as part of somebody's page. The first browsers with Fetch
// Metadata sent no Sec-Fetch-Dest.
func isNavigation(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || one(r.Header["Sec-Fetch-Mode"]) != "navigate" {
		return false
	}
	dest := r.Header["Sec-Fetch-Dest"]
	switch one(dest) {
	case "document", "iframe", "frame":
		return true
	default:
		return len(dest) == 0
	}
}

func (i *isolation) isListed(origin []string) bool {
	_, listed := i.origins[one(origin)]
	return listed
}

// one is the value of a field that has one line. A second one is nothing a browser
// sends.
func one(lines []string) string {
	if len(lines) != 1 {
		return ""
	}
	return lines[0]
}
