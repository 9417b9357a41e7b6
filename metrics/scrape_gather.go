package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/prometheus/client_golang/prometheus/promhttp/zstd" // promhttp offers zstd only with it
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// shareFor is how long after its begin a snapshot that is still being sent is
// given to those who come: less than scrapers leave between two scrapes.
const shareFor = time.Second

// snapshots gathers for all scrapes. promhttp can coalesce gathers too, but
// shares a snapshot for as long as anyone reads it, so that a few busy scrapers
// never see a new one, and its waiting scrapes do not end before the gather.
type snapshots struct {
	gatherer prometheus.Gatherer
	timeout  time.Duration
	metrics  *scrapeMetrics
	faults   *scrapeFaults

	mu      sync.Mutex
	current *snapshot // being gathered or in use, else nil
}

// snapshot is the result of one gather.
type snapshot struct {
	begun time.Time
	ready chan struct{} // closed when the gather is over

	handler http.Handler // sends the metrics; set before ready is closed; nil: there are none

	users   int  // guarded by snapshots.mu
	running bool // guarded by snapshots.mu
}

// acquire returns a snapshot, which the caller must release, after waiting for
// at most the rest of the time that its gather has.
func (s *snapshots) acquire(ctx context.Context) (*snapshot, *refusal) {
	snap := s.join()
	no := s.await(ctx, snap)
	if no != nil {
		s.release(snap)
		return nil, no
	}
	return snap, nil
}

// join returns the snapshot that a scrape arriving now shares, and begins one
// where there is none. There is never a second gather beside a running one, or
// a collector that hangs would have one more victim with every scrape.
func (s *snapshots) join() *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap := s.current
	if snap == nil || !snap.running && time.Since(snap.begun) >= min(shareFor, s.timeout) {
		snap = &snapshot{begun: time.Now(), ready: make(chan struct{}), running: true}
		s.current = snap
		go s.gather(snap)
	}
	snap.users++
	return snap
}

func (s *snapshots) release(snap *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap.users--
	s.forget(snap)
}

// forget lets go of a snapshot that nobody uses, so that the next scrape is a
// fresh one and the memory is free. Callers hold mu.
func (s *snapshots) forget(snap *snapshot) {
	if s.current == snap && snap.users == 0 && !snap.running {
		s.current = nil
	}
}

func (s *snapshots) await(ctx context.Context, snap *snapshot) *refusal {
	wait := time.NewTimer(s.timeout - time.Since(snap.begun))
	defer wait.Stop()
	select {
	case <-snap.ready:
	case <-wait.C:
	case <-ctx.Done():
	}
	switch {
	case snap.over(): // whatever else happened in the meantime
	case ctx.Err() != nil:
		return clientGone()
	default:
		s.faults.log(slog.LevelError, "hang", "gathering metrics takes too long: a collector is slow or hangs", "still running after "+s.timeout.String())
		return &refusal{"timeout", http.StatusServiceUnavailable, "gathering the metrics takes too long"}
	}
	if snap.handler == nil {
		return &refusal{"failed", http.StatusServiceUnavailable, "the metrics could not be gathered; the log of the service says why"}
	}
	return nil
}

func (snap *snapshot) over() bool {
	select {
	case <-snap.ready:
		return true
	default:
		return false
	}
}

var errGatherEnded = errors.New("the gathering goroutine was ended")

// gather runs on a goroutine of its own: it may outlive every scrape. The
// registry recovers panics of Collect, but not those that a bad metric causes
// later on.
func (s *snapshots) gather(snap *snapshot) {
	var families []*dto.MetricFamily
	err := errGatherEnded // by runtime.Goexit
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		s.finish(snap, families, err)
	}()
	families, err = s.gatherer.Gather()
}

func (s *snapshots) finish(snap *snapshot, families []*dto.MetricFamily, err error) {
	result := s.judge(snap, families, err)
	if result == gatherComplete || result == gatherPartial {
		snap.handler = newSnapshotHandler(families)
	}
	s.metrics.gathers.WithLabelValues(result).Inc()
	s.mu.Lock()
	snap.running = false
	s.forget(snap)
	s.mu.Unlock()
	close(snap.ready)
}

// judge names the result and logs what is wrong with it. One bad collector does
// not make the gather a failure: all alerts would go blind, or fire at once, for
// the sake of one metric.
func (s *snapshots) judge(snap *snapshot, families []*dto.MetricFamily, err error) string {
	took := time.Since(snap.begun)
	switch {
	case took >= s.timeout:
		s.faults.log(slog.LevelError, gatherLate, "metrics thrown away: gathering them took too long", took.String())
		return gatherLate
	case err == nil:
		return gatherComplete
	case len(families) == 0:
		s.faults.log(slog.LevelError, gatherFailed, "metrics could not be gathered", err.Error())
		return gatherFailed
	default:
		s.faults.log(slog.LevelError, gatherPartial, "some metrics could not be gathered", err.Error())
		return gatherPartial
	}
}

// newSnapshotHandler returns promhttp's handler for metrics at hand. The formats
// are those that scrapers can parse; promhttp's others are for people, and ten
// times as large.
func newSnapshotHandler(families []*dto.MetricFamily) http.Handler {
	g := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, nil })
	return promhttp.HandlerFor(g, promhttp.HandlerOpts{
		AcceptedFormats: []expfmt.Format{
			expfmt.FmtOpenMetrics_1_0_0, expfmt.FmtOpenMetrics_0_0_1, expfmt.FmtProtoDelim, expfmt.FmtText,
		},
		// What is left to fail is encoding and writing, and the other modes end
		// the answer as if it were whole. See scraper.send.
		ErrorHandling: promhttp.PanicOnError,
	})
}
