package health

import (
	"context"
	"errors"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// fake is a machine that a test sets.
type fake struct {
	mu      sync.Mutex
	sample  SystemSample
	space   DiskSpace
	err     error         // of samples
	diskErr error         // of the disk
	hang    chan struct{} // what a sample waits for, deaf to its context
	gone    chan struct{} // what the disk waits for
	panics  any

	samples, disks atomic.Int64
}

const gib = 1 << 30

func newFake() *fake {
	return &fake{
		sample: SystemSample{CPUSeconds: 100, CPUCores: 2, MemoryUsed: 3 * gib, MemoryLimit: 4 * gib},
		space:  DiskSpace{Used: 60, Avail: 40, Inodes: 100, InodesFree: 70},
	}
}

func (f *fake) set(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fake) source() SystemSource {
	return SystemSource{
		Sample: func(context.Context) (SystemSample, error) {
			f.samples.Add(1)
			f.mu.Lock()
			defer f.mu.Unlock()
			if hang := f.hang; hang != nil {
				f.mu.Unlock()
				<-hang
				f.mu.Lock()
			}
			if f.panics != nil {
				panic(f.panics)
			}
			return f.sample, f.err
		},
		Disk: func(string) (DiskSpace, error) {
			f.disks.Add(1)
			f.mu.Lock()
			defer f.mu.Unlock()
			if gone := f.gone; gone != nil {
				f.mu.Unlock()
				<-gone
				f.mu.Lock()
			}
			return f.space, f.diskErr
		},
	}
}

// begin starts a system and waits for its first sample. The bubble of the test
// fails if a goroutine outlives close.
func begin(t *testing.T, f *fake, o SystemOptions) *system {
	t.Helper()
	o.Source = f.source()
	s, err := newSystem(o)
	require.NoError(t, err)
	s.start()
	t.Cleanup(s.close)
	synctest.Wait()
	return s
}

// look runs a check of s as its task would.
func look(t *testing.T, s *system, name string) outcome {
	t.Helper()
	for _, c := range s.checks() {
		if c.Name == name {
			f := &facts{}
			ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), factsKey{}, f), time.Second)
			defer cancel()
			return judge(c.Internal(ctx), f.take())
		}
	}
	require.FailNow(t, "no check "+name)
	return outcome{}
}

// next waits for the next round.
func (s *system) next() {
	time.Sleep(s.Interval)
	synctest.Wait()
}

// Trap 16: the sampler itself may not get to run, as while the process is stopped.
func TestASamplerThatIsStarvedIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := begin(t, f, SystemOptions{})
		s.timer.Stop()
		time.Sleep(time.Hour)
		for _, name := range []string{"cpu", "memory", "disk"} {
			o := look(t, s, name)
			require.Equal(t, degraded, o.level)
			require.Equal(t, ReasonStale, o.reason)
		}
		require.Empty(t, s.metrics())
		s.timer.Reset(0)
		synctest.Wait()
		require.Equal(t, healthy, look(t, s, "memory").level)
	})
}

func TestASourceThatNeverWorkedIsNotHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.sample, f.err, f.diskErr = SystemSample{}, errors.New("no rights"), errors.New("no such file")
		s := begin(t, f, SystemOptions{})
		require.ErrorContains(t, look(t, s, "memory").err, "no rights")
		require.ErrorContains(t, look(t, s, "disk").err, "no such file")
		for _, name := range []string{"cpu", "memory", "disk"} {
			require.Equal(t, degraded, look(t, s, name).level)
		}
		require.Empty(t, s.metrics())
	})
}

// Trap 33: a file system that hangs must not hang the sampler, and is asked once.
func TestADiskThatHangsHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := begin(t, f, SystemOptions{})
		gone := make(chan struct{})
		f.set(func(f *fake) { f.gone = gone })
		asked := f.disks.Load()
		for range 20 {
			f.set(func(f *fake) { f.sample.CPUSeconds += 2 * 2 })
			time.Sleep(s.Interval + s.Timeout)
			synctest.Wait()
		}
		require.Equal(t, asked+1, f.disks.Load(), "one question is open, however long that takes")
		require.Greater(t, f.samples.Load(), int64(19))
		require.InDelta(t, 2*2*100/(2*6), s.metrics()["cpu_usage_percent"], 0.5)
		require.Equal(t, healthy, look(t, s, "memory").level)
		o := look(t, s, "disk")
		require.Equal(t, degraded, o.level)
		require.Equal(t, ReasonStale, o.reason)
		require.ErrorIs(t, o.err, context.DeadlineExceeded)

		f.set(func(f *fake) { f.gone = nil })
		close(gone)
		s.next()
		require.Equal(t, healthy, look(t, s, "disk").level)
	})
}

// Trap 33: close does not wait for it either; one goroutine is all that stays.
func TestCloseDoesNotWaitForADiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.gone = make(chan struct{})
		s := begin(t, f, SystemOptions{})
		start := time.Now()
		s.close()
		require.Equal(t, s.Timeout, time.Since(start), "the rest of the round")
		start = time.Now()
		s.close()
		require.Zero(t, time.Since(start))
		close(f.gone) // the bubble would not end otherwise
	})
}

func TestASampleThatHangsIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := begin(t, f, SystemOptions{})
		hang := make(chan struct{})
		f.set(func(f *fake) { f.hang = hang })
		asked := f.samples.Load()
		for range 5 {
			s.next()
		}
		require.Equal(t, asked+1, f.samples.Load())
		require.Equal(t, ReasonStale, look(t, s, "cpu").reason)
		require.Equal(t, healthy, look(t, s, "disk").level)
		f.set(func(f *fake) { f.hang = nil })
		close(hang)
		s.next()
		s.next()
		require.Equal(t, healthy, look(t, s, "cpu").level)
	})
}

func TestTheContextOfASampleEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var took []time.Duration
		s, err := newSystem(SystemOptions{Source: SystemSource{
			Sample: func(ctx context.Context) (SystemSample, error) {
				start := time.Now()
				<-ctx.Done()
				took = append(took, time.Since(start))
				return SystemSample{}, ctx.Err()
			},
			Disk: func(string) (DiskSpace, error) { return DiskSpace{Used: 1, Avail: 1}, nil },
		}})
		require.NoError(t, err)
		s.start()
		s.next()
		time.Sleep(1500 * time.Millisecond)
		s.close()
		synctest.Wait()
		require.Equal(t, []time.Duration{time.Second, 500 * time.Millisecond}, took, "by the timeout, and by close")
	})
}

func TestASourceMayPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.panics = "oops"
		s := begin(t, f, SystemOptions{})
		o := look(t, s, "memory")
		require.Equal(t, degraded, o.level)
		require.Equal(t, ReasonPanic, o.reason)
		f.set(func(f *fake) { f.panics = nil })
		s.next()
		require.Equal(t, healthy, look(t, s, "memory").level)
	})
}

// Trap 17: what t.FailNow does must not hang the sampler.
func TestASourceMayEndItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := newSystem(SystemOptions{Source: SystemSource{
			Sample: func(context.Context) (SystemSample, error) { runtime.Goexit(); return SystemSample{}, nil },
			Disk:   newFake().source().Disk,
		}})
		require.NoError(t, err)
		s.start()
		defer s.close()
		for range 3 {
			s.next()
			require.ErrorIs(t, look(t, s, "memory").err, errExited)
		}
	})
}

// A check that runs before the first sample waits for it, so that its first
// result has something to say.
func TestACheckWaitsForTheFirstSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.hang = make(chan struct{})
		s, err := newSystem(SystemOptions{Source: f.source()})
		require.NoError(t, err)
		early := look(t, s, "memory")
		require.Equal(t, degraded, early.level)
		require.Equal(t, ReasonStarting, early.reason)

		s.start()
		defer s.close()
		time.AfterFunc(300*time.Millisecond, func() { close(f.hang) })
		start := time.Now()
		require.Equal(t, 75.0, look(t, s, "memory").data["usage_percent"])
		require.Equal(t, 300*time.Millisecond, time.Since(start))
	})
}

// Trap 20: close ends everything and may be called more than once.
func TestCloseEndsTheRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		s := begin(t, f, SystemOptions{})
		s.start() // a second one changes nothing
		s.next()
		require.Equal(t, int64(2), f.samples.Load())
		var callers sync.WaitGroup
		for range 10 {
			callers.Go(s.close)
		}
		callers.Wait()
		time.Sleep(time.Hour)
		require.Equal(t, int64(2), f.samples.Load())
		require.Empty(t, s.metrics())

		never, err := newSystem(SystemOptions{Source: f.source()})
		require.NoError(t, err)
		never.close()
		never.start()
		time.Sleep(time.Hour)
		require.Equal(t, int64(2), f.samples.Load())
	})
}

func TestCloseAtAnyMoment(t *testing.T) {
	for i := range 60 {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			s, err := newSystem(SystemOptions{Source: f.source(), Interval: 100 * time.Millisecond})
			require.NoError(t, err)
			s.start()
			time.Sleep(time.Duration(i) * 10 * time.Millisecond)
			s.close() // in the same moment as a round, every tenth time
			n := f.samples.Load()
			time.Sleep(time.Second)
			require.Equal(t, n, f.samples.Load())
		})
	}
}

func TestFaultsOfSystemOptionsAreReportedAtOnce(t *testing.T) {
	_, err := newSystem(SystemOptions{
		Interval: 99 * time.Millisecond, Timeout: -1, Path: "data",
		MaxCPUPercent: 101, MaxMemoryPercent: math.NaN(), MaxDiskPercent: math.Inf(1),
	})
	require.EqualError(t, err, strings.Join([]string{
		"health: System.Interval: must be at least 100ms; Disable switches it off",
		"health: System.Timeout: must not be negative: a sample without a bound can hang",
		`health: System.Path: "data" is not an absolute path`,
		"health: System.MaxCPUPercent: must be at most 100",
		"health: System.MaxMemoryPercent: must be at most 100",
		"health: System.MaxDiskPercent: must be at most 100",
	}, "\n"))
	_, err = newSystem(SystemOptions{Interval: time.Second, Timeout: time.Second})
	require.EqualError(t, err, "health: System.Timeout: must be less than Interval")
	_, err = newSystem(SystemOptions{Interval: -1})
	require.ErrorContains(t, err, "System.Interval")
}

func TestSystemDefaults(t *testing.T) {
	s, err := newSystem(SystemOptions{Source: newFake().source()})
	require.NoError(t, err)
	require.Equal(t, []any{5 * time.Second, time.Second, "/", 90.0, 90.0, 90.0},
		[]any{s.Interval, s.Timeout, s.Path, s.MaxCPUPercent, s.MaxMemoryPercent, s.MaxDiskPercent})
	short, err := newSystem(SystemOptions{Interval: 200 * time.Millisecond})
	require.NoError(t, err)
	require.Equal(t, 100*time.Millisecond, short.Timeout)
}

func TestTheSystemCanBeSwitchedOff(t *testing.T) {
	s, err := newSystem(SystemOptions{Disable: true, Source: newFake().source(), Interval: -1})
	require.NoError(t, err)
	s.start()
	require.Empty(t, s.checks())
	require.Empty(t, s.metrics())
	s.close()
	s.close()
}

func TestASourceMayGiveOnePart(t *testing.T) {
	defaults := defaultSource()
	s, err := newSystem(SystemOptions{Source: SystemSource{Sample: newFake().source().Sample}})
	require.NoError(t, err)
	require.Equal(t, defaults.Disk == nil, s.Source.Disk == nil)
	names := []string{}
	for _, c := range s.checks() {
		names = append(names, c.Name)
	}
	if defaults.Disk == nil {
		require.Equal(t, []string{"cpu", "memory"}, names)
	} else {
		require.Equal(t, []string{"cpu", "memory", "disk"}, names)
	}
}
