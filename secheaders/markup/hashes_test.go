package markup_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	. "github.com/sluice-go/sluice/secheaders"
	"github.com/sluice-go/sluice/secheaders/markup"
)

func TestHashesAreThoseOfBrowsers(t *testing.T) {
	scripts := func(code ...string) markup.Inline { return markup.Inline{Scripts: hashed(code)} }
	styles := func(code ...string) markup.Inline { return markup.Inline{Styles: hashed(code)} }
	for _, c := range []struct {
		name, page string
		want       markup.Inline
	}{
		{"a script", `<script>f()</script>`, scripts("f()")},
		{"white space counts", "<script> f()\n</script>", scripts(" f()\n")},
		{"line ends are one character", "<script>a\r\nb\rc\n\r</script>", scripts("a\nb\nc\n\n")},
		{"references are not resolved", `<script>a &amp;&lt; b</script>`, scripts("a &amp;&lt; b")},
		{"but in SVG, where they are", `<svg><script>a &amp;&amp; b<![CDATA[ < c]]></script></svg>`, scripts("a && b < c")},
		{"NUL is replaced", "<script>a='\x00'</script>", scripts("a='\ufffd'")},
		{"letters of UTF-8", "\ufeff<script>a='é€😀'</script>", scripts("a='é€😀'")},
		{"each once and sorted", `<script>a</script><script>b</script><script>a</script>`, scripts("a", "b")},
		{"a script within a script", "<script><!--\n<script>a</script>\n--></script>", scripts("<!--\n<script>a</script>\n-->")},
		{"scripts of files and empty ones", `<script src=a>b</script><script src>b</script><script></script><svg><script href=a>b</script></svg>`, markup.Inline{}},
		{"types that are code", `<script type=module>a</script><script type=" Text/JavaScript ">b</script><script type="">c</script><script type=importmap>{}</script><script type=speculationrules>{ }</script><script language=JavaScript>d</script>`,
			scripts("a", "b", "c", "{}", "{ }", "d")},
		{"types that are data", `<script type="application/ld+json">a</script><script type="text/javascript; charset=utf-8">b</script><script type=text/plain>c</script><script type=" ">d</script><script language=vbscript>e</script>`, markup.Inline{}},
		{"a script in a comment and in a textarea", `<!--<script>a</script>--><textarea><script>b</script></textarea>`, markup.Inline{}},
		{"a script in a template", `<template><script>a</script></template>`, scripts("a")},
		{"a script in noscript", `<noscript><script>a</script></noscript>`, markup.Inline{}},

		{"styles", `<style>p{}</style><style type="Text/CSS">q{}</style><style type=text/less>r</style>`, styles("p{}", "q{}")},
		{"a style in noscript", `<head><noscript><style>p{}</style></noscript></head><noscript><p><style>q{}</style></noscript>`, styles("p{}", "q{}")},
		{"an empty style", `<style></style>`, styles("")},

		{"a page in an iframe", `<iframe srcdoc="<script>a &amp;&amp;amp; b</script><p style='c'>"></iframe>`,
			markup.Inline{Scripts: hashed([]string{"a &&amp; b"}), StyleAttributes: hashed([]string{"c"})}},
		{"handlers", `<p onclick="a(&quot;b&quot;)" ONLOAD=c on=d data-onclick=e></p>`, markup.Inline{Handlers: hashed([]string{`a("b")`, "c"})}},
		{"style attributes", "<p style='a:\r\nb' style=c></p>", markup.Inline{StyleAttributes: hashed([]string{"a:\nb"})}},
		{"URLs that are code", "<a href=' java\nscript:a()'></a><form action=javascript:b></form><a href='/javascript:c'></a><svg><a xlink:href=JavaScript:d></a></svg>",
			markup.Inline{JavaScriptURLs: []string{" java\nscript:a()", "JavaScript:d", "javascript:b"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := markup.Hashes(strings.NewReader(c.page))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

// hashed are the sources of code, as a result has them.
func hashed(code []string) []Source {
	var all []Source
	for _, c := range code {
		all = append(all, SHA256(c))
	}
	slices.Sort(all)
	return all
}

func TestAPageThatCannotBeReadHasNoHashes(t *testing.T) {
	_, err := markup.Hashes(strings.NewReader("<script>\xe9</script>"))
	require.EqualError(t, err, "markup: the page is not UTF-8")
	_, err = markup.Hashes(iotest.ErrReader(iotest.ErrTimeout))
	require.ErrorIs(t, err, iotest.ErrTimeout)
	_, err = markup.Hashes(strings.NewReader(strings.Repeat("<div>", 600)))
	require.ErrorContains(t, err, "markup: html: ")
}

func TestHashesOfASite(t *testing.T) {
	site := fstest.MapFS{
		"index.html":      {Data: []byte(`<script>a</script>`)},
		"docs/one.html":   {Data: []byte(`<script>b</script><style>p{}</style>`)},
		"docs/two.HTM":    {Data: []byte(`<script>a</script>`)},
		"docs/other.txt":  {Data: []byte(`<script>c</script>`)},
		"bad/latin1.html": {Data: []byte("<p>\xe9</p>")},
	}
	_, err := markup.HashesFS(site)
	require.EqualError(t, err, "markup: bad/latin1.html: the page is not UTF-8")
	delete(site, "bad/latin1.html")

	all, err := markup.HashesFS(site)
	require.NoError(t, err)
	require.Equal(t, markup.Inline{Scripts: hashed([]string{"a", "b"}), Styles: hashed([]string{"p{}"})}, all)

	some, err := markup.HashesFS(site, "*.html", "index.html", "docs/*.txt")
	require.NoError(t, err)
	require.Equal(t, markup.Inline{Scripts: hashed([]string{"a", "c"})}, some)

	_, err = markup.HashesFS(site, "[", "none/*.html", "docs")
	require.ErrorContains(t, err, `markup: "[": syntax error in pattern`)
	require.ErrorContains(t, err, `markup: "none/*.html": no file matches`)
	require.ErrorContains(t, err, `markup: docs: `)
}

// Whatever a page is, each result is a source, in order, and no second one like it.
func FuzzHashesAreSources(f *testing.F) {
	f.Add(`<script>a</script><svg><style>b</style><p onclick=c style=d><a href=javascript:e><iframe srcdoc="<script>f</script>">`)
	f.Add("<noscript><style>\r\n</style><noscript><table><script>\x00")
	f.Add(`<svg><noscript><style>a</style></noscript><math><template><script><!--<script>`)
	f.Add(`<frameset><noframes><script>a</script></noframes><select><script>b</script>`)
	f.Fuzz(func(t *testing.T, page string) {
		in, err := markup.Hashes(strings.NewReader(page))
		if err != nil {
			require.Equal(t, markup.Inline{}, in)
			return
		}
		for _, list := range [][]Source{in.Scripts, in.Styles, in.Handlers, in.StyleAttributes} {
			for i, s := range list {
				require.Regexp(t, `^'sha256-[A-Za-z0-9+/]{43}='$`, s)
				require.True(t, i == 0 || list[i-1] < s)
			}
		}
	})
}
