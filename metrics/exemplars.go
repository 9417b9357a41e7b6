package metrics

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-go/sluice/internal/reqinfo"
	"github.com/sluice-go/sluice/internal/respw"
)

// SetTrace tells the layers outside which trace a request belongs to; ctx is
// the context of the request or one that derives from it. The ids are the
// lower-case hex of W3C Trace Context (§3.2.2). It is for tracers that are no
// sluice layer, and does nothing where no layer is.
func SetTrace(ctx context.Context, traceID, spanID string, sampled bool) {
	reqinfo.From(ctx).SetTrace(reqinfo.Trace{TraceID: traceID, SpanID: spanID, Sampled: sampled})
}

// timer is the histogram of a duration, with a gate for each bucket that lets
// one exemplar a second pass: making one costs ten times an observation, and
// Prometheus keeps only the last before a scrape.
type timer struct {
	prometheus.Observer
	bounds []float64
	gates  []atomic.Int64 // when the next may pass, in nanoseconds; nil: none ever
}

// exemplarInterval is the least time between two exemplars of a bucket.
const exemplarInterval = time.Second

// newTimer returns a timer; without exemplars when bounds are nil.
func newTimer(h prometheus.Observer, exemplars bool, bounds []float64) *timer {
	t := &timer{Observer: h, bounds: bounds}
	if exemplars {
		t.gates = make([]atomic.Int64, len(bounds)+1)
		for i := range t.gates {
			t.gates[i].Store(int64(respw.Now()))
		}
	}
	return t
}

// observe records d, with an exemplar where one is due.
func (t *timer) observe(d time.Duration, info *reqinfo.Info) {
	seconds := max(0, d).Seconds()
	if t.gates != nil && info != nil {
		if trace := info.Trace(); trace.Sampled && isHex(trace.TraceID, 32) && isHex(trace.SpanID, 16) && t.pass(seconds) {
			t.Observer.(prometheus.ExemplarObserver).ObserveWithExemplar(seconds,
				prometheus.Labels{"trace_id": trace.TraceID, "span_id": trace.SpanID})
			return
		}
	}
	t.Observe(seconds)
}

func (t *timer) pass(seconds float64) bool {
	bucket, _ := slices.BinarySearch(t.bounds, seconds)
	gate := &t.gates[bucket]
	now := int64(respw.Now())
	due := gate.Load()
	return now >= due && gate.CompareAndSwap(due, now+int64(exemplarInterval))
}

// isHex reports whether s is an id of W3C Trace Context: n lower-case digits
// that are not all zero (§3.2.2.3). Anything else may be longer than what
// OpenMetrics allows, and client_golang would panic.
func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	zero := true
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
		zero = zero && c == '0'
	}
	return !zero
}
