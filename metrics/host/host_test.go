package host_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sluice-go/sluice/metrics/host"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// scrape returns the samples of a collector by name and labels. The registry
// is pedantic, so that what is collected must also be described.
func scrape(tb testing.TB, c prometheus.Collector) map[string]float64 {
	tb.Helper()
	r := prometheus.NewPedanticRegistry()
	require.NoError(tb, r.Register(c))
	families, err := r.Gather()
	require.NoError(tb, err)
	samples := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for i, l := range m.GetLabel() {
				key += fmt.Sprintf("%s%s=%q", map[bool]string{true: "{", false: ","}[i == 0], l.GetName(), l.GetValue())
			}
			if len(m.GetLabel()) > 0 {
				key += "}"
			}
			samples[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return samples
}

func supportedHere(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("host gives nothing on " + runtime.GOOS)
	}
}

func TestAnUnsupportedSystemIsNamed(t *testing.T) {
	_, err := host.New(host.Options{})
	if runtime.GOOS == "linux" || runtime.GOOS == "darwin" {
		require.NoError(t, err)
		return
	}
	require.ErrorIs(t, err, errors.ErrUnsupported)
}

func TestFaultsOfOptionsAreReportedAtOnce(t *testing.T) {
	supportedHere(t)
	_, err := host.New(host.Options{
		Paths:     map[string]string{"": "/", "rel": "data", "bad\xff": "/"},
		Namespace: "7up",
		Timeout:   -1,
	})
	require.EqualError(t, err, strings.Join([]string{
		`host: Paths: the name "" must be valid UTF-8 and not empty`,
		`host: Paths: the name "bad\xff" must be valid UTF-8 and not empty`,
		`host: Paths: "rel": "data" is not an absolute path`,
		`host: Namespace: "7up" must be letters, digits and underscores, not starting with a digit`,
		`host: Timeout: must not be negative: a scrape without a bound hangs with a file system`,
	}, "\n"))
}

func TestNamespaces(t *testing.T) {
	supportedHere(t)
	for _, bad := range []string{"a b", "a:b", "a-b", "ä", "a\xff", "1"} {
		_, err := host.New(host.Options{Namespace: bad})
		require.ErrorContains(t, err, "host: Namespace: ", bad)
	}
	c, err := host.New(host.Options{Namespace: "shop_1"})
	require.NoError(t, err)
	samples := scrape(t, c)
	require.Contains(t, samples, `shop_1_host_filesystem_up{name="root"}`)
	for name := range samples {
		require.True(t, strings.HasPrefix(name, "shop_1_host_"), name)
	}
}

func TestAPathThatIsWrongIsAFault(t *testing.T) {
	supportedHere(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := host.New(host.Options{Paths: map[string]string{
		"good": dir, "gone": filepath.Join(dir, "gone"), "under a file": filepath.Join(file, "x"),
	}})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, `host: Paths: "gone": `)
	require.ErrorContains(t, err, `host: Paths: "under a file": `)
	require.NotContains(t, err.Error(), `"good"`)
}

func TestThePathsAreTheCallersOwn(t *testing.T) {
	supportedHere(t)
	paths := map[string]string{"Daten für alle": t.TempDir()}
	c, err := host.New(host.Options{Paths: paths})
	require.NoError(t, err)
	clear(paths)
	require.Equal(t, 1.0, scrape(t, c)[`host_filesystem_up{name="Daten für alle"}`])

	none, err := host.New(host.Options{Paths: paths})
	require.NoError(t, err)
	for name := range scrape(t, none) {
		require.NotContains(t, name, "host_filesystem_")
	}
}

func TestThePathItselfIsNotShown(t *testing.T) {
	supportedHere(t)
	dir := t.TempDir()
	c, err := host.New(host.Options{Paths: map[string]string{"data": dir}})
	require.NoError(t, err)
	for name := range scrape(t, c) {
		require.NotContains(t, name, dir)
	}
}

func TestTheNamesPassTheLinter(t *testing.T) {
	supportedHere(t)
	c, err := host.New(host.Options{})
	require.NoError(t, err)
	r := prometheus.NewPedanticRegistry()
	require.NoError(t, r.Register(c))
	problems, err := testutil.GatherAndLint(r)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestASecondCollectorNeedsItsOwnNamespace(t *testing.T) {
	supportedHere(t)
	r := prometheus.NewPedanticRegistry()
	for _, tt := range []struct {
		namespace string
		taken     bool
	}{{"", false}, {"b", false}, {"", true}} {
		c, err := host.New(host.Options{Namespace: tt.namespace})
		require.NoError(t, err)
		require.Equal(t, tt.taken, errors.As(r.Register(c), &prometheus.AlreadyRegisteredError{}))
	}
	_, err := r.Gather()
	require.NoError(t, err)
}

func TestAScrapeWithoutFileSystemsDoesNotWait(t *testing.T) {
	supportedHere(t)
	c, err := host.New(host.Options{Paths: map[string]string{}, Timeout: time.Hour})
	require.NoError(t, err)
	require.NotEmpty(t, scrape(t, c))
}
