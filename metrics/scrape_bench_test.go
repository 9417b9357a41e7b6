package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// manyHistograms has n series of one histogram, classic and native.
func manyHistograms(n int) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "http_server_request_duration_seconds", Help: "Time to answer.",
		Buckets:                     []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10},
		NativeHistogramBucketFactor: 1.1,
	}, []string{"http_route", "http_request_method"})
	reg.MustRegister(h)
	for i := range n {
		o := h.WithLabelValues(fmt.Sprintf("/tenants/{tenant}/things/%d", i), "GET")
		for j := range 20 {
			o.Observe(float64(i%7+1) * float64(j+1) / 100)
		}
	}
	return reg
}

// bodyCounter is a client that reads at once and keeps nothing.
type bodyCounter struct {
	header http.Header
	bytes  int
}

func (w *bodyCounter) Header() http.Header         { return w.header }
func (w *bodyCounter) WriteHeader(int)             {}
func (w *bodyCounter) Write(p []byte) (int, error) { w.bytes += len(p); return len(p), nil }

var scrapeKinds = []struct{ name, accept, encoding string }{
	{"text", "text/plain", "identity"},
	{"text gzip", "text/plain", "gzip"},
	{"text zstd", "text/plain", "zstd"},
	{"openmetrics gzip", openMetricsAccept, "gzip"},
	{"protobuf", protoAccept, "identity"},
	{"protobuf gzip", protoAccept, "gzip"},
	{"protobuf zstd", protoAccept, "zstd"},
}

func BenchmarkScrape(b *testing.B) {
	reg := manyHistograms(1000)
	b.Run("gather alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := reg.Gather(); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, kind := range scrapeKinds {
		b.Run(kind.name, func(b *testing.B) {
			f := newScrapeFixtureFor(b, reg, prometheus.NewRegistry(), ScrapeOptions{})
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Accept", kind.accept)
			r.Header.Set("Accept-Encoding", kind.encoding)
			w := &bodyCounter{}
			b.ReportAllocs()
			for b.Loop() {
				*w = bodyCounter{header: http.Header{}}
				f.ServeHTTP(w, r)
			}
			b.ReportMetric(float64(w.bytes), "body-B")
		})
	}
}

func BenchmarkHundredConcurrentScrapes(b *testing.B) {
	p := newProbe(nil)
	reg := manyHistograms(1000)
	reg.MustRegister(p)
	f := newScrapeFixtureFor(b, reg, prometheus.NewRegistry(), ScrapeOptions{})
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		var crowd sync.WaitGroup
		for i := range 100 {
			crowd.Go(func() {
				kind := scrapeKinds[i%len(scrapeKinds)]
				r := httptest.NewRequest("GET", fmt.Sprintf("/?name[]=http_server_request_duration_seconds&name[]=n%d", i), nil)
				r.Header.Set("Accept", kind.accept)
				r.Header.Set("Accept-Encoding", kind.encoding)
				f.ServeHTTP(&bodyCounter{header: http.Header{}}, r)
			})
		}
		crowd.Wait()
	}
	b.ReportMetric(float64(p.gathers.Load())/float64(n), "gathers/op")
}
