package health

import (
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// Trap 31: the first value of processors is absent rather than 0.
func TestTheFirstUseOfProcessorsIsAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := begin(t, f, SystemOptions{})
		require.Equal(t, map[string]float64{"memory_usage_percent": 75, "disk_usage_percent": 60}, s.metrics())
		first := look(t, s, "cpu")
		require.Equal(t, healthy, first.level)
		require.Equal(t, map[string]any{"limit_cores": 2.0}, first.data)

		f.set(func(f *fake) { f.sample.CPUSeconds += 4 }) // in 5 s on 2 processors
		s.next()
		require.Equal(t, 40.0, s.metrics()["cpu_usage_percent"])
		require.Equal(t, 40.0, look(t, s, "cpu").data["usage_percent"])
		s.next()
		require.Equal(t, 0.0, s.metrics()["cpu_usage_percent"], "idle is a value")
	})
}

// Trap 31: two who ask do not take the window from each other.
func TestWhoeverAsksDoesNotShortenTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := begin(t, f, SystemOptions{Interval: 10 * time.Second})
		f.set(func(f *fake) { f.sample.CPUSeconds += 10 })
		for range 9 {
			time.Sleep(time.Second)
			s.metrics()
			look(t, s, "cpu")
		}
		require.Equal(t, int64(1), f.samples.Load())
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 50.0, s.metrics()["cpu_usage_percent"])
	})
}

// Trap 32: use is counted against the quota, and only while both belong together.
func TestWhatCountsAsUseOfProcessors(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after SystemSample
		want          map[string]any
	}{
		{"a quota of half a processor", SystemSample{CPUSeconds: 7, CPUCores: 0.5}, SystemSample{CPUSeconds: 8, CPUCores: 0.5},
			map[string]any{"usage_percent": 40.0, "limit_cores": 0.5}},
		{"a little more than all", SystemSample{CPUSeconds: 7, CPUCores: 1}, SystemSample{CPUSeconds: 12.3, CPUCores: 1},
			map[string]any{"usage_percent": 100.0, "limit_cores": 1.0}},
		{"a third", SystemSample{CPUSeconds: 10, CPUCores: 3}, SystemSample{CPUSeconds: 15, CPUCores: 3},
			map[string]any{"usage_percent": 33.33, "limit_cores": 3.0}},
		{"a quota that was set meanwhile", SystemSample{CPUSeconds: 7, CPUCores: 4}, SystemSample{CPUSeconds: 8, CPUCores: 1, CPUOf: "/a"},
			map[string]any{"limit_cores": 1.0}},
		{"a quota that was changed", SystemSample{CPUSeconds: 7, CPUCores: 4, CPUOf: "/a"}, SystemSample{CPUSeconds: 27, CPUCores: 1, CPUOf: "/a"},
			map[string]any{"limit_cores": 1.0}},
		{"a quota on another level", SystemSample{CPUSeconds: 7, CPUCores: 1, CPUOf: "/a/b"}, SystemSample{CPUSeconds: 8, CPUCores: 1, CPUOf: "/a"},
			map[string]any{"limit_cores": 1.0}},
		{"a counter that stepped back", SystemSample{CPUSeconds: 7, CPUCores: 1}, SystemSample{CPUSeconds: 6, CPUCores: 1},
			map[string]any{"limit_cores": 1.0}},
		{"no counter", SystemSample{CPUCores: 1}, SystemSample{CPUCores: 1}, map[string]any{"limit_cores": 1.0}},
		{"no limit", SystemSample{CPUSeconds: 1}, SystemSample{CPUSeconds: 2}, nil},
		{"numbers that are none", SystemSample{CPUSeconds: 1, CPUCores: math.Inf(1)}, SystemSample{CPUSeconds: math.NaN(), CPUCores: math.Inf(1)}, nil},
		{"a quarter of the periods throttled", SystemSample{CPUSeconds: 7, CPUCores: 1, Periods: 100, Throttled: 50}, SystemSample{CPUSeconds: 9.5, CPUCores: 1, Periods: 140, Throttled: 60},
			map[string]any{"usage_percent": 50.0, "limit_cores": 1.0, "throttled_percent": 25.0}},
		{"no period since", SystemSample{CPUSeconds: 7, CPUCores: 1, Periods: 100, Throttled: 50}, SystemSample{CPUSeconds: 7, CPUCores: 1, Periods: 100, Throttled: 50},
			map[string]any{"usage_percent": 0.0, "limit_cores": 1.0}},
		{"fewer throttled periods than before", SystemSample{CPUSeconds: 7, CPUCores: 1, Periods: 100, Throttled: 50}, SystemSample{CPUSeconds: 7, CPUCores: 1, Periods: 140, Throttled: 40},
			map[string]any{"usage_percent": 0.0, "limit_cores": 1.0}},
		{"periods counted anew", SystemSample{CPUSeconds: 7, CPUCores: 1, Periods: 100, Throttled: 50}, SystemSample{CPUSeconds: 12, CPUCores: 1, Periods: 10, Throttled: 5},
			map[string]any{"usage_percent": 100.0, "limit_cores": 1.0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.sample = tt.before
				s := begin(t, f, SystemOptions{MaxCPUPercent: -1})
				f.set(func(f *fake) { f.sample = tt.after })
				s.next()
				o := look(t, s, "cpu")
				require.Equal(t, healthy, o.level)
				require.Equal(t, tt.want, o.data)
			})
		})
	}
}

// Trap 30: the share is that of the limit, and may be above all of it.
func TestWhatCountsAsUseOfMemory(t *testing.T) {
	for _, tt := range []struct {
		name        string
		used, limit uint64
		want        map[string]any
		level       level
	}{
		{"half", gib, 2 * gib, map[string]any{"usage_percent": 50.0, "used_bytes": int64(gib), "limit_bytes": int64(2 * gib)}, healthy},
		{"a limit lowered below what is in use", 3 * gib, 2 * gib, map[string]any{"usage_percent": 150.0, "used_bytes": int64(3 * gib), "limit_bytes": int64(2 * gib)}, degraded},
		{"an unknown use", 0, gib, map[string]any{"limit_bytes": int64(gib)}, healthy},
		{"an unknown limit", gib, 0, nil, healthy},
		{"more than facts can hold", math.MaxUint64, math.MaxUint64, map[string]any{"usage_percent": 100.0, "used_bytes": int64(math.MaxInt64), "limit_bytes": int64(math.MaxInt64)}, degraded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.sample = SystemSample{MemoryUsed: tt.used, MemoryLimit: tt.limit}
				o := look(t, begin(t, f, SystemOptions{}), "memory")
				require.Equal(t, tt.level, o.level)
				require.Equal(t, tt.want, o.data)
			})
		})
	}
}

// Trap 33: space as df counts, and inodes.
func TestWhatCountsAsUseOfTheDisk(t *testing.T) {
	for _, tt := range []struct {
		name  string
		space DiskSpace
		want  map[string]any
		level level
	}{
		{"a reserve for root is neither used nor available", DiskSpace{Used: 45, Avail: 5, Inodes: 10, InodesFree: 5},
			map[string]any{"usage_percent": 90.0, "avail_bytes": int64(5), "inodes_usage_percent": 50.0}, healthy},
		{"nothing left but the reserve", DiskSpace{Used: 95}, map[string]any{"usage_percent": 100.0, "avail_bytes": int64(0)}, degraded},
		{"no inodes left", DiskSpace{Used: 1, Avail: 99, Inodes: 10},
			map[string]any{"usage_percent": 1.0, "avail_bytes": int64(99), "inodes_usage_percent": 100.0}, degraded},
		{"no fixed number of inodes", DiskSpace{Used: 1, Avail: 99}, map[string]any{"usage_percent": 1.0, "avail_bytes": int64(99)}, healthy},
		{"more inodes free than there are", DiskSpace{Used: 1, Avail: 99, Inodes: 1, InodesFree: 2}, map[string]any{"usage_percent": 1.0, "avail_bytes": int64(99)}, healthy},
		{"no size", DiskSpace{}, nil, healthy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.space = tt.space
				o := look(t, begin(t, f, SystemOptions{}), "disk")
				require.Equal(t, tt.level, o.level)
				require.Equal(t, tt.want, o.data)
			})
		})
	}
}

// Trap 34: pressure is shown with what it is about.
func TestPressureIsAFactOfItsCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.sample.Pressure = []SystemPressure{{"cpu", "some", 1.5}, {"memory", "some", 2}, {"memory", "full", 0}, {"io", "full", 99.99}, {"irq", "full", 7}, {"io", "later", 7}}
		s := begin(t, f, SystemOptions{})
		require.Equal(t, 1.5, look(t, s, "cpu").data["pressure_some_avg10"])
		require.NotContains(t, look(t, s, "cpu").data, "pressure_full_avg10")
		require.Equal(t, 2.0, look(t, s, "memory").data["pressure_some_avg10"])
		require.Equal(t, 0.0, look(t, s, "memory").data["pressure_full_avg10"], "no pressure is a value")
		disk := look(t, s, "disk").data
		require.Equal(t, 99.99, disk["pressure_full_avg10"])
		require.Len(t, disk, 4)
	})
}

// Trap 34: what is above a threshold degrades, takes nothing out of service and
// is in no group.
func TestThresholdsOnlyDegrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := begin(t, f, SystemOptions{MaxCPUPercent: 80, MaxMemoryPercent: 75, MaxDiskPercent: 59.99})
		for _, c := range s.checks() {
			require.NotNil(t, c.Groups)
			require.Empty(t, c.Groups)
			require.Equal(t, Degrading, c.Criticality)
			require.Nil(t, c.Func)
		}
		for _, step := range []struct {
			cpu  float64
			want level
		}{{8, healthy}, {8.01, degraded}, {0, healthy}, {100, degraded}} {
			f.set(func(f *fake) { f.sample.CPUSeconds += step.cpu })
			s.next()
			o := look(t, s, "cpu")
			require.Equal(t, step.want, o.level)
			if step.want == degraded {
				require.Equal(t, ReasonThreshold, o.reason)
			}
		}
		require.Equal(t, healthy, look(t, s, "memory").level, "75 is not above 75")
		require.Equal(t, degraded, look(t, s, "disk").level)
	})
}

func TestAThresholdCanBeSwitchedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.sample.MemoryUsed, f.space = 4*gib, DiskSpace{Used: 1}
		s := begin(t, f, SystemOptions{MaxMemoryPercent: -1, MaxDiskPercent: -1})
		require.Equal(t, healthy, look(t, s, "memory").level)
		require.Equal(t, healthy, look(t, s, "disk").level)
		require.Equal(t, map[string]float64{"memory_usage_percent": 100, "disk_usage_percent": 100}, s.metrics())
	})
}

func TestWhatComesWithAnErrorCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.sample = SystemSample{CPUSeconds: 1, CPUCores: 1}
		f.err = errors.New("no memory here")
		s := begin(t, f, SystemOptions{})
		f.set(func(f *fake) { f.sample.CPUSeconds += 2 })
		s.next()
		require.Equal(t, map[string]float64{"cpu_usage_percent": 40, "disk_usage_percent": 60}, s.metrics())
		require.Equal(t, healthy, look(t, s, "cpu").level)
		require.Equal(t, degraded, look(t, s, "memory").level)
	})
}

func TestWhatASystemDoesNotTellIsNoFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.sample, f.space = SystemSample{}, DiskSpace{}
		s := begin(t, f, SystemOptions{})
		for range 10 {
			s.next()
			for _, name := range []string{"cpu", "memory", "disk"} {
				o := look(t, s, name)
				require.Equal(t, healthy, o.level)
				require.Empty(t, o.data)
			}
			require.Empty(t, s.metrics())
		}
	})
}

// Whatever a source says, numbers are finite and those with a natural end stay
// within it.
func FuzzMeasures(f *testing.F) {
	f.Add(1.0, 2.0, 1.0, uint64(1), uint64(0), uint64(5), uint64(10), uint64(1), uint64(2), uint64(3), uint64(4))
	f.Add(1.0, math.Inf(1), math.NaN(), uint64(math.MaxUint64), uint64(0), uint64(5), uint64(0), uint64(math.MaxUint64), uint64(math.MaxUint64), uint64(0), uint64(1))
	f.Add(5e-324, 1.7e308, 5e-324, uint64(1), uint64(2), uint64(math.MaxUint64), uint64(1), uint64(0), uint64(0), uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, cpu1, cpu2, cores float64, periods, throttled, used, limit, diskUsed, avail, inodes, inodesFree uint64) {
		s := &system{}
		now := time.Now()
		s.cpuMeasure(sampled{SystemSample{CPUSeconds: cpu1, CPUCores: cores}, now})
		v := sampled{SystemSample{CPUSeconds: cpu2, CPUCores: cores, Periods: periods, Throttled: throttled, MemoryUsed: used, MemoryLimit: limit}, now.Add(time.Second)}
		space := DiskSpace{Used: diskUsed, Avail: avail, Inodes: inodes, InodesFree: inodesFree}
		for k, m := range map[kind]measure{ofCPU: s.cpuMeasure(v), ofMemory: v.memoryMeasure(), ofDisk: space.measure()} {
			most := 100.0
			if k == ofMemory && used > limit {
				most = math.MaxFloat64
			}
			require.LessOrEqual(t, m.percent, most)
			require.GreaterOrEqual(t, m.percent, 0.0)
			require.GreaterOrEqual(t, m.worst, m.percent)
			for _, fact := range m.facts {
				switch v := fact.value.(type) {
				case float64:
					require.False(t, math.IsNaN(v) || math.IsInf(v, 0) || v < 0, fact)
					require.True(t, !strings.HasSuffix(fact.key, "_percent") || v <= most, fact)
				case int64:
					require.GreaterOrEqual(t, v, int64(0))
				default:
					require.Fail(t, "a fact must be a number", fact)
				}
			}
		}
	})
}

// Trap 16: what is too old is not believed.
func TestASampleGrowsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.sample.Pressure = []SystemPressure{{"io", "some", 50}}
		s := begin(t, f, SystemOptions{})
		require.Contains(t, look(t, s, "disk").data, "pressure_some_avg10")
		f.set(func(f *fake) { f.err, f.sample = errors.New("broken"), SystemSample{} })
		time.Sleep(11 * time.Second) // 2 intervals and a timeout
		synctest.Wait()
		require.Equal(t, healthy, look(t, s, "memory").level)
		require.Contains(t, s.metrics(), "memory_usage_percent")

		time.Sleep(time.Millisecond)
		o := look(t, s, "memory")
		require.Equal(t, degraded, o.level)
		require.Equal(t, ReasonStale, o.reason)
		require.ErrorContains(t, o.err, "broken")
		require.Empty(t, o.data, "an old value would look like a new one")
		require.Equal(t, map[string]float64{"disk_usage_percent": 60}, s.metrics())
		require.Equal(t, healthy, look(t, s, "disk").level)
		require.NotContains(t, look(t, s, "disk").data, "pressure_some_avg10")

		f.set(func(f *fake) { f.err, f.sample = nil, newFake().sample })
		s.next()
		require.Equal(t, healthy, look(t, s, "memory").level)
		require.Equal(t, 0.0, s.metrics()["cpu_usage_percent"], "the count goes on over the gap")
	})
}
