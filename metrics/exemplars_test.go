package metrics_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/metrics"
)

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanID  = "00f067aa0ba902b7"
)

// traced is a handler in a trace, as a foreign tracer inside would have it.
func traced(trace, span string, sampled bool, took time.Duration) http.Handler {
	return onRoute("/x", func(_ http.ResponseWriter, r *http.Request) {
		metrics.SetTrace(r.Context(), trace, span, sampled)
		time.Sleep(took)
	})
}

// exemplarsOf are the exemplars of the classic buckets of the requests.
func exemplarsOf(t *testing.T, m *metrics.Metrics) (all []*dto.Exemplar) {
	t.Helper()
	for _, s := range gathered(t, m)["http_request_duration_seconds"].GetMetric() {
		for _, b := range s.Histogram.Bucket {
			if b.Exemplar != nil {
				all = append(all, b.Exemplar)
			}
		}
	}
	return all
}

func traceOf(e *dto.Exemplar) string {
	for _, l := range e.Label {
		if l.GetName() == "trace_id" {
			return l.GetValue()
		}
	}
	return ""
}

// Trap 5; W3C Trace Context §3.2.2.
func TestOnlySampledTracesWithValidIdsBecomeExemplars(t *testing.T) {
	tests := []struct {
		name        string
		trace, span string
		sampled     bool
		want        int
	}{
		{"a sampled one", traceID, spanID, true, 1},
		{"one that is not sampled", traceID, spanID, false, 0},
		{"no ids", "", "", true, 0},
		{"upper case", strings.ToUpper(traceID), spanID, true, 0},
		{"an upper-case span", traceID, strings.ToUpper(spanID), true, 0},
		{"a trace of zeros", strings.Repeat("0", 32), spanID, true, 0},
		{"a span of zeros", traceID, strings.Repeat("0", 16), true, 0},
		{"a short trace", traceID[1:], spanID, true, 0},
		{"a long trace", traceID + "0", spanID, true, 0},
		{"a long span", traceID, spanID + "0", true, 0},
		{"128 runes and more", strings.Repeat("a", 200), strings.Repeat("b", 200), true, 0},
		{"no UTF-8", strings.Repeat("\xff", 32), spanID, true, 0},
		{"no UTF-8 in the span", traceID, strings.Repeat("\xff", 16), true, 0},
		{"wide digits", strings.Repeat("１", 32), spanID, true, 0},
		{"not hexadecimal", strings.Repeat("g", 32), spanID, true, 0},
		{"a line break", traceID[:31] + "\n", spanID, true, 0},
		{"a mere one at the end", strings.Repeat("0", 31) + "1", strings.Repeat("0", 15) + "f", true, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMetrics(t, metrics.Options{DisableRuntime: true, AllowExemplars: true})
			record(m.Middleware(traced(tt.trace, tt.span, tt.sampled, 0)), httptest.NewRequest("GET", "/x", nil))
			requireCounted(t, m, "1 GET /x 200")
			require.Len(t, exemplarsOf(t, m), tt.want)
		})
	}
}

// Virtual time: both requests fall into the first bucket however busy the
// machine is.
func TestHistogramsOfEitherKindTakeExemplars(t *testing.T) {
	for name, o := range map[string]metrics.Options{
		"native only":  {DurationBuckets: []float64{}},
		"classic only": {DisableNativeHistograms: true},
		"one bucket":   {DurationBuckets: []float64{.25}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o.DisableRuntime, o.AllowExemplars = true, true
				m := newMetrics(t, o)
				for _, took := range []time.Duration{0, time.Millisecond} {
					record(m.Middleware(traced(traceID, spanID, true, took)), httptest.NewRequest("GET", "/x", nil))
				}
				requireCounted(t, m, "2 GET /x 200")
				h := gathered(t, m)["http_request_duration_seconds"].Metric[0].Histogram
				require.Len(t, exemplarsOf(t, m), min(1, len(o.DurationBuckets)+len(h.Bucket)))
				if !o.DisableNativeHistograms {
					require.NotEmpty(t, h.Exemplars, "the native histogram has its own")
				}
			})
		})
	}
}

func TestExemplarsAreOffByDefaultAndCostNothing(t *testing.T) {
	m := newMetrics(t, metrics.Options{DisableRuntime: true})
	record(m.Middleware(traced(traceID, spanID, true, 0)), httptest.NewRequest("GET", "/x", nil))
	require.Empty(t, exemplarsOf(t, m))
	requireCounted(t, m, "1 GET /x 200")

	h := onRoute("/things/{id}", func(_ http.ResponseWriter, r *http.Request) { metrics.SetTrace(r.Context(), traceID, spanID, true) })
	require.LessOrEqual(t, allocs(t, m.Middleware(h))-allocs(t, h), 1.0)
}

// Trap 5: a gate for each bucket. Virtual time.
func TestABucketGetsOneExemplarASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMetrics(t, metrics.Options{DisableRuntime: true, AllowExemplars: true})
		id := func(i int) string { return strings.Repeat("0", 30) + "1" + strconv.Itoa(i) }
		request := func(i int, took time.Duration) {
			record(m.Middleware(traced(id(i), spanID, true, took)), httptest.NewRequest("GET", "/x", nil))
		}
		traces := func() (all []string) {
			for _, e := range exemplarsOf(t, m) {
				all = append(all, traceOf(e))
			}
			return all
		}
		request(0, 0)
		request(1, 0)
		require.Equal(t, []string{id(0)}, traces(), "the first at once, the second is too early")
		request(2, 60*time.Millisecond)
		require.Equal(t, []string{id(0), id(2)}, traces(), "another bucket has a gate of its own")
		time.Sleep(999*time.Millisecond - 60*time.Millisecond)
		request(3, 0)
		require.Equal(t, []string{id(0), id(2)}, traces(), "999 ms")
		time.Sleep(time.Millisecond)
		request(4, 0)
		request(5, 0)
		require.Equal(t, []string{id(4), id(2)}, traces(), "1000 ms")
		request(6, 20*time.Second)
		require.Equal(t, []string{id(4), id(2), id(6)}, traces(), "the last bucket has no bound")
		for _, e := range exemplarsOf(t, m) {
			require.Len(t, e.Label, 2)
			require.LessOrEqual(t, e.GetTimestamp().AsTime(), time.Now())
		}
		request(7, 5*time.Millisecond) // a bound belongs to the bucket below it
		require.Equal(t, []string{id(7), id(2), id(6)}, traces())
	})
}

// A gate lets one of many pass.
func TestOneOfManyAtOnceBecomesTheExemplar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMetrics(t, metrics.Options{DisableRuntime: true, AllowExemplars: true})
		h := m.Middleware(traced(traceID, spanID, true, 0))
		record(h, httptest.NewRequest("GET", "/x", nil))
		first := exemplarsOf(t, m)[0].GetTimestamp().AsTime()
		for range 10 {
			time.Sleep(100 * time.Millisecond)
			var all sync.WaitGroup
			for range 64 {
				all.Go(func() { record(h, httptest.NewRequest("GET", "/x", nil)) })
			}
			all.Wait()
		}
		require.EqualValues(t, 641, value(t, m, "http_requests_total"))
		require.Equal(t, time.Second, exemplarsOf(t, m)[0].GetTimestamp().AsTime().Sub(first))
	})
}

// Trap 5: the scrape in OpenMetrics has them, the older text format cannot.
func TestOpenMetricsShowsExemplars(t *testing.T) {
	m := newMetrics(t, metrics.Options{DisableRuntime: true, AllowExemplars: true})
	s := &site{m: m, ended: make(chan struct{}, 10)}
	record(m.Middleware(traced(traceID, spanID, true, 0)), httptest.NewRequest("GET", "/x", nil))
	for accept, want := range map[string]bool{"application/openmetrics-text;version=1.0.0": true, "text/plain": false} {
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Accept", accept)
		w := record(s.announcing(m.Handler()), r)
		require.Equal(t, 200, w.Code)
		require.Equal(t, want, strings.Contains(w.Body.String(), `# {trace_id="`+traceID+`",span_id="`+spanID+`"}`) ||
			strings.Contains(w.Body.String(), `# {span_id="`+spanID+`",trace_id="`+traceID+`"}`), w.Body.String())
	}
}

// A stream is timed at its first byte; the trace must be known by then.
func TestStreamsAndUpgradesHaveExemplarsToo(t *testing.T) {
	m := newMetrics(t, metrics.Options{DisableRuntime: true, AllowExemplars: true})
	h := m.Middleware(onRoute("/x", func(w http.ResponseWriter, r *http.Request) {
		metrics.SetTrace(r.Context(), traceID, spanID, true)
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "x")
	}))
	record(h, httptest.NewRequest("GET", "/x", nil))
	require.Len(t, exemplarsOf(t, m), 1)
	requireCounted(t, m, "1 GET /x 200")
}

func TestATraceWithoutALayerIsLost(t *testing.T) {
	require.NotPanics(t, func() {
		metrics.SetTrace(context.Background(), traceID, spanID, true)
		metrics.SetTrace(context.TODO(), "\xff", strings.Repeat("x", 1<<16), true)
	})
}

// A tracer inside a middleware that copies the request is the usual case.
func TestATraceIsFoundThroughCopies(t *testing.T) {
	m := newMetrics(t, metrics.Options{DisableRuntime: true, AllowExemplars: true})
	record(m.Middleware(copyingOnly(metrics.Router(copyingOnly(traced(traceID, spanID, true, 0))))), httptest.NewRequest("GET", "/x", nil))
	require.Len(t, exemplarsOf(t, m), 1)
	require.Equal(t, traceID, traceOf(exemplarsOf(t, m)[0]))
}
