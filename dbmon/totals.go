package dbmon

import (
	"sync/atomic"
	"time"
)

// bounds are the upper bounds of the buckets of all durations: what
// OpenTelemetry advises for databases, and half a millisecond below it.
var bounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 500 * time.Millisecond, time.Second, 5 * time.Second, 10 * time.Second,
}

// buckets is a histogram of durations.
type buckets struct {
	counts [len(bounds) + 1]atomic.Uint64 // not cumulative
	sum    atomic.Int64
}

func (b *buckets) add(d time.Duration) {
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	b.counts[i].Add(1)
	b.sum.Add(int64(d))
}

// Durations is a histogram.
type Durations struct {
	Count uint64
	Sum   time.Duration
	// Buckets are the numbers of durations up to each upper bound, cumulative.
	Buckets map[time.Duration]uint64
}

func (b *buckets) snapshot() Durations {
	d := Durations{Sum: time.Duration(b.sum.Load()), Buckets: make(map[time.Duration]uint64, len(bounds))}
	for i := range b.counts {
		d.Count += b.counts[i].Load()
		if i < len(bounds) {
			d.Buckets[bounds[i]] = d.Count
		}
	}
	return d
}

// totals are what a monitor counts without regard to the text of queries.
type totals struct {
	durations [operations][outcomes]atomic.Pointer[buckets]
	rows      [operations]atomic.Uint64
	retries   atomic.Uint64
	slow      [operations]atomic.Uint64

	transactions [txOutcomes]buckets
	idle         buckets
	held         buckets
	waited       buckets // for the pool, of native drivers
	leaks        [leakKinds]atomic.Uint64
}

func (t *totals) add(k *call, how outcome) {
	b := t.durations[k.op][how].Load()
	if b == nil {
		b = new(buckets)
		if !t.durations[k.op][how].CompareAndSwap(nil, b) {
			b = t.durations[k.op][how].Load()
		}
	}
	b.add(k.busy)
	if k.rows > 0 {
		t.rows[k.op].Add(uint64(k.rows))
	}
	if k.retries > 0 {
		t.retries.Add(uint64(k.retries))
	}
}

// OperationTotals are those of one operation with one outcome.
type OperationTotals struct {
	Operation string // "SELECT", "COMMIT", "PREPARE"
	Outcome   string // "ok", "timeout", "unique_violation"
	Durations
}

// Totals are the counts of a monitor since it was made, for the exporters of
// metrics systems. All of their keys are of closed sets.
type Totals struct {
	Operations []OperationTotals
	// Rows are the rows that queries returned, by operation.
	Rows map[string]uint64
	// Slow are the slow queries, by operation.
	Slow map[string]uint64
	// Retries are the attempts that a broken connection had cost.
	Retries uint64
	// Transactions are the times from BEGIN to the end, by "committed",
	// "rolled_back" and "failed".
	Transactions map[string]Durations
	// IdleInTransaction is the part of it in which the connection had nothing
	// to do.
	IdleInTransaction Durations
	// Held are the times that connections were away from the pool, with drivers
	// that let it be seen.
	Held Durations
	// Waited are the times until a pool had a connection, or until the caller
	// gave up. Only native drivers tell them, see [Source].
	Waited Durations
	// Leaks are forgotten "rows" and transactions ("transaction").
	Leaks map[string]uint64
	// Evictions are the queries whose statistics made room for others.
	Evictions uint64
	// Repetitions are the reports of repeated queries, by [RepetitionKind].
	Repetitions map[string]uint64
}

// Totals returns what the monitor has counted.
func (m *Monitor) Totals() Totals {
	t := &m.totals
	all := Totals{
		Rows: map[string]uint64{}, Slow: map[string]uint64{}, Retries: t.retries.Load(),
		Transactions: map[string]Durations{}, IdleInTransaction: t.idle.snapshot(), Held: t.held.snapshot(),
		Waited: t.waited.snapshot(),
		Leaks:  map[string]uint64{}, Repetitions: m.repetitions.totals(), Evictions: m.table.everEvicted.Load(),
	}
	for op := range operations {
		for how := range outcomes {
			if b := t.durations[op][how].Load(); b != nil {
				all.Operations = append(all.Operations, OperationTotals{op.String(), how.String(), b.snapshot()})
			}
		}
		if n := t.rows[op].Load(); n > 0 {
			all.Rows[op.String()] = n
		}
		if n := t.slow[op].Load(); n > 0 || op < opBegin && t.durations[op][ok].Load() != nil {
			all.Slow[op.String()] = n
		}
	}
	for how := range txOutcomes {
		all.Transactions[how.String()] = t.transactions[how].snapshot()
	}
	for kind := range leakKinds {
		all.Leaks[kind.String()] = t.leaks[kind].Load()
	}
	return all
}
