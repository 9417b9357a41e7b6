package metrics_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/testutil"
	"github.com/sluice-go/sluice/metrics"
)

// site is a measured service, and what its clients need.
type site struct {
	testutil.Server
	m     *metrics.Metrics
	ended chan struct{} // one for each request that the middleware is done with
}

// measured is h inside a middleware. Each visit is announced once it is counted:
// a client may have its answer before.
func measured(t testing.TB, h http.Handler) (*site, http.Handler) {
	t.Helper()
	s := &site{m: newMetrics(t, metrics.Options{DisableRuntime: true}), ended: make(chan struct{}, 10_000)}
	return s, s.announcing(s.m.Middleware(h))
}

func (s *site) announcing(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { s.ended <- struct{}{} }()
		h.ServeHTTP(w, r)
	})
}

// serve runs h, inside a middleware, on HTTP/1.1.
func serve(t testing.TB, h http.Handler) *site {
	t.Helper()
	s, measured := measured(t, h)
	s.Server = testutil.Start(t, measured)
	return s
}

// serveH2 is serve on HTTP/2.
func serveH2(t testing.TB, h http.Handler) *site {
	t.Helper()
	s, measured := measured(t, h)
	s.Server = testutil.StartH2(t, measured)
	return s
}

// onBoth runs f against a service of its own on each protocol.
func onBoth(t *testing.T, h http.Handler, f func(t *testing.T, s *site)) {
	t.Helper()
	t.Run("HTTP/1.1", func(t *testing.T) { f(t, serve(t, h)) })
	t.Run("HTTP/2", func(t *testing.T) { f(t, serveH2(t, h)) })
}

// serveInside puts outer around the middleware of a service that is not started yet.
func serveInside(t testing.TB, outer func(http.Handler) http.Handler, h http.Handler) *site {
	t.Helper()
	s, measured := measured(t, h)
	s.Server = testutil.Start(t, outer(measured))
	return s
}

// await waits until n more requests are counted.
func (s *site) await(t testing.TB, n int) {
	t.Helper()
	for range n {
		select {
		case <-s.ended:
		case <-time.After(10 * time.Second):
			require.FailNow(t, "a request did not end")
		}
	}
}

// do sends a request, reads the answer and waits until it is counted.
func (s *site) do(t testing.TB, method, path string, body io.Reader) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, body)
	require.NoError(t, err)
	res, got, err := s.send(r)
	require.NoError(t, err)
	s.await(t, 1)
	return res, got
}

func (s *site) get(t testing.TB, path string) (*http.Response, string) {
	t.Helper()
	return s.do(t, "GET", path, nil)
}

func (s *site) send(r *http.Request) (*http.Response, string, error) {
	c := *s.Client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := c.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return res, string(got), err
}

// dial opens a connection and sends text on it.
func (s *site) dial(t testing.TB, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = io.WriteString(c, text)
	require.NoError(t, err)
	return c, bufio.NewReader(c)
}

// gathered is a real gather.
func gathered(t testing.TB, m *metrics.Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	all, err := m.Gatherer().Gather()
	require.NoError(t, err)
	byName := map[string]*dto.MetricFamily{}
	for _, f := range all {
		byName[f.GetName()] = f
	}
	return byName
}

// lines are the series of a family that are not zero, as "value label label".
func lines(t testing.TB, m *metrics.Metrics, family string) []string {
	t.Helper()
	all := []string{}
	for _, s := range gathered(t, m)[family].GetMetric() {
		v, labels := "", []string{}
		switch {
		case s.Counter != nil && s.Counter.GetValue() != 0:
			v = number(s.Counter.GetValue())
		case s.Gauge != nil && s.Gauge.GetValue() != 0:
			v = number(s.Gauge.GetValue())
		case s.Histogram != nil && s.Histogram.GetSampleCount() != 0:
			v = strconv.FormatUint(s.Histogram.GetSampleCount(), 10)
		default:
			continue
		}
		for _, l := range s.Label {
			labels = append(labels, l.GetName()+"="+l.GetValue())
		}
		all = append(all, strings.Join(append([]string{v}, labels...), " "))
	}
	slices.Sort(all)
	return all
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// requireCounted says which requests were counted, and no others: "1 GET / 200".
func (s *site) requireCounted(t testing.TB, want ...string) {
	t.Helper()
	requireCounted(t, s.m, want...)
}

func requireCounted(t testing.TB, m *metrics.Metrics, want ...string) {
	t.Helper()
	all := make([]string, len(want))
	n := 0
	for i, w := range want {
		f := strings.Fields(w)
		require.Len(t, f, 4)
		all[i] = fmt.Sprintf("%s code=%s method=%s route=%s", f[0], f[3], f[1], f[2])
		times, err := strconv.Atoi(f[0])
		require.NoError(t, err)
		n += times
	}
	slices.Sort(all)
	require.Equal(t, all, lines(t, m, "http_requests_total"))
	for _, family := range []string{"http_request_duration_seconds", "http_request_size_bytes", "http_response_size_bytes"} {
		count, _ := histogram(t, m, family)
		require.EqualValues(t, n, count, family)
	}
	requireIdle(t, m)
}

// requireIdle says that no request, stream or connection is open.
func requireIdle(t testing.TB, m *metrics.Metrics) {
	t.Helper()
	require.Zero(t, value(t, m, "http_requests_in_flight"), "in flight")
	require.Empty(t, lines(t, m, "http_streams_active"))
	require.Empty(t, lines(t, m, "websocket_connections_active"))
}

// requireFailures is like requireCounted for "1 panic" and such.
func (s *site) requireFailures(t testing.TB, want ...string) {
	t.Helper()
	got := []string{}
	for _, l := range lines(t, s.m, "http_request_errors_total") {
		f := strings.Fields(l)
		got = append(got, f[0]+" "+strings.TrimPrefix(f[1], "error_type="))
	}
	require.ElementsMatch(t, want, got)
}

// outcomes are the labels of the durations: "1 success".
func (s *site) outcomes(t testing.TB) []string {
	t.Helper()
	var got []string
	for _, l := range lines(t, s.m, "http_request_duration_seconds") {
		f := strings.Fields(l)
		got = append(got, f[0]+" "+strings.TrimPrefix(f[2], "outcome="))
	}
	return got
}

// value is the sum of a counter's or gauge's series that have all these labels,
// given as "name=value".
func value(t testing.TB, m *metrics.Metrics, family string, labels ...string) (sum float64) {
	t.Helper()
	f := gathered(t, m)[family]
	for _, s := range f.GetMetric() {
		if has(s, labels) {
			sum += s.GetCounter().GetValue() + s.GetGauge().GetValue()
		}
	}
	return sum
}

// histogram is value for the count and the sum of a histogram.
func histogram(t testing.TB, m *metrics.Metrics, family string, labels ...string) (count uint64, sum float64) {
	t.Helper()
	for _, s := range gathered(t, m)[family].GetMetric() {
		if has(s, labels) {
			count += s.GetHistogram().GetSampleCount()
			sum += s.GetHistogram().GetSampleSum()
		}
	}
	return count, sum
}

func has(s *dto.Metric, labels []string) bool {
	for _, want := range labels {
		name, v, _ := strings.Cut(want, "=")
		if !slices.ContainsFunc(s.Label, func(l *dto.LabelPair) bool { return l.GetName() == name && l.GetValue() == v }) {
			return false
		}
	}
	return true
}

// sums are the totals of both sizes.
func (s *site) sums(t testing.TB) (in, out float64) {
	t.Helper()
	_, in = histogram(t, s.m, "http_request_size_bytes")
	_, out = histogram(t, s.m, "http_response_size_bytes")
	return in, out
}

// eventually waits for what happens behind the back of the client.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	require.Eventually(t, is, 10*time.Second, time.Millisecond, what)
}

// copyingOnly is a foreign middleware of the usual kind: it hands on a copy of the
// request and copies nothing back.
func copyingOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		type key struct{}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, 1)))
	})
}

// onRoute serves h under one pattern.
func onRoute(pattern string, h http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(pattern, h)
	return mux
}

// record serves one request without a server.
func record(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
