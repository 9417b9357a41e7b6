package web_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/web"
)

type store struct {
	app.Projects
	app.Tickets
	tickets  []app.Ticket
	projects []app.Project
	err      error // of ListTickets
	err2     error // of ListProjects
	asked    app.PageRequest
}

func (s *store) ListTickets(_ context.Context, _ app.TicketFilter, p app.PageRequest) (app.Page[app.Ticket], error) {
	s.asked = p
	return app.Page[app.Ticket]{Items: s.tickets}, s.err
}

func (s *store) ListProjects(context.Context, app.ProjectFilter, app.PageRequest) (app.Page[app.Project], error) {
	return app.Page[app.Project]{Items: s.projects}, s.err2
}

// start serves the site; change may alter its options.
func start(t *testing.T, s *store, change func(*web.Options)) (url string, log *bytes.Buffer) {
	t.Helper()
	log = &bytes.Buffer{}
	o := web.Options{Projects: s, Tickets: s, Model: "mini", Logger: slog.New(slog.NewTextHandler(log, nil))}
	if change != nil {
		change(&o)
	}
	site, err := web.New(o)
	require.NoError(t, err)
	mux := http.NewServeMux()
	site.Mount(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL, log
}

func get(t *testing.T, method, url string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(body)
}

// elements returns all elements of a page as a browser parses it.
func elements(t *testing.T, page string) []*html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	var all []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			all = append(all, n)
		}
	}
	return all
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func TestNewReportsAllFaults(t *testing.T) {
	_, err := web.New(web.Options{})
	require.EqualError(t, err, "web: Projects: is required\nweb: Tickets: is required\nweb: Model: is required")
}

func TestThePageShowsTicketsWhateverTheirTitles(t *testing.T) {
	due := time.Date(2026, 1, 31, 23, 30, 0, 0, time.FixedZone("", -3600))
	hostile := []string{
		`<script>alert(1)</script>`,
		`</ul></section><img src=x onerror=alert(1)>`,
		`"><b onclick="alert(1)">`,
		`{{.Nonce}} & &lt;`,
		"Größe 🙂 \u2028 \u202e",
	}
	s := &store{projects: []app.Project{{ID: 3, Name: `</option><script>alert(1)</script>`}}}
	for i, title := range hostile {
		s.tickets = append(s.tickets, app.Ticket{ID: int64(i + 1), Title: title, Status: "in_progress", Priority: "low", DueDate: &due})
	}
	url, _ := start(t, s, nil)
	res, page := get(t, "GET", url+"/")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "text/html; charset=utf-8", res.Header.Get("Content-Type"))
	require.Equal(t, "private, no-cache", res.Header.Get("Cache-Control"))
	require.Equal(t, app.DefaultLimit, s.asked.Limit)

	var titles, options []string
	for _, n := range elements(t, page) {
		switch {
		case attribute(n, "class") == "title":
			titles = append(titles, text(n))
		case n.Data == "option":
			options = append(options, attribute(n, "value")+" "+text(n))
		case n.Data == "time":
			require.Equal(t, "2026-02-01T00:30:00Z", attribute(n, "datetime"))
			require.Equal(t, "1 Feb 2026", text(n))
		}
	}
	require.Equal(t, hostile, titles)
	require.Equal(t, "project_id:3 "+s.projects[0].Name, options[0])
	require.Equal(t, "ticket_id:1 #1 "+hostile[0], options[1])
	require.Contains(t, page, "in progress")
	require.Contains(t, page, "Model: mini.")
}

// The policy that the page must work under allows no inline style, no handler
// attribute, and no script without the nonce.
func TestThePageKeepsToAStrictPolicy(t *testing.T) {
	for _, tt := range []struct {
		name, nonce, script string
	}{
		{"with a nonce the script is inline and carries it", "n0nce+/=", `^import "/static/app\.js\?v=[0-9a-f]{16}";$`},
		{"without one it is a file", "", `^$`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url, _ := start(t, &store{tickets: []app.Ticket{{ID: 1, Title: "x"}}}, func(o *web.Options) {
				if tt.nonce != "" {
					o.Nonce = func(context.Context) string { return tt.nonce }
				}
			})
			_, page := get(t, "GET", url+"/")
			scripts := 0
			for _, n := range elements(t, page) {
				for _, a := range n.Attr {
					require.NotRegexp(t, `^(on|style$)`, a.Key)
				}
				require.NotContains(t, []string{"style", "base", "iframe", "object", "embed"}, n.Data)
				if n.Data == "link" && attribute(n, "rel") == "stylesheet" {
					require.Equal(t, tt.nonce, attribute(n, "nonce"))
				}
				if n.Data != "script" {
					continue
				}
				scripts++
				require.Equal(t, "module", attribute(n, "type"))
				require.Equal(t, tt.nonce, attribute(n, "nonce"))
				require.Regexp(t, tt.script, text(n))
				require.Equal(t, tt.nonce == "", attribute(n, "src") != "")
			}
			require.Equal(t, 1, scripts)
		})
	}
}

func TestWithoutItsScriptNoFormPutsAPasswordIntoAURL(t *testing.T) {
	url, _ := start(t, &store{}, nil)
	_, page := get(t, "GET", url+"/")
	forms := 0
	for _, n := range elements(t, page) {
		if n.Data == "form" {
			forms++
			require.Equal(t, "post", attribute(n, "method"))
		}
	}
	require.Equal(t, 4, forms, "login, logout, chat, question")
}

func TestEveryFieldHasALabel(t *testing.T) {
	url, _ := start(t, &store{projects: []app.Project{{ID: 1, Name: "x"}}}, nil)
	_, page := get(t, "GET", url+"/")
	fields, ids := 0, map[string]bool{}
	for _, n := range elements(t, page) {
		if n.Data == "input" || n.Data == "select" {
			fields++
			require.Equal(t, "label", n.Parent.Data)
		}
		if id := attribute(n, "id"); id != "" {
			require.False(t, ids[id], "%s is there twice", id)
			ids[id] = true
		}
	}
	require.Equal(t, 6, fields)
	for _, n := range elements(t, page) {
		if id := attribute(n, "aria-labelledby"); id != "" {
			require.True(t, ids[id], id)
		}
	}
	// The script finds its elements by these names.
	_, script := get(t, "GET", url+"/static/app.js")
	for _, found := range regexp.MustCompile(`\$\("([a-z-]+)"\)`).FindAllStringSubmatch(script, -1) {
		require.True(t, ids[found[1]], found[1])
	}
}

func TestTheScriptNeverMakesMarkupOfText(t *testing.T) {
	url, _ := start(t, &store{}, nil)
	_, script := get(t, "GET", url+"/static/app.js")
	require.NotRegexp(t, `innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|srcdoc`, script)
}

func TestLinksToOperations(t *testing.T) {
	url, _ := start(t, &store{}, func(o *web.Options) { o.HealthURL, o.MetricsURL = "/health", "http://127.0.0.1:9090/metrics" })
	_, page := get(t, "GET", url+"/")
	require.Contains(t, page, `<a href="/health">Health</a>`)
	require.Contains(t, page, `<a href="http://127.0.0.1:9090/metrics">Metrics</a>`)
	url, _ = start(t, &store{}, nil)
	_, page = get(t, "GET", url+"/")
	require.NotContains(t, page, "<footer>")
}

func TestAStoreErrorIsAWholePage(t *testing.T) {
	for name, s := range map[string]*store{
		"of tickets":  {err: errors.New("disk 7 on fire")},
		"of projects": {err2: errors.New("disk 7 on fire")},
	} {
		t.Run(name, func(t *testing.T) {
			url, log := start(t, s, func(o *web.Options) { o.Nonce = func(context.Context) string { return "n0nce" } })
			res, page := get(t, "GET", url+"/")
			require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
			require.Equal(t, "5", res.Header.Get("Retry-After"))
			require.Contains(t, page, "Not available at the moment")
			require.Contains(t, page, `nonce="n0nce"`)
			require.NotContains(t, page, "disk 7")
			require.Contains(t, log.String(), "disk 7 on fire")
		})
	}
}

// The nonce of a page is another one each time. What a browser has stays good as long
// as the rest is the same.
func TestAPageIsNotSentAgainWhileItShowsTheSame(t *testing.T) {
	s := &store{tickets: []app.Ticket{{ID: 1, Title: "x"}}}
	n := 0
	url, _ := start(t, s, func(o *web.Options) {
		o.Nonce = func(context.Context) string { n++; return strconv.Itoa(n) }
	})
	res, _ := get(t, "GET", url+"/")
	tag := res.Header.Get("ETag")
	require.Regexp(t, `^W/"[0-9a-f]{32}"$`, tag)
	for _, header := range []string{tag, `"a", ` + tag} {
		res, body := get(t, "GET", url+"/", "If-None-Match", header)
		require.Equal(t, http.StatusNotModified, res.StatusCode)
		require.Empty(t, body)
		require.Equal(t, tag, res.Header.Get("ETag"))
	}
	require.Equal(t, 1, n, "a 304 needs no nonce")
	s.tickets[0].Title = "y"
	res, _ = get(t, "GET", url+"/", "If-None-Match", tag)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.NotEqual(t, tag, res.Header.Get("ETag"))
	s.err = errors.New("gone")
	res, _ = get(t, "GET", url+"/", "If-None-Match", tag)
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Empty(t, res.Header.Get("ETag"))
}

func TestAVisitorWhoLeftIsNotLogged(t *testing.T) {
	var log bytes.Buffer
	site, err := web.New(web.Options{Projects: &store{}, Tickets: &store{err: context.Canceled}, Model: "m",
		Logger: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	mux := http.NewServeMux()
	site.Mount(mux)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/", nil))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Empty(t, log.String())
}

func TestOnlyTheRootIsThePage(t *testing.T) {
	url, _ := start(t, &store{}, nil)
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 200},
		{"HEAD", "/", 200},
		{"GET", "/index.html", 404},
		{"GET", "/page.html", 404},
		{"POST", "/", 405},
		{"HEAD", "/static/style.css", 200},
		{"POST", "/static/style.css", 405},
		{"GET", "/static/", 404},
		{"GET", "/static/page.html", 404},
		{"GET", "/static/..%2fpage.html", 404},
		{"GET", "/static/app.js/", 404},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			res, body := get(t, tt.method, url+tt.path)
			require.Equal(t, tt.status, res.StatusCode)
			if tt.method == "HEAD" {
				require.Empty(t, body)
				require.NotEmpty(t, res.Header.Get("Content-Type"))
			}
		})
	}
}

func TestAssets(t *testing.T) {
	url, _ := start(t, &store{}, nil)
	_, page := get(t, "GET", url+"/")
	for file, mediaType := range map[string]string{
		"app.js":    "text/javascript; charset=utf-8",
		"style.css": "text/css; charset=utf-8",
		"icon.svg":  "image/svg+xml",
	} {
		t.Run(file, func(t *testing.T) {
			versioned := regexp.MustCompile(`/static/` + regexp.QuoteMeta(file) + `\?v=[0-9a-f]{16}`).FindString(page)
			require.NotEmpty(t, versioned, "the page names its version")
			res, body := get(t, "GET", url+versioned)
			require.Equal(t, http.StatusOK, res.StatusCode)
			require.NotEmpty(t, body)
			require.Equal(t, mediaType, res.Header.Get("Content-Type"))
			require.Equal(t, "public, max-age=31536000, immutable", res.Header.Get("Cache-Control"))

			etag := res.Header.Get("ETag")
			for _, query := range []string{"", "?v=0123456789abcdef"} {
				res, body = get(t, "GET", url+"/static/"+file+query, "If-None-Match", etag)
				require.Equal(t, http.StatusNotModified, res.StatusCode)
				require.Empty(t, body)
				require.Equal(t, etag, res.Header.Get("ETag"))
				require.Equal(t, "no-cache", res.Header.Get("Cache-Control"), "another version may come under this URL")
			}
			res, _ = get(t, "GET", url+"/static/"+file, "If-None-Match", `"other"`)
			require.Equal(t, http.StatusOK, res.StatusCode)
		})
	}
}
