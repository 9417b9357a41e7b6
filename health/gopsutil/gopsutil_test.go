package gopsutil

import (
	"sync"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/stretchr/testify/require"
)

func TestThisMachine(t *testing.T) {
	source := Source()
	first, err := source.Sample(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, first.CPUCores, 1.0)
	require.Positive(t, first.CPUSeconds)
	require.Positive(t, first.MemoryUsed)
	require.Less(t, first.MemoryUsed, first.MemoryLimit)
	require.Empty(t, first.CPUOf)

	second, err := source.Sample(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, second.CPUSeconds, first.CPUSeconds)

	space, err := source.Disk(t.TempDir())
	require.NoError(t, err)
	require.Positive(t, space.Used+space.Avail)
	_, err = source.Disk(t.TempDir() + "/gone")
	require.Error(t, err)
}

// Trap 31: a percentage of the library depends on who else has asked for one.
func TestOthersDoNotDisturbASample(t *testing.T) {
	source := Source()
	before, err := source.Sample(t.Context())
	require.NoError(t, err)
	start := time.Now()
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			for time.Since(start) < 300*time.Millisecond {
				_, _ = cpu.Percent(0, false)
			}
		})
	}
	others.Wait()
	after, err := source.Sample(t.Context())
	elapsed := time.Since(start).Seconds()
	require.NoError(t, err)
	used := after.CPUSeconds - before.CPUSeconds
	require.Greater(t, used, 0.05, "the work of the others counts in full")
	require.LessOrEqual(t, used, elapsed*after.CPUCores+0.1)
}

func TestBusyTimeCountsNothingTwice(t *testing.T) {
	times := cpu.TimesStat{User: 1, Nice: 2, System: 4, Irq: 8, Softirq: 16, Idle: 32, Iowait: 64, Steal: 128, Guest: 256, GuestNice: 512}
	require.Equal(t, 31.0, busy(times, "linux"))
	require.Equal(t, 7.0, busy(times, "windows"))
}

func BenchmarkSample(b *testing.B) {
	source := Source()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := source.Sample(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
