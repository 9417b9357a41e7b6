package secheaders_test

import (
	"context"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/sluice-go/sluice/secheaders"
)

func Example() {
	sec, err := secheaders.New(secheaders.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	page := template.Must(template.New("").Parse(`<!doctype html><script nonce="{{.}}">start()</script>`))
	h := sec.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = page.Execute(w, secheaders.Nonce(r.Context()))
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	_, nonce, _ := strings.Cut(w.Body.String(), `nonce="`)
	nonce, _, _ = strings.Cut(nonce, `"`)
	fmt.Println(strings.Contains(w.Header().Get("Content-Security-Policy"), "'nonce-"+nonce+"'"))
	fmt.Println(w.Header().Get("X-Frame-Options"), w.Header().Get("Cache-Control"))
	// Output:
	// true
	// DENY private
}

// A policy is made of directives, and its faults are found when the server starts.
func ExampleNew() {
	_, err := secheaders.New(secheaders.Options{Document: secheaders.Headers{CSP: secheaders.Policy{
		secheaders.DefaultSrc("self"),
		secheaders.ConnectSrc(secheaders.Self, "http://[::1]:11434"),
	}}})
	fmt.Println(err)
	// Output:
	// secheaders: Document.CSP: default-src: self is the name of a host; the keyword is written with quotes: "'self'"
	// secheaders: Document.CSP: connect-src: "http://[::1]:11434": no browser matches a literal IPv6 address; give the host a name
}

// A page for WebSockets and an AI service on other hosts.
func ExamplePolicy_With() {
	policy := secheaders.API().CSP.With(secheaders.ConnectSrc(secheaders.Self, "wss://chat.example", "https://ai.example"))
	fmt.Println(policy)
	// Output: default-src 'none'; frame-ancestors 'none'; connect-src 'self' wss://chat.example https://ai.example
}

func ExampleSecure_Override() {
	sec, _ := secheaders.New(secheaders.Options{})
	uploads, err := sec.Override(secheaders.UserContent())
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("GET /uploads/", uploads(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/svg+xml")
		_, _ = io.WriteString(w, "<svg/>")
	})))
	w := httptest.NewRecorder()
	sec.Middleware(mux).ServeHTTP(w, httptest.NewRequest("GET", "/uploads/1", nil))
	fmt.Println(w.Header().Get("Content-Security-Policy"))
	// Output: default-src 'none'; frame-ancestors 'none'; sandbox
}

func ExampleSecure_ReportHandler() {
	sec, _ := secheaders.New(secheaders.Options{Reports: secheaders.ReportOptions{
		URL: "/csp-reports",
		OnViolation: func(_ context.Context, v secheaders.Violation) {
			fmt.Println(v.Directive, v.BlockedKind, v.Document)
		},
	}})
	r := httptest.NewRequest("POST", "/csp-reports", strings.NewReader(`{"csp-report": {
		"document-uri": "https://app.example/account?token=secret",
		"effective-directive": "script-src-elem", "blocked-uri": "inline", "disposition": "enforce"}}`))
	r.Header.Set("Content-Type", "application/csp-report")
	w := httptest.NewRecorder()
	sec.ReportHandler().ServeHTTP(w, r)
	fmt.Println(w.Code)
	// Output:
	// script-src-elem inline https://app.example/account
	// 204
}
