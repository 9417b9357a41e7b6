package host_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/metrics/host"
)

const up, dataUp = `host_filesystem_up{name="root"}`, `host_filesystem_up{name="data"}`

func quiet(paths map[string]string) host.Options {
	return host.Options{Paths: paths, Logger: slog.New(slog.DiscardHandler)}
}

// network is a file system that answers while its server is there.
type network struct {
	calls atomic.Int64
	mu    sync.Mutex
	gone  chan struct{} // closed when the server is back
}

func (n *network) leave() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gone = make(chan struct{})
}

func (n *network) back() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.gone)
	n.gone = nil
}

func (n *network) statfs(path string) (host.Usage, error) {
	if path != "/data" {
		return host.Usage{Size: 1000, Free: 400, Avail: 300, Files: 50, FilesFree: 20, ReadOnly: true}, nil
	}
	n.calls.Add(1)
	n.mu.Lock()
	gone := n.gone
	n.mu.Unlock()
	if gone != nil {
		<-gone
	}
	return host.Usage{Size: 10, Free: 5, Avail: 5}, nil
}

func TestAFileSystemThatHangsHoldsUpNothing(t *testing.T) {
	supportedHere(t)
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		c, err := host.NewIn(host.Options{
			Paths:   map[string]string{"data": "/data", "root": "/"},
			Timeout: 2 * time.Second,
			Logger:  slog.New(slog.DiscardHandler),
		}, host.Env{Root: t.TempDir(), Statfs: n.statfs})
		require.NoError(t, err)
		require.Equal(t, 1.0, scrape(t, c)[dataUp])

		n.leave()
		asked := n.calls.Load()
		for i := range 20 {
			start := time.Now()
			samples := scrape(t, c)
			require.Equal(t, 2*time.Second, time.Since(start))
			require.Equal(t, 0.0, samples[dataUp])
			require.NotContains(t, samples, `host_filesystem_size_bytes{name="data"}`, "an old value would look like a new one")
			require.Equal(t, 1.0, samples[up])
			require.Equal(t, 1000.0, samples[`host_filesystem_size_bytes{name="root"}`])
			require.Equal(t, float64(i+1), samples[`host_collect_errors_total{source="filesystem"}`])
		}
		require.Equal(t, asked+1, n.calls.Load(), "one question is open, however many scrapes wait")

		n.back()
		synctest.Wait()
		samples := scrape(t, c)
		require.Equal(t, 1.0, samples[dataUp])
		require.Equal(t, 10.0, samples[`host_filesystem_size_bytes{name="data"}`])
	})
}

func TestScrapesAtATimeShareOneQuestion(t *testing.T) {
	supportedHere(t)
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		c, err := host.NewIn(quiet(map[string]string{"data": "/data"}), host.Env{Root: t.TempDir(), Statfs: n.statfs})
		require.NoError(t, err)
		n.leave()
		asked := n.calls.Load()
		var scrapes sync.WaitGroup
		for range 50 {
			scrapes.Go(func() { scrape(t, c) })
		}
		scrapes.Wait()
		require.Equal(t, asked+1, n.calls.Load())
		n.back()
	})
}

func TestNewDoesNotHangWithAFileSystem(t *testing.T) {
	supportedHere(t)
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		n.leave()
		start := time.Now()
		c, err := host.NewIn(quiet(map[string]string{"data": "/data"}), host.Env{Root: t.TempDir(), Statfs: n.statfs})
		require.NoError(t, err, "a service must be able to start while its network file system is away")
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, 0.0, scrape(t, c)[dataUp])
		n.back()
	})
}

func TestAFileSystemInTroubleIsNoReasonNotToStart(t *testing.T) {
	supportedHere(t)
	c, err := host.NewIn(quiet(nil), host.Env{Root: t.TempDir(), Statfs: func(string) (host.Usage, error) {
		return host.Usage{}, errors.New("input/output error")
	}})
	require.NoError(t, err)
	require.Equal(t, 0.0, scrape(t, c)[up])
}

func TestAPathThatVanishesIsDown(t *testing.T) {
	supportedHere(t)
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.Mkdir(dir, 0o700))
	c, err := host.New(quiet(map[string]string{"data": dir}))
	require.NoError(t, err)
	before := scrape(t, c)
	require.Equal(t, 1.0, before[dataUp])
	require.Positive(t, before[`host_filesystem_size_bytes{name="data"}`])

	require.NoError(t, os.Remove(dir))
	samples := scrape(t, c)
	require.Equal(t, 0.0, samples[dataUp])
	require.Equal(t, 1.0, samples[`host_collect_errors_total{source="filesystem"}`])
	require.NotContains(t, samples, `host_filesystem_readonly{name="data"}`)
}

func TestWhatAFileSystemHasNotIsAbsent(t *testing.T) {
	supportedHere(t)
	tests := []struct {
		name   string
		usage  host.Usage
		absent []string
	}{
		{"a file system without a fixed number of inodes", host.Usage{Size: 10}, []string{"files", "files_free"}},
		{"a file system of the kernel", host.Usage{}, []string{"size_bytes", "free_bytes", "avail_bytes", "files", "files_free"}},
		{"a full disk", host.Usage{Size: 10, Files: 10}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := host.NewIn(host.Options{}, host.Env{Root: t.TempDir(), Statfs: func(string) (host.Usage, error) { return tt.usage, nil }})
			require.NoError(t, err)
			samples := scrape(t, c)
			found := 0
			for _, family := range []string{"up", "readonly", "size_bytes", "free_bytes", "avail_bytes", "files", "files_free"} {
				if _, ok := samples["host_filesystem_"+family+`{name="root"}`]; ok {
					found++
				}
			}
			require.Equal(t, 7-len(tt.absent), found)
			for _, family := range tt.absent {
				require.NotContains(t, samples, "host_filesystem_"+family+`{name="root"}`)
			}
		})
	}
}

func TestAFaultIsLoggedOnceUntilItComesBack(t *testing.T) {
	supportedHere(t)
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var broken error
		c, err := host.NewIn(host.Options{
			Paths:  map[string]string{"data": "/data"},
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		}, host.Env{Root: t.TempDir(), Statfs: func(string) (host.Usage, error) { return host.Usage{Size: 1}, broken }})
		require.NoError(t, err)
		lines := func(err error) int {
			broken = err
			scrape(t, c)
			return strings.Count(log.String(), "filesystem data")
		}
		eio := errors.New("input/output error")
		require.Equal(t, 0, lines(nil))
		require.Equal(t, 1, lines(eio))
		time.Sleep(time.Hour)
		require.Equal(t, 1, lines(eio), "it is the same fault")
		require.Equal(t, 1, lines(nil))
		require.Equal(t, 2, lines(eio), "another one")
		require.Equal(t, 2, lines(nil))
		require.Equal(t, 2, lines(eio), "it comes and goes too fast")
		time.Sleep(10 * time.Second)
		require.Equal(t, 2, lines(nil))
		require.Equal(t, 3, lines(eio))
	})
}
