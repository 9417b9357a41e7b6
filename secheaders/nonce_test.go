package secheaders_test

import (
	"context"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/reqinfo"
	"github.com/sluice-go/sluice/internal/testutil"
	. "github.com/sluice-go/sluice/secheaders"
)

var nonceIn = regexp.MustCompile(`'nonce-([A-Za-z0-9_-]{22})'`)

// nonces are those in the policy of a response.
func nonces(h http.Header) (out []string) {
	for _, m := range nonceIn.FindAllStringSubmatch(strings.Join(h["Content-Security-Policy"], "\n"), -1) {
		out = append(out, m[1])
	}
	return out
}

func get(t testing.TB, srv testutil.Server, path string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest("GET", srv.URL+path, nil)
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := srv.Client().Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(body)
}

// Trap d.10 and d.11: CSP3 §7.1.
func TestTheNonceInTheBodyIsTheOneInTheHeader(t *testing.T) {
	late := template.Must(template.New("").Funcs(template.FuncMap{"nonce": Nonce}).
		Parse(`<html><script nonce="{{nonce .}}">1</script><style nonce="{{nonce .}}"></style>`))
	pages := map[string]http.HandlerFunc{
		"read before the first write": func(w http.ResponseWriter, r *http.Request) {
			nonce := Nonce(r.Context())
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, `<script nonce="`+nonce+`">`)
		},
		"read by a template that streams": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_ = late.Execute(w, r.Context())
		},
		"read after a flush": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, `<script nonce="`+Nonce(r.Context())+`">`)
		},
		"read in another goroutine": func(w http.ResponseWriter, r *http.Request) {
			got := make(chan string)
			go func() { got <- Nonce(r.Context()) }()
			_, _ = io.WriteString(w, `<html><script nonce="`+<-got+`">`)
		},
		"read below a context of another middleware": func(w http.ResponseWriter, r *http.Request) {
			type key struct{}
			_, _ = io.WriteString(w, `<html><script nonce="`+Nonce(context.WithValue(r.Context(), key{}, 1))+`">`)
		},
	}
	inBody := regexp.MustCompile(`nonce="([^"]*)"`)
	for name, page := range pages {
		t.Run(name, func(t *testing.T) {
			testutil.BothProtocols(t, mustNew(t, Options{}).Middleware(page), func(t *testing.T, srv testutil.Server) {
				seen := map[string]bool{}
				for range 20 {
					res, body := get(t, srv, "/")
					inHeader := nonces(res.Header)
					require.Len(t, inHeader, 2, "script-src and style-src")
					require.Equal(t, inHeader[0], inHeader[1])
					for _, m := range inBody.FindAllStringSubmatch(body, -1) {
						require.Equal(t, inHeader[0], m[1])
					}
					require.False(t, seen[inHeader[0]], "each response has its own")
					seen[inHeader[0]] = true
				}
			})
		})
	}
}

func TestHTMLTemplateLeavesANonceAsItIs(t *testing.T) {
	page := template.Must(template.New("").Parse(`<script nonce="{{.}}"></script>`))
	s := mustNew(t, Options{})
	for range 300 {
		var body strings.Builder
		h := answer(s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = page.Execute(&body, Nonce(r.Context()))
			w.Header().Set("Content-Type", "text/html")
		})), secureRequest())
		require.Contains(t, body.String(), `nonce="`+nonces(h)[0]+`"`)
	}
}

func TestWithoutAMiddlewareThereIsNoNonce(t *testing.T) {
	require.Empty(t, Nonce(context.Background()))
	var none context.Context
	require.Empty(t, Nonce(none), "a zero value, never a panic")
	// Another layer's carrier is no promise of a policy.
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := reqinfo.Enter(w, r)
		defer e.Leave()
		e.Next(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { require.Empty(t, Nonce(r.Context())) }))
	})
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
}

// Trap d.15.
func TestNestedMiddlewaresShareTheNonceAndTheInnerPolicyCounts(t *testing.T) {
	outer := mustNew(t, Options{})
	inner := mustNew(t, Options{Document: Headers{CSP: Policy{DefaultSrc(Self), ScriptSrc(WithNonce)}, Referrer: ReferrerNone}})
	var outside, inside string
	h := answer(outer.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		outside = Nonce(r.Context())
		inner.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			inside = Nonce(r.Context())
			_, _ = io.WriteString(w, "<html>")
		})).ServeHTTP(w, r)
	})), secureRequest())
	require.Equal(t, outside, inside)
	require.Equal(t, []string{"default-src 'self'; script-src 'nonce-" + inside + "'"}, h["Content-Security-Policy"])
	require.Equal(t, []string{"no-referrer"}, h["Referrer-Policy"])
}

// Trap d.12: RFC 9110 §15.4.5, RFC 9111 §3.2.
func TestANotModifiedLeavesTheStoredPolicyAlone(t *testing.T) {
	s := mustNew(t, Options{Document: Headers{CSPReportOnly: Policy{ScriptSrc(WithNonce)}}})
	own := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "script-src 'nonce-"+Nonce(r.Context())+"'")
		w.WriteHeader(http.StatusNotModified)
	})
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("ETag", `"1"`)
		http.ServeContent(w, r, "", zeroTime, strings.NewReader("<html>"))
	})
	for name, h := range map[string]http.Handler{"of ServeContent": page, "with a policy of its own": own} {
		t.Run(name, func(t *testing.T) {
			testutil.BothProtocols(t, s.Middleware(h), func(t *testing.T, srv testutil.Server) {
				res, _ := get(t, srv, "/", "If-None-Match", `"1"`)
				require.Equal(t, http.StatusNotModified, res.StatusCode)
				for name := range res.Header {
					require.NotContains(t, name, "Content-Security-Policy")
					require.NotContains(t, name, "Cross-Origin-Embedder", "of what kind the stored response is, nobody knows")
				}
				require.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"))
			})
		})
	}
}

// Trap d.13.
func TestAPageThatReadsTheNonceIsPrivate(t *testing.T) {
	tests := []struct {
		name       string
		read       bool
		set        []string
		want       []string
		targeted   string
		wantTarget string
	}{
		{"nothing was said", true, nil, []string{"private"}, "", ""},
		{"the nonce was not read", false, nil, nil, "", ""},
		{"the nonce was not read, and it may be stored", false, []string{"public, max-age=60"}, []string{"public, max-age=60"}, "", ""},
		{"public gives way", true, []string{"public, max-age=60"}, []string{"private, max-age=60"}, "", ""},
		{"so does the time for shared caches", true, []string{"max-age=60, S-MaxAge=600"}, []string{"private, max-age=60"}, "", ""},
		{"on several lines", true, []string{"max-age=60", "public"}, []string{"private, max-age=60"}, "", ""},
		{"no-store says more", true, []string{"no-store"}, []string{"no-store"}, "", ""},
		{"it is private", true, []string{"max-age=60, private"}, []string{"max-age=60, private"}, "", ""},
		{"private for a field is not private", true, []string{`private="set-cookie"`}, []string{`private, private="set-cookie"`}, "", ""},
		{"a targeted field would win", true, nil, []string{"private"}, "max-age=600", "private, max-age=600"},
	}
	s := mustNew(t, Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := answer(s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tt.read {
					Nonce(r.Context())
				}
				for _, v := range tt.set {
					w.Header().Add("Cache-Control", v)
				}
				if tt.targeted != "" {
					w.Header().Set("CDN-Cache-Control", tt.targeted)
				}
				_, _ = io.WriteString(w, "<html>")
			})), secureRequest())
			require.Equal(t, tt.want, h["Cache-Control"])
			require.Equal(t, tt.wantTarget, h.Get("CDN-Cache-Control"))
		})
	}
}

func TestEveryFieldForSharedCachesSaysPrivate(t *testing.T) {
	constant := mustNew(t, withoutNonce)
	for name, s := range map[string]*Secure{"a policy with a nonce": mustNew(t, Options{}), "a policy of the handler": constant} {
		for _, status := range []int{200, 304} {
			h := answer(s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if s == constant {
					w.Header().Set("Content-Security-Policy", "script-src 'nonce-"+Nonce(r.Context())+"'")
				}
				Nonce(r.Context())
				w.Header().Set("Cache-Control", "public")
				w.Header().Set("Cloudflare-CDN-Cache-Control", "max-age=60")
				w.Header().Set("Surrogate-Control", "max-age=60")
				w.WriteHeader(status)
			})), secureRequest())
			require.Equal(t, "private", h.Get("Cache-Control"), "%s, %d", name, status)
			require.Equal(t, "private, max-age=60", h.Get("Cloudflare-CDN-Cache-Control"))
			require.Equal(t, "no-store", h.Get("Surrogate-Control"))
		}
	}
}

func TestReadingTheNonceTellsTheCache(t *testing.T) {
	for _, read := range []bool{true, false} {
		var told bool
		cache := func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				e := reqinfo.Enter(w, r)
				defer e.Leave()
				e.Next(next)
				told = e.Info.NonceRead()
			})
		}
		h := cache(mustNew(t, Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "<html>") // fixes the header
			if read {
				Nonce(r.Context())
			}
		})))
		h.ServeHTTP(httptest.NewRecorder(), secureRequest())
		require.Equal(t, read, told)
	}
}

func TestTwoPoliciesOfOneResponseHaveOneNonce(t *testing.T) {
	h := headersOf(t, mustNew(t, Options{Document: Headers{CSPReportOnly: Policy{ScriptSrc(WithNonce)}}}), "text/html")
	only := nonceIn.FindStringSubmatch(h.Get("Content-Security-Policy-Report-Only"))
	require.Equal(t, nonces(h)[0], only[1])
}

// Trap d.3: a policy is no format.
func TestAPercentSignStaysAsItIs(t *testing.T) {
	s := mustNew(t, Options{Document: Headers{
		CSP:           Policy{ScriptSrc(WithNonce), ImgSrc("https://a.example/%20x/")},
		CSPReportOnly: Policy{ImgSrc("https://a.example/%25s")},
	}})
	h := headersOf(t, s, "text/html")
	require.Equal(t, "script-src 'nonce-"+nonces(h)[0]+"'; img-src https://a.example/%20x/", h.Get("Content-Security-Policy"))
	require.Equal(t, "img-src https://a.example/%25s", h.Get("Content-Security-Policy-Report-Only"))
}
