package health_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

var update = flag.Bool("update", false, "write the golden files")

// machine is a system with known numbers. The use of processors is 25.5 %.
func machine() health.SystemOptions {
	start := time.Now()
	return health.SystemOptions{Source: health.SystemSource{
		Sample: func(context.Context) (health.SystemSample, error) {
			return health.SystemSample{
				CPUSeconds: 1 + 2*0.255*time.Since(start).Seconds(), CPUCores: 2, CPUOf: "machine", MemoryUsed: 623, MemoryLimit: 1000,
			}, nil
		},
		Disk: func(string) (health.DiskSpace, error) { return health.DiskSpace{Used: 452, Avail: 548}, nil },
	}}
}

// troubled has a check in each state, none of which runs twice.
func troubled(t *testing.T, o health.Options) *health.Checker {
	refused := func(ctx context.Context) error {
		time.Sleep(12*time.Millisecond + 345*time.Microsecond)
		health.Set(ctx, "open_connections", 3)
		return health.WithReason(errors.New("dial postgres://app:hunter2@10.0.0.5/db: connection refused\nsecond line"), "refused")
	}
	o.Checks = []health.Check{
		{Name: "database", Func: refused},
		{Name: "cache <main> & \"co\"", Func: refused, Criticality: health.Degrading},
		{Name: "queue", Func: func(ctx context.Context) error {
			health.Set(ctx, "length", int64(1)<<53)
			health.Set(ctx, "ratio", 0.25)
			health.Set(ctx, "paused", true)
			health.Set(ctx, "node", "a<b")
			return health.Degraded(errors.New("behind"))
		}, Groups: []string{"readiness", "own"}},
		{Name: "search", Func: failing, Criticality: health.Informational, Groups: []string{"own"}},
		{Name: "starting", Func: hanging, Groups: []string{"startup"}},
		{Name: "größe", Func: passing, Groups: []string{"own"}},
		{Name: "loop", Internal: passing, Groups: []string{"liveness"}},
	}
	for i := range o.Checks {
		o.Checks[i].Interval, o.Checks[i].Timeout = 3*time.Hour, time.Hour
	}
	o.Logger = silent()
	hc, err := health.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hc.Close()) })
	hc.SetReady(false, "warming the cache with redis://:hunter2@10.0.0.6/0")
	time.Sleep(12*time.Second + 500*time.Millisecond) // the use of processors needs two samples, and a check after them
	return hc
}

// The moments of checks of the machine are left to chance, to keep replicas out
// of step.
var moment = regexp.MustCompile(`("checked_at":|"time":")[^,"}]+`)

// Each answer, byte for byte: the JSON of the product, draft-06, and the text of
// the Kubernetes API server.
func TestAnswersAreThoseOfTheGoldenFiles(t *testing.T) {
	const (
		inJSON, inHealth, inText = "application/json", "application/health+json", "text/plain"
	)
	public, components := health.Options{Details: nobody}, health.Options{Details: nobody, ShowComponents: true}
	detailed := health.Options{Details: everybody}
	for _, tt := range []struct {
		name   string
		o      health.Options
		path   string
		accept string
	}{
		{"public-json", public, "/health", inJSON},
		{"public-health", public, "/health", inHealth},
		{"public-text", public, "/health", inText},
		{"components-json", components, "/health", inJSON},
		{"components-health", components, "/health", inHealth},
		{"components-text", components, "/health", inText},
		{"detailed-json", detailed, "/health/detailed", inJSON},
		{"detailed-health", detailed, "/health/detailed", inHealth},
		{"detailed-text", detailed, "/health/detailed", inText},
		{"degraded-json", components, "/health/own", inJSON},
		{"degraded-health", components, "/health/own", inHealth},
		{"degraded-text", components, "/health/own", inText},
		{"startup-json", components, "/health/startup", inJSON},
		{"liveness-json", components, "/health/liveness", inJSON},
		{"livez", public, "/livez", ""},
		{"livez-verbose", detailed, "/livez?verbose", ""},
		{"readyz", public, "/readyz", ""},
		{"readyz-components", components, "/readyz", ""},
		{"readyz-verbose", detailed, "/readyz?verbose", ""},
		{"startupz-exclude", detailed, "/startupz?exclude=starting", ""},
		{"startupz-exclude-verbose", detailed, "/startupz?verbose&exclude=starting&exclude=no%22ne&exclude=nil", ""},
		{"forbidden", public, "/health/detailed", ""},
		{"forbidden-text", public, "/health/detailed", inText},
		{"absent", detailed, "/health/readyness", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.o.System = machine()
				got := get(troubled(t, tt.o).Handler(), tt.path, "Accept", tt.accept)
				require.NotContains(t, got.body, "hunter2")
				var b bytes.Buffer
				fmt.Fprintf(&b, "%d %s\n", got.code, http.StatusText(got.code))
				got.header.Del("Content-Length") // depends on moments, and is tested elsewhere
				require.NoError(t, got.header.Write(&b))
				b.WriteString("\n" + moment.ReplaceAllString(got.body, `${1}0`))
				requireGolden(t, "answer-"+tt.name+".txt", b.Bytes())
			})
		})
	}
}

func requireGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "go test ./health -run GoldenFiles -update writes it")
	require.Equal(t, string(want), string(got))
}

// What a client of the product reads, which got it from GET /health there.
func TestTheShapeIsThatOfTheProduct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := health.Options{System: machine(), Details: everybody, Logger: silent()}
		for _, name := range []string{"websocket", "database", "cache", "ai"} {
			o.Checks = append(o.Checks, health.Check{Name: name, Func: passing})
		}
		hc, err := health.New(o)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, hc.Close()) })
		time.Sleep(12 * time.Second)

		got := get(hc.Handler(), "/health/detailed")
		require.Equal(t, 200, got.code)
		require.Equal(t, "application/json", got.header.Get("Content-Type"))
		require.Equal(t, []string{"status", "timestamp", "components", "metrics"}, keys(t, got.body))
		var body struct {
			Status     string
			Timestamp  float64
			Components map[string]struct {
				Status       string
				UsagePercent *float64 `json:"usage_percent"`
			}
			Metrics map[string]float64
		}
		require.NoError(t, json.Unmarshal([]byte(got.body), &body))
		require.Equal(t, "healthy", body.Status)
		require.InDelta(t, float64(time.Now().UnixMicro())/1e6, body.Timestamp, 0.2)
		require.Len(t, body.Components, 7)
		for name, c := range body.Components {
			require.Equal(t, "healthy", c.Status, name)
		}
		require.InDelta(t, 45.2, *body.Components["disk"].UsagePercent, 1e-9)
		require.Equal(t, map[string]float64{"cpu_usage_percent": 25.5, "memory_usage_percent": 62.3, "disk_usage_percent": 45.2}, body.Metrics)

		require.Equal(t, []string{"status", "timestamp"}, keys(t, get(hc.Handler(), "/health").body), "for the public")
	})
}

func TestDetailsHaveComponentsThoughThereAreNone(t *testing.T) {
	h := begin(t, health.Options{Details: everybody}).Handler()
	require.Equal(t, []string{"status", "timestamp", "components"}, keys(t, get(h, "/health/detailed").body))
	require.Contains(t, get(h, "/health/detailed").body, `"components":{}`)
	require.Equal(t, []string{"status", "timestamp"}, keys(t, get(h, "/health").body))
}

// keys are those of the outer object, in their order.
func keys(t *testing.T, body string) (names []string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(body))
	_, err := d.Token()
	require.NoError(t, err)
	for d.More() {
		name, err := d.Token()
		require.NoError(t, err)
		names = append(names, name.(string))
		var value json.RawMessage
		require.NoError(t, d.Decode(&value))
	}
	_, err = d.Token()
	require.NoError(t, err)
	_, err = d.Token()
	require.ErrorIs(t, err, io.EOF, "nothing behind it")
	return names
}

// Two answers can be compared line by line only if no map decides the order.
func TestTheOrderOfKeysIsStable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := troubled(t, health.Options{System: machine(), Details: everybody}).Handler()
		for _, accept := range []string{"application/json", "application/health+json"} {
			first := get(h, "/health/detailed", "Accept", accept).body
			var sorted map[string]json.RawMessage
			require.NoError(t, json.Unmarshal([]byte(first), &sorted))
			for _, name := range []string{"components", "checks", "metrics"} {
				if sorted[name] != nil {
					require.True(t, slices.IsSorted(keys(t, string(sorted[name]))), "%s %s", name, sorted[name])
				}
			}
			for range 20 {
				time.Sleep(time.Millisecond)
				require.Equal(t, len(first), len(get(h, "/health/detailed", "Accept", accept).body))
			}
		}
	})
}

// A time in an answer is at most a fifth of a second old, and never goes back.
func TestTheTimeOfAnAnswerIsFresh(t *testing.T) {
	for _, path := range []string{"/health", "/health/liveness", "/health/detailed"} {
		synctest.Test(t, func(t *testing.T) {
			h := begin(t, health.Options{Details: everybody, Checks: []health.Check{{Name: "a", Func: passing, Interval: time.Second}}}).Handler()
			last := 0.0
			for range 2000 {
				time.Sleep(time.Duration(rand.Int64N(int64(150 * time.Millisecond))))
				var body struct{ Timestamp float64 }
				require.NoError(t, json.Unmarshal([]byte(get(h, path).body), &body))
				now := float64(time.Now().UnixMicro()) / 1e6
				require.LessOrEqual(t, body.Timestamp, now+1e-6)
				require.Greater(t, body.Timestamp, now-0.2)
				require.GreaterOrEqual(t, body.Timestamp, last)
				last = body.Timestamp
			}
		})
	}
}

// The rules of draft-inadarei-api-health-check-06, in all states.
// Trap 9: pass and warn must be 2xx or 3xx, fail must be 4xx or 5xx (§3.1).
func TestAnswersFollowTheDraft(t *testing.T) {
	for state := range states {
		for _, o := range []health.Options{{}, {ShowComponents: true}, {Details: everybody}} {
			h := inState(t, state, o).Handler()
			for _, path := range []string{"/health", "/health/readiness", "/health/liveness", "/health/startup", "/health/detailed"} {
				if got := get(h, path, "Accept", "application/health+json"); got.code != 403 {
					requireDraft(t, got)
				}
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		requireDraft(t, get(troubled(t, health.Options{System: machine(), Details: everybody}).Handler(), "/health/detailed", "Accept", "application/health+json"))
	})
}

// A measure has the verdict of its check: it would be a lie to pass 99 % of the
// memory.
func TestAMeasureHasTheVerdictOfItsCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := health.Options{System: machine(), Details: everybody, Logger: silent()}
		o.System.MaxMemoryPercent = 50
		hc, err := health.New(o)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, hc.Close()) })
		time.Sleep(12 * time.Second)
		got := get(hc.Handler(), "/health/detailed", "Accept", "application/health+json")
		require.Equal(t, 200, got.code, "it only degrades")
		requireDraft(t, got)
		var body struct {
			Checks map[string][]struct {
				Status, Output, ObservedUnit string
				ObservedValue                float64
			}
		}
		require.NoError(t, json.Unmarshal([]byte(got.body), &body))
		require.Equal(t, "pass", body.Checks["disk:utilization"][0].Status)
		memory := body.Checks["memory:utilization"][0]
		require.Equal(t, "warn", memory.Status)
		require.InDelta(t, 62.3, memory.ObservedValue, 1e-9)
		require.Equal(t, "percent", memory.ObservedUnit)
		require.True(t, strings.HasPrefix(memory.Output, "threshold: "), memory.Output)
	})
}

func requireDraft(t *testing.T, got answer) {
	t.Helper()
	require.Equal(t, []string{"application/health+json"}, got.header["Content-Type"], "it has no parameters (§7)")
	var body struct {
		Status string
		Output *string
		Checks map[string][]map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(got.body), &body))
	require.Equal(t, body.Status == "fail", got.code >= 400, got.body)
	require.Contains(t, []string{"pass", "warn", "fail"}, body.Status)
	// Left out for "pass" (§3.5); there should be more information for "warn" (§3.1).
	require.Equal(t, body.Status != "pass", body.Output != nil, got.body)
	for key, list := range body.Checks {
		name, measured, both := strings.Cut(key, ":")
		require.True(t, both && name != "" && !strings.Contains(measured, ":"), "%s: component and measurement (§4)", key)
		require.Contains(t, []string{"responseTime", "utilization"}, measured, "predefined (§4)")
		require.Len(t, list, 1, "a component without nodes (§4)")
		m := list[0]
		require.Contains(t, []any{"component", "system"}, m["componentType"], "with a name (§4.2)")
		require.Equal(t, m["observedValue"] != nil, m["observedUnit"] != nil, "%s (§4.4)", key)
		require.Contains(t, []any{"pass", "warn", "fail"}, m["status"])
		require.Equal(t, m["status"] != "pass", m["output"] != nil, "%s %v (§4.8)", key, m)
		if m["time"] != nil {
			_, err := time.Parse(time.RFC3339, m["time"].(string))
			require.NoError(t, err, "(§4.7)")
		}
		if v, ok := m["observedValue"].(float64); ok {
			require.False(t, math.IsNaN(v) || v < 0)
		}
	}
}
