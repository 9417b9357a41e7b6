package dbmon

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// offBy is the documented error of a quantile.
func offBy(d time.Duration) time.Duration { return max(d/32, 32) }

func TestTheMiddleOfABucketIsNearWhatIsInIt(t *testing.T) {
	var values []time.Duration
	for power := range 42 {
		for _, near := range []time.Duration{-1, 0, 1} {
			values = append(values, max(0, 1<<power+near))
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		values = append(values, time.Duration(math.Exp2(r.Float64()*42)))
	}
	for _, d := range values {
		m := middle(bucketOf(d))
		require.LessOrEqual(t, max(m-d, d-m), offBy(d), "%v is shown as %v", d, m)
		require.Equal(t, bucketOf(d), bucketOf(m), "%v", d)
	}
}

func TestBucketsAreInOrderAndNoneIsLeftOut(t *testing.T) {
	require.Zero(t, bucketOf(-time.Hour))
	require.Zero(t, bucketOf(0))
	for i := 1; i < timeBuckets; i++ {
		require.Less(t, middle(i-1), middle(i))
		require.Equal(t, i, bucketOf(middle(i)))
	}
	require.Equal(t, timeBuckets-1, bucketOf(1<<42-1))
	require.Equal(t, timeBuckets-1, bucketOf(1<<42))
	require.Equal(t, timeBuckets-1, bucketOf(math.MaxInt64))
}

func TestAFullBucketKeepsTheQuantiles(t *testing.T) {
	var h histogram
	h[bucketOf(time.Millisecond)] = math.MaxUint32 - 1
	h[bucketOf(time.Second)] = math.MaxUint32 / 8
	h.add(time.Hour)
	h.add(time.Millisecond)
	require.EqualValues(t, 1, h[bucketOf(time.Hour)], "what was seen once is not forgotten")
	require.Less(t, h[bucketOf(time.Millisecond)], uint32(math.MaxUint32))
	h.add(time.Millisecond)
	p50, p95, _ := quantiles((*[timeBuckets]uint32)(&h), 0, time.Hour)
	require.InEpsilon(t, time.Millisecond, p50, 1.0/32)
	require.InEpsilon(t, time.Second, p95, 1.0/32)
}

func TestQuantilesBeyondTheLastBucketAreTheMaximum(t *testing.T) {
	var h histogram
	h.add(3 * time.Hour)
	p50, p95, p99 := quantiles((*[timeBuckets]uint32)(&h), 3*time.Hour, 3*time.Hour)
	require.Equal(t, []time.Duration{3 * time.Hour, 3 * time.Hour, 3 * time.Hour}, []time.Duration{p50, p95, p99})
}

func TestRanksAreTheNearestOnes(t *testing.T) {
	for _, percent := range []uint64{50, 95, 99} {
		for n := uint64(1); n < 1000; n++ {
			require.EqualValues(t, math.Ceil(float64(n*percent)/100), rank(n, percent))
		}
	}
	require.Less(t, rank(math.MaxUint64, 99), uint64(math.MaxUint64), "no overflow")
}

// nearestRank is the quantile of the values themselves.
func nearestRank(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)*percent+99)/100-1]
}

func TestQuantilesAreWithinTheDocumentedError(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var h histogram
		values := make([]time.Duration, 1+r.IntN(500))
		spread, base := r.Float64()*30, r.Float64()*12
		for i := range values {
			values[i] = time.Duration(math.Exp2(base + r.Float64()*spread))
			h.add(values[i])
		}
		slices.Sort(values)
		var w wideHistogram
		h.addTo(&w)
		p50, p95, p99 := quantiles((*[timeBuckets]uint64)(&w), values[0], values[len(values)-1])
		for percent, got := range map[int]time.Duration{50: p50, 95: p95, 99: p99} {
			want := nearestRank(values, percent)
			require.LessOrEqual(t, max(got-want, want-got), offBy(want), "p%d of %d values: %v for %v", percent, len(values), got, want)
		}
	}
}
