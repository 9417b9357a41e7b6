package health

import (
	"math"
	"math/bits"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/procfs"
	"github.com/stretchr/testify/require"
)

func TestLinesOfStat(t *testing.T) {
	all := cpus(0, 1)
	for _, tt := range []struct {
		name, content string
		want          machineCPU
		fault         bool
	}{
		{"guest time is part of user time", "cpu 100 10 20 900 50 1 2 3 100 10\ncpu0 100 10 20 900 50 1 2 3 100 10\n", machineCPU{1, 1.33}, false},
		{"an old kernel with four times", "cpu 100 10 20 900\ncpu0 100 10 20 900\n", machineCPU{1, 1.3}, false},
		{"what comes after the processors is not read", "cpu 1 1 1 1\ncpu0 1 1 1 1\nintr x\ncpu9 x\n", machineCPU{1, 0.03}, false},
		{"no end of line", "cpu 1 1 1 1\ncpu0 1 1 1 1", machineCPU{1, 0.03}, false},
		{"no processors", "cpu 1 1 1 1\n", machineCPU{}, true},
		{"nothing", "", machineCPU{}, true},
		{"too few times", "cpu 1 1 1\ncpu0 1 1 1\n", machineCPU{}, true},
		{"a negative time", "cpu 1 -1 1 1\ncpu0 1 1 1 1\n", machineCPU{}, true},
		{"a time that is none", "cpu 1 1 1 1\ncpu0 1 x 1 1\n", machineCPU{}, true},
		{"a time out of range", "cpu 1 1 1 72057594037927936\ncpu0 1 1 1 1\n", machineCPU{}, true},
		{"a processor that is none", "cpu 1 1 1 1\ncpux 1 1 1 1\n", machineCPU{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := parseStat([]byte(tt.content), &all)
			require.Equal(t, tt.fault, err != nil)
			require.Equal(t, tt.want.cores, m.cores)
			require.InDelta(t, tt.want.busy, m.busy, 1e-9)
		})
	}
}

func TestLinesOfMeminfo(t *testing.T) {
	content := []byte("MemTotal:        8388608 kB\nMemFree:  1 kB\nHugePages_Total:       3\nBad: x kB\nHuge: 9007199254740992 kB\n")
	v, ok, err := parseMeminfo(content, "MemTotal")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, uint64(8<<30), v)
	_, ok, err = parseMeminfo(content, "Mem")
	require.NoError(t, err)
	require.False(t, ok, "a part of a key is none")
	for _, key := range []string{"HugePages_Total", "Bad", "Huge"} {
		_, ok, err = parseMeminfo(content, key)
		require.ErrorContains(t, err, key)
		require.False(t, ok)
	}
}

// Another parser of the same files finds the same.
func TestTheFilesOfThisMachine(t *testing.T) {
	proc, err := procfs.NewDefaultFS()
	require.NoError(t, err)
	info, err := proc.Meminfo()
	require.NoError(t, err)
	content, err := os.ReadFile("/proc/meminfo")
	require.NoError(t, err)
	total, _, err := parseMeminfo(content, "MemTotal")
	require.NoError(t, err)
	require.Equal(t, *info.MemTotalBytes, total)

	before, err := os.ReadFile("/proc/stat")
	require.NoError(t, err)
	stat, err := proc.Stat()
	require.NoError(t, err)
	after, err := os.ReadFile("/proc/stat")
	require.NoError(t, err)
	var set cpuSet
	for id := range stat.CPU {
		set[id/bits.UintSize] |= 1 << (id % bits.UintSize)
	}
	first, err := parseStat(before, &set)
	require.NoError(t, err)
	second, err := parseStat(after, &set)
	require.NoError(t, err)
	busy := stat.CPUTotal.User + stat.CPUTotal.Nice + stat.CPUTotal.System + stat.CPUTotal.IRQ + stat.CPUTotal.SoftIRQ
	require.Equal(t, float64(len(stat.CPU)), first.cores)
	require.GreaterOrEqual(t, busy, first.busy-1e-6)
	require.LessOrEqual(t, busy, second.busy+1e-6)
}

func TestSpaceIsCountedInFragments(t *testing.T) {
	st := syscall.Statfs_t{Bsize: 1 << 20, Frsize: 4096, Blocks: 10, Bfree: 5, Bavail: 4, Files: 7, Ffree: 3}
	require.Equal(t, DiskSpace{Used: 20480, Avail: 16384, Inodes: 7, InodesFree: 3}, spaceOf(&st))
	st.Frsize = 0
	require.Equal(t, DiskSpace{Used: 5 << 20, Avail: 4 << 20, Inodes: 7, InodesFree: 3}, spaceOf(&st))
	st.Bfree = 11 // a network file system that contradicts itself
	require.Zero(t, spaceOf(&st).Used)
}

// The model is a sum over the fields that the manual calls work.
func FuzzStat(f *testing.F) {
	f.Add("cpu  1000 200 300 9000 50 10 20 5 100 0\ncpu0 400 50 75 2000 10 2 5 1 25 0\nintr 77\n")
	f.Add("cpu 1 1 1 1\ncpu0 1 1 1 1\ncpu1 1 1 1 1\n")
	f.Add("cpu0 1 1 1 1\n")
	f.Add("cpu 18446744073709551615 1 1 1\ncpu65535 1 1 1 1\n")
	f.Fuzz(func(t *testing.T, content string) {
		everything := cpuSet{}
		for i := range everything {
			everything[i] = math.MaxUint
		}
		m, err := parseStat([]byte(content), &everything)
		if err != nil {
			require.Zero(t, m)
			return
		}
		var total, lines float64
		for line := range strings.Lines(content) {
			fields := strings.Fields(strings.TrimPrefix(line, "cpu"))
			if !strings.HasPrefix(line, "cpu") {
				break
			}
			if line[3] != ' ' {
				lines++
				continue
			}
			total = 0
			for i, field := range fields {
				if v, _ := strconv.ParseFloat(field, 64); i < 3 || i == 5 || i == 6 {
					total += v
				}
			}
		}
		require.Equal(t, lines, m.cores)
		require.InEpsilon(t, total+1, m.busy*ticks+1, 1e-9)
	})
}

func FuzzMeminfo(f *testing.F) {
	f.Add("MemTotal:        8388608 kB\nMemAvailable:    6291456 kB\n")
	f.Add("MemTotal: 1\n")
	f.Add("MemTotal: -1 kB\n")
	f.Add("MemTotal:  kB\n")
	f.Fuzz(func(t *testing.T, content string) {
		v, ok, err := parseMeminfo([]byte(content), "MemTotal")
		require.False(t, ok && err != nil)
		if !ok {
			require.Zero(t, v)
			return
		}
		require.Zero(t, v%1024)
		require.Contains(t, strings.Join(strings.Fields(content), " "), strconv.FormatUint(v/1024, 10)+" kB")
	})
}
