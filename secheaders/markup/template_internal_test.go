package markup

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tagCases are templates, with NONCE where the attribute has to be.
var tagCases = []struct{ name, template, want string }{
	{"a script", `<script src="a.js"></script>`, `<scriptNONCE src="a.js"></script>`},
	{"an inline script", `<script>f({{.N}})</script>`, `<scriptNONCE>f( 7 )</script>`},
	{"a style", `<style>p{}</style>`, `<styleNONCE>p{}</style>`},
	{"upper case", `<SCRIPT SRC=a></SCRIPT><Style></sTyle>`, `<SCRIPTNONCE SRC=a></SCRIPT><StyleNONCE></sTyle>`},
	{"line ends in a tag", "<script\r\n\tsrc=a>\r\n</script>", "<scriptNONCE\r\n\tsrc=a>\r\n</script>"},
	{"a module", `<script type="module">import "x"</script>`, `<scriptNONCE type="module">import "x"</script>`},
	{"an import map", `<script type="importmap">{}</script>`, `<scriptNONCE type="importmap">{}</script>`},
	{"a data block, which it does no harm", `<script type="application/ld+json">{"a":{{.S}}}</script>`,
		`<scriptNONCE type="application/ld+json">{"a":"x\"'\u003e\u003cb\u003e\u0026"}</script>`},
	{"an element that only begins so", `<scripted></scripted><script-x></script-x><styles></styles>`,
		`<scripted></scripted><script-x></script-x><styles></styles>`},
	{"a self-closing form", `<link rel=stylesheet href="a"/><script/></script>`, `<linkNONCE rel=stylesheet href="a"/><scriptNONCE/></script>`},
	{"in SVG", `<svg><style>a{}</style><script href="a"></script></svg>`, `<svg><styleNONCE>a{}</style><scriptNONCE href="a"></script></svg>`},
	{"in noscript", `<noscript><style>a{}</style></noscript>`, `<noscript><styleNONCE>a{}</style></noscript>`},
	{"in a template element", `<template><script>a</script></template>`, `<template><scriptNONCE>a</script></template>`},

	{"links that load code", `<link rel="stylesheet"><link rel="alternate StyleSheet"><link rel=modulepreload><link rel=preload as=script><link as='style' rel='preload'>`,
		`<linkNONCE rel="stylesheet"><linkNONCE rel="alternate StyleSheet"><linkNONCE rel=modulepreload><linkNONCE rel=preload as=script><linkNONCE as='style' rel='preload'>`},
	{"links that do not", `<link rel=icon href=a><link rel=preload as=image><link rel=canonical><link href=x><link rel=preload>`,
		`<link rel=icon href=a><link rel=preload as=image><link rel=canonical><link href=x><link rel=preload>`},
	{"a link of one kind or another", `<link rel="{{if .B}}stylesheet{{else}}icon{{end}}">`, `<linkNONCE rel="icon">`},
	{"a link of unknown kind", `<link rel="{{.S}}"><link rel={{.N}}><link rel=preload as="{{.N}}">`,
		`<linkNONCE rel="x&#34;&#39;&gt;&lt;b&gt;&amp;"><linkNONCE rel=7><linkNONCE rel=preload as="7">`},

	{"a nonce of its own", `<script nonce="{{.N}}"></script><style NoNCE=x></style>`, `<script nonce="7"></script><style NoNCE=x></style>`},
	{"a nonce of its own in a branch", `<script {{if .B}}nonce="{{.N}}"{{end}} src=a></script>`, `<script  src=a></script>`},
	{"nonce in another name or in a value", `<script data-nonce="1" title="nonce=2" src=nonce></script>`,
		`<scriptNONCE data-nonce="1" title="nonce=2" src=nonce></script>`},

	{"in a comment", `<!-- <script src=a></script> --><script></script>`, `<scriptNONCE></script>`},
	{"in a comment of the template", `{{/* <script> */}}{{- /* <style> */ -}}<script></script>`, `<scriptNONCE></script>`},
	{"in textarea and title", `<title><script></title><textarea><script>{{.N}}</textarea><script></script>`,
		`<title>&lt;script></title><textarea>&lt;script>7</textarea><scriptNONCE></script>`},
	{"in elements that hold text", `<iframe><script></script></iframe><xmp><link rel=stylesheet></xmp><script></script>`,
		`<iframe><script></script></iframe><xmp><link rel=stylesheet></xmp><scriptNONCE></script>`},
	{"in an attribute", `<p title="<script src=a>" data-x='<style '></p><script></script>`, `<p title="<script src=a>" data-x='<style '></p><scriptNONCE></script>`},
	{"in strings of actions", "{{`<script>`}}{{\"<style \"}}{{printf `%s` `<script>`}}<script></script>",
		`&lt;script&gt;&lt;style &lt;script&gt;<scriptNONCE></script>`},
	{"in strings of a script", `<script>a = "<script src=x></script>"; b = {{.N}}</script><script></script>`,
		`<scriptNONCE>a = "\x3Cscript src=x>\x3C/script>"; b =  7 </script><scriptNONCE></script>`},
	{"in comments of a script", "<script>/* </script> <script> */ // </script> <script>\nf()</script><script></script>",
		"<scriptNONCE>  \nf()</script><scriptNONCE></script>"},
	{"in expressions of a script", `<script>a = /[<script ]<\/script>/; b = x <script </script>`, `<scriptNONCE>a = /[\x3Cscript ]<\/script>/; b = x <script </script>`},
	{"in a template literal", "<script>a = `<script ${ {x:'</script>'} } ></script>`</script><style></style>",
		"<scriptNONCE>a = `\\x3Cscript ${ {x:'\\x3C/script>'} } >\\x3C/script>`</script><styleNONCE></style>"},
	{"in a style", `<style>p::before{content:"<script >"}</style><script></script>`, `<styleNONCE>p::before{content:"<script >"}</style><scriptNONCE></script>`},
	{"in the text", `a < script <3 <script></script>`, `a &lt; script &lt;3 <scriptNONCE></script>`},
	{"a less-than before it", `<<script></script>`, `&lt;<scriptNONCE></script>`},
	{"a doctype before it", `<!DOCTYPE html><script></script>`, `<!DOCTYPE html><scriptNONCE></script>`},

	{"attributes in branches", `<script{{if .A}} async{{end}}{{if .B}} defer{{else}} id{{end}}></script>`, `<scriptNONCE async id></script>`},
	{"attributes in a loop", `<script{{range .List}} data-{{.}}{{end}} src="{{.URL}}"></script>`, `<scriptNONCE data-uno data-two src="/a?b=c"></script>`},
	{"an attribute behind a space", `<script {{.Attr}}></script>`, `<scriptNONCE async></script>`},
	{"what may belong to the name", `<script{{.Attr}}></script>`, `<scriptasync></script>`},
	{"tags in branches", `{{if .A}}<script src=a>{{else}}<script>{{end}}</script><style></style>`, `<scriptNONCE src=a></script><styleNONCE></style>`},
	{"tags that begin in branches", `{{if .B}}<script type="module"{{else}}<script{{end}} src="a"></script>`, `<scriptNONCE src="a"></script>`},
	{"tags that begin in branches and get a nonce", `{{if .B}}<script id=x {{else}}<script {{end}} nonce="a"></script>`, `<script  nonce="a"></script>`},
	{"tags that begin in branches, one with a nonce", `{{if .A}}<script id=x {{else}}<script nonce=a {{end}}></script>`, `<scriptNONCE id=x ></script>`},
	{"links that begin in branches", `{{if .B}}<link rel=icon {{else}}<link rel=stylesheet {{end}} href=a>`, `<linkNONCE rel=stylesheet  href=a>`},
	{"a loop that is left", `{{range .List}}<script>a</script>{{break}}{{end}}<script></script>`, `<scriptNONCE>a</script><scriptNONCE></script>`},
	{"with and variables", `{{with $x := .N}}<script{{$y := $x}} id="a{{$y}}"></script>{{end}}`, `<scriptNONCE id="a7"></script>`},
	{"a value of branches", `<script id={{if .A}}{{.N}}{{end}} x></script><style></style>`, `<scriptNONCE id=7 x></script><styleNONCE></style>`},
	{"white space cut", "<script {{- if .A }} async {{- end -}} ></script>", `<scriptNONCE async></script>`},

	{"templates that it defines", `{{define "js"}}<script src="{{.}}"></script>{{end}}{{template "js" "a"}}{{template "js" "b"}}{{block "css" .}}<style></style>{{end}}`,
		`<scriptNONCE src="a"></script><scriptNONCE src="b"></script><styleNONCE></style>`},
	{"attributes by a template", `{{define "x"}}id=a{{end}}<script {{template "x"}}></script>`, `<scriptNONCE id=a></script>`},
	{"a nonce by a template", `{{define "x"}}nonce=a{{end}}<script {{template "x"}}></script>`, `<script nonce=a></script>`},
	{"the title by a template", `{{define "t"}}<script>{{end}}<title>{{template "t"}}</title><script></script>`,
		`<title>&lt;script></title><scriptNONCE></script>`},
	{"a script by a template", `{{define "f"}}var a = "</script><script >";{{end}}<script>{{template "f"}}</script>`,
		`<scriptNONCE>var a = "\x3C/script>\x3Cscript >";</script>`},
	{"a template that calls itself", `{{define "l"}}<script></script>{{if .}}{{template "l" ""}}{{end}}{{end}}{{template "l" .A}}`,
		`<scriptNONCE></script><scriptNONCE></script>`},
	{"a value that a template ends", `{{define "v"}}a" title="{{end}}<p class="{{template "v"}} > <script > "></p><script></script>`,
		`<p class="a" title=" > <script > "></p><scriptNONCE></script>`},
}

func TestTagsOfATemplateGetANonceAndNothingElseChanges(t *testing.T) {
	for _, c := range tagCases {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, strings.ReplaceAll(c.want, "NONCE", testAttr), differ(t, parsed(t, c.template)))
		})
	}
}

// oddTemplates are not worth a nonce in each tag, but must be left as they are.
var oddTemplates = []string{
	`<!DOCTYPE html!<script></script>`,
	`<ttitle="<script src=a>" data-x='<style '></p><script></script>`,
	`<p'<style>'><script></script>`,
	`<my-el_x><script></script>`,
	`{{define "code"}}if (1 < 2) f(){{end}}<script>{{template "code"}}</script><p>{{template "code"}}</p>`,
	`{{define "inner"}}a <b{{end}}{{define "code"}}{{template "inner"}}{{end}}<script>{{template "code"}}</script>`,
	`<script)x><script b=</script><style></style>`,
	`<!doctype html{{.S}}><script></script>`,
	`<!doctype html><script></script>`,
	`<p{{if .A}} title{{end}}="a><script >">`,
	`<p {{if .A}}a{{end}}b {{if .B}}="{{end}}`,
	`<script type="text/template"><p title="</script><script >"></script>`,
	`<script type="text/x"><!-- <script> --><style></style></script><script>`,
	`<script_x>a<script b</script_x>`,
	`<scr{{if .A}}ipt{{end}}>`,
	`{{define "a"}}</script><script {{end}}<script>{{template "a"}} x></script>`,
	`{{define "x"}}{{if .}}> <b{{end}} {{template "x" ""}}{{end}}<p {{template "x" .A}}>`,
	`{{define "x"}}{{if .}} {{template "x" ""}}{{end}}{{end}}<p{{template "x" .A}}>`,
	`{{define "open"}}<script {{end}}{{define "a"}}{{template "open"}}nonce=x></script>{{end}}{{template "open"}}></script>{{template "a"}}`,
	`<plaintext><script></script>`,
	`<a href="{{if .A}}x{{else}}y?z{{end}}<script q">`,
	`<p onclick="a = '<script x>'; b <script {{.S}}" style="x:'<style '">`,
	"<script>x = a <script /{{.S}}/ 2</script>",
	`{{define "e"}}{{end}}{{template "e"}}<link{{template "e"}} rel=stylesheet>`,
	`<script {{range .List}}{{if .}}{{continue}}{{end}} a{{break}}{{else}}b{{end}}></script>`,
	`</script><script></style><style></script></style>`,
	`<script></script `,
	`{{define "x"}}<style</style>{{end}}{{template "x"}}{{template "x"}}`,
	`<script</script>`, `<script a</script><script b=</script><style></style>`,
	`<script`,
	`<!-- a --!> <script> -->`,
	`<style></style\r><script></script>`,
	`{{"\x00"}}<script>{{"</script>"}}</script>{{.HTML}}`,
	`<svg><title><script></title></svg>`,
	`<p =x><script =y><link rel==stylesheet>`,
}

func TestOddTemplatesStayAsTheyAre(t *testing.T) {
	for _, src := range oddTemplates {
		differ(t, parsed(t, src))
	}
}
