package compress

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// preferred is the order of the zero Options.
var preferred = []coding{zstded, brotlied, gzipped}

func TestNegotiation(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		want  coding
	}{
		// Trap d.1: without the field any coding is allowed, and identity is sent.
		{"no field", nil, identity},
		{"a field without lines", []string{}, identity},
		{"an empty value", []string{""}, identity},
		{"only white space and commas", []string{" ,\t, "}, identity},

		{"RFC 9110 §12.5.3, first example", []string{"compress, gzip"}, gzipped},
		{"second example", []string{""}, identity},
		{"third example", []string{"*"}, zstded},
		{"fourth example", []string{"compress;q=0.5, gzip;q=1.0"}, gzipped},
		{"fifth example", []string{"gzip;q=1.0, identity; q=0.5, *;q=0"}, gzipped},

		{"Chrome and Firefox", []string{"gzip, deflate, br, zstd"}, zstded},
		{"Safari", []string{"gzip, deflate, br"}, brotlied},
		{"Go", []string{"gzip"}, gzipped},
		{"Chrome for media", []string{"identity;q=1, *;q=0"}, identity},

		// Trap d.2: all lines are one list, letter case and white space do not matter,
		// and a malformed weight drops its member.
		{"several lines", []string{"gzip;q=0.5", "br"}, brotlied},
		{"a refusal on a second line", []string{"br, gzip", "br;q=0"}, gzipped},
		{"letter case", []string{"GZip;Q=0.3, BR;q=0.4"}, brotlied},
		{"white space around the separators", []string{"\tgzip \t; \tq=0.5\t ,\t br ; q=0.6 "}, brotlied},
		{"white space within the weight", []string{"gzip;q = 1, br;q= 1, zstd;q =0.5"}, identity},
		{"empty members", []string{",,gzip,,"}, gzipped},
		{"three decimals", []string{"gzip;q=0.998, br;q=0.999"}, brotlied},
		{"no decimals after the point", []string{"gzip;q=1., br;q=0."}, gzipped},
		{"four decimals", []string{"gzip;q=0.9999"}, identity},
		{"four decimals of zero", []string{"gzip;q=0.0000, br;q=0.1"}, brotlied},
		{"a weight above 1", []string{"gzip;q=2, br;q=1.001, zstd;q=0.1"}, zstded},
		{"a negative weight", []string{"gzip;q=-1"}, identity},
		{"a signed weight", []string{"gzip;q=+1"}, identity},
		{"an exponent", []string{"gzip;q=1e0, br;q=1e-1"}, identity},
		{"NaN and Inf", []string{"gzip;q=NaN, br;q=Inf, zstd;q=nan"}, identity},
		{"a hexadecimal weight", []string{"gzip;q=0x1"}, identity},
		{"no weight after q", []string{"gzip;q, br;q=, zstd;q=0.1"}, zstded},
		{"a quoted weight", []string{`gzip;q="1"`}, identity},
		{"a weight that starts with the point", []string{"gzip;q=.5"}, identity},
		{"a comma as the point", []string{"gzip;q=0,5"}, identity},
		{"a malformed weight and the star", []string{"gzip;q=high, *;q=0.1"}, zstded},
		{"a malformed refusal of identity", []string{"identity;q=none, gzip;q=0"}, identity},
		{"a malformed weight of the star", []string{"*;q=2"}, identity},
		{"two weights", []string{"gzip;q=1;q=0, br;q=0;q=1, zstd;q=0.1"}, zstded},
		{"another parameter", []string{"gzip;level=9;q=0.2, br;q=0.1"}, gzipped},
		{"empty parameters", []string{"gzip;;q=0.2;, br;q=0.1;"}, gzipped},
		{"a quoted comma in a parameter", []string{`gzip;a=",br"`}, identity},
		{"an open quote reaches to the end", []string{`gzip;q="1, br`, "zstd"}, zstded},
		{"bytes that are no text", []string{"\xff\xfe\x00, gzip"}, gzipped},

		// Names are whole tokens.
		{"a longer token", []string{"xgzip, gzip-foo, gzipp, brr, zst, gz ip"}, identity},
		{"a letter that folds to ASCII", []string{"z\u017ftd, identity;q=0"}, refused},
		{"x-gzip", []string{"x-gzip"}, gzipped},
		{"X-GZIP", []string{"X-GZIP;q=0.5"}, gzipped},
		{"x-gzip refused", []string{"gzip, x-gzip;q=0"}, identity},
		{"x-gzip is what gzip is for the star", []string{"x-gzip;q=0, br;q=0, zstd;q=0, *"}, identity},

		// Trap d.3: by weight, then by our order; "*" for what is not listed.
		{"the higher weight", []string{"zstd;q=0.1, br;q=0.2, gzip;q=0.3"}, gzipped},
		{"a tie", []string{"gzip;q=0.3, br;q=0.3"}, brotlied},
		{"the star is for those not listed", []string{"zstd;q=0.1, *;q=0.5, gzip;q=0.2"}, brotlied},
		{"the star after a refusal", []string{"*, zstd;q=0"}, brotlied},
		{"a refusal", []string{"gzip;q=0"}, identity},
		{"a refusal with decimals", []string{"gzip;q=0.000"}, identity},
		{"only refusals", []string{"gzip;q=0, br;q=0, zstd;q=0"}, identity},
		{"the smallest weight beats identity that is not listed", []string{"gzip;q=0.001"}, gzipped},
		{"the star does not rank identity", []string{"gzip;q=0.1, br;q=0, zstd;q=0, *;q=0.9"}, gzipped},
		{"identity with a higher weight", []string{"gzip;q=0.5, identity"}, identity},
		{"identity with the same weight", []string{"identity, gzip"}, gzipped},
		{"identity with a lower weight", []string{"identity;q=0.9, gzip"}, gzipped},
		{"identity in capitals", []string{"IDENTITY, gzip;q=0.1"}, identity},
		{"a coding named twice has the smaller weight", []string{"gzip;q=0.9, br;q=0.5, gzip;q=0.1"}, brotlied},
		{"a refusal holds whatever comes after it", []string{"gzip;q=0, gzip"}, identity},
		{"identity named twice", []string{"identity;q=0, identity, gzip;q=0"}, refused},
		{"a star named twice", []string{"*;q=0, *"}, refused},

		// Trap d.4: nothing is acceptable.
		{"the star refused", []string{"*;q=0"}, refused},
		{"identity refused", []string{"identity;q=0"}, refused},
		{"identity and all of ours refused", []string{"identity;q=0, gzip;q=0, br;q=0, zstd;q=0, deflate"}, refused},
		{"the star refused, but identity", []string{"*;q=0, identity;q=0.001"}, identity},
		{"the star refused, but a coding", []string{"*;q=0, br;q=0.001"}, brotlied},
		{"identity refused, but the star", []string{"identity;q=0, *;q=0.5"}, zstded},

		// Trap d.6: dcb and dcz count only by name, which we do not offer.
		{"dictionaries", []string{"dcb, dcz"}, identity},
		{"dictionaries refused", []string{"dcb;q=0, dcz;q=0, *"}, zstded},
		// Trap d.7: raw and wrapped deflate are confused too often.
		{"deflate", []string{"deflate"}, identity},
		{"deflate and compress", []string{"deflate, compress;q=0.9, x-compress, gzip;q=0.1"}, gzipped},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var n negotiator
			for range 3 { // read, remembered by now, and again
				require.Equal(t, tt.want, n.accepts(tt.lines).choose(preferred))
			}
		})
	}
}

// Trap d.3: a content type can have an order of its own.
func TestTheOrderBreaksTies(t *testing.T) {
	a := parseAcceptance([]string{"gzip, br, zstd;q=0.5"})
	require.Equal(t, brotlied, a.choose([]coding{zstded, brotlied, gzipped}))
	require.Equal(t, gzipped, a.choose([]coding{zstded, gzipped, brotlied}))
	require.Equal(t, zstded, a.choose([]coding{zstded}))
	require.Equal(t, identity, a.choose(nil))
	require.Equal(t, refused, parseAcceptance([]string{"gzip, identity;q=0"}).choose([]coding{brotlied}))
}

// Trap d.5: a client that refuses identity gets a coding even where that is not
// worth it.
func TestForced(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		order []coding
		want  bool
	}{
		{"no field", nil, preferred, false},
		{"an empty value", []string{""}, preferred, false},
		{"a coding", []string{"gzip"}, preferred, false},
		{"identity refused and a coding", []string{"gzip, identity;q=0"}, preferred, true},
		{"identity refused by the star", []string{"gzip;q=0.1, *;q=0"}, preferred, true},
		{"identity refused and the star", []string{"identity;q=0, *"}, preferred, true},
		{"all refused", []string{"*;q=0"}, preferred, false},
		{"identity refused and nothing else named", []string{"identity;q=0"}, preferred, false},
		{"a coding that is not offered", []string{"gzip, identity;q=0"}, []coding{brotlied}, false},
		{"nothing is offered", []string{"gzip, identity;q=0"}, nil, false},
		{"identity least of all", []string{"gzip, identity;q=0.001"}, preferred, false},
		{"identity saved from the star", []string{"gzip, *;q=0, identity;q=0.1"}, preferred, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, parseAcceptance(tt.lines).forced(tt.order))
		})
	}
}

// Trap d.2: a field of ten kilobytes, or of a megabyte, which is what net/http
// lets through. With time squared this would not end.
func TestHugeFields(t *testing.T) {
	for _, unit := range []string{
		"gzip,", ",", ";", `"`, `\`, " ", "gzip;q=0.001,", `gzip;q="\0",`, `";`, "=;", "a;b=c;", "*;q=0.5,", "x-gzip;;;", `a"\",`, "\t;",
	} {
		long := []string{strings.Repeat(unit, 10<<10/len(unit)), "br"}
		allocs := testing.AllocsPerRun(5, func() { parseAcceptance(long) })
		require.Zero(t, allocs, "%q", unit)
		huge := []string{strings.Repeat(unit, 1<<20/len(unit)), "br"}
		require.NotZero(t, parseAcceptance(huge).weight[brotlied], "%q", unit)
	}
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprintf("coding%d;q=0.%d", i, i)
	}
	for _, lines := range [][]string{append(many, "br"), {strings.Join(many, ",") + ",br"}} {
		var n negotiator
		require.Zero(t, testing.AllocsPerRun(5, func() { n.accepts(lines) }))
		require.Equal(t, brotlied, n.accepts(lines).choose(preferred))
	}
}

func TestNegotiationAllocatesNothing(t *testing.T) {
	var n negotiator
	fields := [][]string{nil, {""}, {"gzip"}, {"gzip, deflate, br, zstd"}, {"gzip;q=1.0, identity; q=0.5, *;q=0"}, {"br", "gzip"}}
	for _, lines := range fields {
		n.accepts(lines)
		require.Zero(t, testing.AllocsPerRun(100, func() { n.accepts(lines).choose(preferred) }), "%q", lines)
		require.Zero(t, testing.AllocsPerRun(100, func() { parseAcceptance(lines).forced(preferred) }), "%q", lines)
	}
}

// Whatever clients send, the memory stays small, and the usual values stay in it.
func TestTheMemoryIsBounded(t *testing.T) {
	var n negotiator
	for i := range 10 * maxKnownFields {
		line := []string{fmt.Sprintf("gzip;q=0.%03d", i)}
		require.Equal(t, parseAcceptance(line), n.accepts(line))
		n.accepts([]string{strings.Repeat("x", maxKnownLength) + line[0]})
		n.accepts([]string{line[0], "br"})
	}
	known := *n.known.Load()
	require.Len(t, known, maxKnownFields)
	for line, a := range known {
		require.LessOrEqual(t, len(line), maxKnownLength)
		require.Equal(t, parseAcceptance([]string{line}), a, "%q", line)
	}
	for _, line := range usualFields {
		require.Contains(t, known, line)
	}
	other := []string{"zstd;q=0.123, br"}
	require.Zero(t, testing.AllocsPerRun(100, func() { n.accepts(other) }), "read each time, but for free")
	require.NotContains(t, *n.known.Load(), other[0])
}

func TestNegotiationAtTheSameTime(t *testing.T) {
	var n negotiator
	var all sync.WaitGroup
	wrong := make([]int, 8)
	for g := range wrong {
		all.Go(func() {
			for i := range 500 {
				line := []string{fmt.Sprintf("gzip;q=0.%03d, br;q=0.1", (g*31+i)%(2*maxKnownFields))}
				if n.accepts(line) != parseAcceptance(line) {
					wrong[g]++
				}
			}
		})
	}
	all.Wait()
	require.Equal(t, make([]int, 8), wrong)
	require.LessOrEqual(t, len(*n.known.Load()), maxKnownFields)
}

var (
	quotedString = regexp.MustCompile(`"(?s:\\.|[^"\\])*(?:"|\\?$)`)
	parameter    = regexp.MustCompile("^([0-9A-Za-z!#$%&'*+.^_`|~-]+)(?:=([0-9A-Za-z!#$%&'*+.^_`|~-]*))?$")
	qvalue       = regexp.MustCompile(`^(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)$`)
)

// modelWeight is the weight of one member of the field, split at ";".
func modelWeight(params []string) (weight int, ok bool) {
	weight = 1000
	for _, p := range params {
		if p = strings.Trim(p, " \t"); p == "" {
			continue
		}
		parts := parameter.FindStringSubmatch(p)
		switch {
		case parts == nil:
			return 0, false
		case parts[1] != "q" && parts[1] != "Q":
			continue
		case !qvalue.MatchString(parts[2]):
			return 0, false
		}
		digits := strings.Replace(parts[2], ".", "", 1) + "000"
		w, _ := strconv.Atoi(digits[:4])
		weight = min(weight, w)
	}
	return weight, true
}

// modelOf lists what a field says, the plain way: a name in lower case and its
// smallest weight.
func modelOf(lines []string) map[string]int {
	says := map[string]int{}
	for _, line := range lines {
		// A quoted string hides its commas, and fits no member.
		for _, member := range strings.Split(quotedString.ReplaceAllString(line, `"`), ",") {
			pieces := strings.Split(member, ";")
			name := strings.Trim(pieces[0], " \t")
			w, ok := modelWeight(pieces[1:])
			if !ok || strings.ContainsFunc(name, func(r rune) bool { return r > '~' }) {
				continue
			}
			if name = strings.ToLower(name); name == "x-gzip" {
				name = "gzip"
			}
			if old, twice := says[name]; !twice || w < old {
				says[name] = w
			}
		}
	}
	return says
}

// modelChoice ranks all that is acceptable.
func modelChoice(lines []string, order []coding) coding {
	says := modelOf(lines)
	type candidate struct {
		c      coding
		weight int
	}
	var all []candidate
	for _, c := range order {
		w, ok := says[c.String()]
		if !ok {
			w = says["*"]
		}
		all = append(all, candidate{c, w})
	}
	plain, named := says["identity"]
	star, starred := says["*"]
	if !named && (!starred || star > 0) {
		plain = 1 // last, as all others come before it at the same weight
	}
	all = append(all, candidate{identity, plain})
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.weight, a.weight) })
	if all[0].weight == 0 {
		return refused
	}
	return all[0].c
}

func FuzzNegotiation(f *testing.F) {
	for _, seed := range []string{
		"", "gzip, deflate, br, zstd", "*", "*;q=0", "identity;q=0", "gzip;q=1.0, identity; q=0.5, *;q=0", "x-gzip;q=0.001,gzip;Q=1.",
		`gzip;q="0.5", br`, `a="\", gzip`, "gzip;q =0", "z\u017ftd", "br;;q=0.25;x=y;q=0.5", "gzip;q=1.0000", "dcb, dcz;q=1", "\x00,\xff;q=0",
	} {
		f.Add(seed, "br;q=0.5")
		f.Add("gzip", seed)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		var n negotiator
		for _, lines := range [][]string{{first}, {first, second}} {
			a := parseAcceptance(lines)
			for _, order := range [][]coding{preferred, {gzipped, zstded, brotlied}, {gzipped}, nil} {
				want := modelChoice(lines, order)
				require.Equal(t, want, a.choose(order), "%q", lines)
				forced := want != identity && want != refused && modelChoice(lines, nil) == refused
				require.Equal(t, forced, a.forced(order), "%q", lines)
			}
			for range 2 {
				require.Equal(t, a, n.accepts(lines))
			}
		}
	})
}

func BenchmarkNegotiation(b *testing.B) {
	for _, bb := range []struct {
		name  string
		lines []string
	}{
		{"no field", nil},
		{"Go", []string{"gzip"}},
		{"Chrome", []string{"gzip, deflate, br, zstd"}},
		{"weights", []string{"gzip;q=1.0, identity; q=0.5, *;q=0"}},
		{"10 KB", []string{strings.Repeat("coding;q=0.5, ", 10<<10/14)}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var n negotiator
			b.ReportAllocs()
			for b.Loop() {
				n.accepts(bb.lines).choose(preferred)
			}
		})
		b.Run(bb.name+", read each time", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				parseAcceptance(bb.lines).choose(preferred)
			}
		})
	}
}
