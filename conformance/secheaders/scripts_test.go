package secheaders_test

import (
	"fmt"
	"html/template"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/secheaders"
)

// works has what a page of every preset may do.
const works = `<title>nothing ran</title>
<link rel="stylesheet" href="/style.css">
<style nonce="{{.}}">#inline { color: rgb(1, 2, 3) }</style>
<p id="linked">linked</p><p id="inline">inline</p><img id="picture" src="/picture.svg">
<script nonce="{{.}}">window.ran = ["inline"];</script>
<script nonce="{{.}}" src="/script.js"></script>
<script>window.ran.push("injected");</script>`

// loads is a script that loads another one and a worker, which strict-dynamic lets it
// do. Where Trusted Types are enforced, policies have to make the URLs.
const loads = `window.ran.push("linked");
window.loaded = new Promise((resolve, reject) => {
	const urls = trustedTypes.createPolicy("scripts", { createScriptURL: (url) => url });
	const script = document.createElement("script");
	script.src = urls.createScriptURL("/loaded.js");
	script.onload = resolve;
	script.onerror = reject;
	document.body.append(script);
}).then(() => new Promise((resolve, reject) => {
	const urls = trustedTypes.createPolicy("workers", { createScriptURL: (url) => url });
	const worker = new Worker(urls.createScriptURL("/worker.js"));
	worker.onmessage = (e) => resolve(window.ran.push(e.data));
	worker.onerror = reject;
}));`

// looksAt is what there is to see of the page works.
const looksAt = `loaded.then(() => ({
	ran,
	linked: getComputedStyle(linked).color,
	inline: getComputedStyle(inline).color,
	picture: picture.naturalWidth,
	isolated: crossOriginIsolated,
	alone: originAgentCluster,
}))`

func TestPagesOfEachPresetWork(t *testing.T) {
	chromium := startChromium(t)
	for name, opts := range map[string]secheaders.Options{
		"Document":   {},
		"QuickStart": {Document: secheaders.QuickStart()},
		"Dev":        {Development: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, opts)
			s.page("/{$}", works)
			// Its responses have no policy, but the embedder policy of the page.
			file(s.pages, "/worker.js", "text/javascript", `postMessage("worker");`)
			file(s.pages, "/script.js", "text/javascript", loads)
			file(s.pages, "/loaded.js", "text/javascript", `window.ran.push("loaded");`)
			file(s.pages, "/style.css", "text/css", `#linked { color: rgb(4, 5, 6) }`)
			file(s.pages, "/picture.svg", "image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg" width="7" height="7"/>`)
			page := chromium.Open(t)
			page.Navigate(s.app + "/")
			var seen struct {
				Ran            []string
				Linked, Inline string
				Picture        int

				Isolated, Alone bool
			}
			page.Evaluate(looksAt, &seen)
			require.Equal(t, []string{"inline", "linked", "loaded", "worker"}, seen.Ran)
			require.Equal(t, "rgb(4, 5, 6)", seen.Linked)
			require.Equal(t, "rgb(1, 2, 3)", seen.Inline)
			require.Equal(t, 7, seen.Picture)
			require.Equal(t, name == "Document", seen.Isolated)
			require.True(t, seen.Alone)
			// What was injected is the only fault.
			v := s.violation(t)
			require.Equal(t, "script-src-elem inline enforce", v.Directive+" "+v.Blocked+" "+v.Disposition)
			s.none(t)
			for _, m := range page.Errors() {
				require.Regexp(t, "^Executing inline script violates|^kInlineViolation$", m.Text+m.Violation)
			}
		})
	}
}

// What pages do that were not written for a policy.
const habits = `<title>nothing ran</title>
<style>#inline { color: rgb(1, 2, 3) }</style>
<p id="inline">inline</p><p id="attribute" style="color: rgb(4, 5, 6)">attribute</p>
<img id="picture" src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7">
<p id="markup"></p>
<script nonce="{{.}}">markup.innerHTML = "<b>bold</b>";</script>`

func TestPagesOfThePresetsThatAreLessStrictKeepTheirHabits(t *testing.T) {
	chromium := startChromium(t)
	for name, opts := range map[string]secheaders.Options{
		"QuickStart": {Document: secheaders.QuickStart()},
		"Dev":        {Development: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, opts)
			s.page("/{$}", habits)
			page := chromium.Open(t)
			page.Navigate(s.app + "/")
			var seen struct {
				Inline, Attribute, Markup string
				Picture                   int
			}
			page.Evaluate(`({
				inline: getComputedStyle(inline).color,
				attribute: getComputedStyle(attribute).color,
				markup: markup.firstChild.tagName,
				picture: picture.naturalWidth,
			})`, &seen)
			require.Equal(t, "rgb(1, 2, 3)", seen.Inline)
			require.Equal(t, "rgb(4, 5, 6)", seen.Attribute)
			require.Equal(t, "B", seen.Markup)
			require.Equal(t, 1, seen.Picture)
			v := s.violation(t) // Trusted Types only report
			require.Equal(t, "require-trusted-types-for report", v.Directive+" "+v.Disposition)
			s.none(t)
			require.Empty(t, page.Errors())
		})
	}
}

// A development server evaluates code, and connects to where it tells of changes.
func TestAPageInDevelopmentMayEvaluate(t *testing.T) {
	chromium := startChromium(t)
	s := newSite(t, secheaders.Options{Development: true})
	s.page("/{$}", `<script nonce="{{.}}">document.title = new Function("return 6 * 7")();</script>`)
	file(s.bare, "/{$}", "text/plain", "from elsewhere")
	page := chromium.Open(t)
	page.Navigate(s.app + "/")
	var title string
	page.Evaluate(`document.title`, &title)
	require.Equal(t, "42", title)
	page.Evaluate(fmt.Sprintf(`fetch(%q, { mode: "no-cors" }).then((r) => void 0)`, s.stranger), nil)
}

// Trap d.12: the header of a 304 takes the place of the stored one, and the nonce in
// it would be another one than that in the stored page.
func TestAReloadThatIsAnswered304RunsItsScript(t *testing.T) {
	const document = `<!doctype html><script nonce="{{.}}">window.ran = true;</script>`
	parsed := template.Must(template.New("").Parse(document))
	chromium := startChromium(t)
	s := newSite(t, secheaders.Options{})
	var mu sync.Mutex
	answers := map[string]int{}
	serve := func(w http.ResponseWriter, r *http.Request, nonce func() string) {
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Cache-Control", "no-cache")
		mu.Lock()
		defer mu.Unlock()
		if r.Header.Get("If-None-Match") == `"v1"` {
			answers[r.URL.Path+" 304"]++
			w.WriteHeader(http.StatusNotModified)
			return
		}
		answers[r.URL.Path+" 200"]++
		w.Header().Set("Content-Type", "text/html")
		_ = parsed.Execute(w, nonce())
	}
	s.pages.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		serve(w, r, func() string { return secheaders.Nonce(r.Context()) })
	})
	// As a middleware does that sets its headers before the handler.
	n := 0
	s.bare.HandleFunc("/bare/early", func(w http.ResponseWriter, r *http.Request) {
		n++
		nonce := fmt.Sprintf("nonce%d", n)
		w.Header().Set("Content-Security-Policy", "script-src 'nonce-"+nonce+"'")
		serve(w, r, func() string { return nonce })
	})
	for path, runs := range map[string]bool{"/": true, "/bare/early": false} {
		page := chromium.Open(t)
		page.Navigate(s.app + path)
		var ran bool
		page.Evaluate(`window.ran === true`, &ran)
		require.True(t, ran, path)
		page.Reload()
		page.Evaluate(`window.ran === true`, &ran)
		require.Equal(t, runs, ran, path)
	}
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, map[string]int{"/ 200": 1, "/ 304": 1, "/bare/early 200": 1, "/bare/early 304": 1}, answers)
	s.none(t)
}
