package markup_test

import (
	"context"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/secheaders"
	"github.com/sluice-go/sluice/secheaders/markup"
)

var (
	nonceInPage   = regexp.MustCompile(`nonce="([^"]*)"`)
	nonceInPolicy = regexp.MustCompile(`'nonce-([^']*)'`)
)

func newPages(t testing.TB, src string) *markup.Template {
	t.Helper()
	p, err := markup.New(template.Must(template.New("page").Parse(src)))
	require.NoError(t, err)
	return p
}

// serve answers one request with a page, under the default policy.
func serve(t testing.TB, p *markup.Template, data any) *http.Response {
	t.Helper()
	sec, err := secheaders.New(secheaders.Options{})
	require.NoError(t, err)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		// Each write leaves at once, so that the first one fixes the header.
		require.NoError(t, p.Execute(r.Context(), flusher{w}, data))
	})
	w := httptest.NewRecorder()
	sec.Middleware(h).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	return w.Result()
}

type flusher struct{ http.ResponseWriter }

func (f flusher) Write(p []byte) (int, error) {
	n, err := f.ResponseWriter.Write(p)
	f.ResponseWriter.(http.Flusher).Flush()
	return n, err
}

func bodyOf(t testing.TB, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(b)
}

// Trap d.11: the page is on its way before the template comes to a nonce.
func TestAPageThatStreamsHasTheNonceOfItsPolicy(t *testing.T) {
	p := newPages(t, `<!DOCTYPE html><title>{{.}}</title><script src="/a.js"></script><style>p{}</style>`)
	res := serve(t, p, "x")
	inPolicy := nonceInPolicy.FindStringSubmatch(res.Header.Get("Content-Security-Policy"))
	require.Len(t, inPolicy, 2)
	require.Len(t, inPolicy[1], 22)
	inPage := nonceInPage.FindAllStringSubmatch(bodyOf(t, res), -1)
	require.Len(t, inPage, 2)
	require.Equal(t, inPolicy[1], inPage[0][1])
	require.Equal(t, inPolicy[1], inPage[1][1])
	require.Equal(t, "private", res.Header.Get("Cache-Control"), "Trap d.13: no shared cache must store it")
}

// Trap d.13: only pages that carry a nonce are kept from caches.
func TestAPageWithoutSuchTagsReadsNoNonce(t *testing.T) {
	p := newPages(t, `{{define "unused"}}<script></script>{{end}}<!DOCTYPE html><p>{{.}}</p><link rel=icon href=a>`)
	require.Empty(t, serve(t, p, "x").Header.Get("Cache-Control"))
}

func TestAPageReadsTheNonceForATemplateThatItUses(t *testing.T) {
	p := newPages(t, `{{define "js"}}<script></script>{{end}}{{define "head"}}{{if .}}{{template "js"}}{{end}}{{end}}<p>{{template "head" .}}`)
	require.Equal(t, "private", serve(t, p, "x").Header.Get("Cache-Control"))
}

func TestDataNeverGetsANonce(t *testing.T) {
	const injected = `<script>alert(1)</script><style>p{}</style><link rel=stylesheet href=//evil.example>`
	p := newPages(t, `<script></script>{{.HTML}}<p {{.Attr}}>{{.Text}}</p><script>{{.JS}}</script>`)
	body := bodyOf(t, serve(t, p, map[string]any{
		"HTML": template.HTML(injected), "Attr": template.HTMLAttr(`title="<script >"`),
		"Text": injected, "JS": template.JS("'<script >'"),
	}))
	require.Contains(t, body, injected)
	require.Equal(t, 2, strings.Count(body, "nonce="), body)
}

func TestWithoutTheMiddlewareThereIsNoAttribute(t *testing.T) {
	var b strings.Builder
	require.NoError(t, newPages(t, `<script src="{{.}}"></script>`).Execute(context.Background(), &b, "/a"))
	require.Equal(t, `<script src="/a"></script>`, b.String())
}

func TestWhatATemplateIsMadeOfIsKept(t *testing.T) {
	files := fstest.MapFS{
		"layout.html": {Data: []byte(`<script src="[[.URL]]"></script>[[up "a"]] {{.URL}} [[block "main" .]][[end]]`)},
		"home.html":   {Data: []byte(`[[define "main"]]<style>p{}</style>[[.Missing]][[end]]`)},
	}
	plain := template.Must(template.New("layout.html").Delims("[[", "]]").Option("missingkey=error").
		Funcs(template.FuncMap{"up": strings.ToUpper}).ParseFS(files, "*.html"))
	p, err := markup.New(plain)
	require.NoError(t, err)
	var b strings.Builder
	data := map[string]any{"URL": "/x"}
	require.ErrorContains(t, p.Execute(t.Context(), &b, data), "Missing")
	data["Missing"] = 1
	b.Reset()
	require.NoError(t, p.Execute(t.Context(), &b, data))
	require.Equal(t, `<script src="/x"></script>A {{.URL}} <style>p{}</style>1`, b.String())
	_, err = plain.New("more").Parse("it was not executed")
	require.NoError(t, err)
	require.NoError(t, plain.Execute(io.Discard, data), "it can be used by itself")
}

func TestFaultsAreNamed(t *testing.T) {
	_, err := markup.New(nil)
	require.EqualError(t, err, "markup: there is no template")

	used := template.Must(template.New("page").Parse("x"))
	require.NoError(t, used.Execute(io.Discard, nil))
	_, err = markup.New(used)
	require.ErrorContains(t, err, `markup: html/template: cannot Clone "page" after it has executed`)

	// html/template escapes what follows the second call of such a one for the wrong place.
	for _, part := range []string{"<script ", "<a href='", "<script>", "<!-- "} {
		unclosed := template.Must(template.New("page").Parse("{{define `part`}}" + part + "{{end}}{{template `part`}}"))
		_, err = markup.New(unclosed)
		require.ErrorIs(t, err, markup.ErrUnclosed, part)
		require.ErrorContains(t, err, `: "part"`)
	}

	p := newPages(t, "{{define `part`}}<script {{end}}\n{{define `bad`}}\n<p ={{end}}<title>{{template `part`}}</title>")
	require.NoError(t, p.Execute(t.Context(), io.Discard, nil))
	var b strings.Builder
	require.EqualError(t, p.ExecuteTemplate(t.Context(), &b, "part", nil),
		`markup: template "part" ends within a tag, an attribute, a comment, a script or a style`)
	var fault *template.Error
	require.ErrorAs(t, p.ExecuteTemplate(t.Context(), &b, "bad", nil), &fault)
	require.Equal(t, template.ErrBadHTML, fault.ErrorCode)
	require.ErrorContains(t, p.ExecuteTemplate(t.Context(), &b, "none", nil), `"none" is undefined`)
	require.Empty(t, b.String())
	require.NoError(t, p.Execute(t.Context(), io.Discard, nil), "a fault spoils no other template")

	empty, err := markup.New(template.New("page"))
	require.NoError(t, err)
	require.ErrorContains(t, empty.Execute(t.Context(), &b, nil), "incomplete")
}

// Templates exist once for all requests: none must get the nonce of another.
func TestRequestsAtTheSameTimeHaveTheirOwnNonces(t *testing.T) {
	p := newPages(t, `{{define "js"}}<script>{{.}}</script>{{end}}{{range .}}{{template "js" .}}{{end}}`)
	sec, err := secheaders.New(secheaders.Options{})
	require.NoError(t, err)
	h := sec.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_ = p.Execute(r.Context(), w, make([]int, 50))
	}))
	var all sync.Map
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 20 {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
				policy := nonceInPolicy.FindStringSubmatch(w.Header().Get("Content-Security-Policy"))
				if len(policy) != 2 || strings.Count(w.Body.String(), `<script nonce="`+policy[1]+`">`) != 50 {
					t.Errorf("%v: %s", policy, w.Body)
					return
				}
				if _, loaded := all.LoadOrStore(policy[1], true); loaded {
					t.Errorf("%s was there before", policy[1])
				}
			}
		})
	}
	wg.Wait()
}

func TestAnErrorOfTheWriterComesBack(t *testing.T) {
	sec, err := secheaders.New(secheaders.Options{})
	require.NoError(t, err)
	p := newPages(t, `<script></script>`)
	sec.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for left := range 3 { // the text before, the attribute, the text after
			require.ErrorIs(t, p.Execute(r.Context(), &broken{left}, nil), io.ErrClosedPipe)
		}
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
}

type broken struct{ left int }

func (b *broken) Write(p []byte) (int, error) {
	if b.left--; b.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}
