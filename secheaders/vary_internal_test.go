package secheaders

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVaryIsMerged(t *testing.T) {
	for _, tt := range []struct {
		name        string
		lines, want []string
	}{
		{"no field", nil, []string{"Sec-Fetch-Site, Origin"}},
		{"nothing in it", []string{"", " , "}, []string{"Sec-Fetch-Site, Origin"}},
		{"another name", []string{"Cookie"}, []string{"Cookie, Sec-Fetch-Site, Origin"}},
		{"other lines", []string{"Cookie", ",Accept ,"}, []string{"Cookie, Accept, Sec-Fetch-Site, Origin"}},
		{"one of the names", []string{"ORIGIN"}, []string{"ORIGIN, Sec-Fetch-Site"}},
		{"both", []string{"Origin", "Cookie, sec-fetch-site"}, []string{"Origin", "Cookie, sec-fetch-site"}},
		{"a star", []string{"Cookie, *"}, []string{"Cookie, *"}},
		{"a star on a later line", []string{"Cookie", "*"}, []string{"Cookie", "*"}},
		{"longer names", []string{"X-Origin, Origin-X"}, []string{"X-Origin, Origin-X, Sec-Fetch-Site, Origin"}},
		{"a letter that folds to ASCII", []string{"\u017fec-Fetch-Site"}, []string{"\u017fec-Fetch-Site, Sec-Fetch-Site, Origin"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.lines)
			h := http.Header{}
			if tt.lines != nil {
				h["Vary"] = tt.lines
			}
			v := newVary("Sec-Fetch-Site", "Origin")
			for range 2 {
				v.BeforeHeader(200, h)
				require.Equal(t, tt.want, h["Vary"])
			}
			require.Equal(t, before, tt.lines, "the handler's slice may be shared")
		})
	}
}

// Trap d.23: what responses share has no room, so that Add makes a copy.
func TestVaryIsSharedWithoutRoom(t *testing.T) {
	v := newVary("Sec-Fetch-Site")
	first, second := http.Header{}, http.Header{}
	v.BeforeHeader(200, first)
	first.Add("Vary", "Cookie")
	v.BeforeHeader(200, second)
	second.Add("Vary", "Accept")
	require.Equal(t, []string{"Sec-Fetch-Site", "Cookie"}, first["Vary"])
	require.Equal(t, []string{"Sec-Fetch-Site", "Accept"}, second["Vary"])
}

func FuzzVary(f *testing.F) {
	for _, seed := range []string{"", "*", "Cookie", "origin,", ",,a ,\t", "sec-fetch-site, Origin", "\xff\u017f", "Origin;x"} {
		f.Add(seed, "Cookie")
		f.Add("Origin", seed)
	}
	members := func(lines ...string) (out []string) {
		for _, m := range strings.Split(strings.Join(lines, ","), ",") {
			if m = strings.Trim(m, " \t"); m != "" {
				out = append(out, m)
			}
		}
		return out
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		want := members(first, second)
		if !slices.Contains(want, "*") {
			had := slices.Clone(want)
			for _, name := range []string{"Sec-Fetch-Site", "Origin"} {
				if !slices.ContainsFunc(had, func(s string) bool { return len(s) == len(name) && strings.EqualFold(s, name) }) {
					want = append(want, name)
				}
			}
		}
		h := http.Header{"Vary": {first, second}}
		newVary("Sec-Fetch-Site", "Origin").BeforeHeader(200, h)
		require.Equal(t, want, members(h["Vary"]...))
	})
}
