package metrics_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/metrics"
)

// Where a pattern leaves the method open, the client chooses it, and known
// methods are many, too.
func TestMethodsThatAPatternLeavesOpenAreFew(t *testing.T) {
	all := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"}
	refuse := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	tests := []struct {
		name     string
		patterns []string
		h        http.HandlerFunc
		want     []string
	}{
		{"the first four get series of their own", []string{"/x"}, answer, []string{"GET", "HEAD", "POST", "PUT", "_OTHER"}},
		{"those that fail too", []string{"/x"}, refuse(500), []string{"GET", "HEAD", "POST", "PUT", "_OTHER"}},
		{"those that are not allowed do not", []string{"/x"}, refuse(405), []string{"_OTHER"}},
		{"those that are not implemented do not", []string{"/x"}, refuse(501), []string{"_OTHER"}},
		{"those of the patterns all do", []string{"GET /x", "POST /x", "PUT /x", "PATCH /x", "DELETE /x", "OPTIONS /x"}, answer,
			[]string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMetrics(t, metrics.Options{})
			mux := http.NewServeMux()
			for _, p := range tt.patterns {
				mux.HandleFunc(p, tt.h)
			}
			for range 2 {
				for _, method := range all {
					ask(m.Middleware(mux), method, "/x")
				}
			}
			got := map[string]bool{}
			for _, s := range readingOf(t, m)["http_request_size_bytes"].GetMetric() {
				labels := map[string]string{}
				for _, l := range s.GetLabel() {
					labels[l.GetName()] = l.GetValue()
				}
				if labels["route"] == "/x" {
					got[labels["method"]] = true
				}
			}
			require.ElementsMatch(t, tt.want, keys(got))
		})
	}
}

func keys(m map[string]bool) (all []string) {
	for k := range m {
		all = append(all, k)
	}
	return all
}

func TestAddedMethodsAreNoneOfTheFew(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	require.NoError(t, m.AddRoutes("GET /x", "POST /x", "PUT /x", "PATCH /x", "DELETE /x"))
	mux := http.NewServeMux()
	mux.HandleFunc("/x", answer)
	for _, method := range []string{"DELETE", "PATCH", "TRACE", "OPTIONS", "HEAD", "QUERY", "CONNECT"} {
		ask(m.Middleware(mux), method, "/x")
	}
	require.Equal(t, []string{"DELETE /x 200", "HEAD /x 200", "OPTIONS /x 200", "PATCH /x 200", "QUERY /x 200", "TRACE /x 200", "_OTHER /x 200"}, counted(t, m))
	require.EqualValues(t, 1, readingOf(t, m).value("sluice_label_overflow_total", "recorder", "method"))
}

// 150 plain requests used to make 5,000 series.
func TestFiftyOpenRoutesUnderAttackAreBounded(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	mux := http.NewServeMux()
	for i := range 50 {
		mux.HandleFunc(fmt.Sprintf("/things/%d", i), answer)
	}
	attack := func() int {
		for i := range 50 {
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY", "BREW"} {
				ask(m.Middleware(mux), method, fmt.Sprintf("/things/%d", i))
			}
		}
		series, _ := size(readingOf(t, m))
		return series
	}
	once := attack()
	require.Equal(t, once, attack())
	require.Less(t, once, 50*5*46)
}

// Clients that come at the same moment are no more methods than one.
func TestManyFirstRequestsAtOnceTakeOnePlace(t *testing.T) {
	for range 200 {
		m := newMetrics(t, metrics.Options{DisableRuntime: true, MaxRoutes: 1})
		mux := http.NewServeMux()
		mux.HandleFunc("/x", answer)
		mux.HandleFunc("/over", answer)
		h := m.Middleware(mux)
		at := func(method, path string) {
			var all sync.WaitGroup
			start := make(chan struct{})
			for range 16 {
				all.Go(func() {
					<-start
					ask(h, method, path)
				})
			}
			close(start)
			all.Wait()
		}
		for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
			at(method, "/x")
		}
		at("GET", "/over")
		r := readingOf(t, m)
		for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
			require.EqualValues(t, 16, r.value("http_requests_total", "method", method, "route", "/x", "code", "200"), method)
		}
		require.Zero(t, r.value("sluice_label_overflow_total", "recorder", "method"))
	}
}
