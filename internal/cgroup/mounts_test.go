package cgroup

import (
	"os"
	"strings"
	"testing"

	"github.com/prometheus/procfs"
	"github.com/stretchr/testify/require"
)

func TestLinesOfMountinfo(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		fsType     string // "" is an error
		want       mount
	}{
		{"version 2", "31 22 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n", "cgroup2", mount{root: "/", dir: "/sys/fs/cgroup"}},
		{"no tag and no end of line", "31 22 0:28 /a /m rw - cgroup2 none rw", "cgroup2", mount{root: "/a", dir: "/m"}},
		{"several tags", "31 22 0:28 / /m rw shared:4 master:1 propagate_from:2 unbindable - cgroup2 none rw\n", "cgroup2", mount{root: "/", dir: "/m"}},
		{"version 1", "33 31 0:30 /a /m rw - cgroup cgroup rw,memory\n", "cgroup", mount{controllers: []string{"rw", "memory"}, root: "/a", dir: "/m"}},
		{"version 1 without a source", "33 31 0:30 /a /m rw - cgroup  rw,memory\n", "cgroup", mount{controllers: []string{"rw", "memory"}, root: "/a", dir: "/m"}},
		{"spaces in the options of another", `40 31 0:30 / /c rw - 9p C:\ rw,path=C:\Program Files;symlinkroot=/mnt/` + "\n", "9p", mount{root: "/", dir: "/c"}},
		{"a root out of sight", "31 22 0:28 /../.. /m rw - cgroup2 none rw\n", "cgroup2", mount{root: "/../..", dir: "/m"}},
		{"no separator", "31 22 0:28 / /m rw cgroup2 none rw\n", "", mount{}},
		{"no type", "31 22 0:28 / /m rw - \n", "", mount{}},
		{"too few fields", "31 22 0:28 / /m - cgroup2 none rw\n", "", mount{}},
		{"nothing", "\n", "", mount{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, fsType, err := parseMount(tt.line)
			require.Equal(t, tt.fsType == "", err != nil)
			require.Equal(t, tt.fsType, fsType)
			require.Equal(t, tt.want, m)
		})
	}
}

func TestAFaultInMountinfoDoesNotRepeatAllOfIt(t *testing.T) {
	_, err := parseMounts([]byte(strings.Repeat("x", 1<<20)))
	require.Error(t, err)
	require.Less(t, len(err.Error()), 300)
}

// Another parser of the same file finds the same cgroups here.
func TestTheMountsOfThisMachine(t *testing.T) {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Skip("no /proc/self/mountinfo")
	}
	mounts, err := parseMounts(content)
	require.NoError(t, err)
	infos, err := procfs.GetMounts()
	require.NoError(t, err)
	dirs := map[string]string{}
	for _, info := range infos {
		delete(dirs, info.MountPoint)
		if strings.HasPrefix(info.FSType, "cgroup") {
			dirs[info.MountPoint] = info.Root
		}
	}
	require.Len(t, mounts, len(dirs))
	for _, m := range mounts {
		require.Equal(t, dirs[m.dir], m.root)
	}
}

// A mount that is not ours to see must never be read, whatever its line says.
func FuzzMounts(f *testing.F) {
	f.Add("31 22 0:28 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n33 31 0:30 /a /m rw - cgroup cgroup rw,memory\n")
	f.Add("31 22 0:28 / /m rw - cgroup2 none rw\n32 31 0:29 / /m rw - tmpfs tmpfs rw\n")
	f.Add("x - y\n")
	f.Fuzz(func(t *testing.T, content string) {
		mounts, err := parseMounts([]byte(content))
		if err != nil {
			require.Empty(t, mounts)
			return
		}
		dirs := map[string]bool{}
		for _, m := range mounts {
			require.False(t, dirs[m.dir], "a mount hides those before it")
			dirs[m.dir] = true
		}
		require.LessOrEqual(t, len(mounts), strings.Count(content, " - cgroup"))
		var last string
		for line := range strings.Lines(content) {
			last = line
		}
		if m, fsType, err := parseMount(last); err == nil {
			require.Equal(t, fsType == "cgroup" || fsType == "cgroup2", dirs[m.dir], "the last one counts")
		}
	})
}
