package secheaders

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// quietly compiles options without a log.
func quietly(o IsolationOptions) *isolation {
	return newIsolation(o, "/reports", slog.New(slog.DiscardHandler))
}

// asked makes a request of pairs of fields and values; a field may occur twice.
func asked(method, target string, fields ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

const (
	siteField, modeField, destField = "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest"
	bySite                          = "Sec-Fetch-Site"
	byAll                           = "Sec-Fetch-Site, Sec-Fetch-Mode, Sec-Fetch-Dest"
	byOrigin                        = byAll + ", Origin"
)

// Sheet (d), Fetch Metadata isolation: its rules, one by one.
func TestIsolationFollowsFetchMetadata(t *testing.T) {
	open := IsolationOptions{}
	apart := IsolationOptions{DenySameSite: true}
	listed := IsolationOptions{Origins: []string{"https://app.example", "http://localhost:3000"}}
	for _, tt := range []struct {
		name string
		opts IsolationOptions
		r    *http.Request
		want cause
		vary string
	}{
		{"no Sec-Fetch-Site", open, asked("POST", "/"), passes, bySite},
		{"no Sec-Fetch-Site, but the others", open, asked("POST", "/", modeField, "cors", destField, "empty"), passes, bySite},
		{"the same origin", open, asked("POST", "/", siteField, "same-origin", modeField, "cors"), passes, bySite},
		{"an address that was typed", open, asked("GET", "/", siteField, "none", modeField, "navigate"), passes, bySite},
		{"a sibling host", open, asked("POST", "/", siteField, "same-site", modeField, "cors"), passes, bySite},
		{"a sibling host that is not trusted", apart, asked("POST", "/", siteField, "same-site", modeField, "cors"), sameSite, byAll},
		{"a link from there", apart, asked("GET", "/", siteField, "same-site", modeField, "navigate", destField, "document"), passes, byAll},
		{"the same origin, where siblings are not trusted", apart, asked("POST", "/", siteField, "same-origin"), passes, bySite},

		{"a link", open, asked("GET", "/", siteField, "cross-site", modeField, "navigate", destField, "document"), passes, byAll},
		{"a link, by HEAD", open, asked("HEAD", "/", siteField, "cross-site", modeField, "navigate", destField, "document"), passes, byAll},
		{"an iframe", open, asked("GET", "/", siteField, "cross-site", modeField, "navigate", destField, "iframe"), passes, byAll},
		{"a frame", open, asked("GET", "/", siteField, "cross-site", modeField, "navigate", destField, "frame"), passes, byAll},
		{"a browser from before Sec-Fetch-Dest", open, asked("GET", "/", siteField, "cross-site", modeField, "navigate"), passes, byAll},
		{"an object", open, asked("GET", "/", siteField, "cross-site", modeField, "navigate", destField, "object"), crossSite, byAll},
		{"an embed", open, asked("GET", "/", siteField, "cross-site", modeField, "navigate", destField, "embed"), crossSite, byAll},
		{"a destination of the future", open, asked("GET", "/", siteField, "cross-site", modeField, "navigate", destField, "portal"), crossSite, byAll},
		{"an empty destination", open, asked("GET", "/", siteField, "cross-site", modeField, "navigate", destField, ""), crossSite, byAll},
		{"two destinations", open, asked("GET", "/", siteField, "cross-site", modeField, "navigate", destField, "document", destField, "embed"), crossSite, byAll},
		{"two modes", open, asked("GET", "/", siteField, "cross-site", modeField, "navigate", modeField, "navigate"), crossSite, byAll},
		{"no mode", open, asked("GET", "/", siteField, "cross-site", destField, "document"), crossSite, byAll},
		{"a mode in upper case", open, asked("GET", "/", siteField, "cross-site", modeField, "Navigate"), crossSite, byAll},
		{"a form that posts", open, asked("POST", "/", siteField, "cross-site", modeField, "navigate", destField, "document", "Origin", "https://evil.example"), crossSite, byAll},
		{"a method of one's own", open, asked("get", "/", siteField, "cross-site", modeField, "navigate"), crossSite, byAll},
		{"a script", open, asked("GET", "/", siteField, "cross-site", modeField, "no-cors", destField, "script"), crossSite, byAll},
		{"an image", open, asked("GET", "/", siteField, "cross-site", modeField, "no-cors", destField, "image"), crossSite, byAll},
		{"a fetch", open, asked("GET", "/", siteField, "cross-site", modeField, "cors", destField, "empty", "Origin", "https://evil.example"), crossSite, byAll},
		{"a WebSocket", open, asked("GET", "/", siteField, "cross-site", modeField, "websocket", destField, "empty", "Origin", "https://evil.example"), crossSite, byAll},

		{"a value that nobody knows", open, asked("GET", "/", siteField, "same-planet"), malformed, byAll},
		{"a link with it", open, asked("GET", "/", siteField, "same-planet", modeField, "navigate"), passes, byAll},
		{"upper case", open, asked("GET", "/", siteField, "Same-Origin"), malformed, byAll},
		{"a parameter", open, asked("GET", "/", siteField, "same-origin;a"), malformed, byAll},
		{"a list", open, asked("GET", "/", siteField, "same-origin, same-origin"), malformed, byAll},
		{"two lines", open, asked("GET", "/", siteField, "same-origin", siteField, "same-origin"), malformed, byAll},
		{"an empty value", open, asked("GET", "/", siteField, ""), malformed, byAll},

		{"a fetch from an origin of the list", listed, asked("POST", "/", siteField, "cross-site", modeField, "cors", "Origin", "https://app.example"), passes, byOrigin},
		{"a WebSocket from there", listed, asked("GET", "/", siteField, "cross-site", modeField, "websocket", "Origin", "https://app.example"), passes, byOrigin},
		{"a port", listed, asked("GET", "/", siteField, "cross-site", modeField, "cors", "Origin", "http://localhost:3000"), passes, byOrigin},
		{"an origin that is not of the list", listed, asked("GET", "/", siteField, "cross-site", modeField, "cors", "Origin", "https://app.example.evil.example"), crossSite, byOrigin},
		{"another scheme", listed, asked("GET", "/", siteField, "cross-site", modeField, "cors", "Origin", "http://app.example"), crossSite, byOrigin},
		{"another port", listed, asked("GET", "/", siteField, "cross-site", modeField, "cors", "Origin", "https://app.example:8443"), crossSite, byOrigin},
		{"upper case in Origin", listed, asked("GET", "/", siteField, "cross-site", modeField, "cors", "Origin", "https://APP.example"), crossSite, byOrigin},
		{"null", listed, asked("GET", "/", siteField, "cross-site", modeField, "cors", "Origin", "null"), crossSite, byOrigin},
		{"an empty Origin", listed, asked("GET", "/", siteField, "cross-site", modeField, "cors", "Origin", ""), crossSite, byOrigin},
		{"two of Origin", listed, asked("GET", "/", siteField, "cross-site", modeField, "cors", "Origin", "https://app.example", "Origin", "https://app.example"), crossSite, byOrigin},
		{"no Origin", listed, asked("GET", "/", siteField, "cross-site", modeField, "no-cors"), crossSite, byOrigin},
		{"the same origin beside a list", listed, asked("GET", "/", siteField, "same-origin"), passes, bySite},

		{"a preflight", open, asked("OPTIONS", "/", siteField, "cross-site", modeField, "cors", "Origin", "https://evil.example", "Access-Control-Request-Method", "PUT"), passes, ""},
		{"OPTIONS without a method to ask for", open, asked("OPTIONS", "/", siteField, "cross-site", modeField, "cors", "Origin", "https://evil.example"), crossSite, byAll},
		{"OPTIONS without an Origin", open, asked("OPTIONS", "/", siteField, "cross-site", modeField, "cors", "Access-Control-Request-Method", "PUT"), crossSite, byAll},
		{"a preflight by POST", open, asked("POST", "/", siteField, "cross-site", modeField, "cors", "Origin", "https://evil.example", "Access-Control-Request-Method", "PUT"), crossSite, byAll},
		// Trap d.28: reports come from anywhere, and WebKit's with Origin: null.
		{"a report", open, asked("POST", "/reports", siteField, "cross-site", modeField, "no-cors", destField, "empty", "Origin", "null"), passes, ""},
		{"something below the reports", open, asked("POST", "/reports/1", siteField, "cross-site", modeField, "no-cors"), crossSite, byAll},
	} {
		t.Run(tt.name, func(t *testing.T) {
			served := false
			next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { served = true })
			w := httptest.NewRecorder()
			i := quietly(tt.opts)
			i.serve(w, tt.r, next)
			require.Equal(t, tt.want == passes, served)
			if tt.want == passes {
				require.Equal(t, 200, w.Code)
				require.Equal(t, tt.vary, strings.Join(w.Result().Header["Vary"], "|"))
			} else {
				require.Equal(t, 403, w.Code)
				require.Equal(t, []string{tt.vary, "Accept"}, w.Result().Header["Vary"])
			}
			if !i.isOpen(tt.r) {
				got, _ := i.judge(tt.r)
				require.Equal(t, tt.want, got)
			}
		})
	}
}

// modelPasses is the policy as one sentence.
func modelPasses(method string, site, mode, dest, origin []string) bool {
	is := func(lines []string, values ...string) bool {
		for _, v := range values {
			if len(lines) == 1 && lines[0] == v {
				return true
			}
		}
		return false
	}
	return site == nil || is(site, "same-origin", "same-site", "none") ||
		(method == "GET" || method == "HEAD") && is(mode, "navigate") && (dest == nil || is(dest, "document", "iframe", "frame")) ||
		is(origin, "https://app.example")
}

func TestIsolationAgreesWithItsModel(t *testing.T) {
	i := quietly(IsolationOptions{Origins: []string{"https://app.example"}})
	combos := func(values ...string) (out [][]string) {
		out = append(out, nil, []string{}, []string{""})
		for _, v := range values {
			out = append(out, []string{v}, []string{v, v}, []string{v + " "}, []string{strings.ToUpper(v)})
		}
		return out
	}
	sites, modes := combos("same-origin", "same-site", "none", "cross-site"), combos("navigate", "cors", "websocket")
	dests, origins := combos("document", "iframe", "frame", "object", "embed", "empty"), combos("https://app.example", "null")
	for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "get", "QUERY"} {
		for _, site := range sites {
			for _, mode := range modes {
				for _, dest := range dests {
					for _, origin := range origins {
						h := http.Header{}
						for name, lines := range map[string][]string{siteField: site, modeField: mode, destField: dest, "Origin": origin} {
							if len(lines) > 0 {
								h[name] = lines
							}
						}
						got, _ := i.judge(&http.Request{Method: method, Header: h})
						if want := modelPasses(method, h[siteField], h[modeField], h[destField], h["Origin"]); want != (got == passes) {
							require.Equal(t, want, got == passes, "%s %q %q %q %q", method, site, mode, dest, origin)
						}
					}
				}
			}
		}
	}
}

func TestExemptRequestsPassAndDependOnNothing(t *testing.T) {
	i := quietly(IsolationOptions{
		Exempt:   func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/public/") },
		OnRefuse: func(*http.Request, string, bool) { t.Error("nothing is refused") },
	})
	w := httptest.NewRecorder()
	i.serve(w, asked("GET", "/public/logo.png", siteField, "cross-site", modeField, "no-cors", destField, "image"), http.NotFoundHandler())
	require.Equal(t, 404, w.Code)
	require.NotContains(t, w.Result().Header, "Vary")
}

func TestOnlyTheEndpointOfReportsIsOpen(t *testing.T) {
	for _, tt := range []struct {
		name, reportURL, target string
		open                    bool
	}{
		{"the path", "/reports", "https://app.example/reports", true},
		{"with a query", "/reports", "https://app.example/reports?token=1", true},
		{"a query of its own", "/reports?k=1", "https://app.example/reports", true},
		{"another host that is this server", "https://reports.example/csp", "https://reports.example/csp", true},
		{"the host in upper case", "https://REPORTS.example/csp", "https://reports.example/csp", true},
		{"the path on the host of the app", "https://reports.example/csp", "https://app.example/csp", false},
		{"the root of another host", "https://reports.example", "https://reports.example/", true},
		{"the root of the app", "https://reports.example", "https://app.example/", false},
		{"nowhere", "", "https://app.example/", false},
		{"an encoded path", "/re%70orts", "https://app.example/reports", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := newIsolation(IsolationOptions{}, tt.reportURL, slog.New(slog.DiscardHandler))
			require.Equal(t, tt.open, i.isOpen(asked("POST", tt.target)))
		})
	}
	tunnel := asked("CONNECT", "/")
	tunnel.URL.Path = ""
	require.False(t, quietly(IsolationOptions{}).isOpen(tunnel))
	require.False(t, newIsolation(IsolationOptions{}, "", nil).isOpen(tunnel))
}

func TestLogOnlyLetsPassAndTells(t *testing.T) {
	var told []string
	var log bytes.Buffer
	i := newIsolation(IsolationOptions{LogOnly: true, OnRefuse: func(r *http.Request, cause string, refused bool) {
		require.False(t, refused)
		told = append(told, r.URL.Path+" "+cause)
	}}, "", slog.New(slog.NewTextHandler(&log, nil)))
	w := httptest.NewRecorder()
	i.serve(w, asked("GET", "/a", siteField, "cross-site", modeField, "cors"), http.NotFoundHandler())
	require.Equal(t, 404, w.Code)
	require.Equal(t, []string{byAll}, w.Result().Header["Vary"], "what is cached now is there when it refuses")
	require.Equal(t, []string{"/a cross-site"}, told)
	require.Contains(t, log.String(), "would refuse")
}

func TestARefusalTellsTheHookAndNothingOfTheRequest(t *testing.T) {
	var told []string
	i := newIsolation(IsolationOptions{DenySameSite: true, OnRefuse: func(r *http.Request, cause string, refused bool) {
		require.True(t, refused)
		told = append(told, cause)
	}}, "", slog.New(slog.DiscardHandler))
	for _, site := range []string{"cross-site", "same-site", "other"} {
		w := httptest.NewRecorder()
		i.serve(w, asked("POST", "/secret-path?secret-query", siteField, site, modeField, "secret-mode"), http.NotFoundHandler())
		require.Equal(t, 403, w.Code)
		require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		require.NotContains(t, w.Body.String(), "secret")
		for _, values := range w.Header() {
			require.NotContains(t, strings.Join(values, ""), "secret")
		}
	}
	require.Equal(t, []string{"cross-site", "same-site", "malformed"}, told)
}

// House §2: at most one line for a cause in 10 s, with nothing long or raw in it.
func TestTheLogOfRefusalsIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		i := newIsolation(IsolationOptions{DenySameSite: true}, "", slog.New(slog.NewJSONHandler(&log, nil)))
		refuse := func(site string) {
			r := asked("POST", "/", siteField, site, modeField, "navi\ngate", destField, strings.Repeat("a", 5000))
			r.URL.Path = "/\r\n\x1b[31m \"\u202e" + strings.Repeat("x", 1<<16)
			r.Method = strings.Repeat("M", 300)
			i.serve(httptest.NewRecorder(), r, http.NotFoundHandler())
		}
		for range 1000 {
			refuse("cross-site")
			refuse("same-site")
			refuse("\xff\xfe")
		}
		require.Equal(t, 3, strings.Count(log.String(), "\n"))
		require.Less(t, log.Len(), 3*450)

		log.Reset()
		time.Sleep(refusalLogEvery - time.Millisecond)
		refuse("cross-site")
		require.Empty(t, log.String())
		time.Sleep(time.Millisecond)
		refuse("cross-site")
		refuse("cross-site")
		var line map[string]any
		require.NoError(t, json.Unmarshal(log.Bytes(), &line), "one line")
		delete(line, "time")
		require.Equal(t, map[string]any{
			"level": "WARN", "msg": "secheaders: isolation refused a request", "cause": "cross-site",
			"method": strings.Repeat("M", maxLoggedWord), "mode": "other", "dest": "other", "left_out": 1000.0,
			"path": ("/%0D%0A%1B%5B31m%20%22%E2%80%AE" + strings.Repeat("x", 200))[:maxLoggedPath],
		}, line)

		log.Reset()
		time.Sleep(refusalLogEvery)
		refuse("cross-site")
		require.Contains(t, log.String(), `"left_out":1}`, "each is counted once")
	})
}

func TestFaultsOfOriginsAreNamed(t *testing.T) {
	const form, host, port = "form that browsers send", "host that browsers do not send", "no valid port"
	for origin, reason := range map[string]string{
		"https://app.example": "", "https://app.example:8443": "", "http://localhost:3000": "", "https://127.0.0.1": "",
		"https://[2001:db8::1]": "", "https://[::1]:8443": "", "capacitor://localhost": "", "https://a_b.example": "",
		"chrome-extension://abcdefghijklmnopabcdefghijklmnop": "", "https://xn--mnchen-3ya.de": "", "https://app.example.": "",

		"null": "sandboxed frame", "": "no origin", "app.example": "no origin", "//app.example": "no origin", "https://": "no origin",
		"https:app.example": "no origin", "*": "no origin", "https://a b": "no origin", "https://a\nb": "no origin", "https://[::1": "no origin",
		"wss://app.example": "WebSocket", "ws://app.example": "WebSocket", "file://host": "null", "javascript://a": "null",
		"https://app.example/": form, "https://app.example/a": form, "https://app.example?": form, "https://app.example#": form,
		"HTTPS://app.example": form, "https://user@app.example": form, "https://app.example:8443/": form,
		"https://APP.example": host, "https://*.example": host, "https://m\u00fcnchen.de": host, "https://a..b": host, "https://.": host,
		"https://:443": host, "https://a,b": host, "https://a%2eb": "no origin",
		"https://127.1": "IPv4", "https://0x7f.0.0.1": "IPv4", "https://127.0.0.01": "IPv4", "https://app.7": "IPv4", "https://127.0.0.1.": "IPv4",
		"https://[2001:DB8::1]": "IPv6", "https://[2001:db8:0::1]": "IPv6", "https://[fe80::1%25eth0]": form, "https://[::ffff:1.2.3.4]": "IPv6",
		"https://app.example:": port, "https://app.example:0": port, "https://app.example:65536": port, "https://app.example:0443": port,
		"https://app.example:443": "default port", "http://app.example:80": "default port", "https://app.example:80": "",
	} {
		var f faults
		(&IsolationOptions{Origins: []string{origin}}).faults(&f)
		if reason == "" {
			require.NoError(t, f.err(), origin)
			continue
		}
		require.ErrorContains(t, f.err(), reason, origin)
		require.ErrorContains(t, f.err(), "secheaders: Isolation.Origins: ")
	}
	var f faults
	(&IsolationOptions{Origins: []string{"https://a.example", "null", "https://a.example"}}).faults(&f)
	require.Len(t, f.errs, 2, "all at once")
	require.ErrorContains(t, f.err(), `"https://a.example" is listed twice`)
}

func TestIsolationKeepsNothingOfItsOptions(t *testing.T) {
	origins := []string{"https://app.example"}
	i := quietly(IsolationOptions{Origins: origins})
	origins[0] = "https://evil.example"
	require.True(t, i.isListed([]string{"https://app.example"}))
	require.False(t, i.isListed(origins))
}
