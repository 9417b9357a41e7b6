package prom_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/sluice-go/sluice/dbmon"
	"github.com/sluice-go/sluice/dbmon/prom"
)

// database is one that has something to count.
func database(t *testing.T, o dbmon.Options) (*dbmon.Monitor, *sql.DB) {
	t.Helper()
	mon, err := dbmon.New(o)
	require.NoError(t, err)
	db, err := mon.Open("sqlite", filepath.Join(t.TempDir(), "x.db"))
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, db.Close())
		require.NoError(t, mon.Close())
	})
	return mon, db
}

// gathered are the metrics of a registry: "name{label=value,...}" to what they
// count.
func gathered(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName() + "{"
			for i, l := range m.Label {
				if i > 0 {
					name += ","
				}
				name += l.GetName() + "=" + l.GetValue()
			}
			all[name+"}"] = value(m)
		}
	}
	return all
}

func value(m *dto.Metric) float64 {
	if m.Histogram != nil {
		return float64(m.Histogram.GetSampleCount())
	}
	return m.Counter.GetValue()
}

func TestWhatAMonitorCountsBecomesMetrics(t *testing.T) {
	mon, db := database(t, dbmon.Options{Name: "orders", SlowQuery: 1})
	c := prom.NewCollector(mon, prom.Options{})
	reg := prometheus.NewPedanticRegistry()
	require.NoError(t, reg.Register(c))
	gathered(t, reg) // queries begin at zero when they come in

	_, err := db.Exec("CREATE TABLE a (n INTEGER)")
	require.NoError(t, err)
	gathered(t, reg)
	tx, err := db.Begin()
	require.NoError(t, err)
	_, err = tx.Exec("INSERT INTO a VALUES (1), (2), (3)")
	require.NoError(t, err)
	require.NoError(t, tx.Commit())
	for range 2 {
		rows, err := db.Query("SELECT n FROM a WHERE n > 0")
		require.NoError(t, err)
		for rows.Next() {
			continue
		}
		require.NoError(t, rows.Close())
		gathered(t, reg)
	}
	_, err = db.Exec("SELECT nothing FROM nowhere")
	require.Error(t, err)

	all := gathered(t, reg)
	for name, want := range map[string]float64{
		"dbmon_operation_duration_seconds{db_name=orders,operation=SELECT,outcome=ok}":  2,
		"dbmon_operation_duration_seconds{db_name=orders,operation=INSERT,outcome=ok}":  1,
		"dbmon_operation_duration_seconds{db_name=orders,operation=BEGIN,outcome=ok}":   1,
		"dbmon_operation_duration_seconds{db_name=orders,operation=COMMIT,outcome=ok}":  1,
		"dbmon_operation_duration_seconds{db_name=orders,operation=CONNECT,outcome=ok}": 1,
		"dbmon_rows_total{db_name=orders,operation=SELECT}":                             6,
		"dbmon_slow_queries_total{db_name=orders,operation=SELECT}":                     3,
		"dbmon_slow_queries_total{db_name=orders,operation=INSERT}":                     1,
		"dbmon_transaction_duration_seconds{db_name=orders,outcome=committed}":          1,
		"dbmon_transaction_duration_seconds{db_name=orders,outcome=rolled_back}":        0,
		"dbmon_transaction_idle_seconds{db_name=orders}":                                1,
		"dbmon_connection_wait_seconds{db_name=orders}":                                 0,
		"dbmon_retries_total{db_name=orders}":                                           0,
		"dbmon_leaks_total{db_name=orders,kind=rows}":                                   0,
		"dbmon_leaks_total{db_name=orders,kind=transaction}":                            0,
		"dbmon_repetitions_total{db_name=orders,kind=n+1}":                              0,
		"dbmon_repetitions_total{db_name=orders,kind=duplicate}":                        0,
		"dbmon_statistics_evictions_total{db_name=orders}":                              0,
	} {
		require.Contains(t, all, name)
		require.Equal(t, want, all[name], name)
	}
	var calls float64
	for _, q := range mon.Statistics().Queries {
		calls += all[fmt.Sprintf("dbmon_query_calls_total{db_name=orders,operation=%s,query_id=%s}", q.Operation, q.ID)]
	}
	require.Equal(t, 5.0, calls+all["dbmon_query_calls_total{db_name=orders,operation=other,query_id=other}"])

	problems, err := testutil.CollectAndLint(c)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestTwoWhoScrapeAtATimeCountEachCallOnce(t *testing.T) {
	mon, db := database(t, dbmon.Options{})
	reg := prometheus.NewPedanticRegistry()
	require.NoError(t, reg.Register(prom.NewCollector(mon, prom.Options{})))
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = reg.Gather()
				}
			}
		})
	}
	for range 3000 {
		require.NoError(t, db.QueryRow("SELECT 1").Scan(new(int)))
	}
	close(stop)
	all.Wait()
	calls := 0.0
	for name, n := range gathered(t, reg) {
		if strings.HasPrefix(name, "dbmon_query_calls_total{") {
			calls += n
		}
	}
	require.Equal(t, 3000.0, calls)
}

func TestSeriesCanBeLeftOut(t *testing.T) {
	mon, db := database(t, dbmon.Options{})
	reg := prometheus.NewPedanticRegistry()
	require.NoError(t, reg.Register(prom.NewCollector(mon, prom.Options{TopQueries: -1, DisableDurations: true})))
	require.NoError(t, db.Ping())
	for name := range gathered(t, reg) {
		require.NotContains(t, name, "dbmon_query_")
		require.NotContains(t, name, "dbmon_operation_")
	}
}

func TestMonitorsWithDifferentNamesStandSideBySide(t *testing.T) {
	one, _ := database(t, dbmon.Options{Name: "one"})
	two, _ := database(t, dbmon.Options{Name: "two"})
	reg := prometheus.NewPedanticRegistry()
	require.NoError(t, reg.Register(prom.NewCollector(one, prom.Options{})))
	require.NoError(t, reg.Register(prom.NewCollector(two, prom.Options{})))
	require.Error(t, reg.Register(prom.NewCollector(two, prom.Options{})), "twice the same")
	all := gathered(t, reg)
	require.Contains(t, all, "dbmon_retries_total{db_name=one}")
	require.Contains(t, all, "dbmon_retries_total{db_name=two}")
}

func TestNumbersOfSeriesAreBoundedWhateverQueriesThereAre(t *testing.T) {
	mon, db := database(t, dbmon.Options{MaxQueries: 50})
	reg := prometheus.NewPedanticRegistry()
	require.NoError(t, reg.Register(prom.NewCollector(mon, prom.Options{TopQueries: 10})))
	for i := range 300 {
		_, err := db.Exec(fmt.Sprintf("SELECT 1 AS column_%d", i))
		require.NoError(t, err)
		if i%20 == 0 {
			gathered(t, reg)
		}
	}
	n := 0
	for name := range gathered(t, reg) {
		if strings.HasPrefix(name, "dbmon_query_calls_total{") {
			n++
		}
	}
	require.LessOrEqual(t, n, 11)
}
