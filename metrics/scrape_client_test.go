package metrics

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
)

func TestAnswerThatCannotBeEncodedIsCutOff(t *testing.T) {
	name, kind := "broken_total", dto.MetricType_COUNTER
	good := prometheus.NewRegistry()
	good.MustRegister(newProbe(nil))
	g := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := good.Gather()
		return append(families, &dto.MetricFamily{Name: &name, Type: &kind, Metric: []*dto.Metric{{}}}), err
	})
	for _, coding := range []string{"identity", "gzip", "zstd"} {
		t.Run(coding, func(t *testing.T) {
			f := newScrapeFixtureFor(t, g, prometheus.NewRegistry(), ScrapeOptions{})
			srv := httptest.NewServer(f)
			defer srv.Close()
			r, _ := http.NewRequest("GET", srv.URL, nil)
			r.Header.Set("Accept-Encoding", coding)
			resp, err := srv.Client().Do(r)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			require.Error(t, err, "half of the metrics must not look like all of them")
			require.Len(t, f.log.lines(), 1)
			require.Contains(t, f.log.lines()[0], "metrics cannot be encoded")
			require.Eventually(t, func() bool { return f.pending.Load() == 0 && len(f.slots) == 0 }, 10*time.Second, time.Millisecond)
		})
	}
}

// pipeListener hands a server one end of a pipe: a network inside a bubble.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// servePipes starts srv and returns how to connect. net.Pipe buffers nothing, so
// a client that does not read is felt at once.
func servePipes(t *testing.T, srv *http.Server) (dial func() net.Conn) {
	t.Helper()
	l := &pipeListener{make(chan net.Conn), make(chan struct{})}
	srv.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return func() net.Conn {
		client, server := net.Pipe()
		l.conns <- server
		t.Cleanup(func() { client.Close() })
		return client
	}
}

func TestClientThatDoesNotReadLosesItsSlot(t *testing.T) {
	for _, coding := range []string{"identity", "gzip", "zstd"} {
		synctest.Test(t, func(t *testing.T) {
			f := newScrapeFixtureFor(t, manyHistograms(2000), prometheus.NewRegistry(), ScrapeOptions{MaxConcurrent: 1, Timeout: 10 * time.Second})
			dial := servePipes(t, &http.Server{Handler: f})
			start := time.Now()
			c := dial()
			_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: "+coding+"\r\n\r\n")
			require.NoError(t, err)
			synctest.Wait()
			require.Len(t, f.slots, 1)
			time.Sleep(10*time.Second - time.Millisecond)
			require.Len(t, f.slots, 1)
			time.Sleep(time.Millisecond)
			synctest.Wait()
			require.Empty(t, f.slots, coding)
			require.Equal(t, 10*time.Second, time.Since(start))
			require.Equal(t, []string{""}, f.log.lines(), "a client is no fault of ours")
			require.Nil(t, f.snapshots.current)
		})
	}
}

func TestWriteTimeoutOfTheServerIsTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newScrapeFixtureFor(t, manyHistograms(2000), prometheus.NewRegistry(), ScrapeOptions{Timeout: 10 * time.Second})
		c := servePipes(t, &http.Server{Handler: f, WriteTimeout: 3 * time.Second})()
		_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		time.Sleep(3*time.Second - time.Millisecond)
		require.Len(t, f.slots, 1)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		require.Empty(t, f.slots)
	})
}

func TestHTTP2ClientThatDoesNotReadLosesItsSlot(t *testing.T) {
	families, err := manyHistograms(500).Gather()
	require.NoError(t, err)
	g := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return families, nil })
	f := newScrapeFixtureFor(t, g, prometheus.NewRegistry(), ScrapeOptions{Timeout: 300 * time.Millisecond})
	srv := httptest.NewUnstartedServer(f)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	tr := srv.Client().Transport.(*http.Transport)
	tr.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 1 << 16} // far less than the answer
	r, _ := http.NewRequest("GET", srv.URL, nil)
	r.Header.Set("Accept-Encoding", "identity")
	resp, err := srv.Client().Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 2, resp.ProtoMajor)
	require.Eventually(t, func() bool { return len(f.slots) == 0 && f.pending.Load() == 0 }, 10*time.Second, time.Millisecond)
	_, err = io.ReadAll(resp.Body)
	require.Error(t, err)
}

func TestWriteDeadlineEndsWithTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mux := http.NewServeMux()
		mux.Handle("/metrics", newScrapeFixture(t, ScrapeOptions{}, newProbe(nil)))
		mux.HandleFunc("/other", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "fine") })
		c := servePipes(t, &http.Server{Handler: mux})()
		answers := bufio.NewReader(c)
		for _, path := range []string{"/metrics", "/other", "/metrics"} {
			_, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
			require.NoError(t, err)
			resp, err := http.ReadResponse(answers, nil)
			require.NoError(t, err)
			_, err = io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, resp.StatusCode)
			time.Sleep(time.Hour)
		}
	})
}

func TestClientGoneInTheMiddleHarmsNobody(t *testing.T) {
	f := newScrapeFixtureFor(t, manyHistograms(2000), prometheus.NewRegistry(), ScrapeOptions{MaxConcurrent: 1})
	srv := httptest.NewServer(f)
	defer srv.Close()
	for _, coding := range []string{"identity", "gzip", "zstd"} {
		ctx, cancel := context.WithCancel(t.Context())
		r, _ := http.NewRequestWithContext(ctx, "GET", srv.URL, nil)
		r.Header.Set("Accept-Encoding", coding)
		resp, err := srv.Client().Do(r)
		require.NoError(t, err)
		_, err = resp.Body.Read(make([]byte, 10))
		require.NoError(t, err)
		cancel()
		resp.Body.Close()
	}
	resp, err := srv.Client().Get(srv.URL)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, []string{""}, f.log.lines())
}

func TestOwnMetricsAreBornAtZeroAndLintClean(t *testing.T) {
	f := newScrapeFixture(t, ScrapeOptions{})
	problems, err := testutil.GatherAndLint(f.reg)
	require.NoError(t, err)
	require.Empty(t, problems)
	body := f.get("/").Body.String()
	require.Contains(t, body, `sluice_scrape_gathers_total{result="complete"} 0`)
	require.Contains(t, body, `sluice_scrape_refusals_total{reason="token"} 0`)
	require.Contains(t, f.get("/").Body.String(), `sluice_scrape_gathers_total{result="complete"} 1`)
}

func TestHandlersOnOneRegistryShareTheirMetrics(t *testing.T) {
	a := newScrapeFixture(t, ScrapeOptions{})
	b := newScrapeFixtureFor(t, a.reg, a.reg, ScrapeOptions{})
	a.get("/")
	require.Contains(t, b.get("/").Body.String(), `sluice_scrape_gathers_total{result="complete"} 1`)

	labelled := prometheus.WrapRegistererWith(prometheus.Labels{"app": "x"}, prometheus.NewRegistry())
	for range 2 {
		_, err := newScrapeHandler(a.reg, labelled, ScrapeOptions{}, nil)
		require.NoError(t, err)
	}
}

func TestMetricOfAnotherOwnerIsAFault(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "sluice_scrape_gathers_total", Help: "Not ours."}))
	_, err := newScrapeHandler(reg, reg, ScrapeOptions{}, nil)
	require.ErrorContains(t, err, "metrics: Scrape: ")
	require.ErrorContains(t, err, "sluice_scrape_gathers_total")
}

func TestFaultsOfTheOptionsComeAllAtOnce(t *testing.T) {
	reg := prometheus.NewRegistry()
	_, err := newScrapeHandler(reg, reg, ScrapeOptions{
		AllowFrom:     []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), {}, netip.MustParsePrefix("::ffff:10.0.0.0/90")},
		Token:         "se cret",
		MaxConcurrent: -1,
		Timeout:       -1,
	}, nil)
	for _, want := range []string{
		"metrics: Scrape.AllowFrom[1]: ", "metrics: Scrape.AllowFrom[2]: ", "metrics: Scrape.Token: must consist",
		"metrics: Scrape.Token: must have", "metrics: Scrape.MaxConcurrent: ", "metrics: Scrape.Timeout: ",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "se cret")
	require.NotContains(t, err.Error(), "AllowFrom[0]")
	for _, token := range []string{"================", "sixteen letters=x", "ünïcode-is-not-allowed", "line\nbreak-and-more"} {
		require.Len(t, ScrapeOptions{Token: token}.validate(), 1, token)
	}
	require.Empty(t, ScrapeOptions{Token: goodToken}.validate())
}
