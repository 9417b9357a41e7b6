package dbmon

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/sluice-go/sluice/internal/httpheader"
	"github.com/sluice-go/sluice/internal/problem"
)

// defaultShown is how many queries are in an answer.
const defaultShown = 100

// statsHandler shows the statistics of a monitor.
type statsHandler struct {
	monitor *Monitor
	page    *template.Template
	policy  string
	origins *http.CrossOriginProtection
}

// StatsHandler shows the statistics to people, as a page without scripts, and to
// programs, as JSON: by the Accept field, or by ?format=json and ?format=html. It
// works at whatever path it is mounted.
//
//	?sort=total    or calls, mean, max, p95, rows, errors; the largest first
//	?limit=100     how many queries
//
// POST resets the statistics and leads back to the page, unless another site made
// the browser send it. The texts of queries name tables and columns, and whoever
// reaches the handler may reset: it is for a listener that only operators reach.
func (m *Monitor) StatsHandler() http.Handler {
	return &statsHandler{m, parseStatsPage(), statsPolicy(), http.NewCrossOriginProtection()}
}

func (h *statsHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		problem.Write(w, r, problem.Problem{Status: http.StatusMethodNotAllowed})
		return
	}
	asked, err := parseStatsQuery(r.URL.RawQuery, h.monitor.opts.MaxQueries)
	if err != nil {
		problem.Write(w, r, problem.Problem{Status: http.StatusBadRequest, Detail: err.Error()})
		return
	}
	if r.Method == http.MethodPost {
		h.reset(w, r, asked)
		return
	}
	h.show(w, r, asked)
}

func (h *statsHandler) reset(w http.ResponseWriter, r *http.Request, asked statsQuery) {
	if err := h.origins.Check(r); err != nil {
		problem.Write(w, r, problem.Problem{Status: http.StatusForbidden, Detail: "the request comes from another site"})
		return
	}
	h.monitor.ResetStatistics()
	// The path may not be the one that the client sees: the reference has none
	// (RFC 3986 §5.2.2).
	w.Header().Set("Location", asked.link(asked.sort, asked.format))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}

func (h *statsHandler) show(w http.ResponseWriter, r *http.Request, asked statsQuery) {
	s := h.monitor.Statistics()
	shown := asked.choose(s.Queries)
	form, contentType := "html", "text/html; charset=utf-8"
	if asked.format == "json" || asked.format == "" && prefersJSON(r.Header["Accept"]) {
		form, contentType = "json", "application/json"
	}
	var body []byte
	var err error
	if form == "json" {
		body, err = renderStats(s, shown)
	} else {
		body, err = h.renderPage(s, shown, asked)
	}
	if err != nil {
		problem.Write(w, r, problem.Problem{Status: http.StatusInternalServerError})
		return
	}
	header := w.Header()
	if asked.format == "" {
		header.Add("Vary", "Accept")
	}
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", h.policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// prefersJSON is false where both forms are as welcome: the page is the default.
func prefersJSON(accept []string) bool {
	weight := func(main, sub string) int {
		return httpheader.AcceptWeight(accept, func(m, s string) int { return httpheader.Specificity(m, s, main, sub) })
	}
	return weight("application", "json") > weight("text", "html")
}

// statsQuery is what an answer is asked to show.
type statsQuery struct {
	sort   string
	limit  int
	format string // empty: by the Accept field
}

// parseStatsQuery reads the parameters that it knows. Each may be given once.
func parseStatsQuery(raw string, most int) (statsQuery, error) {
	asked := statsQuery{sort: "total", limit: min(defaultShown, most)}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return asked, errors.New("the query of the URL is malformed")
	}
	for _, name := range [...]string{"sort", "limit", "format"} {
		if len(values[name]) > 1 {
			return asked, fmt.Errorf("%s is given more than once", name)
		}
	}
	if values.Has("sort") {
		asked.sort = values.Get("sort")
		if statsOrder(asked.sort) == nil {
			return asked, errors.New("sort must be total, calls, mean, max, p95, rows or errors")
		}
	}
	if values.Has("limit") {
		n, err := strconv.Atoi(values.Get("limit"))
		if err != nil || n < 1 || n > most {
			return asked, fmt.Errorf("limit must be from 1 to %d", most)
		}
		asked.limit = n
	}
	if values.Has("format") {
		asked.format = values.Get("format")
		if asked.format != "json" && asked.format != "html" {
			return asked, errors.New("format must be html or json")
		}
	}
	return asked, nil
}

// link refers to the same place, in another order or form.
func (a statsQuery) link(order, format string) string {
	ref := "?sort=" + order + "&limit=" + strconv.Itoa(a.limit)
	if format != "" {
		ref += "&format=" + format
	}
	return ref
}

// choose returns the first queries in the order that is asked for. They come by
// their total time.
func (a statsQuery) choose(all []QueryStats) []QueryStats {
	shown := slices.Clone(all)
	slices.SortStableFunc(shown, statsOrder(a.sort))
	return shown[:min(a.limit, len(shown))]
}

// statsOrder is nil for an order that there is not.
func statsOrder(name string) func(a, b QueryStats) int {
	switch name {
	case "total":
		return func(a, b QueryStats) int { return cmp.Compare(b.Total, a.Total) }
	case "calls":
		return func(a, b QueryStats) int { return cmp.Compare(b.Calls, a.Calls) }
	case "mean":
		return func(a, b QueryStats) int { return cmp.Compare(b.Mean, a.Mean) }
	case "max":
		return func(a, b QueryStats) int { return cmp.Compare(b.Max, a.Max) }
	case "p95":
		return func(a, b QueryStats) int { return cmp.Compare(b.P95, a.P95) }
	case "rows":
		return func(a, b QueryStats) int { return cmp.Compare(b.Rows, a.Rows) }
	case "errors":
		return func(a, b QueryStats) int { return cmp.Compare(b.Errors, a.Errors) }
	default:
		return nil
	}
}
