package reqinfo_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// layers returns h inside n plain layers.
func layers(n int, h http.Handler) http.Handler {
	for range n {
		next := h
		h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e := reqinfo.Enter(w, r)
			defer e.Leave()
			e.Next(next)
		})
	}
	return h
}

// nullWriter has the interfaces of net/http's HTTP/1 writer and does nothing.
type nullWriter struct{ h http.Header }

func (w *nullWriter) Header() http.Header               { return w.h }
func (w *nullWriter) Write(p []byte) (int, error)       { return len(p), nil }
func (w *nullWriter) WriteString(s string) (int, error) { return len(s), nil }
func (w *nullWriter) WriteHeader(int)                   {}
func (w *nullWriter) Flush()                            {}
func (w *nullWriter) FlushError() error                 { return nil }

var hello = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) })

func allocs(t *testing.T, h http.Handler) float64 {
	t.Helper()
	w, r := &nullWriter{h: http.Header{}}, httptest.NewRequest("GET", "/", nil)
	return testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) })
}

func TestOneStackPaysOneAllocation(t *testing.T) {
	bare := allocs(t, hello)
	for _, n := range []int{1, 2, 7} {
		require.LessOrEqual(t, allocs(t, layers(n, hello))-bare, 1.0, "%d layers", n)
	}
}

// watching is h inside a layer that only watches.
func watching(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		room := new(reqinfo.Space)
		var e reqinfo.Entry
		room.Watch(&e, w, r, nil)
		defer e.Leave()
		e.Next(h)
	})
}

func TestAWatcherPaysOneAllocationAndAStackInsideItOneMore(t *testing.T) {
	bare := allocs(t, hello)
	require.LessOrEqual(t, allocs(t, watching(hello))-bare, 1.0)
	require.LessOrEqual(t, allocs(t, watching(layers(7, hello)))-bare, 2.0)
}

func BenchmarkWatching(b *testing.B) {
	h := watching(hello)
	w, r := &nullWriter{h: http.Header{}}, httptest.NewRequest("GET", "/", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

func BenchmarkLayers(b *testing.B) {
	for _, bm := range []struct {
		name string
		n    int
	}{{"bare", 0}, {"one", 1}, {"seven", 7}} {
		b.Run(bm.name, func(b *testing.B) {
			h := layers(bm.n, hello)
			w, r := &nullWriter{h: http.Header{}}, httptest.NewRequest("GET", "/", nil)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}
