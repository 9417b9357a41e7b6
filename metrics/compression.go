package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// contentCodings are those of bodies; any other is unknown.
var contentCodings = [...]string{"identity", "gzip", "br", "zstd", unknown}

type codingSeries struct{ bodies, before, after, seconds prometheus.Counter }

// newCodings starts all series at zero: there are never more.
func newCodings(f *factory) (all [len(contentCodings)]codingSeries) {
	bodies := f.counter("http_response_encodings_total", "Response bodies that were encoded, or (identity) not worth it.", "coding")
	bytes := f.counter("http_response_encoding_bytes_total", "Lengths of those bodies before and after.", "coding", "stage")
	seconds := f.counter("http_response_encoding_seconds_total", "Time that encoding them took.", "coding")
	for i, coding := range contentCodings {
		all[i] = codingSeries{
			bodies:  bodies.WithLabelValues(coding),
			before:  bytes.WithLabelValues(coding, "before"),
			after:   bytes.WithLabelValues(coding, "after"),
			seconds: seconds.WithLabelValues(coding),
		}
	}
	return all
}

// ObserveCompression records what became of a response body, as OnResult of
// sluice's compress tells it: the coding is "gzip", "br", "zstd", or "identity"
// where it was not worth it.
func (m *Metrics) ObserveCompression(coding string, before, after int64, d time.Duration) {
	s := &m.domain.codings[len(contentCodings)-1]
	for i, known := range contentCodings {
		if known == coding {
			s = &m.domain.codings[i]
		}
	}
	s.bodies.Inc()
	s.before.Add(bodyLength(before))
	s.after.Add(bodyLength(after))
	s.seconds.Add(max(0, d).Seconds())
}

// bodyLength is n within what a body can be: a counter wraps around at 2^64.
func bodyLength(n int64) float64 { return float64(min(max(0, n), 1<<50)) }
