package prom

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-go/sluice/dbmon"
)

// Options configure [NewCollector].
type Options struct {
	// TopQueries is how many queries have series of their own: those that take
	// the most time. The rest shares the id "other". Negative: none has.
	// Default: 100.
	TopQueries int
	// DisableDurations leaves out the durations of operations, for those who have
	// them by [dbmon.Options].OnQuery already.
	// Default: false.
	DisableDurations bool
}

// Collector is a [prometheus.Collector] of one monitor. Several, of monitors with
// different names, may be registered side by side.
type Collector struct {
	mon  *dbmon.Monitor
	opts Options
	top  top

	durations, transactions, idle, held *prometheus.Desc
	rows, slow, retries                 *prometheus.Desc
	leaks, repetitions, waited          *prometheus.Desc
	calls, seconds, errors, evictions   *prometheus.Desc
}

// NewCollector makes a collector.
func NewCollector(mon *dbmon.Monitor, o Options) *Collector {
	if o.TopQueries == 0 {
		o.TopQueries = 100
	}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("dbmon_"+name, help, labels, prometheus.Labels{"db_name": mon.Name()})
	}
	return &Collector{
		mon: mon, opts: o, top: top{limit: max(0, o.TopQueries)},
		durations:    desc("operation_duration_seconds", "Time of database operations in the driver, from the call to the last row.", "operation", "outcome"),
		transactions: desc("transaction_duration_seconds", "Time of transactions, from when they had begun until they had ended.", "outcome"),
		idle:         desc("transaction_idle_seconds", "Time within transactions in which the database had nothing to do."),
		held:         desc("connection_hold_seconds", "Time that connections were away from their pool, with drivers that let it be seen."),
		rows:         desc("rows_total", "Rows that queries returned.", "operation"),
		slow:         desc("slow_queries_total", "Queries that took as long as the threshold of the slow log, or longer.", "operation"),
		retries:      desc("retries_total", "Further attempts after broken connections."),
		leaks:        desc("leaks_total", "Rows and transactions that were left open.", "kind"),
		repetitions:  desc("repetitions_total", "Reports of queries that were repeated within a request or a scope.", "kind"),
		waited:       desc("connection_wait_seconds", "Time that callers waited for a connection, with pools that let it be seen."),
		calls:        desc("query_calls_total", "Calls of the queries that take the most time, by their fingerprint.", "operation", "query_id"),
		seconds:      desc("query_seconds_total", "Time of the queries that take the most time, by their fingerprint.", "operation", "query_id"),
		errors:       desc("query_errors_total", "Failed calls of the queries that take the most time, by their fingerprint.", "operation", "query_id"),
		evictions:    desc("statistics_evictions_total", "Queries that made room in the statistics for others."),
	}
}

// Describe implements [prometheus.Collector].
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	all := []*prometheus.Desc{c.transactions, c.idle, c.held, c.waited, c.rows, c.slow, c.retries, c.leaks, c.repetitions, c.evictions}
	if !c.opts.DisableDurations {
		all = append(all, c.durations)
	}
	if c.opts.TopQueries > 0 {
		all = append(all, c.calls, c.seconds, c.errors)
	}
	for _, d := range all {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	t := c.mon.Totals()
	counter := func(d *prometheus.Desc, n float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, n, labels...)
	}
	if !c.opts.DisableDurations {
		for _, o := range t.Operations {
			ch <- histogram(c.durations, o.Durations, o.Operation, o.Outcome)
		}
	}
	for outcome, d := range t.Transactions {
		ch <- histogram(c.transactions, d, outcome)
	}
	ch <- histogram(c.idle, t.IdleInTransaction)
	ch <- histogram(c.held, t.Held)
	ch <- histogram(c.waited, t.Waited)
	for operation, n := range t.Rows {
		counter(c.rows, float64(n), operation)
	}
	for operation, n := range t.Slow {
		counter(c.slow, float64(n), operation)
	}
	counter(c.retries, float64(t.Retries))
	for kind, n := range t.Leaks {
		counter(c.leaks, float64(n), kind)
	}
	for kind, n := range t.Repetitions {
		counter(c.repetitions, float64(n), kind)
	}
	counter(c.evictions, float64(t.Evictions))
	if c.opts.TopQueries > 0 {
		for _, s := range c.top.update(c.mon.Statistics) {
			counter(c.calls, float64(s.calls), s.operation, s.id)
			counter(c.seconds, s.time.Seconds(), s.operation, s.id)
			counter(c.errors, float64(s.errors), s.operation, s.id)
		}
	}
}

func histogram(desc *prometheus.Desc, d dbmon.Durations, labels ...string) prometheus.Metric {
	buckets := make(map[float64]uint64, len(d.Buckets))
	for bound, n := range d.Buckets {
		buckets[bound.Seconds()] = n
	}
	return prometheus.MustNewConstHistogram(desc, d.Count, d.Sum.Seconds(), buckets, labels...)
}
