package secheaders_test

import (
	"html/template"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/secheaders"
	"github.com/sluice-go/sluice/secheaders/markup"
)

// inlinePage has code in each place where a browser asks a policy for its hash, and
// text for which it does not ask. The first script notes what is blocked.
const inlinePage = "\ufeff<!doctype html><title>code within a page</title><script>\r\n" +
	"window.ran = []; window.blocked = [];\r\n" +
	"document.addEventListener('securitypolicyviolation', (e) => blocked.push(e.violatedDirective + ' ' + e.sample))\r" +
	"</script>" +
	`<script>ran.push("references &amp; &lt;")</script>
<script>  ran.push("letters é€😀")	</script>
<script type="Text/JavaScript ">ran.push("type")</script>
<script type="">ran.push("empty type")</script>
<script language="JavaScript1.5">ran.push("language")</script>
<script type="importmap">{"imports": {"x": "/x.js"}}</script>
<script type="module">ran.push("module")</script>
<script type="speculationrules">{"prefetch": []}</script>
<script type="application/ld+json">{"@type": "Thing"}</script>
<script type="text/javascript; charset=utf-8">ran.push("no type of a script")</script>
<script></script>
<script><!--
ran.push("comment: <script>a</script>".length)
--></script>
<svg><script>ran.push("svg &amp;" + (1 &lt; 2))</script><style>#svg { color: rgb(7, 8, 9) }</style></svg>
<style>#a::before { content: "&amp;" } #a { color: rgb(1, 2, 3) }</style><style></style>
<p id="a">a</p><p id="svg">svg</p><p id="b" style="color: rgb(4,&#32;5, 6)">b</p>
<button id="c" onclick='ran.push(&quot;handler&quot;)'>c</button>
<iframe srcdoc="<script>parent.ran.push('frame &amp;amp;')</script><style>p{}</style>"></iframe>
<template><script>ran.push("not while it is in a template")</script></template>
<noscript><style>p{}</style></noscript>
<script>ran.push("` + "NUL \x00" + `")</script>
`

const injected = `<script>ran.push("injected")</script><style>#a { color: red }</style><p style="color: red" onclick="ran.push(1)">`

func TestChromiumRunsTheCodeOfHashesAndNoOther(t *testing.T) {
	code, err := markup.Hashes(strings.NewReader(inlinePage))
	require.NoError(t, err)
	policy := secheaders.Policy{
		secheaders.DefaultSrc(secheaders.None),
		secheaders.ScriptSrc(append(append(code.Scripts, code.Handlers...), secheaders.UnsafeHashes, secheaders.ReportSample)...),
		secheaders.StyleSrc(append(append(code.Styles, code.StyleAttributes...), secheaders.UnsafeHashes, secheaders.ReportSample)...),
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy.String())
		page := inlinePage
		if r.URL.Path == "/injected" {
			page += injected
		}
		_, _ = w.Write([]byte(page))
	}))
	defer srv.Close()
	page := startChromium(t).Open(t)

	var seen struct {
		Ran, Blocked []any
		A, B, SVG    string
	}
	const look = `c.click(), new Promise((done) => setTimeout(() => done({
	ran, blocked, A: getComputedStyle(a).color, B: getComputedStyle(b).color, SVG: getComputedStyle(svg).color,
})))`
	page.Navigate(srv.URL)
	page.Evaluate(look, &seen)
	require.Empty(t, seen.Blocked)
	require.ElementsMatch(t, []any{
		"references &amp; &lt;", "letters é€😀", "type", "empty type", "language", "module", 27.0, "svg &true", "handler", "frame &amp;", "NUL \ufffd",
	}, seen.Ran)
	require.Equal(t, []string{"rgb(1, 2, 3)", "rgb(4, 5, 6)", "rgb(7, 8, 9)"}, []string{seen.A, seen.B, seen.SVG})
	ran := seen.Ran

	page.Navigate(srv.URL + "/injected")
	page.Evaluate(look, &seen)
	require.ElementsMatch(t, ran, seen.Ran)
	require.Equal(t, "rgb(1, 2, 3)", seen.A)
	require.ElementsMatch(t, []any{
		`script-src-elem ran.push("injected")`, `style-src-elem #a { color: red }`, `style-src-attr color: red`, `script-src-attr ran.push(1)`,
	}, seen.Blocked)
}

// A page of templates that have no nonce in them works under the default policy.
func TestChromiumRunsTheScriptsOfTemplates(t *testing.T) {
	s := newSite(t, secheaders.Options{})
	pages, err := markup.New(template.Must(template.New("page").Parse(`<!doctype html><title>templates</title>
{{define "script"}}<script{{if .}} src="{{.}}"{{end}}>window.ran = [...(window.ran || []), "inline"]</script>{{end -}}
<link rel="preload" as="script" href="/script.js"><link rel="modulepreload" href="/module.js">
{{template "script" ""}}{{template "script" "/script.js"}}
<script type="importmap">{"imports": {"m": "/module.js"}}</script><script type="module">import "m"</script>
<style>#a { color: rgb(1, 2, 3) }</style><svg><style>#b { color: rgb(4, 5, 6) }</style><script>window.ran.push("svg")</script></svg>
<p id="a">a</p><p id="b">b</p>{{.}}`)))
	require.NoError(t, err)
	s.pages.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = pages.Execute(r.Context(), w, template.HTML(`<script>window.ran.push("data")</script>`))
	})
	file(s.pages, "/script.js", "text/javascript", `window.ran.push("linked")`)
	file(s.pages, "/module.js", "text/javascript", `window.ran.push("module")`)
	page := startChromium(t).Open(t)
	page.Navigate(s.app + "/")
	var seen struct {
		Ran  []string
		A, B string
	}
	page.Evaluate(`({ran, A: getComputedStyle(a).color, B: getComputedStyle(b).color})`, &seen)
	require.ElementsMatch(t, []string{"inline", "linked", "module", "svg"}, seen.Ran)
	require.Equal(t, []string{"rgb(1, 2, 3)", "rgb(4, 5, 6)"}, []string{seen.A, seen.B})
	require.Equal(t, "script-src-elem", s.violation(t).Directive, "of what came from data")
	s.none(t)
}
