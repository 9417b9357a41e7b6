package secheaders_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	. "github.com/sluice-go/sluice/secheaders"
)

// sink is a writer that costs nothing.
type sink struct{ h http.Header }

func (s *sink) Header() http.Header               { return s.h }
func (s *sink) Write(p []byte) (int, error)       { return len(p), nil }
func (s *sink) WriteString(t string) (int, error) { return len(t), nil }
func (s *sink) WriteHeader(int)                   {}

var htmlType, jsonType = []string{"text/html; charset=utf-8"}, []string{"application/json"}

// answers of the kinds, which allocate nothing themselves.
func page(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Content-Type"] = htmlType
	_, _ = io.WriteString(w, "<html>")
}

func noncedPage(w http.ResponseWriter, r *http.Request) {
	w.Header()["Content-Type"] = htmlType
	_, _ = io.WriteString(w, Nonce(r.Context()))
}

func object(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Content-Type"] = jsonType
	_, _ = io.WriteString(w, "{}")
}

var withoutNonce = Options{Document: Headers{CSP: Policy{DefaultSrc(Self), FrameAncestors(None)}}}

func serveInto(h http.Handler) func() {
	w := &sink{http.Header{}}
	r := httptest.NewRequest("GET", "https://app.example/", nil)
	r.TLS = &tls.ConnectionState{}
	return func() {
		clear(w.h)
		h.ServeHTTP(w, r)
	}
}

func BenchmarkMiddleware(b *testing.B) {
	strict, constant := mustNew(b, Options{}), mustNew(b, withoutNonce)
	for _, bm := range []struct {
		name string
		h    http.Handler
	}{
		{"bare", http.HandlerFunc(page)},
		{"document without a nonce", constant.Middleware(http.HandlerFunc(page))},
		{"document with a nonce in the header", strict.Middleware(http.HandlerFunc(page))},
		{"document that reads its nonce", strict.Middleware(http.HandlerFunc(noncedPage))},
		{"JSON", strict.Middleware(http.HandlerFunc(object))},
	} {
		b.Run(bm.name, func(b *testing.B) {
			serve := serveInto(bm.h)
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		mustNew(b, Options{})
	}
}
