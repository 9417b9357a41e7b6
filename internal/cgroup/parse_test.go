package cgroup

import (
	"math"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

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
	require.Equal(t, &Group{V2: true, mount: "/whole", Path: "/a/b"}, find("cpu", self, mounts))
	require.Nil(t, find("cpu", self, mounts[2:]))
	require.Nil(t, find("cpu", nil, mounts))
}

func TestLevelsAreBounded(t *testing.T) {
	deep := &Group{Path: strings.Repeat("/x", 1000)}
	require.Len(t, deep.Levels(), maxLevels)
	require.Equal(t, deep.Path, deep.Levels()[maxLevels-1])
	require.Equal(t, []string{"/", "/a", "/a/b"}, (&Group{Path: "/a/b"}).Levels())
	require.Empty(t, (*Group)(nil).Levels())
}

func FuzzParseUint(f *testing.F) {
	for _, s := range []string{"0\n", "max\n", "-1\n", "18446744073709551615", "18446744073709551616", " 7 ", "1 2", "+1", "0x10", "1_000", unlimitedText} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseUint([]byte(s))
		limit, limited, lerr := ParseLimit([]byte(s))
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
		v, ok, err := Lookup([]byte(content), key)
		text, there := model[key]
		want, wantErr := ParseUint([]byte(text))
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
	f.Add("some avg10=NaN total=1\n")
	f.Add("some avg10=-1 total=1\n")
	f.Add("some avg10=100.01 total=1\n")
	f.Add("later total=1\n")
	f.Fuzz(func(t *testing.T, s string) {
		stalls, err := ParsePressure([]byte(s))
		if err != nil {
			require.Empty(t, stalls)
		}
		seen := map[string]bool{}
		for _, st := range stalls {
			require.Contains(t, []string{"some", "full"}, st.Kind)
			require.False(t, seen[st.Kind], "a series must not be there twice")
			require.GreaterOrEqual(t, st.Seconds, 0.0)
			require.GreaterOrEqual(t, st.Avg10.V, 0.0)
			require.LessOrEqual(t, st.Avg10.V, 100.0)
			seen[st.Kind] = true
		}
	})
}

func TestAPressureFileIsReadInFull(t *testing.T) {
	stalls, err := ParsePressure([]byte("some avg10=1.25 avg60=2.00 avg300=3.00 total=4000000\nfull avg10=100.00 avg60=0.00 avg300=0.00 total=1\nlater avg10=x\n"))
	require.NoError(t, err)
	require.Equal(t, []Stall{{"some", Optional{1.25, true}, 4}, {"full", Optional{100, true}, 1e-6}}, stalls)
	stalls, err = ParsePressure([]byte("some total=7000000\n"))
	require.NoError(t, err)
	require.Equal(t, []Stall{{"some", Optional{}, 7}}, stalls)
	for _, average := range []string{"NaN", "-0.01", "100.01", "+Inf", "x", ""} {
		_, err = ParsePressure([]byte("some avg10=" + average + " avg60=0.00 total=1\n"))
		require.ErrorIs(t, err, errNoAverage, average)
	}
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
			for _, level := range c.Levels() {
				require.Equal(t, path.Clean(level), level)
				file := c.File(level, "f")
				require.True(t, strings.HasPrefix(file, c.mount+"/"), file)
			}
		}
	})
}

// Whatever a mount is called, it is found under that name.
func FuzzUnescape(f *testing.F) {
	f.Add(`/mnt/my\040groups\134x\011\012`)
	f.Add(`\\040`)
	f.Add("/a\xff\u00a0\r\vb")
	f.Fuzz(func(t *testing.T, s string) {
		s = "/" + s
		escaped := strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(s)
		require.Equal(t, s, unescape(escaped))
		mounts, err := parseMounts([]byte("31 22 0:28 / " + escaped + " rw shared:4 - cgroup2 none rw\n"))
		require.NoError(t, err)
		require.Equal(t, []mount{{root: "/", dir: s}}, mounts)
	})
}
