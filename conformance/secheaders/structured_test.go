// Package secheaders_test holds sluice's structured fields against another reader and
// writer of them, github.com/dunglas/httpsfv.
package secheaders_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dunglas/httpsfv"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/httpheader"
	"github.com/sluice-go/sluice/secheaders"
)

// page are the headers of a page that uses all of the structured ones.
func page(t *testing.T) http.Header {
	t.Helper()
	sec, err := secheaders.New(secheaders.Options{
		Document: secheaders.Headers{
			Permissions: secheaders.Permissions{
				secheaders.Allow(secheaders.Camera, secheaders.Self, "https://*.a.example:8443"),
				secheaders.Allow(secheaders.Fullscreen, "*"),
			},
			PermissionsReportOnly: secheaders.Permissions{secheaders.Deny(secheaders.Autoplay)},
			OpenerReportOnly:      secheaders.OpenerSameOrigin,
			Embedder:              secheaders.EmbedderRequireCorp,
			EmbedderReportOnly:    secheaders.EmbedderCredentialless,
			Integrity:             &secheaders.IntegrityPolicy{Scripts: true, Styles: true},
			IntegrityReportOnly:   &secheaders.IntegrityPolicy{Styles: true},
			Document:              "expect-no-linked-resources, *;report-to=none",
		},
		Reports: secheaders.ReportOptions{URL: "/reports?of=pages"},
	})
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodGet, "https://app.example/", nil)
	r.TLS = &tls.ConnectionState{}
	w := httptest.NewRecorder()
	sec.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
	})).ServeHTTP(w, r)
	return w.Header()
}

// TestHeadersAreStructuredFields reads the headers of a response as a recipient does,
// and writes them again: they come out the same, byte for byte.
func TestHeadersAreStructuredFields(t *testing.T) {
	h := page(t)
	for _, name := range []string{"Permissions-Policy", "Permissions-Policy-Report-Only", "Integrity-Policy",
		"Integrity-Policy-Report-Only", "Document-Policy", "Reporting-Endpoints"} {
		require.Len(t, h.Values(name), 1, name)
		d, err := httpsfv.UnmarshalDictionary(h.Values(name))
		require.NoError(t, err, name)
		again, err := httpsfv.Marshal(d)
		require.NoError(t, err, name)
		require.Equal(t, h.Get(name), again, name)
	}
	for _, name := range []string{"Cross-Origin-Opener-Policy", "Cross-Origin-Opener-Policy-Report-Only",
		"Cross-Origin-Embedder-Policy", "Cross-Origin-Embedder-Policy-Report-Only", "Origin-Agent-Cluster"} {
		require.Len(t, h.Values(name), 1, name)
		item, err := httpsfv.UnmarshalItem(h.Values(name))
		require.NoError(t, err, name)
		again, err := httpsfv.Marshal(item)
		require.NoError(t, err, name)
		require.Equal(t, h.Get(name), again, name)
	}
}

// TestHeadersMeanWhatWasAsked looks at what the other reader makes of them.
func TestHeadersMeanWhatWasAsked(t *testing.T) {
	h := page(t)
	permissions, err := httpsfv.UnmarshalDictionary(h.Values("Permissions-Policy"))
	require.NoError(t, err)
	require.Equal(t, []any{httpsfv.Token("self"), "https://*.a.example:8443"}, list(t, permissions, "camera"))
	require.Equal(t, []any{httpsfv.Token("*")}, list(t, permissions, "fullscreen"))
	require.Empty(t, list(t, permissions, "microphone"))

	integrity, err := httpsfv.UnmarshalDictionary(h.Values("Integrity-Policy"))
	require.NoError(t, err)
	require.Equal(t, []any{httpsfv.Token("script"), httpsfv.Token("style")}, list(t, integrity, "blocked-destinations"))
	endpoint := list(t, integrity, "endpoints")[0].(httpsfv.Token)

	endpoints, err := httpsfv.UnmarshalDictionary(h.Values("Reporting-Endpoints"))
	require.NoError(t, err)
	url, ok := endpoints.Get(string(endpoint))
	require.True(t, ok, "the name that headers report to is one that there is")
	require.Equal(t, "/reports?of=pages", url.(httpsfv.Item).Value)

	opener, err := httpsfv.UnmarshalItem(h.Values("Cross-Origin-Opener-Policy-Report-Only"))
	require.NoError(t, err)
	require.Equal(t, httpsfv.Token("same-origin"), opener.Value)
	to, _ := opener.Params.Get("report-to")
	require.Equal(t, string(endpoint), to, "a string, not a token")

	cluster, err := httpsfv.UnmarshalItem(h.Values("Origin-Agent-Cluster"))
	require.NoError(t, err)
	require.Equal(t, true, cluster.Value)
}

// list are the values of a list without parameters.
func list(t *testing.T, d *httpsfv.Dictionary, key string) []any {
	t.Helper()
	m, ok := d.Get(key)
	require.True(t, ok, key)
	var values []any
	for _, item := range m.(httpsfv.InnerList).Items {
		require.Empty(t, item.Params.Names())
		values = append(values, item.Value)
	}
	return values
}

// FuzzParseSFDictionary: both parsers take the same texts for dictionaries, and find
// the same keys in them. Ours knows neither dates nor display strings (RFC 9651 §3.3.7,
// §3.3.8), which older recipients do not know.
func FuzzParseSFDictionary(f *testing.F) {
	for _, s := range []string{"", " a", "a=1, b=(x \"y\";p=1 ?0);q", "*;report-to=a", `a="\"\\",b`, "a=:aGk=:", "a=1.234\t,\tb", "a=1,a=2",
		"a=1.2345", "a=1234567890123456", "a=@1", `a=%"x"`, "a,", "a\t", "A", "a=(1,2)", "a=((1))", "a='none'", "a=1;p;p=2", "a=?2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		members, err := httpheader.ParseSFDictionary(s)
		theirs, theirErr := httpsfv.UnmarshalDictionary([]string{s})
		if strings.ContainsAny(s, "@%") && err != nil {
			return
		}
		require.Equal(t, theirErr == nil, err == nil, "%q: %v, %v", s, theirErr, err)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, m := range members {
			seen[m.Key] = true
			_, isList := last(theirs, m.Key).(httpsfv.InnerList)
			require.True(t, isList == m.InnerList || again(members, m.Key), "%q: %s", s, m.Key)
		}
		require.Len(t, theirs.Names(), len(seen), s)
		for _, name := range theirs.Names() {
			require.True(t, seen[name], "%q: %s", s, name)
		}
	})
}

func last(d *httpsfv.Dictionary, key string) httpsfv.Member {
	m, _ := d.Get(key)
	return m
}

// again reports whether a key occurs more than once: the last one counts.
func again(members []httpheader.SFDictionaryMember, key string) bool {
	n := 0
	for _, m := range members {
		if m.Key == key {
			n++
		}
	}
	return n > 1
}

// FuzzSFDictionary: both writers refuse the same, and write the same.
func FuzzSFDictionary(f *testing.F) {
	f.Add("camera", "self", "https://a.example", "report-to", int64(1), true)
	f.Add("a", "*", `x"\`, "p", int64(-1), false)
	f.Add("A", "'none'", "\r\n", "", int64(1)<<60, true)
	f.Add("*-._", "a:/", "ü\x7f", "*", int64(0), false)
	f.Fuzz(func(t *testing.T, key, token, text, param string, n int64, b bool) {
		ours, err := httpheader.SFDictionary(
			httpheader.SFListMember(key, []httpheader.Bare{httpheader.SFString(text), httpheader.SFInteger(n), httpheader.SFToken(token)},
				httpheader.SFParam{Key: param, Value: httpheader.SFBoolean(b)}),
			httpheader.SFItemMember("zz", httpheader.SFBoolean(b), httpheader.SFParam{Key: param, Value: httpheader.SFString(text)}),
		)
		d := httpsfv.NewDictionary()
		l := httpsfv.InnerList{Params: httpsfv.NewParams(), Items: []httpsfv.Item{
			httpsfv.NewItem(text), httpsfv.NewItem(n), httpsfv.NewItem(httpsfv.Token(token))}}
		l.Params.Add(param, b)
		item := httpsfv.NewItem(b)
		item.Params.Add(param, text)
		d.Add(key, l)
		d.Add("zz", item)
		theirs, theirErr := httpsfv.Marshal(d)
		if key == "zz" {
			require.Error(t, err, "twice")
			return
		}
		require.Equal(t, theirErr == nil, err == nil, "%v, %v", theirErr, err)
		if err == nil {
			require.Equal(t, theirs, ours)
		}
	})
}
