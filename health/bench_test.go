package health_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// deaf takes an answer and keeps nothing of it.
type deaf struct{ header http.Header }

func (d deaf) Header() http.Header       { return d.header }
func (deaf) Write(p []byte) (int, error) { return len(p), nil }
func (deaf) WriteHeader(int)             {}

// probed serves a checker with n passing checks that have their results.
func probed(tb testing.TB, n int) *http.ServeMux {
	o := health.Options{Details: func(*http.Request) bool { return true }}
	for i := range n {
		o.Checks = append(o.Checks, health.Check{Name: fmt.Sprintf("check-%04d", i), Func: func(context.Context) error { return nil }})
	}
	hc, err := health.New(o)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, hc.Close()) })
	mux := http.NewServeMux()
	hc.Mount(mux)
	require.Eventually(tb, func() bool {
		r, _ := hc.Report("readiness")
		return r.Status == health.StatusHealthy
	}, eventually, tick)
	return mux
}

var probes = []string{"/health", "/health/liveness", "/health/readiness", "/health/startup", "/livez", "/readyz", "/health/detailed"}

func BenchmarkProbe(b *testing.B) {
	for _, checks := range []int{0, 5, 1000} {
		mux := probed(b, checks)
		for _, path := range probes {
			b.Run(fmt.Sprintf("checks=%d%s", checks, path), func(b *testing.B) {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				h, _ := mux.Handler(r)
				w := deaf{http.Header{}}
				b.ReportAllocs()
				for b.Loop() {
					h.ServeHTTP(w, r)
				}
			})
		}
	}
}

// BenchmarkConstant is the least that any handler of probes costs.
func BenchmarkConstant(b *testing.B) {
	body, noStore, kind, length := []byte("ok"), []string{"no-store"}, []string{"text/plain"}, []string{"2"}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Cache-Control"], h["Content-Type"], h["Content-Length"] = noStore, kind, length
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(body)
	})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	w := deaf{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

func BenchmarkMiddleware(b *testing.B) {
	hc, err := health.New(health.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { _ = hc.Close() })
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) })
	for name, h := range map[string]http.Handler{"bare": bare, "wrapped": hc.Middleware(bare)} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			w := deaf{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}

func TestAProbeAllocatesNothingForAnyNumberOfChecks(t *testing.T) {
	for _, checks := range []int{0, 5, 1000} {
		mux := probed(t, checks)
		for _, path := range probes {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
				r := httptest.NewRequest(method, path, nil)
				h, _ := mux.Handler(r)
				w := deaf{http.Header{}}
				// An answer is rendered anew ten times a second, and when a check has run;
				// most of the short rounds see neither.
				least := math.Inf(1)
				for range 20 {
					least = min(least, testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }))
				}
				require.Zero(t, least, "%s %s with %d checks", method, path, checks)
			}
		}
	}
}
