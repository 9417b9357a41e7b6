package dbmon

import (
	"math"
	"math/bits"
	"time"
)

// A histogram is log-linear: each power of two from 1.024 us to 73 minutes has 16
// buckets of one width. The middle of a bucket is at most 1/32 (3.2 %) away from
// what is in it. Below 1.024 us the buckets are 64 ns wide, and the middle is at
// most 32 ns away. What took longer than 73 minutes is in the last one.
const (
	stepBits    = 4 // 16 buckets for each power of two
	steps       = 1 << stepBits
	lowestPower = 10 // the first 16 buckets share 0 to 2^10 ns
	powers      = 32 // above, up to 2^42 ns
	timeBuckets = steps * (1 + powers)
)

// histogram counts times. Four bytes for each bucket keep it at 2 KB.
type histogram [timeBuckets]uint32

// wideHistogram is what histograms are added up in.
type wideHistogram [timeBuckets]uint64

func (h *histogram) add(d time.Duration) {
	i := bucketOf(d)
	h[i]++
	if h[i] == math.MaxUint32 {
		h.halve()
	}
}

// halve makes room once a bucket is full. The quantiles stay where they are, and
// a bucket in use stays in use.
func (h *histogram) halve() {
	for i, n := range h {
		h[i] = n - n/2
	}
}

func (h *histogram) addTo(w *wideHistogram) {
	for i, n := range h {
		w[i] += uint64(n)
	}
}

func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < 1<<lowestPower {
		return int(v >> (lowestPower - stepBits))
	}
	power := bits.Len64(v) - 1
	if power >= lowestPower+powers {
		return timeBuckets - 1
	}
	step := int(v>>(power-stepBits)) & (steps - 1)
	return (power-lowestPower+1)*steps + step
}

// middle of bucket i.
func middle(i int) time.Duration {
	shift := lowestPower - stepBits
	low := i
	if power := i / steps; power > 0 {
		shift += power - 1
		low = i%steps + steps
	}
	return time.Duration(low)<<shift + 1<<(shift-1)
}

// quantiles are the nearest ranks of p50, p95 and p99. They are never outside of
// what is known exactly.
func quantiles[N uint32 | uint64](counts *[timeBuckets]N, least, most time.Duration) (p50, p95, p99 time.Duration) {
	var n uint64
	for _, c := range counts {
		n += uint64(c)
	}
	if n == 0 {
		return 0, 0, 0
	}
	ranks := [...]uint64{rank(n, 50), rank(n, 95), rank(n, 99)}
	var found [len(ranks)]time.Duration
	var sum uint64
	next := 0
	for i, c := range counts {
		for sum += uint64(c); next < len(ranks) && sum >= ranks[next]; next++ {
			found[next] = min(max(middle(i), least), most)
			if i == timeBuckets-1 {
				found[next] = most
			}
		}
	}
	return found[0], found[1], found[2]
}

// rank is the percent-th of n values, counted from 1.
func rank(n uint64, percent uint64) uint64 {
	return n/100*percent + (n%100*percent+99)/100
}
