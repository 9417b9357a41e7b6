package metrics

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/stretchr/testify/require"
)

const (
	openMetricsAccept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
	goodToken         = "abcdefghijklmnop-._~+/0123456789=="
)

func TestGuardLetsInWhomItShould(t *testing.T) {
	prefixes := func(p ...string) []netip.Prefix {
		list := []netip.Prefix{}
		for _, s := range p {
			list = append(list, netip.MustParsePrefix(s))
		}
		return list
	}
	for name, c := range map[string]struct {
		allow  []netip.Prefix
		token  string
		remote string
		auth   []string
		want   int
	}{
		"everyone by default":                         {remote: "203.0.113.9:4711", want: 200},
		"a peer in the network":                       {allow: prefixes("10.0.0.0/8"), remote: "10.1.2.3:1", want: 200},
		"a network written with host bits":            {allow: prefixes("10.9.9.9/8"), remote: "10.1.2.3:1", want: 200},
		"a peer in the second network":                {allow: prefixes("10.0.0.0/8", "192.0.2.1/32"), remote: "192.0.2.1:1", want: 200},
		"a peer outside":                              {allow: prefixes("10.0.0.0/8"), remote: "11.1.2.3:1", want: 403},
		"nobody by an empty list":                     {allow: prefixes(), remote: "127.0.0.1:1", want: 403},
		"an IPv4 peer of a listener for both":         {allow: prefixes("10.0.0.0/8"), remote: "[::ffff:10.1.2.3]:1", want: 200},
		"a mapped network and an IPv4 peer":           {allow: prefixes("::ffff:10.0.0.0/104"), remote: "10.1.2.3:1", want: 200},
		"a mapped network and a peer outside":         {allow: prefixes("::ffff:10.0.0.0/104"), remote: "11.1.2.3:1", want: 403},
		"all of IPv6 is not IPv4":                     {allow: prefixes("::/0"), remote: "[::ffff:10.1.2.3]:1", want: 403},
		"a link-local peer with a zone":               {allow: prefixes("fe80::/10"), remote: "[fe80::1%eth0]:1", want: 200},
		"a peer without an address, of a Unix socket": {allow: prefixes("0.0.0.0/0", "::/0"), remote: "@", want: 403},
		"the token": {token: goodToken, auth: []string{"Bearer " + goodToken}, want: 200},
		"the token in another case of the scheme": {token: goodToken, auth: []string{"bEARER   " + goodToken}, want: 200},
		"no token":                                     {token: goodToken, want: 401},
		"an empty token":                               {token: goodToken, auth: []string{"Bearer "}, want: 401},
		"the start of the token":                       {token: goodToken, auth: []string{"Bearer " + goodToken[:20]}, want: 401},
		"more than the token":                          {token: goodToken, auth: []string{"Bearer " + goodToken + "="}, want: 401},
		"the token with a space behind":                {token: goodToken, auth: []string{"Bearer " + goodToken + " "}, want: 401},
		"the token under another scheme":               {token: goodToken, auth: []string{"Basic " + goodToken}, want: 401},
		"the token without a scheme":                   {token: goodToken, auth: []string{goodToken}, want: 401},
		"two fields, of which one is right":            {token: goodToken, auth: []string{"Bearer " + goodToken, "Bearer x"}, want: 401},
		"the right peer and the token":                 {allow: prefixes("10.0.0.0/8"), token: goodToken, remote: "10.0.0.1:1", auth: []string{"Bearer " + goodToken}, want: 200},
		"the right peer without the token":             {allow: prefixes("10.0.0.0/8"), token: goodToken, remote: "10.0.0.1:1", want: 401},
		"the wrong peer with the token":                {allow: prefixes("10.0.0.0/8"), token: goodToken, remote: "11.0.0.1:1", auth: []string{"Bearer " + goodToken}, want: 403},
		"a peer that claims another address in fields": {allow: prefixes("10.0.0.0/8"), remote: "11.0.0.1:1", want: 403},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProbe(nil)
			f := newScrapeFixture(t, ScrapeOptions{AllowFrom: c.allow, Token: c.token}, p)
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = c.remote
			r.Header.Set("X-Forwarded-For", "10.0.0.1")
			r.Header.Set("Forwarded", "for=10.0.0.1")
			r.Header["Authorization"] = c.auth
			w := httptest.NewRecorder()
			f.ServeHTTP(w, r)
			require.Equal(t, c.want, w.Code)
			if c.want == http.StatusOK {
				return
			}
			require.Zero(t, p.gathers.Load(), "a refusal costs no gather")
			require.Equal(t, c.want == 401, w.Header().Get("WWW-Authenticate") == `Bearer realm="metrics"`)
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			require.Equal(t, 1.0, f.refusals("address")+f.refusals("token"))
			require.Equal(t, []string{""}, f.log.lines(), "who was refused is in no log")
		})
	}
}

func TestRequestThatIsNoScrapeIsRefusedWithoutAGather(t *testing.T) {
	for name, c := range map[string]struct {
		method, query string
		header        http.Header
		want          int
		reason        string
	}{
		"a method that is none":  {method: "PROPFIND", want: 405, reason: "method"},
		"a POST":                 {method: "POST", want: 405, reason: "method"},
		"an OPTIONS":             {method: "OPTIONS", want: 405, reason: "method"},
		"a query too long":       {query: strings.Repeat("name[]=go_goroutines&", 1000), want: 414, reason: "query"},
		"a filter half readable": {query: "name[]=good&name[]=%zz", want: 400, reason: "query"},
		"an Accept too long":     {header: http.Header{"Accept": {strings.Repeat("text/plain,", 1000)}}, want: 431, reason: "header"},
		"many long Accept-Encoding fields": {
			header: http.Header{"Accept-Encoding": {strings.Repeat("gzip,", 600), strings.Repeat("gzip,", 600)}}, want: 431, reason: "header",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProbe(nil)
			f := newScrapeFixture(t, ScrapeOptions{}, p)
			r := httptest.NewRequest("GET", "/?"+c.query, nil)
			if c.method != "" {
				r.Method = c.method
			}
			for name, values := range c.header {
				r.Header[name] = values
			}
			w := httptest.NewRecorder()
			f.ServeHTTP(w, r)
			require.Equal(t, c.want, w.Code)
			require.Equal(t, c.want == 405, w.Header().Get("Allow") == "GET, HEAD")
			require.Zero(t, p.gathers.Load())
			require.EqualValues(t, 1, f.refusals(c.reason))
		})
	}
}

// sampleRegistry has one metric of each kind that formats treat differently.
func sampleRegistry(t testing.TB) *prometheus.Registry {
	t.Helper()
	reg := prometheus.NewRegistry()
	native := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "native_seconds", Help: "Native and classic.", Buckets: []float64{0.1, 1},
		NativeHistogramBucketFactor: 1.1,
	})
	requests := prometheus.NewCounter(prometheus.CounterOpts{Name: "requests_total", Help: "With an exemplar."})
	reg.MustRegister(native, requests)
	native.Observe(0.5)
	requests.(prometheus.ExemplarAdder).AddWithExemplar(1, prometheus.Labels{"trace_id": "0af7651916cd43dd8448eb211c80319c"})
	return reg
}

func TestFormatsCarryWhatTheyCan(t *testing.T) {
	reg := sampleRegistry(t)
	f := newScrapeFixtureFor(t, reg, reg, ScrapeOptions{})
	scrape := func(t *testing.T, accept string) (*httptest.ResponseRecorder, string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
		require.Equal(t, []string{"Accept", "Accept-Encoding"}, w.Header()["Vary"])
		return w, w.Body.String()
	}
	t.Run("protobuf has native histograms and exemplars", func(t *testing.T) {
		w, body := scrape(t, protoAccept)
		families := decodeFamilies(t, w.Header().Get("Content-Type"), strings.NewReader(body))
		h := families["native_seconds"].Metric[0].Histogram
		require.NotEmpty(t, h.PositiveSpan)
		require.Len(t, h.Bucket, 2, "the classic buckets are there as well")
		require.NotNil(t, families["requests_total"].Metric[0].Counter.Exemplar)
	})
	t.Run("OpenMetrics has exemplars and no _created", func(t *testing.T) {
		w, body := scrape(t, openMetricsAccept)
		require.Contains(t, w.Header().Get("Content-Type"), "application/openmetrics-text; version=1.0.0")
		require.Contains(t, body, `requests_total 1.0 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 1.0`)
		require.Contains(t, body, `native_seconds_bucket{le="1.0"} 1`)
		require.NotContains(t, body, "_created")
		require.True(t, strings.HasSuffix(body, "# EOF\n"))
	})
	for _, accept := range []string{"", "text/plain", "*/*", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json", "q=0;;,/"} {
		t.Run("text for Accept "+accept, func(t *testing.T) {
			w, body := scrape(t, accept)
			require.Contains(t, w.Header().Get("Content-Type"), "text/plain; version=0.0.4")
			require.Contains(t, body, "\nnative_seconds_bucket{le=\"1\"} 1\n")
			require.NotContains(t, body, "# {")
			require.NotContains(t, body, "span")
		})
	}
}

func decodeFamilies(t testing.TB, contentType string, body io.Reader) map[string]*dto.MetricFamily {
	t.Helper()
	format := expfmt.Format(contentType)
	require.NotEqual(t, expfmt.TypeUnknown, format.FormatType(), "%q", contentType)
	d := expfmt.NewDecoder(body, format)
	families := map[string]*dto.MetricFamily{}
	for {
		mf := &dto.MetricFamily{}
		err := d.Decode(mf)
		if errors.Is(err, io.EOF) {
			return families
		}
		require.NoError(t, err)
		families[mf.GetName()] = mf
	}
}

// decompress undoes a declared content coding.
func decompress(t testing.TB, coding string, body io.Reader) string {
	t.Helper()
	switch coding {
	case "gzip":
		z, err := gzip.NewReader(body)
		require.NoError(t, err)
		body = z
	case "zstd":
		z, err := zstd.NewReader(body)
		require.NoError(t, err)
		defer z.Close()
		body = z
	default:
		require.Empty(t, coding)
	}
	b, err := io.ReadAll(body)
	require.NoError(t, err)
	return string(b)
}

func TestEncodingsCarryTheSameOverHTTP1AndHTTP2(t *testing.T) {
	// The endpoint's own counters would differ from scrape to scrape.
	f := newScrapeFixtureFor(t, manyHistograms(50), prometheus.NewRegistry(), ScrapeOptions{})
	srv := httptest.NewUnstartedServer(f)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	two := srv.Client()
	one := &http.Client{Transport: &http.Transport{TLSClientConfig: two.Transport.(*http.Transport).TLSClientConfig.Clone()}}
	one.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
	defer one.CloseIdleConnections()
	want := f.get("/").Body.String()
	require.Greater(t, len(want), 10_000)

	for accept, coding := range map[string]string{
		"identity": "", "gzip": "gzip", "zstd": "zstd", "GZIP": "", "br": "", "gzip;q=0": "", "*;q=0": "",
		"gzip;q=0.5, zstd": "zstd", "deflate, gzip;q=1.0, *;q=0.5": "gzip", "zstd, gzip": "gzip",
	} {
		for major, client := range map[int]*http.Client{1: one, 2: two} {
			for _, method := range []string{"GET", "HEAD"} {
				t.Run(fmt.Sprintf("%s with %q over HTTP/%d", method, accept, major), func(t *testing.T) {
					r, _ := http.NewRequest(method, srv.URL, nil)
					r.Header.Set("Accept-Encoding", accept)
					resp, err := client.Do(r)
					require.NoError(t, err)
					defer resp.Body.Close()
					require.Equal(t, http.StatusOK, resp.StatusCode)
					require.Equal(t, major, resp.ProtoMajor)
					require.Equal(t, coding, resp.Header.Get("Content-Encoding"))
					if method == "HEAD" {
						b, err := io.ReadAll(resp.Body)
						require.NoError(t, err)
						require.Empty(t, b)
						return
					}
					require.Equal(t, want, decompress(t, coding, resp.Body))
				})
			}
		}
	}
}

func TestNamesFilterTheAnswer(t *testing.T) {
	reg := sampleRegistry(t)
	f := newScrapeFixtureFor(t, reg, reg, ScrapeOptions{})
	body := f.get("/?name[]=requests_total&name%5B%5D=nothing").Body.String()
	require.Contains(t, body, "\nrequests_total 1\n")
	require.NotContains(t, body, "native_seconds")
	require.NotContains(t, body, "sluice_")
}
