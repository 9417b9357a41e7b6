// Package web is the page of the service at / and its assets under /static/.
//
// It guarantees that the page works under a Content-Security-Policy that allows
// nothing but scripts and styles with a nonce, or our own ones, and requests to
// our own origin; that no text of a user becomes markup or script; and that a
// page is sent whole or not at all.
//
// It sets no security headers itself and holds no rights: the script on the
// page is an ordinary client of the API.
package web

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/sluice-go/sluice/examples/server/app"
)

// Options are what the page shows and links to.
type Options struct {
	Projects app.Projects // Required.
	Tickets  app.Tickets  // Required.

	// Nonce returns the nonce of a request for its Content-Security-Policy, "" for
	// none. Default: none; the page then has no inline script.
	Nonce func(context.Context) string

	Model      string       // Answers the questions. Required.
	HealthURL  string       // Default: no link.
	MetricsURL string       // Default: no link.
	Logger     *slog.Logger // Default: slog.Default().
}

// Site serves the page and its assets.
type Site struct {
	projects   app.Projects
	tickets    app.Tickets
	nonce      func(context.Context) string
	model      string
	healthURL  string
	metricsURL string
	logger     *slog.Logger

	assets    map[string]asset
	version   string // of this process: another build may show the same data in another way
	templates *template.Template
}

//go:embed page.html error.html
var pages embed.FS

// New checks the options and returns a site.
func New(o Options) (*Site, error) {
	var faults []error
	require := func(ok bool, field string) {
		if !ok {
			faults = append(faults, errors.New("web: "+field+": is required"))
		}
	}
	require(o.Projects != nil, "Projects")
	require(o.Tickets != nil, "Tickets")
	require(o.Model != "", "Model")
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	assets, err := loadAssets()
	if err != nil {
		return nil, err
	}
	templates, err := template.New("").Funcs(template.FuncMap{
		"asset": func(name string) string { return assets[name].url(name) },
		"words": func(s string) string { return strings.ReplaceAll(s, "_", " ") },
	}).ParseFS(pages, "*.html")
	if err != nil {
		return nil, err
	}
	s := &Site{
		projects:   o.Projects,
		tickets:    o.Tickets,
		nonce:      o.Nonce,
		model:      o.Model,
		healthURL:  o.HealthURL,
		metricsURL: o.MetricsURL,
		logger:     cmp.Or(o.Logger, slog.Default()),
		assets:     assets,
		templates:  templates,
		version:    rand.Text(),
	}
	if s.nonce == nil {
		s.nonce = func(context.Context) string { return "" }
	}
	return s, nil
}

// Mount registers the page at exactly / and the assets under /static/.
func (s *Site) Mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /static/", s.static)
}

// view is what the templates show.
type view struct {
	Nonce, Model, HealthURL, MetricsURL string
	Tickets                             []app.Ticket
	Projects                            []app.Project
	MaxMessage, MaxQuestion             int
}

func (s *Site) page(w http.ResponseWriter, r *http.Request) {
	v := view{Model: s.model, HealthURL: s.healthURL, MetricsURL: s.metricsURL,
		MaxMessage: app.MaxMessageBody, MaxQuestion: app.MaxQuestion}
	err := s.load(r.Context(), &v)
	h := w.Header()
	// A page with a nonce is for one browser.
	h.Set("Cache-Control", "private, no-cache")
	if err == nil {
		tag := s.tag(v)
		h.Set("ETag", tag)
		if strings.Contains(strings.Join(r.Header["If-None-Match"], ","), tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	var body bytes.Buffer // so that an error can still become another page
	status := http.StatusOK
	v.Nonce = s.nonce(r.Context())
	if err == nil {
		err = s.templates.ExecuteTemplate(&body, "page.html", v)
	}
	if err != nil {
		if r.Context().Err() == nil { // else the visitor left, which is no fault
			s.logger.LogAttrs(r.Context(), slog.LevelError, "page not served", slog.Any("error", err))
		}
		status = http.StatusServiceUnavailable
		h.Del("ETag")
		h.Set("Retry-After", "5")
		body.Reset()
		_ = s.templates.ExecuteTemplate(&body, "error.html", v) // it shows nothing that can fail
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// tag is the entity tag of a page. Pages that differ in nothing but their nonce are
// equal enough: a browser that has one goes on with its nonce, and its policy. So the
// tag is weak (RFC 9110 §8.8.1).
func (s *Site) tag(v view) string {
	sum := sha256.New()
	_, _ = io.WriteString(sum, s.version)
	_ = json.NewEncoder(sum).Encode(v) // of plain data, into a hash: neither fails
	return `W/"` + hex.EncodeToString(sum.Sum(nil)[:16]) + `"`
}

// load fills the view from the store.
func (s *Site) load(ctx context.Context, v *view) error {
	tickets, err := s.tickets.ListTickets(ctx, app.TicketFilter{}, app.PageRequest{Limit: app.DefaultLimit})
	if err != nil {
		return err
	}
	projects, err := s.projects.ListProjects(ctx, app.ProjectFilter{}, app.PageRequest{Limit: app.MaxLimit})
	v.Tickets, v.Projects = tickets.Items, projects.Items
	return err
}
