package secheaders_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/testutil"
	. "github.com/sluice-go/sluice/secheaders"
)

var silent = slog.New(slog.DiscardHandler)

// ask sends a request to a server, with pairs of fields and values.
func ask(t *testing.T, srv testutil.Server, method, path string, fields ...string) (*http.Response, string) {
	t.Helper()
	var body io.Reader
	if method == "POST" {
		body = strings.NewReader("amount=1")
	}
	r, err := http.NewRequestWithContext(context.Background(), method, srv.URL+path, body)
	require.NoError(t, err)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	res, err := srv.Client().Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, srv.Proto, res.Proto)
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(text)
}

// Sheet (e): net/http's CrossOriginProtection stays, and isolation stands beside it.
func TestIsolationAndCrossOriginProtectionTogether(t *testing.T) {
	s := mustNew(t, Options{Isolation: IsolationOptions{}, Logger: silent})
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.FormValue("amount")) })
	var csrf http.CrossOriginProtection
	for name, h := range map[string]http.Handler{
		"isolation outside": s.Middleware(s.Isolate(csrf.Handler(app))),
		"isolation inside":  s.Middleware(csrf.Handler(s.Isolate(app))),
		"isolation alone":   s.Middleware(s.Isolate(app)),
	} {
		both := name != "isolation alone"
		t.Run(name, func(t *testing.T) {
			testutil.BothProtocols(t, h, func(t *testing.T, srv testutil.Server) {
				const form, formType = "Content-Type", "application/x-www-form-urlencoded"
				for _, tt := range []struct {
					name, method string
					status       int
					fields       []string
				}{
					{"a form of another site", "POST", 403, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Origin", "https://evil.example"}},
					{"a form of the same origin", "POST", 200, []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Origin", srv.URL}},
					{"a program that posts", "POST", 200, nil},
					{"a script of another site", "GET", 403, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"}},
					{"a link of another site", "GET", 200, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}},
				} {
					res, body := ask(t, srv, tt.method, "/", append(tt.fields, form, formType)...)
					require.Equal(t, tt.status, res.StatusCode, tt.name)
					if tt.status == 200 && tt.method == "POST" {
						require.Equal(t, "1", body)
					}
					require.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"), tt.name)
				}
				// What only the other one refuses.
				for _, fields := range [][]string{
					{"Origin", "https://evil.example"},
					{"Sec-Fetch-Site", "same-site", "Origin", "https://blog.example"},
				} {
					res, _ := ask(t, srv, "POST", "/", append(fields, form, formType)...)
					require.Equal(t, both, res.StatusCode == 403)
				}
			})
		})
	}
}

func TestVaryOfIsolationSurvivesTheHandler(t *testing.T) {
	s := mustNew(t, Options{Logger: silent})
	sets := func(flush bool, status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Vary", "Cookie")
			w.Header().Set("Link", "</a.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Set("Vary", "Accept-Language")
			w.WriteHeader(status)
			if flush {
				_ = http.NewResponseController(w).Flush()
			}
		})
	}
	for name, h := range map[string]http.Handler{
		"alone":                    s.Isolate(sets(false, 200)),
		"inside of the middleware": s.Middleware(s.Isolate(sets(true, 200))),
		"for 304":                  s.Middleware(s.Isolate(sets(false, 304))),
		"twice":                    s.Isolate(s.Isolate(sets(false, 404))),
	} {
		t.Run(name, func(t *testing.T) {
			testutil.BothProtocols(t, h, func(t *testing.T, srv testutil.Server) {
				res, _ := ask(t, srv, "GET", "/", "Sec-Fetch-Site", "same-origin")
				require.Equal(t, []string{"Accept-Language, Sec-Fetch-Site"}, res.Header["Vary"])
				res, _ = ask(t, srv, "GET", "/", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe")
				require.Equal(t, []string{"Accept-Language, Sec-Fetch-Site, Sec-Fetch-Mode, Sec-Fetch-Dest"}, res.Header["Vary"])
			})
		})
	}
}

// Trap d.29: reports come from other sites, past isolation.
func TestReportsPassIsolation(t *testing.T) {
	s := mustNew(t, Options{Reports: ReportOptions{URL: "/reports"}, Logger: silent})
	mux := http.NewServeMux()
	mux.Handle("/reports", s.ReportHandler())
	testutil.BothProtocols(t, s.Isolate(mux), func(t *testing.T, srv testutil.Server) {
		for _, method := range []string{"POST", "OPTIONS"} {
			res, _ := ask(t, srv, method, "/reports", "Content-Type", "application/csp-report", "Origin", "null",
				"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "empty")
			require.Equal(t, 204, res.StatusCode)
			require.NotContains(t, strings.Join(res.Header["Vary"], ","), "Sec-Fetch")
		}
	})
}

func TestAPanicInsideOfIsolationGoesOn(t *testing.T) {
	s := mustNew(t, Options{Logger: silent})
	recovers := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() != nil {
					http.Error(w, "broken", 500)
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
	panics := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("on purpose") })
	testutil.BothProtocols(t, recovers(s.Middleware(s.Isolate(panics))), func(t *testing.T, srv testutil.Server) {
		res, body := ask(t, srv, "GET", "/", "Sec-Fetch-Site", "same-origin")
		require.Equal(t, 500, res.StatusCode)
		require.Equal(t, "broken\n", body)
	})
}

func TestFaultsOfIsolationAreThoseOfNew(t *testing.T) {
	_, err := New(Options{Isolation: IsolationOptions{Origins: []string{"null", "https://*.example"}}, HSTS: HSTS{Preload: true, ExcludeSubDomains: true}})
	for _, field := range []string{`Isolation.Origins: "null"`, `Isolation.Origins: "https://*.example"`, "HSTS.Preload: "} {
		require.ErrorContains(t, err, "secheaders: "+field)
	}
}
