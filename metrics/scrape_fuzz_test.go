package metrics

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// FuzzScrape asks with arbitrary fields: the answer is what it says it is.
func FuzzScrape(f *testing.F) {
	for _, kind := range scrapeKinds {
		f.Add("GET", kind.accept, kind.encoding, "")
	}
	f.Add("HEAD", "*/*;q=NaN,;/;,a/b/c;version==;escaping=allow-utf-8", "gzip;q=1e9,,*", "name[]=fuzz_total&name[]=%zz")
	f.Add("GET", "application/openmetrics-text;version=2.0.0;escaping=dots", "zstd;q=0,gzip;q=-1", "name[]=fuzz_total;a=b&&=&name[]")
	f.Add("get", openMetricsAccept+";escaping=values", "\xff, gzip;q", "name[]=\xff&name[0]=x")
	f.Add("GET", strings.Repeat("*/*,", 500), strings.Repeat("gzip,", 500), strings.Repeat("name[]=a&", 1500))

	// Without exemplars, which the decoder of expfmt cannot read.
	reg := manyHistograms(3)
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "fuzz_total", Help: "A counter."})
	reg.MustRegister(c, prometheus.NewGauge(prometheus.GaugeOpts{Name: "fuzz.dotted", Help: "A UTF-8 name."}))
	h := newScrapeFixtureFor(f, reg, reg, ScrapeOptions{})

	f.Fuzz(func(t *testing.T, method, accept, encoding, query string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.URL.RawQuery = method, query
		r.Header["Accept"] = []string{accept}
		r.Header["Accept-Encoding"] = []string{encoding}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusMethodNotAllowed:
			require.True(t, method != "GET" && method != "HEAD")
			return
		case http.StatusBadRequest, http.StatusRequestURITooLong:
			require.NotEmpty(t, query)
			return
		case http.StatusRequestHeaderFieldsTooLarge:
			require.True(t, len(accept) > maxScrapeHeader || len(encoding) > maxScrapeHeader)
			return
		}
		require.Equal(t, http.StatusOK, w.Code)
		body := decompress(t, w.Header().Get("Content-Encoding"), w.Body)
		families := decodeFamilies(t, w.Header().Get("Content-Type"), strings.NewReader(body))
		if r.Method == "GET" && r.URL.Query()["name[]"] == nil {
			require.Contains(t, families, "http_server_request_duration_seconds")
			require.Len(t, families, 5, "nothing is missing, in any format")
		}
	})
}
