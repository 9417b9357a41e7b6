package health_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

func absolute(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("data")
	require.NoError(t, err)
	return path
}

// diskStatus is what a check of the disk comes to as part of a checker.
func diskStatus(t *testing.T, o health.DiskOptions) health.Component {
	t.Helper()
	var c health.Component
	synctest.Test(t, func(t *testing.T) {
		hc, err := health.New(health.Options{
			Checks: []health.Check{{Name: "data", Func: health.Disk(absolute(t), o)}},
			System: health.SystemOptions{Disable: true},
		})
		require.NoError(t, err)
		synctest.Wait()
		r, ok := hc.Report(health.Readiness)
		require.True(t, ok)
		require.Len(t, r.Components, 1)
		c = r.Components[0]
		require.NoError(t, hc.Close())
	})
	return c
}

// Trap 33: a disk is judged by space available to the service and by inodes.
func TestDisk(t *testing.T) {
	for _, tt := range []struct {
		name           string
		space          health.DiskSpace
		o              health.DiskOptions
		status, reason string
	}{
		{"half full", health.DiskSpace{Used: 50, Avail: 50}, health.DiskOptions{}, health.StatusHealthy, ""},
		{"at the threshold", health.DiskSpace{Used: 90, Avail: 10}, health.DiskOptions{}, health.StatusHealthy, ""},
		{"above the threshold", health.DiskSpace{Used: 9001, Avail: 999}, health.DiskOptions{}, health.StatusDegraded, health.ReasonThreshold},
		{"full", health.DiskSpace{Used: 99, Avail: 1}, health.DiskOptions{}, health.StatusUnhealthy, health.ReasonFull},
		{"full but for the reserve of root", health.DiskSpace{Used: 95}, health.DiskOptions{}, health.StatusUnhealthy, health.ReasonFull},
		{"few inodes left", health.DiskSpace{Used: 1, Avail: 99, Inodes: 100, InodesFree: 9}, health.DiskOptions{}, health.StatusDegraded, health.ReasonThreshold},
		{"no inodes left", health.DiskSpace{Used: 1, Avail: 99, Inodes: 100}, health.DiskOptions{}, health.StatusUnhealthy, health.ReasonFull},
		{"thresholds of one's own", health.DiskSpace{Used: 50, Avail: 50}, health.DiskOptions{MaxPercent: 30, FullPercent: 60}, health.StatusDegraded, health.ReasonThreshold},
		{"no threshold to degrade", health.DiskSpace{Used: 95, Avail: 5}, health.DiskOptions{MaxPercent: -1}, health.StatusHealthy, ""},
		{"full only degrades", health.DiskSpace{Used: 100}, health.DiskOptions{FullPercent: -1}, health.StatusDegraded, health.ReasonThreshold},
		{"full means full", health.DiskSpace{Used: 100}, health.DiskOptions{FullPercent: 100}, health.StatusUnhealthy, health.ReasonFull},
		{"no size", health.DiskSpace{}, health.DiskOptions{}, health.StatusUnhealthy, health.ReasonOther},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Source = func(path string) (health.DiskSpace, error) {
				require.Equal(t, absolute(t), path)
				return tt.space, nil
			}
			c := diskStatus(t, tt.o)
			require.Equal(t, tt.status, c.Status)
			require.Equal(t, tt.reason, c.Reason)
		})
	}
}

func TestTheFactsOfADisk(t *testing.T) {
	c := diskStatus(t, health.DiskOptions{Source: func(string) (health.DiskSpace, error) {
		return health.DiskSpace{Used: 1, Avail: 2, Inodes: 8, InodesFree: 7}, nil
	}})
	require.Equal(t, map[string]any{"usage_percent": 33.33, "avail_bytes": int64(2), "inodes_usage_percent": 12.5}, c.Data)
}

// Trap 33: a hung file system is unhealthy, and costs one goroutine.
func TestADiskThatDoesNotAnswerIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		back := make(chan struct{})
		check := health.Disk(absolute(t), health.DiskOptions{Source: func(string) (health.DiskSpace, error) {
			asked.Add(1)
			<-back
			return health.DiskSpace{Used: 1, Avail: 1}, nil
		}})
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			require.ErrorIs(t, check(ctx), context.DeadlineExceeded)
			cancel()
		}
		require.Equal(t, int64(1), asked.Load())
		close(back)
		synctest.Wait()
		require.NoError(t, check(t.Context()))
		require.Equal(t, int64(2), asked.Load())
	})
}

func TestADiskThatFailsIsUnhealthy(t *testing.T) {
	c := diskStatus(t, health.DiskOptions{Source: func(string) (health.DiskSpace, error) { return health.DiskSpace{}, errors.New("input/output error") }})
	require.Equal(t, health.StatusUnhealthy, c.Status)
	require.ErrorContains(t, c.Err, "input/output error")
	c = diskStatus(t, health.DiskOptions{Source: func(string) (health.DiskSpace, error) { panic("oops") }})
	require.Equal(t, health.StatusUnhealthy, c.Status)
	require.Equal(t, health.ReasonPanic, c.Reason)
}

func TestFaultsOfADiskAreReportedAtOnce(t *testing.T) {
	err := health.Disk("data", health.DiskOptions{MaxPercent: math.NaN(), FullPercent: 101, Source: func(string) (health.DiskSpace, error) {
		return health.DiskSpace{Used: 1, Avail: 1}, nil
	}})(t.Context())
	require.EqualError(t, err, strings.Join([]string{
		`health: Disk.path: "data" is not an absolute path`,
		"health: Disk.MaxPercent: must be at most 100",
		"health: Disk.FullPercent: must be at most 100",
	}, "\n"))
}

func TestARealDisk(t *testing.T) {
	dir := t.TempDir()
	err := health.Disk(dir, health.DiskOptions{MaxPercent: -1, FullPercent: -1})(t.Context())
	switch runtime.GOOS {
	case "linux", "darwin", "freebsd", "dragonfly":
		require.NoError(t, err)
		err = health.Disk(filepath.Join(dir, "gone"), health.DiskOptions{})(t.Context())
		require.ErrorContains(t, err, "no such file")
	default:
		require.ErrorIs(t, err, errors.ErrUnsupported)
		require.ErrorContains(t, err, runtime.GOOS)
	}
}

// Trap 33: the numbers are those an operator sees in df.
func TestARealDiskAgreesWithDf(t *testing.T) {
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "df", "-B1", "--output=used,avail,itotal,iavail", dir).Output()
	if err != nil {
		t.Skip("there is no df with these options here")
	}
	var used, avail, inodes, inodesFree float64
	_, err = fmt.Sscan(strings.SplitN(string(out), "\n", 2)[1], &used, &avail, &inodes, &inodesFree)
	require.NoError(t, err)
	hc, err := health.New(health.Options{
		Checks: []health.Check{{Name: "data", Func: health.Disk(dir, health.DiskOptions{})}},
		System: health.SystemOptions{Disable: true},
	})
	require.NoError(t, err)
	defer hc.Close()
	var data map[string]any
	require.Eventually(t, func() bool {
		r, _ := hc.Report(health.Readiness)
		data = r.Components[0].Data
		return data != nil
	}, eventually, tick)
	// Others write to the same disk meanwhile.
	require.InDelta(t, 100*used/(used+avail), data["usage_percent"], 1)
	require.InEpsilon(t, avail, data["avail_bytes"], 0.05)
	if inodes > 0 {
		require.InDelta(t, 100*(inodes-inodesFree)/inodes, data["inodes_usage_percent"], 1)
	}
}
