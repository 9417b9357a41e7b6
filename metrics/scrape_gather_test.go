package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
)

// probe is a collector that counts how often it is asked and does what a test
// wants while it is.
type probe struct {
	gathers atomic.Int64
	during  func(ch chan<- prometheus.Metric)
	desc    *prometheus.Desc
}

func newProbe(during func(ch chan<- prometheus.Metric)) *probe {
	return &probe{during: during, desc: prometheus.NewDesc("probe_gathers", "Gathers so far.", nil, nil)}
}

func (p *probe) Describe(ch chan<- *prometheus.Desc) { ch <- p.desc }

func (p *probe) Collect(ch chan<- prometheus.Metric) {
	n := p.gathers.Add(1)
	if p.during != nil {
		p.during(ch)
	}
	ch <- prometheus.MustNewConstMetric(p.desc, prometheus.GaugeValue, float64(n))
}

// logBuffer is a log that tests read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSpace(l.buf.String()), "\n")
}

type scrapeFixture struct {
	*scraper
	reg *prometheus.Registry
	log *logBuffer
}

func newScrapeFixture(t testing.TB, o ScrapeOptions, collectors ...prometheus.Collector) scrapeFixture {
	t.Helper()
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors...)
	return newScrapeFixtureFor(t, reg, reg, o)
}

func newScrapeFixtureFor(t testing.TB, g prometheus.Gatherer, reg *prometheus.Registry, o ScrapeOptions) scrapeFixture {
	t.Helper()
	log := &logBuffer{}
	h, err := newScrapeHandler(g, reg, o, slog.New(slog.NewTextHandler(log, nil)))
	require.NoError(t, err)
	return scrapeFixture{h.(*scraper), reg, log}
}

func (f scrapeFixture) get(target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	return w
}

func (f scrapeFixture) gathers(result string) float64 {
	return testutil.ToFloat64(f.metrics.gathers.WithLabelValues(result))
}

func (f scrapeFixture) refusals(reason string) float64 {
	return testutil.ToFloat64(f.metrics.refusals.WithLabelValues(reason))
}

func TestHundredScrapesOfEveryKindShareOneGather(t *testing.T) {
	allThere := make(chan struct{})
	p := newProbe(func(chan<- prometheus.Metric) { <-allThere })
	f := newScrapeFixture(t, ScrapeOptions{Timeout: time.Minute}, p)
	srv := httptest.NewServer(f)
	defer srv.Close()

	accept := []string{"", "text/plain", "application/openmetrics-text;version=1.0.0", protoAccept}
	encodings := []string{"identity", "gzip", "zstd"}
	var crowd sync.WaitGroup
	for i := range 100 {
		crowd.Go(func() {
			target := fmt.Sprintf("%s/?name[]=probe_gathers&name[]=n%d", srv.URL, i)
			r, _ := http.NewRequest("GET", target, nil)
			r.Header.Set("Accept", accept[i%len(accept)])
			r.Header.Set("Accept-Encoding", encodings[i%len(encodings)])
			resp, err := srv.Client().Do(r)
			if err == nil {
				defer resp.Body.Close()
				_, err = io.ReadAll(resp.Body)
			}
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("scrape %d: %v %v", i, resp, err)
			}
		})
	}
	require.Eventually(t, func() bool { return f.pending.Load() == 100 }, 20*time.Second, time.Millisecond)
	close(allThere)
	crowd.Wait()
	require.EqualValues(t, 1, p.gathers.Load())
}

func TestStaggeredCrowdCostsTwoGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe(func(chan<- prometheus.Metric) { time.Sleep(50 * time.Millisecond) })
		f := newScrapeFixture(t, ScrapeOptions{}, p)
		var crowd sync.WaitGroup
		for range 100 {
			crowd.Go(func() {
				if w := f.get("/"); w.Code != http.StatusOK {
					t.Errorf("got %d", w.Code)
				}
			})
			time.Sleep(time.Millisecond)
		}
		crowd.Wait()
		require.EqualValues(t, 2, p.gathers.Load())
		require.Nil(t, f.snapshots.current, "a snapshot nobody needs is kept")
		require.Zero(t, f.pending.Load())
	})
}

func TestScrapesInARowAreFresh(t *testing.T) {
	f := newScrapeFixture(t, ScrapeOptions{}, newProbe(nil))
	for i := 1; i <= 3; i++ {
		require.Contains(t, f.get("/").Body.String(), fmt.Sprintf("\nprobe_gathers %d\n", i))
	}
}

// heldWriter keeps its client waiting until it is let go.
type heldWriter struct {
	*httptest.ResponseRecorder
	letGo chan struct{}
}

func (w heldWriter) Write(p []byte) (int, error) {
	<-w.letGo
	return w.ResponseRecorder.Write(p)
}

func TestSlowReaderDoesNotFreezeTheMetricsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newScrapeFixture(t, ScrapeOptions{}, newProbe(nil))
		slow := heldWriter{httptest.NewRecorder(), make(chan struct{})}
		go f.ServeHTTP(slow, httptest.NewRequest("GET", "/", nil))
		synctest.Wait()

		time.Sleep(shareFor - time.Millisecond)
		require.Contains(t, f.get("/").Body.String(), "\nprobe_gathers 1\n", "shared while it is young")
		time.Sleep(time.Millisecond)
		require.Contains(t, f.get("/").Body.String(), "\nprobe_gathers 2\n", "and then no more")
		close(slow.letGo)
		synctest.Wait()
		require.Contains(t, slow.Body.String(), "\nprobe_gathers 1\n")
		require.Nil(t, f.snapshots.current)
	})
}

func TestHangingCollectorHoldsOneGatherAndNoScrape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		revive := make(chan struct{})
		dead := true
		p := newProbe(func(chan<- prometheus.Metric) {
			if dead {
				<-revive
			}
		})
		f := newScrapeFixture(t, ScrapeOptions{Timeout: 10 * time.Second, MaxConcurrent: 4}, p)
		start := time.Now()
		before := runtime.NumGoroutine()

		var crowd sync.WaitGroup
		var early, late atomic.Int64
		for range 1000 {
			crowd.Go(func() {
				w := f.get("/")
				if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
					t.Errorf("got %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
				}
				if time.Since(start) == 0 {
					early.Add(1)
				} else {
					late.Add(1)
				}
			})
		}
		crowd.Wait()
		require.Equal(t, 10*time.Second, time.Since(start), "nobody waits longer than Timeout")
		require.EqualValues(t, 4+maxWaitingScrapes, late.Load(), "waiting is bounded")
		require.EqualValues(t, 1000-4-maxWaitingScrapes, early.Load())
		require.EqualValues(t, 4+maxWaitingScrapes, f.refusals("timeout"))
		require.EqualValues(t, 1000-4-maxWaitingScrapes, f.refusals("busy"))

		time.Sleep(time.Hour)
		at := time.Now()
		for range 100 {
			require.Equal(t, http.StatusServiceUnavailable, f.get("/").Code)
		}
		require.Zero(t, time.Since(at), "its result would be thrown away, so nobody waits for it")
		require.EqualValues(t, 1, p.gathers.Load())
		require.LessOrEqual(t, runtime.NumGoroutine()-before, 5, "the gather, and what the registry starts for it")

		dead = false
		close(revive)
		synctest.Wait()
		require.EqualValues(t, 1, f.gathers(gatherLate))
		w := f.get("/")
		require.Equal(t, http.StatusOK, w.Code)
		require.Contains(t, w.Body.String(), "\nprobe_gathers 2\n", "the values of an hour ago were thrown away")
		require.Len(t, f.log.lines(), 3, "two while it hung, one when it ended:\n%s", strings.Join(f.log.lines(), "\n"))
	})
}

func TestScraperThatGoesAwayStopsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		revive := make(chan struct{})
		f := newScrapeFixture(t, ScrapeOptions{}, newProbe(func(chan<- prometheus.Metric) { <-revive }))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		f.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx))
		require.Equal(t, time.Second, time.Since(start))
		require.EqualValues(t, 1, f.refusals("gone"))
		close(revive)
		synctest.Wait()
		require.Nil(t, f.snapshots.current, "a gather nobody waits for is dropped at its end")
	})
}

func TestLineForASlotIsBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newScrapeFixture(t, ScrapeOptions{MaxConcurrent: 1, Timeout: 3 * time.Second}, newProbe(nil))
		slow := heldWriter{httptest.NewRecorder(), make(chan struct{})}
		go f.ServeHTTP(slow, httptest.NewRequest("GET", "/", nil))
		synctest.Wait()

		start := time.Now()
		w := f.get("/")
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Equal(t, "5", w.Header().Get("Retry-After"))
		require.Equal(t, 3*time.Second, time.Since(start))
		require.EqualValues(t, 1, f.refusals("busy"))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		f.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx))
		require.Equal(t, 4*time.Second, time.Since(start), "who goes away leaves the line")
		require.EqualValues(t, 1, f.refusals("gone"))

		go func() {
			time.Sleep(2 * time.Second)
			close(slow.letGo)
		}()
		require.Equal(t, http.StatusOK, f.get("/").Code, "a slot that becomes free in time is taken")
		require.Equal(t, 6*time.Second, time.Since(start))
	})
}

const secret = "hunter2-dsn-password"

const protoAccept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

func TestBadCollectorCostsOnlyItsOwnMetrics(t *testing.T) {
	desc := prometheus.NewDesc("bad", "Fails.", nil, nil)
	for name, fail := range map[string]func(ch chan<- prometheus.Metric){
		"it reports an error": func(ch chan<- prometheus.Metric) {
			ch <- prometheus.NewInvalidMetric(desc, errors.New("cannot reach "+secret))
		},
		"it panics": func(chan<- prometheus.Metric) { panic("cannot reach " + secret) },
		"it sends a metric twice": func(ch chan<- prometheus.Metric) {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, 1)
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, 2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			good := prometheus.NewGauge(prometheus.GaugeOpts{Name: "good", Help: "Works."})
			f := newScrapeFixture(t, ScrapeOptions{}, &unchecked{fail}, good)
			w := f.get("/")
			require.Equal(t, http.StatusOK, w.Code)
			require.Contains(t, w.Body.String(), "\ngood 0\n")
			require.NotContains(t, w.Body.String(), secret)
			require.EqualValues(t, 1, f.gathers(gatherPartial))
			require.Contains(t, f.get("/").Body.String(), `sluice_scrape_gathers_total{result="partial"} 1`)
			require.Len(t, f.log.lines(), 1, "a second one within 10 s says nothing new")
			require.Regexp(t, "cannot reach|collected before", f.log.lines()[0], "the cause")
			require.Less(t, len(f.log.lines()[0]), 2*maxLoggedError, "no 64 KB of stack in a log line")
		})
	}
}

// unchecked is a collector that describes nothing.
type unchecked struct {
	collect func(ch chan<- prometheus.Metric)
}

func (*unchecked) Describe(chan<- *prometheus.Desc)      {}
func (u *unchecked) Collect(ch chan<- prometheus.Metric) { u.collect(ch) }

func TestGatherWithoutAnythingIs503AndSaysNothing(t *testing.T) {
	for name, gather := range map[string]prometheus.GathererFunc{
		"an error":           func() ([]*dto.MetricFamily, error) { return nil, errors.New(secret) },
		"a panic":            func() ([]*dto.MetricFamily, error) { panic(secret) },
		"an ended goroutine": func() ([]*dto.MetricFamily, error) { runtime.Goexit(); return nil, nil },
		"a nil metric in the registry": func() ([]*dto.MetricFamily, error) {
			reg := prometheus.NewRegistry()
			reg.MustRegister(&unchecked{func(ch chan<- prometheus.Metric) { ch <- nil }})
			return reg.Gather()
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newScrapeFixtureFor(t, gather, prometheus.NewRegistry(), ScrapeOptions{})
			w := f.get("/")
			require.Equal(t, http.StatusServiceUnavailable, w.Code)
			require.Equal(t, "5", w.Header().Get("Retry-After"))
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			require.NotContains(t, w.Body.String(), secret)
			require.EqualValues(t, 1, f.gathers(gatherFailed))
			require.EqualValues(t, 1, f.refusals("failed"))
			require.Len(t, f.log.lines(), 1)
			require.Equal(t, http.StatusServiceUnavailable, f.get("/").Code, "and the next scrape is answered too")
		})
	}
}

func TestFaultIsLoggedOncePerCauseAndTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logBuffer{}
		faults := &scrapeFaults{logger: slog.New(slog.NewTextHandler(log, nil)), logged: map[string]time.Time{}}
		for range 21 { // 0 to 20 s
			faults.log(slog.LevelError, "a", "first cause", "x")
			faults.log(slog.LevelError, "b", "second cause", "x")
			time.Sleep(time.Second)
		}
		require.Len(t, log.lines(), 6)
	})
}

func TestLoggedErrorIsCutBetweenCharacters(t *testing.T) {
	log := &logBuffer{}
	faults := &scrapeFaults{logger: slog.New(slog.NewTextHandler(log, nil)), logged: map[string]time.Time{}}
	faults.log(slog.LevelError, "a", "long", "x"+strings.Repeat("é", 32<<10))
	require.Less(t, len(log.lines()[0]), maxLoggedError+200)
	require.Contains(t, log.lines()[0], `é ..."`)
}
