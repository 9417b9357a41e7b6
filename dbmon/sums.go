package dbmon

import (
	"math"
	"time"
)

// row is what a query has added up to. It is guarded by the lock of its owner.
type row struct {
	sums
	times histogram
}

// sums are figures that add up, over calls and over rows.
type sums struct {
	calls    uint64
	prepares uint64
	outcomes [outcomes]uint64
	rows     uint64
	withRows uint64
	retries  uint64
	slow     uint64

	repetitions [2]uint64 // by the index of their kind
	total       time.Duration
	called      time.Duration
	firstRow    time.Duration
	min, max    time.Duration
	preparing   time.Duration

	// The mean and the sum of the squared distances from it, as Welford has them:
	// the difference of two large sums would cancel.
	mean, squares float64

	first, last time.Duration // on the monitor's clock
}

func (r *row) add(k *call, o outcome) {
	s, d := &r.sums, k.busy
	if s.empty() {
		s.first = k.start
	}
	// Calls are recorded in the order of their ends.
	s.first, s.last = min(s.first, k.start), max(s.last, k.start)
	s.outcomes[o]++
	if k.op == opPrepare {
		s.prepares++
		s.preparing += d
		return
	}
	r.times.add(d)
	if s.calls == 0 {
		s.min = d
	}
	s.calls++
	s.rows += uint64(k.rows)
	if k.rows > 0 {
		s.withRows++
		s.firstRow += k.firstRow
	}
	s.retries += uint64(k.retries)
	if limit := k.src.opts.SlowQuery; limit > 0 && d >= limit {
		s.slow++
	}
	s.total += d
	s.called += k.called
	s.min, s.max = min(s.min, d), max(s.max, d)

	off := float64(d) - s.mean
	s.mean += off / float64(s.calls)
	s.squares += off * (float64(d) - s.mean)
}

// repeats counts a repetition, but for one that ends after a reset and began
// before it.
func (s *sums) repeats(kind RepetitionKind) {
	if !s.empty() {
		s.repetitions[kind.index()]++
	}
}

// merge adds other figures, the spread by the rule of Chan, Golub and LeVeque.
func (s *sums) merge(o *sums) {
	if o.empty() {
		return
	}
	if s.empty() {
		*s = *o
		return
	}
	if o.calls > 0 {
		a, b := float64(s.calls), float64(o.calls)
		off := o.mean - s.mean
		s.mean += off * b / (a + b)
		s.squares += o.squares + off*off*a*b/(a+b)
		if s.calls == 0 {
			s.min = o.min
		}
		s.min, s.max = min(s.min, o.min), max(s.max, o.max)
	}
	s.calls += o.calls
	s.prepares += o.prepares
	for i, n := range o.outcomes {
		s.outcomes[i] += n
	}
	for i, n := range o.repetitions {
		s.repetitions[i] += n
	}
	s.rows += o.rows
	s.withRows += o.withRows
	s.retries += o.retries
	s.slow += o.slow
	s.total += o.total
	s.called += o.called
	s.firstRow += o.firstRow
	s.preparing += o.preparing
	s.first, s.last = min(s.first, o.first), max(s.last, o.last)
}

// empty is true before the first call. Statements may be prepared and not run.
func (s *sums) empty() bool { return s.calls+s.prepares == 0 }

// deviation is the standard deviation of all calls there were, not of a sample.
func (s *sums) deviation() time.Duration {
	if s.calls == 0 {
		return 0
	}
	return time.Duration(math.Round(math.Sqrt(s.squares / float64(s.calls))))
}
