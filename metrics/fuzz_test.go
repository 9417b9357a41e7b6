package metrics

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

var nasty = []string{"", "SELECT", "\x00", "\xff", "a\xffb\xffc\xff", "\r\n", "\"\\", "\u2028", "\ufeff", "{}=,", "_OTHER",
	strings.Repeat("a\xff", 200), strings.Repeat("\u20ac", 100), "GET /things/{id}", "GET  h.example/{$}", "POST /a b", "A b c", "/\xff{x...}"}

// FuzzLabel: a label is UTF-8, short, and what a scraper reads is what it is.
func FuzzLabel(f *testing.F) {
	for _, s := range nasty {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l := label(s)
		require.True(t, utf8.ValidString(l))
		require.NotEmpty(t, l)
		require.LessOrEqual(t, len(l), maxLabel+len("\uFFFD")-1)
		if s != "" && len(s) <= maxLabel && utf8.ValidString(s) {
			require.Equal(t, s, l, "what is fit stays")
		}
		name, label, one := "x_total", "l", 1.0
		family := &dto.MetricFamily{Name: &name, Type: dto.MetricType_COUNTER.Enum(), Metric: []*dto.Metric{
			{Label: []*dto.LabelPair{{Name: &label, Value: &l}}, Counter: &dto.Counter{Value: &one}}}}
		var page bytes.Buffer
		_, err := expfmt.MetricFamilyToText(&page, family)
		require.NoError(t, err)
		parser := expfmt.NewTextParser(model.LegacyValidation)
		read, err := parser.TextToMetricFamilies(&page)
		require.NoError(t, err)
		require.Equal(t, l, read["x_total"].GetMetric()[0].GetLabel()[0].GetValue())
	})
}

// isPattern asks ServeMux.
func isPattern(p string) (ok bool) {
	defer func() { ok = recover() == nil }()
	http.NewServeMux().Handle(p, http.NotFoundHandler())
	return true
}

// FuzzNameOf: no pattern makes it panic, and the name of one that ServeMux
// takes has no method and names itself.
func FuzzNameOf(f *testing.F) {
	for _, s := range nasty {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, p string, keepHost bool) {
		rs := &routes{m: &Metrics{opts: Options{KeepHost: keepHost}}}
		name := rs.nameOf(p)
		require.True(t, strings.HasSuffix(p, name))
		method := methodOf(p)
		host, _, _ := strings.Cut(name, "/")
		if !isPattern(p) || strings.ContainsAny(host, " \t") {
			return // no host has a blank
		}
		require.Equal(t, name, rs.nameOf(name), "a name names itself")
		before := strings.TrimRight(strings.TrimSuffix(p, name), " \t")
		if keepHost {
			require.Contains(t, []string{before, "GET"}, method)
			require.True(t, before == "" || before == method, "%q: %q", p, before)
			return
		}
		require.True(t, strings.HasPrefix(name, "/"), "%q: %q", p, name)
	})
}

// FuzzObserve: whatever callers say, there is no panic and a whole scrape, within
// the limits and beyond them.
func FuzzObserve(f *testing.F) {
	for i, s := range nasty {
		f.Add(s, nasty[len(nasty)-1-i], int64(i)-5, i)
		f.Add(s, s, int64(-1)<<(i*3), i)
	}
	errs := []error{nil, errors.New("x"), context.Canceled, context.DeadlineExceeded}
	f.Fuzz(func(t *testing.T, a, b string, n int64, pick int) {
		m := quietMetrics(t, Options{MaxSeries: 1, MaxRoutes: 1, AllowExemplars: true, DisableRuntime: true})
		h := m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			SetTrace(r.Context(), b, a, true)
			Route(a, http.NotFoundHandler()).ServeHTTP(w, r)
		}))
		d, err := time.Duration(n), errs[uint(pick)%uint(len(errs))]
		for range 2 {
			m.ObserveQuery(t.Context(), a, d, err)
			m.ObserveCache(t.Context(), a, b)
			m.ObserveError(a, b)
			m.ObserveHealth(a, b, d, err)
			m.ObserveHealthTransition(a, b, a, err)
			m.ObserveHealthStuck(b, n > 0)
			m.ObserveRateLimit(t.Context(), a, n > 0)
			m.ObserveCSPReport(a, b)
			m.ObserveCSPDrop(a, pick)
			m.ObserveCompression(a, n, -n, d)
			m.ObserveAI(AICall{Operation: a, Provider: b, Model: a, Duration: d, TimeToFirstChunk: d, InputTokens: int(n), OutputTokens: pick, Err: err})
			m.ObserveRAG(t.Context(), a, d, pick, err)
			m.ObserveUpload(Upload{ContentType: a, Size: n, Rejected: b})
			_ = m.AddRoutes(a)
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Method = b
			h.ServeHTTP(httptest.NewRecorder(), r)
			a, b = b, a
		}
		families, gatherErr := m.Gatherer().Gather()
		require.NoError(t, gatherErr)
		for _, f := range families {
			require.LessOrEqual(t, len(f.GetMetric()), 64, f.GetName())
		}
	})
}
