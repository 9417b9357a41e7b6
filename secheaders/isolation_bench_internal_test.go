package secheaders

import (
	"net/http"
	"testing"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// silentWriter has a header and nothing else.
type silentWriter struct{ header http.Header }

func (s *silentWriter) Header() http.Header         { return s.header }
func (s *silentWriter) Write(p []byte) (int, error) { return len(p), nil }
func (s *silentWriter) WriteHeader(int)             {}

func BenchmarkIsolate(b *testing.B) {
	i := quietly(IsolationOptions{})
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	isolated := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { i.serve(w, r, bare) })
	for _, bb := range []struct {
		name string
		r    *http.Request
		h    http.Handler
	}{
		{"bare", asked("GET", "/", siteField, "same-origin"), bare},
		{"same origin", asked("GET", "/", siteField, "same-origin"), isolated},
		{"link", asked("GET", "/", siteField, "cross-site", modeField, "navigate", destField, "document"), isolated},
		{"refused", asked("GET", "/", siteField, "cross-site", modeField, "no-cors", destField, "script"), isolated},
	} {
		b.Run(bb.name, func(b *testing.B) {
			w := &silentWriter{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				e := reqinfo.Enter(w, bb.r) // as an outer layer does
				e.Next(bb.h)
				e.Leave()
			}
		})
	}
}
