package cgroup_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/cgroup"
	"github.com/sluice-go/sluice/internal/cgroup/cgrouptest"
)

func TestFilesOfAllSizes(t *testing.T) {
	r := cgroup.NewReader(t.TempDir())
	for _, size := range []int{0, 1, 4095, 4096, 4097, 8192, 200_000} {
		want := strings.Repeat("x", size)
		cgrouptest.Tree{"/f": want}.Write(t, r.Path("/"))
		got, err := r.Read(r.Path("/f"))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	cgrouptest.Tree{"/f": strings.Repeat("x", 1<<20)}.Write(t, r.Path("/"))
	_, err := r.Read(r.Path("/f"))
	require.ErrorContains(t, err, "longer than 256 KB")
}

// A machine with many containers has a mountinfo of megabytes.
func TestManyMounts(t *testing.T) {
	var b strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&b, "%d 22 0:28 / /var/lib/containers/%d/merged rw - overlay overlay rw,lowerdir=/a:/b\n", i, i)
	}
	tree := cgrouptest.Machine(cgrouptest.SelfV2("/a"), cgrouptest.GroupV2("/a", "100000 100000", "max"))
	tree["/proc/self/mountinfo"] = b.String() + tree["/proc/self/mountinfo"]
	root := t.TempDir()
	tree.Write(t, root)
	groups, err := cgroup.NewReader(root).Locate()
	require.NoError(t, err)
	require.Equal(t, "/a", groups.CPU.Path)
}

func TestMountsAreReadAgainUntilThatWorks(t *testing.T) {
	root := t.TempDir()
	tree := cgrouptest.Machine(cgrouptest.SelfV2("/a"))
	good := tree["/proc/self/mountinfo"]
	tree["/proc/self/mountinfo"] = "garbage\n"
	tree.Write(t, root)
	r := cgroup.NewReader(root)
	_, err := r.Locate()
	require.ErrorContains(t, err, "mountinfo")

	cgrouptest.Tree{"/proc/self/mountinfo": good}.Write(t, root)
	groups, err := r.Locate()
	require.NoError(t, err)
	require.NotNil(t, groups.CPU)

	require.NoError(t, os.Remove(filepath.Join(root, "/proc/self/mountinfo")))
	groups, err = r.Locate()
	require.NoError(t, err)
	require.NotNil(t, groups.CPU)
}

func TestThrottlingIsReadInBothVersions(t *testing.T) {
	root := t.TempDir()
	cgrouptest.Machine(cgrouptest.SelfV2("/a"), cgrouptest.GroupV2("/a", "max 100000", "max"),
		cgrouptest.Tree{"/sys/fs/cgroup/cpu.stat": "usage_usec 1\n"}).Write(t, root)
	r := cgroup.NewReader(root)
	groups, err := r.Locate()
	require.NoError(t, err)
	got, ok, err := r.Throttling(groups.CPU, "/a")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, cgroup.Throttling{Periods: 10, Throttled: 4, Seconds: 2.5}, got)
	_, ok, err = r.Throttling(groups.CPU, "/")
	require.NoError(t, err)
	require.False(t, ok, "a root without a quota does not count periods")

	root = t.TempDir()
	cgrouptest.Machine(cgrouptest.SelfV1("/a", "/"), cgrouptest.GroupV1("/a", "-1", "100000", cgrouptest.UnlimitedV1)).Write(t, root)
	r = cgroup.NewReader(root)
	groups, err = r.Locate()
	require.NoError(t, err)
	got, ok, err = r.Throttling(groups.CPU, "/a")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, cgroup.Throttling{Periods: 20, Throttled: 5, Seconds: 1.5}, got)
}
