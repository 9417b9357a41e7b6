package metrics

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"

	sluice "github.com/sluice-go/sluice/metrics"
)

// What the package comment of metrics says about chi.
func TestPatternsOfChiReachTheMiddleware(t *testing.T) {
	type user struct{}
	copying := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), user{}, 1)))
		})
	}
	for _, inside := range []bool{false, true} {
		m, err := sluice.New(sluice.Options{})
		require.NoError(t, err)
		r := chi.NewRouter()
		if inside {
			r.Use(m.Middleware)
		}
		r.Use(copying, sluice.Router)
		r.Get("/things/{id}", write)
		r.Route("/api", func(r chi.Router) { r.Get("/users/{id}", write) })
		var h http.Handler = r
		if !inside {
			h = m.Middleware(r)
		}
		for _, path := range []string{"/things/1", "/api/users/2", "/nothing"} {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
		}
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		page, err := io.ReadAll(w.Body)
		require.NoError(t, err)
		for _, line := range []string{
			`http_requests_total{code="200",method="GET",route="/things/{id}"} 1`,
			`http_requests_total{code="200",method="GET",route="/api/users/{id}"} 1`,
			`http_requests_total{code="404",method="GET",route="unmatched"} 1`,
		} {
			require.Contains(t, string(page), line, "inside: %v", inside)
		}
	}
}
