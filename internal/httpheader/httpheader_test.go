package httpheader_test

import (
	"mime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/httpheader"
)

func elements(list string) (out []string) {
	for e, rest, ok := httpheader.Next(list); ok; e, rest, ok = httpheader.Next(rest) {
		out = append(out, e)
	}
	return out
}

func TestNextSplitsListsOutsideQuotes(t *testing.T) {
	tests := []struct {
		name, list string
		want       []string
	}{
		{"nothing", "", nil},
		{"only commas and spaces", " ,\t, ,", nil},
		{"one", "gzip", []string{"gzip"}},
		{"white space around", " gzip ,\tbr\t", []string{"gzip", "br"}},
		{"empty elements are skipped, RFC 9110 §5.6.1.2", ",gzip,,br,", []string{"gzip", "br"}},
		{"a quoted comma separates nothing", `a="x,y", b`, []string{`a="x,y"`, "b"}},
		{"an escaped quote does not end the string", `a="x\",y",b`, []string{`a="x\",y"`, "b"}},
		{"an unclosed quote reaches to the end", `a="x,y`, []string{`a="x,y`}},
		{"a backslash outside quotes is a byte", `a\,b`, []string{`a\`, "b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, elements(tt.list)) })
	}
}

func TestParameters(t *testing.T) {
	type param struct {
		name, value string
		valid       bool
	}
	tests := []struct {
		name, element, value string
		params               []param
	}{
		{"none", "text/html", "text/html", nil},
		{"one", "gzip;q=0.5", "gzip", []param{{"q", "0.5", true}}},
		{"white space around", "a ; b=c ;\td=e", "a", []param{{"b", "c", true}, {"d", "e", true}}},
		{"empty ones are skipped", "a;;b=c;", "a", []param{{"b", "c", true}}},
		{"quoted", `a;b="c;d";e=f`, "a", []param{{"b", "c;d", true}, {"e", "f", true}}},
		{"escaped", `a;b="c\"d\\"`, "a", []param{{"b", `c"d\`, true}}},
		{"without a value", "a;b", "a", []param{{"b", "", true}}},
		{"an empty value", "a;b=", "a", []param{{"b", "", true}}},
		{"space around = is not allowed, RFC 9110 §5.6.6", "a;b = c", "a", []param{{"b ", " c", false}}},
		{"an unclosed quote", `a;b="c`, "a", []param{{"b", "", false}}},
		{"text after a quote", `a;b="c"d`, "a", []param{{"b", "", false}}},
		{"a value that is no token", "a;b=(", "a", []param{{"b", "(", false}}},
		{"a tab in a quoted value", "a;b=\"c\td\"", "a", []param{{"b", "c\td", true}}},
		{"a control character in a quoted value", "a;b=\"c\x01\"", "a", []param{{"b", "", false}}},
		{"a delete in a quoted value", "a;b=\"c\x7f\"", "a", []param{{"b", "", false}}},
		{"an escaped control character", "a;b=\"c\\\x01\"", "a", []param{{"b", "", false}}},
		{"a lone quote", `a;b="`, "a", []param{{"b", "", false}}},
		{"a name that is no token", "a;(=c", "a", []param{{"(", "c", false}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			value, rest := httpheader.CutParams(tt.element)
			require.Equal(t, tt.value, value)
			var got []param
			for {
				var p param
				var ok bool
				p.name, p.value, rest, p.valid, ok = httpheader.NextParam(rest)
				if !ok {
					break
				}
				got = append(got, p)
			}
			require.Equal(t, tt.params, got)
		})
	}
}

func TestParseWeight(t *testing.T) {
	for s, want := range map[string]int{
		"0": 0, "0.": 0, "0.0": 0, "0.000": 0, "0.5": 500, "0.05": 50, "0.005": 5, "0.123": 123, "0.999": 999,
		"1": 1000, "1.": 1000, "1.0": 1000, "1.000": 1000,
	} {
		got, ok := httpheader.ParseWeight(s)
		require.True(t, ok, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"", ".5", "00", "0.0000", "1.001", "1.1", "2", "-0", "+1", "0,5", "0.5 ", "1e0", "NaN", "0x1", "0.-1", "0.00/", "0.:", "1.5"} {
		got, ok := httpheader.ParseWeight(s)
		require.False(t, ok, s)
		require.Zero(t, got, s)
	}
}

func TestWeight(t *testing.T) {
	tests := []struct {
		params string
		want   int
		ok     bool
	}{
		{"", 1000, true},
		{";q=0.3", 300, true},
		{"; Q=0.3", 300, true},
		{";level=1;q=0", 0, true},
		{";q=", 0, false},
		{";q=high", 0, false},
		{`;q="0.5"`, 500, true}, // lenient: the value is the same
		{";q=0.5;q=1", 500, true},
		{`;q="0.5`, 0, false},
	}
	for _, tt := range tests {
		got, ok := httpheader.Weight(tt.params)
		require.Equal(t, tt.want, got, tt.params)
		require.Equal(t, tt.ok, ok, tt.params)
	}
}

func TestUnquoteTakesExactlyOneQuotedString(t *testing.T) {
	for s, want := range map[string]string{`""`: "", `"a"`: "a", `"\\"`: `\`, `"\""`: `"`, "\"\t\"": "\t", `"\a"`: "a"} {
		got, ok := httpheader.Unquote(s)
		require.True(t, ok, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{"", `"`, "a", `"a`, `a"`, `"a"b"`, `"a\"`, `"\`, "\"\\\x7f\"", "\"\n\""} {
		_, ok := httpheader.Unquote(s)
		require.False(t, ok, s)
	}
}

func TestTokens(t *testing.T) {
	for _, s := range []string{"gzip", "x-gzip", "*", "!#$%&'*+-.^_`|~09azAZ"} {
		require.True(t, httpheader.IsToken(s), s)
	}
	for _, s := range []string{"", " ", "a b", "a,b", `"a"`, "a/b", "é", "a\x00", "a\x7f", "(", "{", "@"} {
		require.False(t, httpheader.IsToken(s), s)
	}
	require.True(t, httpheader.HasToken([]string{"keep-alive", "close, UPGRADE"}, "upgrade"))
	require.True(t, httpheader.HasToken([]string{"gzip;q=0"}, "gzip"))
	require.False(t, httpheader.HasToken([]string{`"upgrade"`, "upgrades", ""}, "upgrade"))
	require.False(t, httpheader.HasToken(nil, "upgrade"))
}

func TestReadingAllocatesNothing(t *testing.T) {
	line := `text/html;charset=utf-8, application/json;q=0.9, */*;q=0.1;x="a,b"`
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for e, rest, ok := httpheader.Next(line); ok; e, rest, ok = httpheader.Next(rest) {
			_, params := httpheader.CutParams(e)
			httpheader.Weight(params)
		}
	}))
	lines := []string{line}
	require.Zero(t, testing.AllocsPerRun(100, func() { httpheader.HasToken(lines, "absent") }))
}

func BenchmarkList(b *testing.B) {
	line := "gzip, deflate, br;q=0.9, zstd;q=0.8"
	b.ReportAllocs()
	for b.Loop() {
		for e, rest, ok := httpheader.Next(line); ok; e, rest, ok = httpheader.Next(rest) {
			_, params := httpheader.CutParams(e)
			httpheader.Weight(params)
		}
	}
}

// FuzzNext: no input makes an element that is empty, padded, or split inside a
// quoted string, and joining the elements gives the same list again.
func FuzzNext(f *testing.F) {
	for _, s := range []string{"", "a,b", `a="x,y",b`, `"\",",`, " , \t", `a\,b`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := elements(s)
		for _, e := range got {
			require.NotEmpty(t, e)
			require.Equal(t, strings.Trim(e, " \t"), e)
			require.Equal(t, []string{e}, elements(e))
		}
		if strings.Count(s, `"`)%2 == 0 && !strings.Contains(s, `\`) {
			require.Equal(t, got, elements(strings.Join(got, ", ")))
		}
		if !strings.ContainsAny(s, `"`) {
			require.Equal(t, plainSplit(s), got)
		}
	})
}

// plainSplit is the model for lists without quotes.
func plainSplit(s string) (out []string) {
	for _, e := range strings.Split(s, ",") {
		if e = strings.Trim(e, " \t"); e != "" {
			out = append(out, e)
		}
	}
	return out
}

// FuzzNextParam holds the parameters against the standard library's reader of
// media types, which is stricter about names and values.
func FuzzNextParam(f *testing.F) {
	for _, s := range []string{";a=b", `;a="b;c"`, ";;a", `;a="\""`, ";a=b;a=c", ` ; q = 1`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := map[string]string{}
		rest := s
		for steps := 0; ; steps++ {
			require.LessOrEqual(t, steps, len(s))
			name, value, next, valid, ok := httpheader.NextParam(rest)
			if !ok {
				break
			}
			require.Less(t, len(next), len(rest))
			rest = next
			if valid {
				require.True(t, httpheader.IsToken(name))
				if _, dup := got[strings.ToLower(name)]; !dup {
					got[strings.ToLower(name)] = value
				}
			}
		}
		// The oracle reads RFC 2231 and knows more token bytes, white space and
		// escapes; the rest of visible ASCII is where both must agree.
		differs := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`*%\{}`, r) }
		if _, want, err := mime.ParseMediaType("a/b;" + s); err == nil && !strings.ContainsFunc(s, differs) {
			for name, value := range want {
				require.Equal(t, value, got[name], name)
			}
		}
	})
}

// FuzzParseWeight: what is accepted has the one grammar and the value that it
// spells.
func FuzzParseWeight(f *testing.F) {
	for _, s := range []string{"0", "1", "0.5", "1.000", "0.9999", "2", "-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := httpheader.ParseWeight(s)
		if !ok {
			return
		}
		require.GreaterOrEqual(t, n, 0)
		require.LessOrEqual(t, n, httpheader.MaxWeight)
		require.Regexp(t, `^(0(\.[0-9]{0,3})?|1(\.0{0,3})?)$`, s)
	})
}
