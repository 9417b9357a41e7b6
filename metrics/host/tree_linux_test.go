package host_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/cgroup/cgrouptest"
	"github.com/sluice-go/sluice/metrics/host"
)

type tree = cgrouptest.Tree

const unlimitedV1 = cgrouptest.UnlimitedV1

func machine(more ...tree) tree                   { return cgrouptest.Machine(more...) }
func selfV2(path string) tree                     { return cgrouptest.SelfV2(path) }
func groupV2(path, cpuMax, memoryMax string) tree { return cgrouptest.GroupV2(path, cpuMax, memoryMax) }
func selfV1(path, mountRoot string) tree          { return cgrouptest.SelfV1(path, mountRoot) }
func groupV1(path, quota, period, limit string) tree {
	return cgrouptest.GroupV1(path, quota, period, limit)
}

// disk answers for every path.
func disk(string) (host.Usage, error) {
	return host.Usage{Size: 1000, Free: 400, Avail: 300, Files: 50, FilesFree: 20}, nil
}

// in returns a collector for the tree on a process that may use all processors.
func in(tb testing.TB, t tree) *host.Collector {
	tb.Helper()
	c, _ := at(tb, t, host.Options{})
	return c
}

func at(tb testing.TB, t tree, o host.Options) (*host.Collector, string) {
	tb.Helper()
	root := tb.TempDir()
	t.Write(tb, root)
	o.Logger = slog.New(slog.DiscardHandler)
	c, err := host.NewIn(o, host.Env{Root: root, Statfs: disk, CPUs: []int{0, 1, 2, 3}})
	require.NoError(tb, err)
	return c, root
}
