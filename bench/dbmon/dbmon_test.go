package dbmon

import (
	"context"
	"database/sql"
	"maps"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/DataDog/dd-trace-go/v2/ddtrace/mocktracer"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	sluice "github.com/sluice-go/sluice/dbmon"
	"github.com/sluice-go/sluice/metrics"
)

// recorded is what README.md says of an Exec and a QueryRow: the names of spans, in
// the order of their ends, and of metrics.
type recorded struct {
	spans, metrics []string
}

var claimed = map[string]recorded{
	"XSAM/otelsql, no SDK": {
		[]string{"sql.connector.connect", "sql.conn.exec", "sql.conn.reset_session", "sql.conn.query", "sql.rows"},
		[]string{"db.client.operation.duration"},
	},
	"XSAM/otelsql, with SDK": {
		[]string{"sql.connector.connect", "sql.conn.exec", "sql.conn.reset_session", "sql.conn.query", "sql.rows"},
		[]string{"db.client.operation.duration"},
	},
	"go.nhat.io/otelsql, no SDK": {
		[]string{"sql:exec", "sql:query", "sql:rows_close"},
		[]string{"db.sql.client.calls", "db.sql.client.latency"},
	},
	"uptrace/otelsql, no SDK": {
		[]string{"db.Connect", "db.Exec", "db.Query"},
		[]string{"go.sql.query_timing"},
	},
	"DataDog/dd-trace-go, not started":   {[]string{"Connect", "Exec", "Query"}, nil},
	"ngrok/sqlmw, which does nothing":    {},
	"qustavo/sqlhooks, which do nothing": {},
}

func TestEachPeerRecordsWhatTheREADMESays(t *testing.T) {
	require.Len(t, subjects, len(claimed)+3)
	for _, s := range subjects[3:] {
		t.Run(s.name, func(t *testing.T) {
			want, ok := claimed[s.name]
			require.True(t, ok)
			datadog := mocktracer.Start()
			defer datadog.Stop()
			spans, reader := tracetest.NewSpanRecorder(), sdkmetric.NewManualReader()
			db, err := s.open(nullDriver{}, providers{
				sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)),
				sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)),
			})
			require.NoError(t, err)
			defer db.Close()
			execAndQuery(t, db)

			var names []string
			for _, s := range spans.Ended() {
				names = append(names, s.Name())
			}
			for _, s := range datadog.FinishedSpans() {
				names = append(names, s.Tag("sql.query_type").(string))
			}
			require.Equal(t, want.spans, names)
			require.Equal(t, want.metrics, metricNames(t, reader))
		})
	}
}

func execAndQuery(t *testing.T, db *sql.DB) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), updates[0], twoArguments...)
	require.NoError(t, err)
	var k worker
	require.NoError(t, db.QueryRowContext(t.Context(), selects[0], oneArgument...).Scan(&k.id, &k.name))
}

func metricNames(t *testing.T, reader sdkmetric.Reader) []string {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	names := map[string]bool{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if !strings.Contains(m.Name, ".connections_") { // of the pool, read when somebody scrapes
				names[m.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// What is measured as all features is all features.
func TestSluiceRecordsEverything(t *testing.T) {
	m, err := metrics.New(metrics.Options{})
	require.NoError(t, err)
	var mu sync.Mutex
	var repeated []sluice.Repetition
	mon, db, err := newSluice(nullDriver{}, sluice.Options{
		OnQuery: m.ObserveQuery,
		OnNPlusOne: func(_ context.Context, r sluice.Repetition) {
			mu.Lock()
			defer mu.Unlock()
			repeated = append(repeated, r)
		},
		NPlusOne: sluice.NPlusOneOptions{MinTotal: time.Nanosecond}, // nothing takes any time here
	})
	require.NoError(t, err)
	defer mon.Close()
	a, err := newApp(db, sluiceUnit)
	require.NoError(t, err)
	defer db.Close()
	for _, p := range programs {
		a.unit(t, p.run)
	}

	statistics := mon.Statistics()
	require.Len(t, statistics.Queries, 3*each)
	var rows, calls uint64
	for _, q := range statistics.Queries {
		rows, calls = rows+q.Rows, calls+q.Calls
	}
	require.EqualValues(t, 4*each, calls)
	require.EqualValues(t, each+manyRows*each, rows)
	require.Equal(t, block, mon.Blocks()[0].Name)
	require.EqualValues(t, 4*each, mon.Blocks()[0].Queries)
	require.Empty(t, repeated, "each statement comes once in a unit of work")
	scrape := httptest.NewRecorder()
	m.Handler().ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
	require.Contains(t, scrape.Body.String(), `db_client_operation_duration_seconds_count{error_type="",operation="SELECT"} 100`)

	ctx, end := sluiceUnit(t.Context())
	for i := range 10 {
		var k worker
		require.NoError(t, db.QueryRowContext(ctx, selects[0], int64(i)).Scan(&k.id, &k.name))
	}
	end()
	require.Len(t, repeated, 1)
	require.Equal(t, 10, repeated[0].Count)
}

// unit runs a program for one unit of work.
func (a *app) unit(t *testing.T, run func(*app, *worker) error) {
	t.Helper()
	k := &worker{next: each - 1, end: func() {}}
	for range each {
		require.NoError(t, run(a, k))
	}
	k.end()
}

func TestStatementsAreDifferentAndOfOneLength(t *testing.T) {
	distinct := map[string]bool{}
	for _, all := range [][each]string{updates, selects, lists} {
		for _, text := range all {
			require.Len(t, text, textBytes)
			distinct[text] = true
		}
	}
	require.Len(t, distinct, 3*each)
	require.True(t, strings.HasSuffix(lists[0], manySuffix))
}

// The bar of allocations. What a unit of work needs for itself, whatever it does,
// is shared by its statements: less than half of one for each.
func TestAllocationsOfEachQuery(t *testing.T) {
	alone := openApp(t, subject{open: openAlone})
	zero := openApp(t, subjects[2])
	all := openApp(t, subjects[0])
	for _, tt := range []struct {
		program      int
		zero, within float64
	}{
		{0, 0, 0.5},
		{1, 1, 1.5},
		{2, 1, 1.5},
		{3, 0, 0.5},
	} {
		p := programs[tt.program]
		t.Run(p.name, func(t *testing.T) {
			bare := alone.allocs(t, p.run)
			require.InDelta(t, tt.zero, zero.allocs(t, p.run)-bare, 0.05)
			require.LessOrEqual(t, all.allocs(t, p.run)-bare, tt.within)
		})
	}
}

func openApp(t *testing.T, s subject) *app {
	t.Helper()
	db, err := s.open(nullDriver{}, noSDK())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	a, err := newApp(db, s.unit)
	require.NoError(t, err)
	return a
}

// allocs is the mean of many units of work. The first ones are for what is made
// once: texts, call-sites, connections.
func (a *app) allocs(t *testing.T, run func(*app, *worker) error) float64 {
	t.Helper()
	const units = 100
	k := &worker{next: each - 1, end: func() {}}
	var before, after runtime.MemStats
	for i := range 2 * units * each {
		if i == units*each {
			runtime.ReadMemStats(&before)
		}
		if err := run(a, k); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	k.end()
	return float64(after.Mallocs-before.Mallocs) / (units * each)
}

func TestEachSubjectRunsEachProgram(t *testing.T) {
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			a := openApp(t, s)
			for _, p := range programs {
				w := httptest.NewRecorder()
				a.ServeHTTP(w, httptest.NewRequest("GET", p.path, nil))
				require.Equal(t, "done", w.Body.String())
			}
		})
	}
}
