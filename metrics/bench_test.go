package metrics_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/metrics"
)

// nullWriter has the interfaces of net/http's HTTP/1 writer and does nothing.
type nullWriter struct{ h http.Header }

func (w *nullWriter) Header() http.Header               { return w.h }
func (w *nullWriter) Write(p []byte) (int, error)       { return len(p), nil }
func (w *nullWriter) WriteString(s string) (int, error) { return len(s), nil }
func (w *nullWriter) WriteHeader(int)                   {}
func (w *nullWriter) Flush()                            {}
func (w *nullWriter) FlushError() error                 { return nil }

func bareMux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /things/{id}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) })
	return mux
}

func allocs(t *testing.T, h http.Handler) float64 {
	t.Helper()
	w, r := &nullWriter{h: http.Header{}}, httptest.NewRequest("GET", "/things/7", nil)
	return testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) })
}

func TestAPlainGetPaysOneAllocation(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	require.LessOrEqual(t, allocs(t, m.Middleware(bareMux()))-allocs(t, bareMux()), 1.0)
}

func BenchmarkMiddleware(b *testing.B) {
	for _, bm := range []struct {
		name string
		mw   func(http.Handler) http.Handler
	}{
		{"bare", func(h http.Handler) http.Handler { return h }},
		{"default", newMetrics(b, metrics.Options{}).Middleware},
		{"classic only", newMetrics(b, metrics.Options{DisableNativeHistograms: true}).Middleware},
		{"exemplars allowed", newMetrics(b, metrics.Options{AllowExemplars: true}).Middleware},
	} {
		b.Run(bm.name, func(b *testing.B) {
			h := bm.mw(bareMux())
			w, r := &nullWriter{h: http.Header{}}, httptest.NewRequest("GET", "/things/7", nil)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}

func BenchmarkMiddleware16Clients(b *testing.B) {
	h := newMetrics(b, metrics.Options{}).Middleware(bareMux())
	b.SetParallelism(8) // times GOMAXPROCS
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		w, r := &nullWriter{h: http.Header{}}, httptest.NewRequest("GET", "/things/7", nil)
		for pb.Next() {
			h.ServeHTTP(w, r)
		}
	})
}

func newMetrics(t testing.TB, o metrics.Options) *metrics.Metrics {
	t.Helper()
	m, err := metrics.New(o)
	require.NoError(t, err)
	return m
}
