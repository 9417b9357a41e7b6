package compress_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/sluice-go/sluice/compress"
)

// discards is a writer that keeps nothing but its header.
type discards struct{ header http.Header }

func (d *discards) Header() http.Header               { return d.header }
func (d *discards) Write(p []byte) (int, error)       { return len(p), nil }
func (d *discards) WriteString(s string) (int, error) { return len(s), nil }
func (d *discards) WriteHeader(int)                   {}
func (d *discards) Flush()                            {}

var plainText = []string{"text/plain; charset=utf-8"}

// served is a function that serves one request, with nothing allocated around it.
func served(tb testing.TB, accept string, size int) func() {
	body := []byte(text(size))
	h := newCompressor(tb, compress.Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = plainText
		_, _ = w.Write(body)
	}))
	w, r := &discards{make(http.Header)}, get(accept)
	return func() {
		clear(w.header)
		h.ServeHTTP(w, r)
	}
}

func BenchmarkMiddleware(b *testing.B) {
	for _, bb := range []struct {
		name, accept string
		size         int
	}{
		{"no field", "none", 10_000}, {"short", "gzip", 200},
		{"gzip 2 KB", "gzip", 2_000}, {"gzip 10 KB", "gzip", 10_000}, {"gzip 100 KB", "gzip", 100_000},
		{"br 10 KB", "br", 10_000}, {"zstd 10 KB", "zstd", 10_000},
	} {
		b.Run(bb.name, func(b *testing.B) {
			serve := served(b, bb.accept, bb.size)
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}

func BenchmarkEventStream(b *testing.B) {
	for _, accept := range []string{"gzip", "br", "zstd"} {
		b.Run(accept, func(b *testing.B) {
			h := newCompressor(b, compress.Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				b.ReportAllocs()
				for b.Loop() {
					_, _ = io.WriteString(w, "data: the flow at the gate is measured every hour\n\n")
					w.(http.Flusher).Flush()
				}
			}))
			h.ServeHTTP(&discards{make(http.Header)}, get(accept))
		})
	}
}
