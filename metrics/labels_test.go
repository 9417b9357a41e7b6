package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

func quietMetrics(t testing.TB, o Options) *Metrics {
	t.Helper()
	o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	m, err := New(o)
	require.NoError(t, err)
	return m
}

// Trap 4: "sanitise every caller-supplied label".
func TestALabelIsAlwaysFitToBeOne(t *testing.T) {
	long := strings.Repeat("x", 128)
	for _, tt := range []struct{ name, s, want string }{
		{"plain", "SELECT", "SELECT"},
		{"empty", "", "unknown"},
		{"any script", "\u6a21\u578b", "\u6a21\u578b"},
		{"a byte that is not UTF-8", "a\xffb", "a\uFFFDb"},
		{"a run of them is one fault", "a\xff\xfe\xfdb", "a\uFFFDb"},
		{"nothing but them", "\xff", "\uFFFD"},
		{"half a surrogate", "\xed\xa0\x80", "\uFFFD"},
		{"NUL stays, as the formats can carry it", "a\x00b", "a\x00b"},
		{"as long as may be", long, long},
		{"too long", long + "y", long},
		{"a replacement that was there stays", "\uFFFD", "\uFFFD"},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, label(tt.s)) })
	}
	require.True(t, utf8.ValidString(label(long[:127]+"\u20ac")), "cut inside a character")
}

// "maxLabel is the longest label value in bytes"; a replacement takes more
// bytes than what it replaces.
func TestALabelIsNeverMuchLongerThanMaxLabel(t *testing.T) {
	for _, s := range []string{strings.Repeat("\xff", 1000), strings.Repeat("a\xff", 500), strings.Repeat("\u20ac", 300), strings.Repeat("\u20ac\xff", 300)} {
		require.LessOrEqual(t, len(label(s)), maxLabel+len("\uFFFD")-1, "%.8q...", s)
	}
}

func TestTheNameOfAPatternHasNeitherMethodNorUnwantedHost(t *testing.T) {
	for _, tt := range []struct{ pattern, name, withHost string }{
		{"/x", "/x", "/x"},
		{"GET /x", "/x", "/x"},
		{"GET\t \t/x", "/x", "/x"},
		{"example.com/x", "/x", "example.com/x"},
		{"GET example.com/x", "/x", "example.com/x"},
		{"example.com/", "/", "example.com/"},
		{"GET /a b", "/a b", "/a b"},
		{"/a b", "/a b", "/a b"},
		{"sign-in", "sign-in", "sign-in"},
		{"", "", ""},
		{"GET ", "", ""},
		{" ", " ", " "},
	} {
		o := &Metrics{}
		require.Equal(t, tt.name, (&routes{m: o}).nameOf(tt.pattern), "%q", tt.pattern)
		o.opts.KeepHost = true
		require.Equal(t, tt.withHost, (&routes{m: o}).nameOf(tt.pattern), "%q", tt.pattern)
	}
	for pattern, method := range map[string]string{"/x": "GET", "POST /x": "POST", "POST\tx.com/": "POST", "x.com/a b": "GET", "": "GET"} {
		require.Equal(t, method, methodOf(pattern), "%q", pattern)
	}
}

// testTable is a bounded whose series are their own keys.
func testTable(limit int) (*bounded[string, string], *overflow) {
	over := &overflow{recorder: "test", limit: "Max", count: prometheus.NewCounter(prometheus.CounterOpts{Name: "n"}),
		logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	return newBounded(limit, over, "rest", strings.ToLower, func(k string) *string { return &k }), over
}

// tableModel is what bounded should do: the first keys get in, the others share.
type tableModel struct {
	limit    int
	known    map[string]bool
	overflow int
}

func (m *tableModel) get(k string) string {
	k = strings.ToLower(k)
	switch {
	case m.known[k]:
		return k
	case len(m.known) < m.limit:
		m.known[k] = true
		return k
	}
	m.overflow++
	m.known["rest"] = true
	return "rest"
}

func TestATableDoesWhatItsModelDoes(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		limit := 1 + rnd.IntN(20)
		table, over := testTable(limit)
		m := tableModel{limit: limit, known: map[string]bool{}}
		for range 300 {
			k := []string{"key", "KEY", "rest"}[rnd.IntN(3)]
			if k != "rest" {
				k += fmt.Sprint(rnd.IntN(40))
			}
			require.Equal(t, m.get(k), *table.get(k), "seed %d", seed)
			require.Len(t, *table.known.Load(), len(m.known))
			require.LessOrEqual(t, len(m.known), limit+1)
		}
		require.Equal(t, float64(m.overflow), testutil.ToFloat64(over.count))
	}
}

func TestATableUsedFromManySidesKeepsItsLimitAndItsSeries(t *testing.T) {
	const limit, sides, keys = 10, 8, 200
	table, over := testTable(limit)
	seen := make([]map[string]*string, sides) // what each side got for each key, first
	var all sync.WaitGroup
	for i := range sides {
		seen[i] = map[string]*string{}
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			for range 5000 {
				k := fmt.Sprint("key", rnd.IntN(keys))
				s := table.get(k)
				if first, ok := seen[i][k]; ok && first != s {
					t.Errorf("%s had %p and has %p", k, first, s)
					return
				}
				seen[i][k] = s
			}
		})
	}
	all.Wait()
	distinct, overflowed := map[*string]bool{}, 0
	for k := range seen[0] {
		for i := range sides {
			if s, ok := seen[i][k]; ok {
				require.Same(t, seen[0][k], s, k)
			}
		}
		if *seen[0][k] == "rest" {
			overflowed++
		}
		distinct[seen[0][k]] = true
	}
	require.LessOrEqual(t, len(distinct), limit+1)
	require.Len(t, *table.known.Load(), limit+1)
	require.Equal(t, len(seen[0])-limit, overflowed)
	require.Positive(t, testutil.ToFloat64(over.count))
}

func TestALookUpTakesNoLockAndNoMemory(t *testing.T) {
	table, _ := testTable(2)
	for _, k := range []string{"a", "b", "c"} {
		table.get(k)
	}
	table.mu.Lock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		table.get("a")
		table.get("overflowed")
		table.lookup("b")
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("a look-up waits for a lock")
	}
	table.mu.Unlock()
	require.Zero(t, testing.AllocsPerRun(1000, func() { table.get("a"); table.get("c") }))
}

func TestTheLimitIsLoggedOnceByManySides(t *testing.T) {
	var log bytes.Buffer
	table, over := testTable(1)
	over.logger = slog.New(slog.NewTextHandler(&log, nil))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 100 {
				table.get(fmt.Sprint(i, "-", j))
			}
		})
	}
	all.Wait()
	require.Equal(t, 1, strings.Count(log.String(), "\n"))
	require.Equal(t, 799.0, testutil.ToFloat64(over.count), "each time is counted")
}

func TestARecorderAllocatesNothingForWhatItKnows(t *testing.T) {
	m := quietMetrics(t, Options{})
	ctx, broken := context.Background(), errors.New("broken")
	for name, record := range map[string]func(){
		"query":         func() { m.ObserveQuery(ctx, "SELECT", time.Second, nil) },
		"failed query":  func() { m.ObserveQuery(ctx, "SELECT", time.Second, broken) },
		"cache":         func() { m.ObserveCache(ctx, "pages", "hit") },
		"error":         func() { m.ObserveError("timeout", "model") },
		"health":        func() { m.ObserveHealth("db", "healthy", time.Second, nil) },
		"transition":    func() { m.ObserveHealthTransition("db", "healthy", "degraded", nil) },
		"stuck check":   func() { m.ObserveHealthStuck("db", true) },
		"drain":         m.ObserveDrain,
		"compression":   func() { m.ObserveCompression("zstd", 2000, 700, time.Millisecond) },
		"rate limit":    func() { m.ObserveRateLimit(ctx, "public", true) },
		"report":        func() { m.ObserveCSPReport("script-src", "report") },
		"dropped":       func() { m.ObserveCSPDrop("ignored", 3) },
		"AI":            func() { m.ObserveAI(AICall{Provider: "p", Model: "m", Duration: 1, InputTokens: 1, OutputTokens: 1}) },
		"RAG":           func() { m.ObserveRAG(ctx, "docs", time.Second, 3, nil) },
		"upload":        func() { m.ObserveUpload(Upload{ContentType: "image/png", Size: 1}) },
		"binary upload": func() { m.ObserveUpload(Upload{ContentType: "application/octet-stream", Size: 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			record()
			require.Zero(t, testing.AllocsPerRun(1000, record))
		})
	}
}
