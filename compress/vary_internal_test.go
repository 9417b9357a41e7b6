package compress

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Trap d.14: Vary is a list.
func TestVaryIsMerged(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{"no field", nil, []string{"Accept-Encoding"}},
		{"a field without lines", []string{}, []string{"Accept-Encoding"}},
		{"an empty line", []string{""}, []string{"Accept-Encoding"}},
		{"only commas", []string{" , ,", "\t"}, []string{"Accept-Encoding"}},
		{"another name", []string{"Origin"}, []string{"Origin, Accept-Encoding"}},
		{"other names", []string{"Origin, Cookie"}, []string{"Origin, Cookie, Accept-Encoding"}},
		{"other lines", []string{"Origin", "Cookie"}, []string{"Origin, Cookie, Accept-Encoding"}},
		{"empty members are not sent on", []string{",Origin,,", "", "Cookie ,"}, []string{"Origin, Cookie, Accept-Encoding"}},
		{"it is there", []string{"Accept-Encoding"}, []string{"Accept-Encoding"}},
		{"in lower case", []string{"accept-encoding"}, []string{"accept-encoding"}},
		{"within a list", []string{"Origin,ACCEPT-encoding\t,Cookie"}, []string{"Origin,ACCEPT-encoding\t,Cookie"}},
		{"on a later line", []string{"Origin", "Cookie, Accept-Encoding"}, []string{"Origin", "Cookie, Accept-Encoding"}},
		{"the star stays alone", []string{"*"}, []string{"*"}},
		{"a star within a list", []string{"Origin, *"}, []string{"Origin, *"}},
		{"a star on a later line", []string{"Origin", " * "}, []string{"Origin", " * "}},
		{"longer names", []string{"X-Accept-Encoding, Accept-Encoding-X, Accept"}, []string{"X-Accept-Encoding, Accept-Encoding-X, Accept, Accept-Encoding"}},
		{"a parameter is no part of a name", []string{"Accept-Encoding;q=1"}, []string{"Accept-Encoding;q=1, Accept-Encoding"}},
		{"a quote has no meaning", []string{`"Origin, Accept-Encoding`}, []string{`"Origin, Accept-Encoding`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, store := range []*[1]string{nil, {"left over"}} {
				h := http.Header{}
				if tt.lines != nil {
					h["Vary"] = slices.Clone(tt.lines)
				}
				before := h["Vary"]
				for range 2 {
					addVary(h, "Accept-Encoding", store)
					require.Equal(t, tt.want, h["Vary"])
				}
				require.Equal(t, tt.lines, before, "the handler's slice may be shared")
			}
		})
	}
}

func TestVaryTakesTwoNamesInOneStore(t *testing.T) {
	var store [1]string
	h := http.Header{}
	addVary(h, "Accept-Encoding", &store)
	addVary(h, "Sec-Fetch-Site", &store)
	require.Equal(t, []string{"Accept-Encoding, Sec-Fetch-Site"}, h["Vary"])
	h.Add("Vary", "Origin")
	require.Equal(t, []string{"Accept-Encoding, Sec-Fetch-Site", "Origin"}, h["Vary"])

	h = http.Header{"Vary": {"\u017fec-Fetch-Site"}}
	addVary(h, "Sec-Fetch-Site", nil)
	require.Equal(t, []string{"\u017fec-Fetch-Site, Sec-Fetch-Site"}, h["Vary"], "a letter that folds to ASCII is another one")
}

func TestVaryAllocatesNothingMostly(t *testing.T) {
	var store [1]string
	h := http.Header{"Vary": nil}
	for _, tt := range []struct {
		lines  []string
		allocs float64
	}{{nil, 0}, {[]string{"Origin, Accept-Encoding"}, 0}, {[]string{"*"}, 0}, {[]string{"Origin"}, 1}, {[]string{"Origin", "Cookie"}, 1}} {
		require.Equal(t, tt.allocs, testing.AllocsPerRun(100, func() {
			h["Vary"] = tt.lines
			addVary(h, "Accept-Encoding", &store)
		}), "%q", tt.lines)
	}
}

// varyMembers splits a Vary field the plain way, in lower case.
func varyMembers(lines []string) (out []string) {
	for _, member := range strings.Split(strings.Join(lines, ","), ",") {
		if member = strings.Trim(member, " \t"); member != "" {
			out = append(out, member)
		}
	}
	return out
}

func FuzzVary(f *testing.F) {
	for _, seed := range []string{"", "*", "Origin", "accept-encoding", "Origin, *", ",,a ,\t", `"a, Accept-Encoding"`, "Accept-Encoding;x", "\xff\u017f"} {
		f.Add(seed, "Cookie")
		f.Add("Origin", seed)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		before := []string{first, second}
		had := varyMembers(before)
		var store [1]string
		h := http.Header{"Vary": before}
		addVary(h, "Accept-Encoding", &store)
		has := varyMembers(h["Vary"])
		isName := func(s string) bool { return strings.ToLower(s) == "accept-encoding" }
		if slices.Contains(had, "*") || slices.ContainsFunc(had, isName) {
			require.Equal(t, []string{first, second}, h["Vary"])
		} else {
			require.Equal(t, append(had, "Accept-Encoding"), has, "nothing is lost, and the name is there once")
			require.Len(t, h["Vary"], 1)
		}
		require.Equal(t, []string{first, second}, before)
		once := slices.Clone(h["Vary"])
		addVary(h, "Accept-Encoding", &store)
		require.Equal(t, once, h["Vary"])
	})
}

func BenchmarkVary(b *testing.B) {
	var store [1]string
	h := http.Header{"Content-Type": {"text/html"}}
	for _, bb := range []struct {
		name  string
		lines []string
	}{{"none yet", nil}, {"there", []string{"Origin, Accept-Encoding"}}, {"another", []string{"Origin"}}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h["Vary"] = bb.lines
				addVary(h, "Accept-Encoding", &store)
			}
		})
	}
}
