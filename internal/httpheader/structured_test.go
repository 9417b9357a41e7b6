package httpheader_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/httpheader"
)

func TestBareItems(t *testing.T) {
	tests := []struct {
		name  string
		value httpheader.Bare
		want  string // "" is an error
	}{
		{"an empty string", httpheader.SFString(""), `""`},
		{"a string of all printable characters", httpheader.SFString(printable()), `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(printable()) + `"`},
		{"a string with a tab", httpheader.SFString("a\tb"), ""},
		{"a string with a line break", httpheader.SFString("a\r\nb"), ""},
		{"a string with a NUL", httpheader.SFString("a\x00"), ""},
		{"a string with a delete", httpheader.SFString("a\x7f"), ""},
		{"a string that is not ASCII", httpheader.SFString("füü"), ""},
		{"a token", httpheader.SFToken("same-origin"), "same-origin"},
		{"a token with all that it may have", httpheader.SFToken("a!#$%&'*+-.^_`|~:/0Z"), "a!#$%&'*+-.^_`|~:/0Z"},
		{"a token that is an asterisk", httpheader.SFToken("*"), "*"},
		{"a token that begins with an asterisk", httpheader.SFToken("*foo"), "*foo"},
		{"an empty token", httpheader.SFToken(""), ""},
		{"a token that begins with a digit", httpheader.SFToken("1a"), ""},
		{"a token that begins with a hyphen", httpheader.SFToken("-a"), ""},
		{"a token in the quotes of CSP", httpheader.SFToken("'self'"), ""},
		{"a token with a space", httpheader.SFToken("a b"), ""},
		{"a token with a parenthesis", httpheader.SFToken("a("), ""},
		{"a token with a comma", httpheader.SFToken("a,b"), ""},
		{"a token that is not ASCII", httpheader.SFToken("ä"), ""},
		{"zero", httpheader.SFInteger(0), "0"},
		{"a negative integer", httpheader.SFInteger(-42), "-42"},
		{"the largest integer", httpheader.SFInteger(999_999_999_999_999), "999999999999999"},
		{"the smallest integer", httpheader.SFInteger(-999_999_999_999_999), "-999999999999999"},
		{"an integer too large", httpheader.SFInteger(1_000_000_000_000_000), ""},
		{"an integer too small", httpheader.SFInteger(-1_000_000_000_000_000), ""},
		{"true", httpheader.SFBoolean(true), "?1"},
		{"false", httpheader.SFBoolean(false), "?0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := httpheader.SFItem(tt.value)
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.want == "", err != nil, "%v", err)
		})
	}
}

func printable() string {
	var b strings.Builder
	for c := byte(' '); c <= '~'; c++ {
		b.WriteByte(c)
	}
	return b.String()
}

func TestDictionaries(t *testing.T) {
	one, yes := httpheader.SFInteger(1), httpheader.SFBoolean(true)
	param := func(key string, value httpheader.Bare) httpheader.SFParam {
		return httpheader.SFParam{Key: key, Value: value}
	}
	item, list := httpheader.SFItemMember, httpheader.SFListMember
	type members = []httpheader.SFMember
	tests := []struct {
		name    string
		members members
		want    string
		fault   string
	}{
		{"no members are no field", nil, "", ""},
		{"items", members{item("a", one), item("b", httpheader.SFString("x"))}, `a=1, b="x"`, ""},
		{"true is a key alone", members{item("a", yes), item("b", httpheader.SFBoolean(false))}, "a, b=?0", ""},
		{"true with parameters", members{item("a", yes, param("p", yes), param("q", one))}, "a;p;q=1", ""},
		{"an empty list", members{list("a", nil)}, "a=()", ""},
		{"a list", members{list("a", []httpheader.Bare{one, yes, httpheader.SFToken("t")}, param("p", one))}, "a=(1 ?1 t);p=1", ""},
		{"a key with all that it may have", members{item("*a0_-.", one)}, "*a0_-.=1", ""},
		{"an empty key", members{item("", one)}, "", `"" is no key`},
		{"a key with a capital", members{item("A", one)}, "", `"A" is no key`},
		{"a key that begins with a digit", members{item("1", one)}, "", `"1" is no key`},
		{"a key with a line break", members{item("a\n", one)}, "", `"a\n" is no key`},
		{"a key twice", members{item("a", one), list("a", nil)}, "", "the key a occurs twice"},
		{"a bad item", members{item("a", httpheader.SFToken(""))}, "", `a: "" is no token`},
		{"a bad item in a list", members{list("a", []httpheader.Bare{one, httpheader.SFToken("")})}, "", `a: "" is no token`},
		{"a bad key of a parameter", members{item("a", one, param("P", one))}, "", `a: "P" is no key`},
		{"a parameter twice", members{list("a", nil, param("p", one), param("p", yes))}, "", "a: the key p occurs twice"},
		{"a bad value of a parameter", members{item("a", one, param("p", httpheader.SFToken(" ")))}, "", `a: p: " " is no token`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := httpheader.SFDictionary(tt.members...)
			require.Equal(t, tt.want, got)
			if tt.fault == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, tt.fault)
			}
		})
	}
	_, err := httpheader.SFItem(one, param("p", one), param("p", one))
	require.EqualError(t, err, "the key p occurs twice")
}

func TestParseSFDictionary(t *testing.T) {
	type member = httpheader.SFDictionaryMember
	type params = []httpheader.SFDictionaryParam
	tests := []struct {
		name, text string
		want       []member // nil is an error
	}{
		{"nothing", "", []member{}},
		{"spaces", "  ", []member{}},
		{"a key alone", "a", []member{{Key: "a", Value: "?1"}}},
		{"white space around commas", "  a=1 \t,\t b=?0 ", []member{{Key: "a", Value: "1"}, {Key: "b", Value: "?0"}}},
		{"a key twice", "a=1,a=2", []member{{Key: "a", Value: "1"}, {Key: "a", Value: "2"}}},
		{"numbers", "a=-1,b=1.5,c=-0.125,d=123456789012.1", []member{{Key: "a", Value: "-1"}, {Key: "b", Value: "1.5"}, {Key: "c", Value: "-0.125"}, {Key: "d", Value: "123456789012.1"}}},
		{"a string with escapes", `a="x,\"\\",b`, []member{{Key: "a", Value: `"x,\"\\"`}, {Key: "b", Value: "?1"}}},
		{"bytes", "a=:aGk=:,b=::", []member{{Key: "a", Value: ":aGk=:"}, {Key: "b", Value: "::"}}},
		{"tokens", "a=*,b=A:/", []member{{Key: "a", Value: "*"}, {Key: "b", Value: "A:/"}}},
		{"lists", `a=( 1  "x";p  t ) , b=()`, []member{{Key: "a", Value: `( 1  "x";p  t )`, InnerList: true}, {Key: "b", Value: "()", InnerList: true}}},
		{"parameters", "a=1;p; q=2;*=x, b;r=\"y\"", []member{
			{Key: "a", Value: "1", Params: params{{"p", "?1"}, {"q", "2"}, {"*", "x"}}}, {Key: "b", Value: "?1", Params: params{{"r", `"y"`}}}}},
		{"a comma at the end", "a=1,", nil},
		{"a comma at the start", ",a=1", nil},
		{"two commas", "a=1,,b=1", nil},
		{"a tab at the start", "\ta=1", nil},
		{"no comma", "a=1 b=2", nil},
		{"space before a value", "a= 1", nil},
		{"space before =", "a =1", nil},
		{"a key with a capital", "A=1", nil},
		{"no value", "a=", nil},
		{"a number too long", "a=1234567890123456", nil},
		{"a whole part too long", "a=1234567890123.1", nil},
		{"four decimals", "a=1.1234", nil},
		{"no decimals", "a=1.", nil},
		{"no whole part", "a=.5", nil},
		{"only a sign", "a=-", nil},
		{"a string without end", `a="x`, nil},
		{"a string that ends in an escape", `a="x\`, nil},
		{"an escape of a letter", `a="\x"`, nil},
		{"a string with a tab", "a=\"\t\"", nil},
		{"a string that is not ASCII", `a="ä"`, nil},
		{"the quotes of CSP", "a='none'", nil},
		{"bytes without end", "a=:aGk=", nil},
		{"bytes that are not base64", "a=:a?:", nil},
		{"bytes with a line break", "a=:aG\nk=:", nil},
		{"a boolean of another value", "a=?2", nil},
		{"half a boolean", "a=?", nil},
		{"a date, which older recipients do not know", "a=@1659578233", nil},
		{"a display string, which older recipients do not know", `a=%"f%c3%bc"`, nil},
		{"a list without end", "a=(1 2", nil},
		{"a list in a list", "a=((1))", nil},
		{"items of a list without a space", `a=("x""y")`, nil},
		{"items of a list with a comma", "a=(1,2)", nil},
		{"a bad parameter in a list", "a=(1;P)", nil},
		{"a parameter without a key", "a;=1", nil},
		{"a parameter with a list", "a;p=(1)", nil},
		{"a list where a key belongs", "(a)", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := httpheader.ParseSFDictionary(tt.text)
			if tt.want == nil {
				require.Error(t, err)
				require.Nil(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, append([]member{}, got...))
		})
	}
}

// The grammar of RFC 9651 as regular expressions, without what only that one has.
const (
	rxKey    = `[a-z*][a-z0-9_.*-]*`
	rxToken  = "[A-Za-z*][!#$%&'*+.^_`|~:/0-9A-Za-z-]*"
	rxString = `"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*"`
)

var (
	number     = `-?(?:[0-9]{1,12}\.[0-9]{1,3}|[0-9]{1,15})`
	bare       = `(?:` + number + `|` + rxString + `|` + rxToken + `|:(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?:|\?[01])`
	params     = `(?:; *` + rxKey + `(?:=` + bare + `)?)*`
	innerList  = `\( *(?:` + bare + params + `(?: +` + bare + params + `)*)? *\)`
	memberText = rxKey + `(?:=(?:` + bare + `|` + innerList + `))?` + params
	dictionary = regexp.MustCompile(`^ *(?:` + memberText + `(?:[ \t]*,[ \t]*` + memberText + `)*[ \t]*)?$`)
)

// FuzzParseSFDictionary holds the parser against the grammar. RFC 9651 §4.2.2 takes
// tabs behind the last member, but not before the first one.
func FuzzParseSFDictionary(f *testing.F) {
	for _, s := range []string{"", "a", "a=1, b=(x \"y\";p=1 ?0);q", "*;report-to=a", `a="\"",`, "a=:aGk=:", "a=1.234\t,b", "a=1.2345", "a=@1", "a\t", "a="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		members, err := httpheader.ParseSFDictionary(s)
		require.Equal(t, dictionary.MatchString(s), err == nil, "%q: %v", s, err)
		require.LessOrEqual(t, len(members), len(s))
	})
}

// FuzzSFDictionary: what is written is read back, byte for byte, and nothing that
// could end a header or a string comes out, whatever goes in.
func FuzzSFDictionary(f *testing.F) {
	f.Add("camera", "self", "https://a.example", "report-to", int64(1), true)
	f.Add("a", `x"\`, "\r\nSet-Cookie: a=b", "p", int64(-1), false)
	f.Add("A", "'none'", "\x00", "", int64(1<<60), true)
	f.Add("*", "a;b,c", "ü\x7f", "*", int64(0), false)
	f.Fuzz(func(t *testing.T, key, token, text, paramKey string, n int64, b bool) {
		items := []httpheader.Bare{httpheader.SFString(text), httpheader.SFInteger(n), httpheader.SFBoolean(b), httpheader.SFToken(token)}
		got, err := httpheader.SFDictionary(
			httpheader.SFListMember(key, items, httpheader.SFParam{Key: paramKey, Value: httpheader.SFString(text)}),
			httpheader.SFItemMember(key+"0", httpheader.SFBoolean(b), httpheader.SFParam{Key: paramKey, Value: httpheader.SFToken(token)}),
		)
		var spelt []string
		sound := httpheader.IsSFKey(key) && httpheader.IsSFKey(paramKey)
		for _, item := range items {
			s, err := httpheader.SFItem(item)
			sound = sound && err == nil
			spelt = append(spelt, s)
		}
		require.Equal(t, sound, err == nil, "%v", err)
		if err != nil {
			require.Empty(t, got)
			return
		}
		require.NotRegexp(t, `[^\x20-\x7e]`, got)
		members, err := httpheader.ParseSFDictionary(got)
		require.NoError(t, err, got)
		require.Equal(t, []httpheader.SFDictionaryMember{
			{Key: key, Value: fmt.Sprintf("(%s)", strings.Join(spelt, " ")), InnerList: true, Params: []httpheader.SFDictionaryParam{{Key: paramKey, Value: spelt[0]}}},
			{Key: key + "0", Value: spelt[2], Params: []httpheader.SFDictionaryParam{{Key: paramKey, Value: token}}},
		}, members)
		back, ok := httpheader.Unquote(spelt[0])
		require.True(t, ok)
		require.Equal(t, text, back)
	})
}
