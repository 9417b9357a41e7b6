package metrics

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Results of a gather. They name the log lines too.
const (
	gatherComplete = "complete"
	gatherPartial  = "partial" // collectors failed, the rest was sent
	gatherFailed   = "failed"  // nothing was gathered
	gatherLate     = "late"    // longer than Timeout, thrown away
)

// scrapeMetrics are the endpoint's own metrics: what tells an operator that
// metrics are missing, and who was refused. A scraper knows the rest itself
// (up, scrape_duration_seconds).
type scrapeMetrics struct {
	gathers  *prometheus.CounterVec
	refusals *prometheus.CounterVec
}

func registerScrapeMetrics(reg prometheus.Registerer) (*scrapeMetrics, error) {
	m := &scrapeMetrics{
		gathers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_scrape_gathers_total",
			Help: "Gathers for the scrape endpoint, by result; the one in progress is not counted.",
		}, []string{"result"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sluice_scrape_refusals_total",
			Help: "Scrapes answered without metrics, by reason.",
		}, []string{"reason"}),
	}
	// Born at zero, as the first increase of a new series is invisible to rate().
	for _, result := range []string{gatherComplete, gatherPartial, gatherFailed, gatherLate} {
		m.gathers.WithLabelValues(result)
	}
	for _, reason := range []string{"address", "token", "method", "query", "header", "busy", "timeout", "failed", "gone"} {
		m.refusals.WithLabelValues(reason)
	}
	err := reg.Register(m)
	if twin := (prometheus.AlreadyRegisteredError{}); errors.As(err, &twin) {
		if shared, ok := twin.ExistingCollector.(*scrapeMetrics); ok {
			return shared, nil
		}
	}
	return m, err
}

// Describe implements [prometheus.Collector].
func (m *scrapeMetrics) Describe(ch chan<- *prometheus.Desc) {
	m.gathers.Describe(ch)
	m.refusals.Describe(ch)
}

// Collect implements [prometheus.Collector].
func (m *scrapeMetrics) Collect(ch chan<- prometheus.Metric) {
	m.gathers.Collect(ch)
	m.refusals.Collect(ch)
}

const (
	scrapeLogEvery = 10 * time.Second
	maxLoggedError = 4 << 10 // bytes; the error of a panic carries a stack of up to 64 KB
)

// scrapeFaults logs what an operator must mend, once per cause and 10 s. The
// counters have the numbers.
type scrapeFaults struct {
	logger *slog.Logger
	mu     sync.Mutex
	logged map[string]time.Time
}

func (f *scrapeFaults) log(level slog.Level, cause, message, text string) {
	if !f.due(cause) {
		return
	}
	if len(text) > maxLoggedError {
		text = strings.ToValidUTF8(text[:maxLoggedError], "") + " ..."
	}
	f.logger.LogAttrs(context.Background(), level, message, slog.String("error", text))
}

func (f *scrapeFaults) due(cause string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	last, seen := f.logged[cause]
	if seen && time.Since(last) < scrapeLogEvery {
		return false
	}
	f.logged[cause] = time.Now()
	return true
}
