package secheaders

import (
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// Secure gives responses their security headers. It is safe for concurrent use, has no
// goroutine, and needs no Close.
type Secure struct {
	plan       *plan
	middleware func(http.Handler) http.Handler
	proxies    trustedProxies
	hsts       string
	reportURL  string
	reports    func() *reporter // made when somebody asks for it
	isolation  *isolation
	logger     *slog.Logger
}

// New returns a Secure. Its error names all faults of the options.
func New(opts Options) (*Secure, error) {
	opts = opts.withDefaults()
	if err := opts.faults(); err != nil {
		return nil, err
	}
	reports := opts.Reports.withDefaults() // its slices are the caller's
	proxies := slices.Clone(opts.TrustedProxies)
	s := &Secure{
		proxies:   proxies,
		hsts:      opts.HSTS.value(),
		reportURL: opts.Reports.URL,
		reports:   sync.OnceValue(func() *reporter { return newReporter(reports, proxies, opts.Logger) }),
		isolation: newIsolation(opts.Isolation, opts.Reports.URL, opts.Logger),
		logger:    opts.Logger,
	}
	var f faults
	s.plan = newPlan(s, [kinds]Headers{document: opts.Document, data: opts.API, asset: opts.Static}, &f, "Document")
	if err := f.err(); err != nil {
		return nil, err
	}
	s.middleware = s.plan.mount()
	return s, nil
}

// Middleware sets the headers of what next answers, at the moment when its header is
// fixed. What next sets itself it keeps. Interim responses, upgrades and hijacked
// connections pass untouched. Inside of another one, the inner one counts.
func (s *Secure) Middleware(next http.Handler) http.Handler { return s.middleware(next) }

// Override is Middleware for routes whose documents need other headers; with
// [Headers].AnyType all responses of the route get them. Zero fields stay as they are.
//
//	mux.Handle("GET /embed/", sluice.Must(sec.Override(secheaders.Headers{Embedder: secheaders.Omit}))(widget))
func (s *Secure) Override(h Headers) (func(http.Handler) http.Handler, error) {
	headers := s.plan.headers
	headers[document] = h.over(headers[document])
	if h.AnyType {
		headers[data], headers[asset] = headers[document], headers[document]
	}
	var f faults
	headers[document].faults(&f, "Override")
	if len(f.errs) > 0 {
		return nil, f.err()
	}
	p := newPlan(s, headers, &f, "Override")
	if err := f.err(); err != nil {
		return nil, err
	}
	return p.mount(), nil
}

// Append is Middleware for routes whose documents may do more, as [Policy.With] has it.
//
//	mux.Handle("GET /map", sluice.Must(sec.Append(secheaders.ImgSrc("https://tiles.example")))(page))
func (s *Secure) Append(directives ...Directive) (func(http.Handler) http.Handler, error) {
	p, err := s.plan.with(directives)
	if err != nil {
		return nil, err
	}
	return p.mount(), nil
}

// ReportHandler takes the reports of browsers. It is mounted at the path of
// [ReportOptions].URL, outside of limits, caches, compression and authentication.
func (s *Secure) ReportHandler() http.Handler { return s.reports() }

type middleware struct {
	plan *plan
	next http.Handler
}

func (m *middleware) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := reqinfo.Enter(w, r)
	defer leave(&e)
	e.SetHeaderPolicy(&m.plan.views[m.plan.secure.transport(r)].policy)
	e.Next(m.next)
}

// leave sets the headers at once where a panic leaves the response to a handler
// outside that may know nothing of the hook.
func leave(e *reqinfo.Entry) {
	if !e.Returned() && !e.Rec.Committed() {
		e.Info.FixHeaders(e.W.Header())
	}
	e.Leave()
}

func (s *Secure) transport(r *http.Request) transport {
	switch {
	case !s.proxies.overTLS(r):
		return plain
	case s.hsts == "" || !hstsHost(r.Host):
		return encrypted
	}
	return pinned
}
