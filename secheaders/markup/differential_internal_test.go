package markup

import (
	"bytes"
	"errors"
	"html/template"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
)

const (
	testNonce = "qVzX0_-3nonceForTests9"
	testAttr  = ` nonce="` + testNonce + `"`
)

// testData has what the templates of the tests ask for.
func testData() map[string]any {
	return map[string]any{
		"A": true, "B": false, "S": `x"'><b>&`, "N": 7, "Empty": "", "URL": "/a?b=c", "List": []string{"uno", "two"},
		"HTML": template.HTML(`<script src="evil.js"></script><style>x</style>`),
		"Attr": template.HTMLAttr(`async`),
	}
}

var errTooMuch = errors.New("too much")

// bounded refuses more than templates of the tests need.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len() > 1<<20 {
		return 0, errTooMuch
	}
	return b.Buffer.Write(p)
}

// differ holds a set of templates against html/template: each template of it is
// rendered without a nonce, and with one that is then taken out again. It returns what
// the first one is with it.
func differ(t *testing.T, parse func() *template.Template) string {
	t.Helper()
	m, err := New(parse())
	if errors.Is(err, ErrUnclosed) {
		return ""
	}
	require.NoError(t, err, "html/template takes it")
	names := []string{m.set.Name()}
	for name := range m.entry {
		names = append(names, name)
	}
	var first string
	for i, name := range names {
		var plain, without, with bounded
		// Each has a set of its own: html/template spoils a set at a fault.
		plainErr := parse().ExecuteTemplate(&plain, name, testData())
		if m.entry[name] == nil || m.entry[name].err != nil {
			require.Error(t, plainErr, name)
			require.Error(t, m.ExecuteTemplate(t.Context(), io.Discard, name, testData()), name)
			continue
		}
		withoutErr := m.write(&without, "", name, testData())
		withErr := m.write(&with, testNonce, name, testData())
		if errors.Is(plainErr, errTooMuch) || errors.Is(withErr, errTooMuch) {
			continue // each has ended somewhere else
		}
		require.Equal(t, plainErr == nil, withoutErr == nil, "%s: %v, %v", name, plainErr, withoutErr)
		require.Equal(t, plainErr == nil, withErr == nil, "%s: %v, %v", name, plainErr, withErr)
		require.Equal(t, plain.String(), without.String(), name)
		require.Equal(t, plain.String(), strings.ReplaceAll(with.String(), testAttr, ""), name)
		if plainErr == nil { // it may end anywhere else
			requireOnlyInTags(t, with.String())
		}
		if i == 0 {
			first = with.String()
		}
	}
	return first
}

// requireOnlyInTags finds each nonce in a start tag, as its only one.
func requireOnlyInTags(t *testing.T, page string) {
	t.Helper()
	tags := 0
	z := html.NewTokenizer(strings.NewReader(page))
	for z.Next() != html.ErrorToken {
		token := z.Token()
		if token.Type != html.StartTagToken && token.Type != html.SelfClosingTagToken {
			continue
		}
		if token.Data == "noscript" {
			z.NextIsNotRawText()
		}
		nonces := 0
		for _, a := range token.Attr {
			if a.Key == "nonce" {
				nonces++
			}
			if a.Key == "nonce" && a.Val == testNonce {
				tags++
				require.Contains(t, []string{"script", "style", "link"}, token.Data, page)
			}
		}
		if tags > 0 {
			require.LessOrEqual(t, nonces, 1, page)
		}
	}
	require.Equal(t, strings.Count(page, testNonce), tags, page)
}

func parsed(t *testing.T, src string) func() *template.Template {
	return func() *template.Template {
		p, err := template.New("page").Parse(src)
		require.NoError(t, err)
		return p
	}
}

var digits = regexp.MustCompile(`\d{3}|0[xXbBoO]|_`)

func FuzzTemplatesRenderTheSameButForTheNonce(f *testing.F) {
	for _, c := range tagCases {
		f.Add(c.template)
	}
	for _, c := range oddTemplates {
		f.Add(c)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if digits.MatchString(src) || len(src) > 4<<10 {
			return // it could run for long
		}
		if _, err := template.New("page").Parse(src); err != nil {
			return
		}
		if strings.Contains(src, "nonce") { // of its own: more than one may be as asked for
			return
		}
		differ(t, parsed(t, src))
	})
}
