package compress

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// taking is a client that takes these codings.
func taking(cs ...coding) func(coding) bool {
	return func(c coding) bool { return slices.Contains(cs, c) }
}

var takingAll = taking(gzipped, brotlied, zstded)

// Trap d.15: a strong tag differs for each coding; a weak one may stay.
func TestSuffixedAndWeakened(t *testing.T) {
	for _, tt := range []struct{ name, tag, suffixed, weakened string }{
		{"a strong tag", `"abc"`, `"abc-gzip"`, `W/"abc"`},
		{"an empty one", `""`, `"-gzip"`, `W/""`},
		{"one that has a suffix already", `"abc-gzip"`, `"abc-gzip-gzip"`, `W/"abc-gzip"`},
		{"a comma, a backslash, and bytes beyond ASCII", "\"a,\\\xff\u00e9\"", "\"a,\\\xff\u00e9-gzip\"", "W/\"a,\\\xff\u00e9\""},
		{"a weak tag", `W/"abc"`, `W/"abc"`, `W/"abc"`},
		{"a weak tag in lower case is malformed", `w/"abc"`, `w/"abc"`, `w/"abc"`},
		{"no quotes", `abc`, `abc`, `abc`},
		{"no end", `"abc`, `"abc`, `"abc`},
		{"no begin", `abc"`, `abc"`, `abc"`},
		{"a lone quote", `"`, `"`, `"`},
		{"a lone weak quote", `W/"`, `W/"`, `W/"`},
		{"nothing", ``, ``, ``},
		{"a star", `*`, `*`, `*`},
		{"two tags", `"a", "b"`, `"a", "b"`, `"a", "b"`},
		{"a quote within", `"a"b"`, `"a"b"`, `"a"b"`},
		{"a space within", `"a b"`, `"a b"`, `"a b"`},
		{"a control character within", "\"a\x7f\"", "\"a\x7f\"", "\"a\x7f\""},
		{"white space around", ` "a"`, ` "a"`, ` "a"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.suffixed, suffixed(tt.tag, gzipped))
			require.Equal(t, tt.weakened, weakened(tt.tag))
			require.Equal(t, tt.tag, suffixed(tt.tag, identity))
		})
	}
}

// The example of RFC 9110 §8.8.3.3: one resource, and a tag for each of its
// representations.
func TestEachCodingHasATagOfItsOwn(t *testing.T) {
	require.Equal(t, `"123-a-gzip"`, suffixed(`"123-a"`, gzipped))
	require.Equal(t, `"123-a-br"`, suffixed(`"123-a"`, brotlied))
	require.Equal(t, `"123-a-zstd"`, suffixed(`"123-a"`, zstded))
	require.Equal(t, `"123-a"`, suffixed(`"123-a"`, identity))
}

// Trap d.16.
func TestAliases(t *testing.T) {
	for _, tt := range []struct {
		name     string
		lines    []string
		accepted func(coding) bool
		want     []string // nil where nothing is added
		coding   coding   // of the first alias
	}{
		{"no field", nil, takingAll, nil, identity},
		{"an empty value", []string{""}, takingAll, nil, identity},
		{"the star", []string{"*"}, takingAll, nil, identity},
		{"a tag without suffix", []string{`"abc"`}, takingAll, nil, identity},
		{"gzip", []string{`"abc-gzip"`}, takingAll, []string{`"abc-gzip", "abc"`}, gzipped},
		{"brotli", []string{`"abc-br"`}, takingAll, []string{`"abc-br", "abc"`}, brotlied},
		{"zstd", []string{`"abc-zstd"`}, takingAll, []string{`"abc-zstd", "abc"`}, zstded},
		{"the tag of a coding that is not accepted now", []string{`"abc-gzip"`}, taking(brotlied, zstded), nil, identity},
		{"of two only the accepted one", []string{`"a-gzip", "a-br"`}, taking(brotlied), []string{`"a-gzip", "a-br", "a"`}, brotlied},
		{"nothing but the suffix", []string{`"-gzip"`}, takingAll, []string{`"-gzip", ""`}, gzipped},
		{"one suffix at a time", []string{`"abc-gzip-br"`}, takingAll, []string{`"abc-gzip-br", "abc-gzip"`}, brotlied},
		{"a suffix without its hyphen", []string{`"gzip", "abcgzip", "abc.br"`}, takingAll, nil, identity},
		{"a suffix in other letters", []string{`"abc-GZIP", "abc-Br"`}, takingAll, nil, identity},
		{"a suffix within", []string{`"abc-gzip-1", "-gzip-"`}, takingAll, nil, identity},
		{"the suffix of identity", []string{`"abc-identity", "abc-"`}, takingAll, nil, identity},
		{"a tag that a proxy has made weak", []string{`W/"abc-gzip"`}, takingAll, []string{`W/"abc-gzip", W/"abc"`}, gzipped},
		{"a weak tag in lower case", []string{`w/"abc-gzip"`}, takingAll, nil, identity},
		{"some of a list", []string{`"a", W/"b-br" ,"c-gzip",, "d"`}, takingAll, []string{`"a", W/"b-br", W/"b" ,"c-gzip", "c",, "d"`}, brotlied},
		{"all lines", []string{`"a"`, `"b-gzip"`, `"c"`, `"d-br"`}, takingAll, []string{`"a"`, `"b-gzip", "b"`, `"c"`, `"d-br", "d"`}, gzipped},
		{"a quoted comma does not separate", []string{`"a,b-gzip"`, `"a-gzip,b"`}, takingAll, []string{`"a,b-gzip", "a,b"`, `"a-gzip,b"`}, gzipped},
		{"a quoted comma and space make no tag", []string{`"a, b-gzip"`}, takingAll, nil, identity},
		{"a backslash escapes nothing", []string{`"a\-gzip", "b\", "c-br"`}, takingAll, []string{`"a\-gzip", "a\", "b\", "c-br", "c"`}, gzipped},
		{"an open quote reaches to the end", []string{`"a-gzip", "b-gzip`}, takingAll, []string{`"a-gzip", "a", "b-gzip`}, gzipped},
		{"an open quote hides what comes after it", []string{`"a, b-gzip`, `"c-br"`}, takingAll, []string{`"a, b-gzip`, `"c-br", "c"`}, brotlied},
		{"no quotes", []string{`abc-gzip`}, takingAll, nil, identity},
		{"text after the tag", []string{`"a-gzip"x, "b-gzip" "c-gzip"`}, takingAll, nil, identity},
		{"an alias that is there already", []string{`"a-gzip", "a"`}, takingAll, nil, gzipped},
		{"one that is there, one that is not", []string{`"a-gzip","a","b-br"`}, takingAll, []string{`"a-gzip","a","b-br", "b"`}, gzipped},
		{"an open quote that is as long", []string{`"a-gzip", "ab`}, takingAll, []string{`"a-gzip", "a", "ab`}, gzipped},
		{"white space around", []string{"\t \"a-gzip\" \t"}, takingAll, []string{"\t \"a-gzip\", \"a\" \t"}, gzipped},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sent := slices.Clone(tt.lines)
			require.Equal(t, tt.want, aliases(tt.lines, tt.accepted))
			require.Equal(t, sent, tt.lines)
			require.Equal(t, tt.coding, aliasCoding(tt.lines, tt.accepted))
		})
	}
}

// Trap d.16: what net/http makes of a condition agrees with the tag of the 200,
// and a tag of the handler's own that ends in a suffix keeps working.
func TestAliasesAsServeContentReadsThem(t *testing.T) {
	serve := func(tag, field string, lines []string) int {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header[field] = lines
		if with := aliases(lines, takingAll); with != nil {
			r.Header[field] = with
		}
		w := httptest.NewRecorder()
		w.Header().Set("Etag", tag)
		http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("text"))
		return w.Code
	}
	const none, some = "If-None-Match", "If-Match"
	for _, tt := range []struct {
		name, tag, field, sent string
		want                   int
	}{
		{"the tag of the encoded 200", `"abc"`, none, `"abc-gzip"`, http.StatusNotModified},
		{"the tag of the plain 200", `"abc"`, none, `"abc"`, http.StatusNotModified},
		{"a tag of the handler's own", `"abc-gzip"`, none, `"abc-gzip"`, http.StatusNotModified},
		{"that, encoded", `"abc-gzip"`, none, `"abc-gzip-br"`, http.StatusNotModified},
		{"one of several", `"abc"`, none, `"old-br", "abc-zstd"`, http.StatusNotModified},
		{"made weak on its way", `"abc"`, none, `W/"abc-gzip"`, http.StatusNotModified},
		{"another tag", `"abc"`, none, `"old-gzip"`, http.StatusOK},
		{"any tag", `"abc"`, none, `*`, http.StatusNotModified},
		{"If-Match with the tag of the encoded 200", `"abc"`, some, `"abc-gzip"`, http.StatusOK},
		{"with the tag of the plain 200", `"abc"`, some, `"abc"`, http.StatusOK},
		{"with a tag of the handler's own", `"abc-gzip"`, some, `"abc-gzip"`, http.StatusOK},
		{"with another tag", `"abc"`, some, `"old-gzip"`, http.StatusPreconditionFailed},
		{"with a weak one, RFC 9110 §13.1.1", `"abc"`, some, `W/"abc-gzip"`, http.StatusPreconditionFailed},
		{"with any", `"abc"`, some, `*`, http.StatusOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, serve(tt.tag, tt.field, []string{tt.sent}))
		})
	}
}

func TestListed(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		tag   string
		want  bool
	}{
		{"no field", nil, `"a"`, false},
		{"no tag", []string{"", ","}, "", false},
		{"the only one", []string{`"a"`}, `"a"`, true},
		{"the last of many", []string{`"b"`, `W/"a", "c" ,"a"`}, `"a"`, true},
		{"weak and strong are two tags", []string{`W/"a"`}, `"a"`, false},
		{"strong and weak, too", []string{`"a"`}, `W/"a"`, false},
		{"weak", []string{`"a",W/"a"`}, `W/"a"`, true},
		{"a piece of another", []string{`"ab", "ba", "a,"`}, `"a"`, false},
		{"letter case", []string{`"A"`}, `"a"`, false},
		{"quoted commas", []string{`"x,"a","y"`, `"a,b"`}, `"a,b"`, true},
		{"the star lists none", []string{"*"}, `"a"`, false},
		{"an open quote", []string{`"x, "a`}, `"a`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, listed(tt.lines, tt.tag))
		})
	}
}

// The tags of a client add no more than a bounded number of others, in time that
// is not squared: this would not end.
func TestHugeListsOfTags(t *testing.T) {
	var lines []string
	for i := range 40_000 {
		lines = append(lines, `"`+strconv.Itoa(i)+`-gzip"`)
	}
	const added = 64
	for _, sent := range [][]string{lines, {strings.Join(lines, ", ")}} {
		out := aliases(sent, takingAll)
		require.Equal(t, len(lines)+added, strings.Count(strings.Join(out, ""), `"`)/2)
		require.True(t, listed(out, `"0"`))
		require.True(t, listed(out, `"63"`))
		require.False(t, listed(out, `"64"`))
		require.Nil(t, aliases(out, takingAll))
	}
	for _, unit := range []string{`"`, `,`, ` `, `"" `, `"a-gzip`, `"a-gzip",`, `"a-gzip","a",`, `W/`, `-gzip`, "\t,", `"-br" ,`} {
		huge := []string{strings.Repeat(unit, 1<<20/len(unit)), `"x-br"`}
		require.True(t, listed(huge, `"x-br"`), "%q", unit)
		require.Equal(t, identity, aliasCoding(huge, taking(zstded)), "%q", unit)
		if with := aliases(huge, takingAll); with != nil {
			require.LessOrEqual(t, len(with[0]), len(huge[0])+added*len(unit), "%q", unit)
		}
	}
}

func TestConditionsWithoutSuffixAllocateNothing(t *testing.T) {
	for _, lines := range [][]string{nil, {`"abc"`}, {"*"}, {`"a", W/"b"`, `"c-gzip"`}} {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			aliases(lines, taking(brotlied))
			aliasCoding(lines, taking(brotlied))
			listed(lines, `"abc"`)
		}), "%q", lines)
	}
	lines := []string{`"abc-gzip"`}
	require.Equal(t, 2.0, testing.AllocsPerRun(100, func() { aliases(lines, takingAll) }), "the line and the slice")
}

var (
	tagElement = regexp.MustCompile(`(?s)(?:"[^"]*(?:"|$)|[^",])+`)
	entityTag  = regexp.MustCompile(`^(?:W/)?"[^\x00-\x20"\x7f]*"$`)
	tagSuffix  = regexp.MustCompile(`-(gzip|br|zstd)"$`)
)

// modelElements splits lists of tags the plain way.
func modelElements(lines ...string) (out []string) {
	for _, line := range lines {
		for _, e := range tagElement.FindAllString(line, -1) {
			if e = strings.Trim(e, " \t"); e != "" {
				out = append(out, e)
			}
		}
	}
	return out
}

// modelAliases adds to the elements of one line.
func modelAliases(line string, names []string, left int) (out []string, added int) {
	all := modelElements(line)
	for i, e := range all {
		out = append(out, e)
		suffix := tagSuffix.FindStringSubmatch(e)
		if suffix == nil || !entityTag.MatchString(e) || !slices.Contains(names, suffix[1]) || left == 0 {
			continue
		}
		left--
		alias := strings.TrimSuffix(e, suffix[0]) + `"`
		if i+1 == len(all) || all[i+1] != alias {
			out, added = append(out, alias), added+1
		}
	}
	return out, added
}

func FuzzTags(f *testing.F) {
	for i, seed := range []string{
		``, `*`, `"abc-gzip"`, `W/"a-br", "b-zstd"`, `"a-gzip", "a"`, `"a,b-gzip`, `"a\-br",,"`, `"a-gzip"x "b-br"`, `"-gzip-br"`, `"-gzip-gzip"`,
		"\"\xff-zstd\"\t,", `w/"a-gzip"`, strings.Repeat(`"-br",`, 70),
	} {
		f.Add(seed, "abc", byte(i))
		f.Add(`"a-gzip"`, seed, byte(7))
	}
	f.Fuzz(func(t *testing.T, line, opaque string, set byte) {
		var names []string
		accepted := func(c coding) bool { return set>>(c-gzipped)&1 == 1 }
		for c := gzipped; c < codings; c++ {
			if accepted(c) {
				names = append(names, c.String())
			}
		}
		lines := []string{line}
		with := aliases(lines, accepted)
		want, added := modelAliases(line, names, maxAliases)
		require.Equal(t, []string{line}, lines)
		if added == 0 {
			require.Nil(t, with)
			with = lines
		}
		require.Equal(t, want, modelElements(with...), "each tag that was sent, and its alias after it")
		// What has its aliases gets no more, but for one that itself ends in a suffix.
		_, more := modelAliases(with[0], names, maxAliases)
		require.Equal(t, more == 0, aliases(with, accepted) == nil, "%q", with)
		if !slices.ContainsFunc(names, func(c string) bool { return strings.Contains(line, "-"+c+"-") }) {
			require.Zero(t, more, "%q", with)
		}
		require.LessOrEqual(t, len(with[0]), 2*len(line))
		for _, e := range modelElements(line) {
			require.True(t, listed(with, e), "%q", e)
		}
		requireRoundTrip(t, `"`+opaque+`"`, accepted)
	})
}

// requireRoundTrip sees that the tag of a response is understood when it comes
// back, if its coding is still accepted.
func requireRoundTrip(t *testing.T, tag string, accepted func(coding) bool) {
	strong := entityTag.MatchString(tag)
	for c := gzipped; c < codings; c++ {
		sent := suffixed(tag, c)
		require.Equal(t, strong, sent != tag, "%q", tag)
		if !strong {
			continue
		}
		require.True(t, entityTag.MatchString(sent))
		back := aliases([]string{`"first", ` + sent}, accepted)
		require.Equal(t, accepted(c), listed(back, tag) && listed(back, sent), "%q", sent)
		if accepted(c) {
			require.Equal(t, c, aliasCoding([]string{sent}, accepted))
		}
	}
	if strong {
		require.Equal(t, "W/"+tag, weakened(tag))
		require.Equal(t, weakened(tag), weakened(weakened(tag)))
	} else {
		require.Equal(t, tag, weakened(tag))
	}
}

func BenchmarkTags(b *testing.B) {
	accepted := parseAcceptance([]string{"gzip, br"})
	takes := func(c coding) bool { return accepted.weight[c] > 0 }
	for _, bb := range []struct{ name, line string }{
		{"without suffix", `"33a64df551425fcc55e4d42a148795d9f25f89d4"`},
		{"with suffix", `"33a64df551425fcc55e4d42a148795d9f25f89d4-gzip"`},
		{"10 KB", strings.Repeat(`"33a64df5", `, 10<<10/12)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			lines := []string{bb.line}
			b.ReportAllocs()
			for b.Loop() {
				aliases(lines, takes)
			}
		})
	}
	b.Run("suffixed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			suffixed(`"33a64df551425fcc55e4d42a148795d9f25f89d4"`, gzipped)
		}
	})
}
