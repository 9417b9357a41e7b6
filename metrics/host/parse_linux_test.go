package host

import (
	"math"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/procfs"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestBlocksAreCountedInFragments(t *testing.T) {
	st := unix.Statfs_t{Bsize: 1 << 20, Frsize: 4096, Blocks: 10, Bfree: 5, Bavail: 4, Files: 7, Ffree: 3, Flags: unix.ST_RDONLY | 0x20}
	require.Equal(t, usage{size: 40960, free: 20480, avail: 16384, files: 7, filesFree: 3, readOnly: true}, usageOf(&st))
	st.Frsize, st.Flags = 0, 0x20
	require.Equal(t, usage{size: 10 << 20, free: 5 << 20, avail: 4 << 20, files: 7, filesFree: 3}, usageOf(&st))
}

func TestWhereACgroupIsBelowAMount(t *testing.T) {
	for _, tt := range []struct {
		root, self, want string
		ok               bool
	}{
		{"/", "/", "/", true},
		{"/", "/a/b", "/a/b", true},
		{"/a", "/a", "/", true},
		{"/a", "/a/b", "/b", true},
		{"/a", "/ab", "", false},
		{"/a/b", "/a", "", false},
		{"/", "/../x", "", false},
		{"/../..", "/", "", false},
	} {
		got, ok := below(tt.root, tt.self)
		require.Equal(t, tt.ok, ok, tt)
		require.Equal(t, tt.want, got, tt)
	}
}

func TestTheMountThatShowsMostCounts(t *testing.T) {
	mounts := []mount{{root: "/a", dir: "/near"}, {root: "/", dir: "/whole"}, {root: "/x", dir: "/other"}}
	self := []membership{{path: "/a/b"}}
	require.Equal(t, &cgroup{v2: true, mount: "/whole", path: "/a/b"}, find("cpu", self, mounts))
	require.Nil(t, find("cpu", self, mounts[2:]))
	require.Nil(t, find("cpu", nil, mounts))
}

func TestLevelsAreBounded(t *testing.T) {
	deep := &cgroup{path: strings.Repeat("/x", 1000)}
	require.Len(t, deep.levels(), maxLevels)
	require.Equal(t, deep.path, deep.levels()[maxLevels-1])
	require.Equal(t, []string{"/", "/a", "/a/b"}, (&cgroup{path: "/a/b"}).levels())
	require.Empty(t, (*cgroup)(nil).levels())
}

func FuzzParseUint(f *testing.F) {
	for _, s := range []string{"0\n", "max\n", "-1\n", "18446744073709551615", "18446744073709551616", " 7 ", "1 2", "+1", "0x10", "1_000", unlimitedText} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := parseUint([]byte(s))
		limit, limited, lerr := parseLimit([]byte(s))
		if err == nil {
			want, wantErr := strconv.ParseUint(strings.TrimSpace(s), 10, 64)
			require.NoError(t, wantErr)
			require.Equal(t, want, v)
			require.NoError(t, lerr)
			require.Equal(t, v < unlimitedV1, limited)
			if limited {
				require.Equal(t, v, limit)
			}
			return
		}
		require.False(t, limited)
		require.Equal(t, strings.TrimSpace(s) != "max", lerr != nil)
	})
}

const unlimitedText = "9223372036854771712\n"

func FuzzParseQuota(f *testing.F) {
	for _, s := range [][2]string{{"max", "100000"}, {"-1", "100000"}, {"50000", "100000"}, {"1", "0"}, {"0", "1"}, {"x", ""}, {"18446744073709551615", "1"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, quota, period string) {
		check := func(cores float64, limited bool, err error) {
			require.False(t, limited && err != nil)
			if limited {
				require.Positive(t, cores)
				require.False(t, math.IsInf(cores, 0))
			} else {
				require.Zero(t, cores)
			}
		}
		check(parseCPUMax([]byte(quota + " " + period + "\n")))
		check(parseCFSQuota([]byte(quota), []byte(period)))
	})
}

// The model of a flat keyed file is a map of the first line of each key.
func FuzzLookup(f *testing.F) {
	f.Add("a 1\nb 2\n", "b")
	f.Add("nr_periods 10\nnr_periods 20\n", "nr_periods")
	f.Add("a\n\n a 1\na  1\nab 7", "a")
	f.Add("inactive_file -1\n", "inactive_file")
	f.Fuzz(func(t *testing.T, content, key string) {
		if key == "" || strings.ContainsAny(key, " \n") {
			return
		}
		model := map[string]string{}
		for line := range strings.SplitSeq(content, "\n") {
			name, value, _ := strings.Cut(line, " ")
			if _, ok := model[name]; !ok {
				model[name] = value
			}
		}
		v, ok, err := lookup([]byte(content), key)
		text, there := model[key]
		want, wantErr := parseUint([]byte(text))
		require.Equal(t, there && wantErr == nil, ok)
		require.Equal(t, there && wantErr != nil, err != nil)
		if ok {
			require.Equal(t, want, v)
		}
	})
}

func FuzzParsePressure(f *testing.F) {
	f.Add("some avg10=0.00 avg60=0.00 avg300=0.00 total=123\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=4\n")
	f.Add("full avg10=0.00 total=4\n")
	f.Add("some total=\n")
	f.Add("some total=1\nsome total=2\n")
	f.Add("later total=1\n")
	f.Fuzz(func(t *testing.T, s string) {
		stalls, err := parsePressure([]byte(s))
		if err != nil {
			require.Empty(t, stalls)
		}
		seen := map[string]bool{}
		for _, st := range stalls {
			require.Contains(t, []string{"some", "full"}, st.kind)
			require.False(t, seen[st.kind], "a series must not be there twice")
			require.GreaterOrEqual(t, st.seconds, 0.0)
			seen[st.kind] = true
		}
	})
}

// Whatever the files say, no path leads out of the mount.
func FuzzMemberships(f *testing.F) {
	f.Add("0::/\n", "/")
	f.Add("4:memory:/a\n2:cpu,cpuacct:/a/b\n1:name=systemd:/\n0::/a:b\n", "/a")
	f.Add("0::/../x\n", "/")
	f.Add("0::/a/../../../etc\n", "/a")
	f.Add("0::/a (deleted)\n", "/..")
	f.Add("x\n", "")
	f.Fuzz(func(t *testing.T, content, root string) {
		memberships, err := parseMemberships([]byte(content))
		if err != nil {
			require.Empty(t, memberships)
			return
		}
		mounts := []mount{{root: root, dir: "/m2"}, {controllers: []string{"cpu", "memory"}, root: root, dir: "/m1"}}
		for _, controller := range []string{"cpu", "memory", "pids", ""} {
			c := find(controller, memberships, mounts)
			for _, level := range c.levels() {
				require.Equal(t, path.Clean(level), level)
				file := c.file(level, "f")
				require.True(t, strings.HasPrefix(file, c.mount+"/"), file)
			}
		}
	})
}

func FuzzUnescape(f *testing.F) {
	f.Add(`/mnt/my\040groups\134x\011\012`)
	f.Add(`\\040`)
	f.Fuzz(func(t *testing.T, s string) {
		escaped := strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(s)
		require.Equal(t, s, unescape(escaped))
		mounts := cgroupMounts([]*procfs.MountInfo{{FSType: "cgroup2", MountPoint: escaped, Root: "/"}})
		require.Equal(t, []mount{{root: "/", dir: s}}, mounts)
	})
}
