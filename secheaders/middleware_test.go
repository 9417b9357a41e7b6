package secheaders_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/testutil"
	. "github.com/sluice-go/sluice/secheaders"
)

var zeroTime time.Time

func TestEachKindOfResponseGetsItsHeaders(t *testing.T) {
	const (
		api  = "default-src 'none'; frame-ancestors 'none'"
		page = "default-src 'none'; script-src 'nonce-"
	)
	s := mustNew(t, Options{})
	for contentType, want := range map[string]string{ // of the policy
		"text/html; charset=utf-8":          page,
		"TEXT/HTML":                         page,
		"application/xhtml+xml":             page,
		"image/svg+xml":                     page,
		"text/xml":                          page,
		"application/pdf":                   page,
		"multipart/x-mixed-replace":         page,
		"":                                  page, // Trap d.22: unknown is a document
		"garbage":                           page,
		"application/json, text/html":       page, // a browser takes the last
		"application/json":                  api,
		"Application/Problem+JSON":          api,
		"application/json; charset=utf-8":   api,
		"text/plain; charset=utf-8":         api,
		"text/event-stream":                 api,
		"application/octet-stream":          api,
		"text/javascript; charset=utf-8":    "", // a worker obeys its own policy
		"application/x-javascript":          "",
		"application/ecmascript":            "",
		"text/JScript":                      "",
		"text/javascript1.5":                "",
		"text/javascript1.6":                page,
		"text/vtt":                          "",
		"application/wasm":                  "",
		"text/css":                          "",
		"image/png":                         "",
		"font/woff2":                        "",
		"video/mp4":                         "",
		" text/css ; x=\"application/xml\"": "",
	} {
		t.Run(contentType, func(t *testing.T) {
			h := headersOf(t, s, contentType)
			got := h.Get("Content-Security-Policy")
			if want == "" {
				require.Empty(t, got)
				require.Equal(t, "credentialless", h.Get("Cross-Origin-Embedder-Policy"), "or a worker of an isolated page would not start")
			} else {
				require.True(t, strings.HasPrefix(got, want), got)
				require.Equal(t, "DENY", h.Get("X-Frame-Options"))
			}
			require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
			require.Equal(t, "same-origin", h.Get("Cross-Origin-Resource-Policy"))
		})
	}
}

func TestTheDefaultsForADocument(t *testing.T) {
	h := headersOf(t, mustNew(t, Options{Reports: ReportOptions{URL: "/csp-reports"}}), "text/html")
	nonce := nonces(h)[0]
	h.Del("Permissions-Policy")
	h.Del("Content-Type")
	require.Equal(t, http.Header{
		"Content-Security-Policy": {"default-src 'none'; script-src 'nonce-" + nonce + "' 'strict-dynamic'; style-src 'self' 'nonce-" + nonce +
			"'; img-src 'self'; font-src 'self'; connect-src 'self'; manifest-src 'self'; media-src 'self'; base-uri 'none'; form-action 'self'; " +
			"frame-ancestors 'none'; require-trusted-types-for 'script'; report-uri /csp-reports; report-to security"},
		"Reporting-Endpoints":          {`security="/csp-reports"`},
		"X-Content-Type-Options":       {"nosniff"},
		"X-Frame-Options":              {"DENY"},
		"X-Xss-Protection":             {"0"},
		"Referrer-Policy":              {"strict-origin-when-cross-origin"},
		"Cross-Origin-Opener-Policy":   {`same-origin;report-to="security"`},
		"Cross-Origin-Embedder-Policy": {`credentialless;report-to="security"`},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Origin-Agent-Cluster":         {"?1"},
		"Strict-Transport-Security":    {"max-age=63072000; includeSubDomains"},
	}, h)
}

func TestHSTSIsForNamesOverTLSAlone(t *testing.T) {
	s := mustNew(t, Options{})
	for host, pinned := range map[string]bool{"app.example": true, "127.0.0.1": false, "localhost:8443": false} {
		r := secureRequest()
		r.Host = host
		require.Equal(t, pinned, answer(s.Middleware(typed("text/html")), r)["Strict-Transport-Security"] != nil, host)
		r.TLS = nil
		require.Nil(t, answer(s.Middleware(typed("text/html")), r)["Strict-Transport-Security"], host)
	}
	require.Nil(t, headersOf(t, mustNew(t, Options{Development: true}), "text/html")["Strict-Transport-Security"])
}

// Trap d.22.
func TestInsecureRequestsAreUpgradedOverTLSOnly(t *testing.T) {
	s, err := newWith(Policy{DefaultSrc(Self), UpgradeInsecureRequests()})
	require.NoError(t, err)
	require.Equal(t, "default-src 'self'; upgrade-insecure-requests", headersOf(t, s, "text/html").Get("Content-Security-Policy"))
	require.Equal(t, "default-src 'self'", answer(s.Middleware(typed("text/html")), httptest.NewRequest("GET", "/", nil)).Get("Content-Security-Policy"))
}

func TestWhatTheHandlerSetsIsKept(t *testing.T) {
	h := answer(mustNew(t, Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "sandbox")
		w.Header()["X-Frame-Options"] = nil // none at all
		w.Header().Set("Referrer-Policy", "origin")
		_, _ = io.WriteString(w, "<html>")
	})), secureRequest())
	require.Equal(t, []string{"sandbox"}, h["Content-Security-Policy"])
	require.Empty(t, h.Values("X-Frame-Options"))
	require.Equal(t, []string{"origin"}, h["Referrer-Policy"])
}

// Trap d.23: what a handler adds must not reach the next response.
func TestAHandlersAddDoesNotChangeTheNextResponse(t *testing.T) {
	s := mustNew(t, Options{})
	adds := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Middleware(typed("application/json")).ServeHTTP(w, r)
		for name := range w.Header() {
			w.Header().Add(name, "more")
		}
	})
	want := headersOf(t, s, "application/json")
	answer(adds, secureRequest())
	require.Equal(t, want, headersOf(t, s, "application/json"))
}

func TestOverrideAndAppendAreForTheirRoute(t *testing.T) {
	s := mustNew(t, Options{})
	override, err := s.Override(Headers{Embedder: Omit, Referrer: ReferrerNone})
	require.NoError(t, err)
	more, err := s.Append(ConnectSrc("wss://chat.example", "http://127.0.0.1:11434"))
	require.NoError(t, err)
	files, err := s.Override(UserContent())
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/docs", override(typed("text/html")))
	mux.Handle("/docs.json", override(typed("application/json")))
	mux.Handle("/chat", more(typed("text/html")))
	mux.Handle("/files", files(typed("image/png")))
	mux.Handle("/", typed("text/html"))
	at := func(path string) http.Header {
		r := secureRequest()
		r.URL.Path = path
		return answer(s.Middleware(mux), r)
	}
	require.Nil(t, at("/docs")["Cross-Origin-Embedder-Policy"])
	require.Equal(t, "no-referrer", at("/docs").Get("Referrer-Policy"))
	require.Contains(t, at("/docs").Get("Content-Security-Policy"), "script-src 'nonce-", "the rest is inherited")
	require.Equal(t, "default-src 'none'; frame-ancestors 'none'", at("/docs.json").Get("Content-Security-Policy"), "data stays data")
	require.Contains(t, at("/chat").Get("Content-Security-Policy"), "connect-src 'self' wss://chat.example http://127.0.0.1:11434;")
	require.Equal(t, "default-src 'none'; frame-ancestors 'none'; sandbox", at("/files").Get("Content-Security-Policy"))
	require.Contains(t, at("/").Get("Content-Security-Policy"), "connect-src 'self';")

	_, err = s.Override(Headers{CSP: Policy{ScriptSrc("self")}})
	require.ErrorContains(t, err, "secheaders: Override.CSP: script-src: self")
	_, err = s.Append(ScriptSrc("https://cdn.example"))
	require.ErrorContains(t, err, "is ignored beside 'strict-dynamic'")
}

// Trap d.4: validated at request time, too, and failing closed.
func TestAppendAtRequestTime(t *testing.T) {
	s := mustNew(t, Options{Document: Headers{CSPReportOnly: Policy{ImgSrc(Self)}}})
	serve := func(f func(w http.ResponseWriter, r *http.Request)) http.Header {
		return answer(s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f(w, r)
			_, _ = io.WriteString(w, "<html>")
		})), secureRequest())
	}
	h := serve(func(_ http.ResponseWriter, r *http.Request) {
		require.NoError(t, Append(r.Context(), ImgSrc("https://a.example")))
		require.NoError(t, Append(r.Context(), ImgSrc("https://b.example"), FontSrc("data:")))
	})
	require.Contains(t, h.Get("Content-Security-Policy"), "img-src 'self' https://a.example https://b.example; font-src 'self' data:;")
	require.Equal(t, "img-src 'self' https://a.example https://b.example", h.Get("Content-Security-Policy-Report-Only"))

	before := serve(func(http.ResponseWriter, *http.Request) {})
	for _, evil := range []Directive{ImgSrc(""), ScriptSrc(""), ImgSrc("x;script-src *"), ImgSrc("x\r\nSet-Cookie: a=b"), ImgSrc("x,script-src *"), OtherDirective("a b"),
		ImgSrc(Source(strings.Repeat("a.", 5000) + "example"))} {
		h := serve(func(_ http.ResponseWriter, r *http.Request) { require.Error(t, Append(r.Context(), evil)) })
		require.Equal(t, nonceIn.ReplaceAllString(before.Get("Content-Security-Policy"), ""), nonceIn.ReplaceAllString(h.Get("Content-Security-Policy"), ""))
		require.Equal(t, len(before), len(h))
	}
	serve(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		require.ErrorIs(t, Append(r.Context(), ImgSrc("data:")), ErrCommitted)
	})
	require.ErrorIs(t, Append(context.Background(), ImgSrc("data:")), ErrNoMiddleware)
	require.NotContains(t, serve(func(http.ResponseWriter, *http.Request) {}).Get("Content-Security-Policy"), "a.example")
}

// Trap d.24: 1xx.
func TestInterimResponsesPassUntouched(t *testing.T) {
	h := mustNew(t, Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>")
	}))
	testutil.BothProtocols(t, h, func(t *testing.T, srv testutil.Server) {
		hints := 0
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints++
			require.Equal(t, http.StatusEarlyHints, code)
			require.Equal(t, textproto.MIMEHeader{"Link": {"</a.css>; rel=preload"}}, h)
			return nil
		}})
		req, err := http.NewRequestWithContext(ctx, "GET", srv.URL, nil)
		require.NoError(t, err)
		res, err := srv.Client().Do(req)
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, 2, hints)
		require.Len(t, nonces(res.Header), 2)
	})
}

func TestAnUpgradeIsUntouched(t *testing.T) {
	srv := testutil.Start(t, mustNew(t, Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
		_ = rw.Flush()
	})))
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, _ = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, http.Header{"Upgrade": {"x"}, "Connection": {"Upgrade"}}, res.Header)
}

func TestHEADEqualsGET(t *testing.T) {
	testutil.BothProtocols(t, mustNew(t, Options{}).Middleware(typed("text/html")), func(t *testing.T, srv testutil.Server) {
		byGet, _ := get(t, srv, "/")
		byHead, err := srv.Client().Head(srv.URL)
		require.NoError(t, err)
		byHead.Body.Close()
		for _, h := range []http.Header{byGet.Header, byHead.Header} {
			h.Set("Content-Security-Policy", nonceIn.ReplaceAllString(h.Get("Content-Security-Policy"), ""))
			h.Del("Date")
		}
		byHead.Header.Del("Content-Length")
		byGet.Header.Del("Content-Length")
		require.Equal(t, byGet.Header, byHead.Header)
	})
}

func TestRefusalsOfOthersHaveHeadersToo(t *testing.T) {
	s := mustNew(t, Options{})
	for name, h := range map[string]http.Handler{
		"http.Error":          http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 500) }),
		"a mux":               http.NewServeMux(),
		"a redirect":          http.RedirectHandler("/x", http.StatusFound),
		"nothing written":     http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
		"no content":          http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }),
		"a handler in time":   http.TimeoutHandler(typed("text/html"), time.Minute, ""),
		"a handler that hung": http.TimeoutHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), time.Millisecond, "late"),
	} {
		t.Run(name, func(t *testing.T) {
			testutil.BothProtocols(t, s.Middleware(h), func(t *testing.T, srv testutil.Server) {
				client := *srv.Client()
				client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				res, err := client.Get(srv.URL)
				require.NoError(t, err)
				res.Body.Close()
				require.NotEmpty(t, res.Header.Get("Content-Security-Policy"))
				require.Equal(t, "DENY", res.Header.Get("X-Frame-Options"))
			})
		})
	}
}

// recovering is a middleware that answers panics; it is outside of everything.
func recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				http.Error(w, "internal error", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func TestHeadersSurviveAPanic(t *testing.T) {
	s := mustNew(t, Options{})
	boom := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })
	for name, h := range map[string]http.Handler{
		"recovered outside": recovering(s.Middleware(boom)),
		"recovered inside":  s.Middleware(recovering(boom)),
	} {
		t.Run(name, func(t *testing.T) {
			testutil.BothProtocols(t, h, func(t *testing.T, srv testutil.Server) {
				res, _ := get(t, srv, "/")
				require.Equal(t, http.StatusInternalServerError, res.StatusCode)
				require.NotEmpty(t, res.Header.Get("Content-Security-Policy"))
				for name, values := range res.Header {
					require.Len(t, values, 1, name)
				}
			})
		})
	}
	srv := testutil.Start(t, s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<html>")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})))
	res, err := srv.Client().Get(srv.URL)
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.ReadAll(res.Body)
	require.Error(t, err, "what was begun is cut")
}

// What kind of answer comes after a panic, nobody knows when it happens.
func TestAPageAfterAPanicHasThePolicyOfAPage(t *testing.T) {
	for _, begun := range []string{"image/png", "application/json", ""} {
		h := answer(recovering(mustNew(t, Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", begun)
			panic("boom")
		}))), secureRequest())
		require.Len(t, nonces(h), 2, begun)
		require.Equal(t, "DENY", h.Get("X-Frame-Options"))
	}
}

func TestASwitchOfProtocolsIsUntouched(t *testing.T) {
	h := answer(mustNew(t, Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusSwitchingProtocols)
	})), secureRequest())
	require.Empty(t, h)
}

func TestWhoMayFrameAPage(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    Headers
		want string
	}{
		{"nothing is said", Headers{CSP: Policy{DefaultSrc(Self)}}, "DENY"},
		{"no policy at all", Headers{CSP: Policy{}}, "DENY"},
		{"a policy that only reports says it", Headers{CSP: Policy{}, CSPReportOnly: Policy{FrameAncestors(Self)}}, "SAMEORIGIN"},
		{"the first policy wins", Headers{CSP: Policy{FrameAncestors(None)}, CSPReportOnly: Policy{FrameAncestors(Self)}}, "DENY"},
		{"hosts, which the header cannot say", Headers{CSP: Policy{FrameAncestors("https://a.example")}}, ""},
		{"it is left out", Headers{CSP: Policy{}, FrameOptions: Omit}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, headersOf(t, mustNew(t, Options{Document: tt.h}), "text/html").Get("X-Frame-Options"))
		})
	}
}

func TestAnotherPolicyTakesItsFrameOptionsWithIt(t *testing.T) {
	s := mustNew(t, Options{Document: Headers{FrameOptions: FrameDeny}})
	override, err := s.Override(QuickStart())
	require.NoError(t, err)
	require.Equal(t, "SAMEORIGIN", answer(override(typed("text/html")), secureRequest()).Get("X-Frame-Options"))
	more, err := s.Append(FrameAncestors("https://a.example"))
	require.NoError(t, err)
	require.Empty(t, answer(more(typed("text/html")), secureRequest()).Get("X-Frame-Options"))
}

func TestNewKeepsNothingOfTheCallers(t *testing.T) {
	policy, permissions := Document().CSP, Permissions{Deny(Fullscreen)}
	integrity := &IntegrityPolicy{Scripts: true}
	s := mustNew(t, Options{Document: Headers{CSP: policy, Permissions: permissions, Integrity: integrity}})
	for i := range policy {
		policy[i] = ScriptSrc(UnsafeInline, "*")
	}
	permissions[0] = Allow(Camera, "*")
	integrity.Scripts = false
	same, err := s.Override(Headers{Referrer: ReferrerNone})
	require.NoError(t, err)
	h := answer(same(typed("text/html")), secureRequest())
	require.NotContains(t, h.Get("Content-Security-Policy"), "*")
	require.Contains(t, h.Get("Permissions-Policy"), "fullscreen=()")
	require.Contains(t, h.Get("Integrity-Policy"), "script")
}

func TestEveryReportHasItsEndpoint(t *testing.T) {
	reports := ReportOptions{URL: "/r"}
	h := headersOf(t, mustNew(t, Options{Document: Headers{CSP: Policy{}}, Reports: reports}), "text/html")
	require.Contains(t, h.Get("Cross-Origin-Opener-Policy"), "report-to")
	require.Equal(t, `security="/r"`, h.Get("Reporting-Endpoints"))
	require.Equal(t, `security="/r"`, headersOf(t, mustNew(t, Options{Reports: reports}), "text/css").Get("Reporting-Endpoints"), "of a worker's embedder policy")
	own := http.Header{"Reporting-Endpoints": {`mine="https://r.example/"`}}
	require.Equal(t, `mine="https://r.example/"`, headersOf(t, mustNew(t, Options{Document: Headers{Extra: own}}), "text/html").Get("Reporting-Endpoints"))
	require.Equal(t, `security="/r", mine="https://r.example/"`,
		headersOf(t, mustNew(t, Options{Document: Headers{Extra: own}, Reports: reports}), "text/html").Get("Reporting-Endpoints"))
}

func TestAProxyDoublesNothing(t *testing.T) {
	upstream := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints) // at which ReverseProxy clears the header map
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("X-Frame-Options", "SAMEORIGIN")
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		_, _ = io.WriteString(w, "<html>")
	}))
	to, err := url.Parse(upstream.URL)
	require.NoError(t, err)
	testutil.BothProtocols(t, mustNew(t, Options{}).Middleware(httputil.NewSingleHostReverseProxy(to)), func(t *testing.T, srv testutil.Server) {
		res, _ := get(t, srv, "/")
		require.Equal(t, []string{"SAMEORIGIN"}, res.Header["X-Frame-Options"])
		require.Equal(t, []string{"default-src 'self'"}, res.Header["Content-Security-Policy"])
		require.Equal(t, []string{"nosniff"}, res.Header["X-Content-Type-Options"])
	})
}

func TestTheWriterKeepsWhatItCan(t *testing.T) {
	testutil.BothProtocols(t, mustNew(t, Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_, flusher := w.(http.Flusher)
		_, from := w.(io.ReaderFrom)
		_, text := w.(io.StringWriter)
		_, hijacker := w.(http.Hijacker)
		h1 := r.ProtoMajor == 1
		err := errors.Join(control.SetReadDeadline(time.Now().Add(time.Minute)), control.SetWriteDeadline(time.Now().Add(time.Minute)),
			control.EnableFullDuplex())
		_, _ = fmt.Fprint(w, flusher, from == h1, text, hijacker == h1, err)
	})), func(t *testing.T, srv testutil.Server) {
		_, body := get(t, srv, "/")
		require.Equal(t, "true true true true <nil>", body)
	})
}

func TestConcurrentRequestsDoNotMix(t *testing.T) {
	s := mustNew(t, Options{})
	srv := testutil.StartH2(t, s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, Nonce(r.Context()))
	})))
	done := make(chan error)
	for range 8 {
		go func() {
			var err error
			for range 50 {
				res, e := srv.Client().Get(srv.URL)
				if e != nil {
					err = e
					break
				}
				body, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if in := nonces(res.Header); len(in) != 2 || in[0] != string(body) {
					err = fmt.Errorf("%q in the body, %q in the header", body, in)
				}
			}
			done <- err
		}()
	}
	for range 8 {
		require.NoError(t, <-done)
	}
}
