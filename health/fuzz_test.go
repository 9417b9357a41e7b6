package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// Trap 29: names are data, and so is all that a check has to say.
//
// FuzzAnswers: whatever they hold, an answer is valid JSON or lines of text,
// without a character that a terminal, a log or a header would act upon.
func FuzzAnswers(f *testing.F) {
	f.Add("database", "refused", "length", "text", 1.5, "refused", "moving")
	f.Add("a:b", "x\ny", "status", "\x1b[31m", math.NaN(), "Not A Class", "\r\nSet-Cookie: a=b")
	f.Add(`"},"status":"healthy"`, "\xff\xfe", "key with space", "\u202e", math.Inf(1), "", "\u2028")
	f.Add("a\r\nX-Injected: 1", "https://u:p@h/", "error", "\x9b31m\u009b", math.Copysign(0, -1), "a_b_9", "\x00")
	f.Add(strings.Repeat("n", 65), strings.Repeat("e", 5000), "k", strings.Repeat("ü", 300), math.MaxFloat64, strings.Repeat("r", 33), "w")
	f.Add("é̈ 日本", "🙂", "k9", "🙂", math.SmallestNonzeroFloat64, "timeout", "🙂")
	f.Add("\u00a0", "", "", "", 0.0, "", "")
	f.Add("terminal", "\u009b31m", "fact", "a\x1b[31m\u009b\u202e\x7fb", 1.0, "x", "\u202e")
	f.Fuzz(func(t *testing.T, name, text, key, fact string, number float64, reason, why string) {
		check := func(ctx context.Context) error {
			health.Set(ctx, key, fact)
			health.Set(ctx, "number", number)
			health.Set(ctx, "integer", int(int32(len(text))))
			return health.WithReason(errors.New(text), reason)
		}
		hc, err := health.New(health.Options{
			Checks: []health.Check{{Name: name, Func: check, Groups: []string{"readiness", "startup", "own"}}},
			System: health.SystemOptions{Disable: true}, OnDemand: true, Details: everybody, ShowComponents: true, Logger: silent(),
		})
		if err != nil {
			require.False(t, isFit(name), "%q %v", name, err)
			require.Less(t, len(err.Error()), 1000)
			require.False(t, strings.ContainsFunc(strings.ReplaceAll(err.Error(), "\n", ""), unicode.IsControl), "%q", err)
			return
		}
		defer hc.Close()
		require.True(t, isFit(name), "%q", name)
		h := hc.Handler()
		for i, target := range []string{"/health/own", "/health", "/health/readiness", "/health/detailed", "/readyz", "/readyz?verbose", "/readyz?exclude=" + url.QueryEscape(why)} {
			for _, accept := range []string{"application/json", "application/health+json", "text/plain"} {
				got := get(h, target, "Accept", accept)
				if !strings.Contains(target, "exclude") {
					require.Equal(t, 503, got.code, "%s %q", target, got.body)
				}
				requireHarmless(t, got)
				if accept != "text/plain" && i < 4 {
					require.True(t, json.Valid([]byte(got.body)), "%s %q", target, got.body)
				}
			}
			hc.SetReady(i%2 == 0, why)
		}
		requireFaithful(t, hc, get(h, "/health/detailed").body, name, number)
	})
}

// isFit is a second opinion on which names the documentation allows.
func isFit(name string) bool {
	return words.MatchString(name) && !strings.Contains(name, ":") && len(name) <= 64 && utf8.ValidString(name)
}

var (
	words = regexp.MustCompile(`^[\pL\pM\pN\pP\pS]+( +[\pL\pM\pN\pP\pS]+)*$`)
	class = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)
)

// requireFaithful compares an answer with what it was made of.
func requireFaithful(t *testing.T, hc *health.Checker, text, name string, number float64) {
	t.Helper()
	var body struct{ Components map[string]map[string]any }
	require.NoError(t, json.Unmarshal([]byte(text), &body))
	require.Len(t, body.Components, 1)
	c := body.Components[name]
	require.NotNil(t, c, "%q in %q", name, text)
	require.Equal(t, health.StatusUnhealthy, c["status"])
	require.Regexp(t, class, c["reason"])
	require.LessOrEqual(t, len(c["error"].(string)), 512)
	if math.IsNaN(number) || math.IsInf(number, 0) {
		require.NotContains(t, c, "number")
	} else {
		require.InDelta(t, number, c["number"], 0)
	}
	for _, value := range c {
		if s, ok := value.(string); ok {
			require.LessOrEqual(t, len(s), 512)
		}
	}
	r, _ := hc.Report("")
	require.Equal(t, name, r.Components[0].Name)
	require.LessOrEqual(t, len(c), 3+9)
}

// requireHarmless looks at the bytes of an answer and its fields.
func requireHarmless(t *testing.T, got answer) {
	t.Helper()
	require.True(t, utf8.ValidString(got.body), "%q", got.body)
	for _, r := range got.body {
		require.True(t, r == '\n' || unicode.IsPrint(r), "%q in %q", r, got.body)
	}
	require.Subset(t, []string{"Cache-Control", "Content-Length", "Content-Type", "Vary", "Allow", "X-Content-Type-Options"}, slices.Collect(mapsKeys(got.header)))
	for name, values := range got.header {
		for _, v := range values {
			require.Regexp(t, `^[A-Za-z0-9 ,;=/+-]*$`, v, name)
		}
	}
	require.Len(t, got.header["Content-Type"], 1)
}

func mapsKeys(h http.Header) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range h {
			if !yield(name) {
				return
			}
		}
	}
}

// FuzzAccept: no Accept field changes the code of an answer, or makes one that
// is not of its type.
func FuzzAccept(f *testing.F) {
	for _, s := range []string{"", "*/*", "text/plain", "application/health+json;q=0.5,*/*;q=0.1", `a/b;c="`, ",,;q=", "\x00", "text/plain;q=1.0001"} {
		f.Add(s)
	}
	hc, err := health.New(health.Options{System: health.SystemOptions{Disable: true}})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, hc.Close()) })
	h := hc.Handler()
	f.Fuzz(func(t *testing.T, accept string) {
		got := get(h, "/health/readiness", "Accept", accept)
		require.Equal(t, 200, got.code)
		requireHarmless(t, got)
		switch kind := got.header.Get("Content-Type"); kind {
		case "application/json":
			require.Contains(t, got.body, `"status":"healthy"`)
		case "application/health+json":
			require.Contains(t, got.body, `"status":"pass"`)
		case "text/plain; charset=utf-8":
			require.Equal(t, "ok", got.body)
		default:
			t.Fatal(kind)
		}
		for _, path := range []string{"/health/absent", "/health/detailed"} {
			require.Contains(t, []int{403, 404}, get(h, path, "Accept", accept).code)
		}
	})
}

// FuzzQuery: a query does nothing for who may not see details, and what it asks
// for, no more, for who may.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"", "verbose", "exclude=a", "exclude=a&exclude=b", "exclude=%61&exclude=b", "exclude=a;exclude=b", "exclude=%zz", "exclude=a%00", "exclude=%0d%0a"} {
		f.Add(s)
	}
	handler := func(policy health.DetailsPolicy) http.Handler {
		hc, err := health.New(health.Options{
			Checks: []health.Check{{Name: "a", Func: failing}, {Name: "b", Func: failing}},
			System: health.SystemOptions{Disable: true}, Details: policy, Logger: silent(),
		})
		require.NoError(f, err)
		f.Cleanup(func() { require.NoError(f, hc.Close()) })
		waitForResults(f, hc)
		return hc.Handler()
	}
	public, operator := handler(nobody), handler(everybody)
	f.Fuzz(func(t *testing.T, query string) {
		ask := func(h http.Handler, path string) answer {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.URL.RawQuery = query
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return answer{w.Code, w.Result().Header, w.Body.String()}
		}
		require.Equal(t, "readyz check failed\n", ask(public, "/readyz").body)
		for _, h := range []http.Handler{public, operator} {
			require.Equal(t, 503, ask(h, "/health/readiness").code)
			require.NotContains(t, ask(h, "/health/readiness").body, "components")
		}
		got := ask(operator, "/readyz")
		requireHarmless(t, got)
		asked, _ := url.ParseQuery(query)
		excluded := slices.Contains(asked["exclude"], "a") && slices.Contains(asked["exclude"], "b")
		require.Equal(t, excluded, got.code == 200, "%q", got.body)
		require.Equal(t, excluded && !asked.Has("verbose"), got.body == "ok")
	})
}

// FuzzPath: Trap 28, an answer is at one path.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/health", "/health/", "//health", "/health/liveness", "/health%2Fliveness", "/%68ealth", "/readyz/", "/health/./own", "/HEALTH"} {
		f.Add(s)
	}
	hc, err := health.New(health.Options{
		Checks: []health.Check{{Name: "a", Func: passing, Groups: []string{"own"}}}, System: health.SystemOptions{Disable: true}, Details: everybody, Logger: silent(),
	})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, hc.Close()) })
	waitForResults(f, hc)
	h := hc.Handler()
	paths := []string{
		"/health", "/health/liveness", "/health/readiness", "/health/startup", "/health/own", "/health/detailed", "/healthz", "/livez", "/readyz", "/startupz",
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target) // as net/http does
		if err != nil {
			return
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL = u
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		sent, _, _ := strings.Cut(target, "?")
		if u.Host == "" && u.Opaque == "" && u.Scheme == "" {
			require.Equal(t, slices.Contains(paths, sent), w.Code == 200, "%q", target)
		}
		require.Contains(t, []int{200, 404}, w.Code)
		require.Empty(t, w.Header()["Location"])
	})
}

// FuzzLocal: Trap 26, no text in a request makes somebody else of its peer.
func FuzzLocal(f *testing.F) {
	f.Add("127.0.0.1:1", "localhost", "X-Forwarded-For")
	f.Add("[::1%lo]:1", "[::1]:80", "Accept")
	f.Add("[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]", "via")
	f.Add("192.0.2.1:1", "[[::1]]", "x-real-ip")
	hc, err := health.New(health.Options{System: health.SystemOptions{Disable: true}})
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, hc.Close()) })
	h := hc.Handler()
	f.Fuzz(func(t *testing.T, peer, host, field string) {
		r := httptest.NewRequest(http.MethodGet, "/health/detailed", nil)
		r.RemoteAddr, r.Host = peer, host
		r.Header[field] = []string{"x"}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 {
			require.Equal(t, 403, w.Code)
			return
		}
		addr, err := netip.ParseAddrPort(peer)
		require.NoError(t, err)
		require.True(t, addr.Addr().Unmap().IsLoopback())
		lower := strings.ToLower(host)
		require.True(t, strings.Contains(lower, "localhost") || strings.Contains(lower, "127.") || strings.Contains(lower, ":"), host)
		require.False(t, strings.HasPrefix(http.CanonicalHeaderKey(field), "X-Forwarded"))
	})
}
