package secheaders_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	. "github.com/sluice-go/sluice/secheaders"
)

// newWith makes a Secure whose documents have this policy.
func newWith(p Policy) (*Secure, error) { return New(Options{Document: Headers{CSP: p}}) }

func TestAMalformedPolicyIsRefusedAtConstruction(t *testing.T) {
	tests := []struct {
		name string
		d    Directive
		want string // part of the error
	}{
		// Trap d.1 and d.4: CSP3 §2.2.
		{"a semicolon in a host", ScriptSrc("https://a.example;script-src"), "ends a value"},
		{"a comma in a host", ImgSrc("https://a.example,https://b.example"), "ends a value"},
		{"a line break", ImgSrc("https://a.example\nX-Evil:"), "ends a value"},
		{"a carriage return", ImgSrc("https://a.example\r"), "ends a value"},
		{"a NUL", ImgSrc("https://a.example\x00"), "ends a value"},
		{"a space", ImgSrc("https://a.example https://b.example"), "ends a value"},
		{"a letter of another script", ImgSrc("https://exämple.com"), "ends a value"},
		{"an empty value", ImgSrc(""), "empty value"},
		{"a semicolon in report-uri", ReportURI("/r;script-src *"), "ends a value"},
		{"a comma in report-to", ReportTo("a,b"), "ends a value"},
		{"a semicolon in sandbox", Sandbox("allow-scripts;"), "no token"},
		{"a comma in trusted-types", TrustedTypes("a,b"), "no name of a policy"},
		{"a semicolon in an unknown directive", OtherDirective("new-src", "a;b"), "ends a value"},
		{"a name with a semicolon", OtherDirective("new;src"), "no name of a directive"},
		// Trap d.5.
		{"none beside others", ImgSrc(None, Self), "only when it is alone"},
		{"an empty list", ImgSrc(), "to allow nothing is None"},
		{"unsafe-inline beside a nonce", StyleSrc(Self, WithNonce, UnsafeInline), "is ignored beside a nonce"},
		{"unsafe-inline beside a hash", ScriptSrc(SHA256("x"), UnsafeInline), "is ignored beside a nonce"},
		{"strict-dynamic alone", ScriptSrc(StrictDynamic), "blocks every script"},
		{"a host beside strict-dynamic", ScriptSrc(WithNonce, StrictDynamic, "https://cdn.example"), "is ignored beside 'strict-dynamic'"},
		{"self beside strict-dynamic", ScriptSrc(WithNonce, StrictDynamic, Self), "is ignored beside 'strict-dynamic'"},
		{"a nonce for images", ImgSrc(WithNonce), "has no meaning here"},
		{"a hash for images", ImgSrc(SHA256("x")), "scripts and styles only"},
		{"eval for styles", StyleSrc(UnsafeEval), "has no meaning here"},
		// Trap d.7.
		{"an IPv6 address", ConnectSrc("http://[::1]:11434"), "literal IPv6 address"},
		{"an IPv6 address without brackets", ConnectSrc("::1"), "literal IPv6 address"},
		// Trap d.8.
		{"a keyword without quotes", ScriptSrc("self"), "with quotes"},
		{"strict-dynamic without quotes", ScriptSrc("strict-dynamic"), "with quotes"},
		{"a hash without quotes", ScriptSrc(SHA256("x")[1 : 45+7]), "with quotes"},
		{"a nonce without quotes", ScriptSrc("nonce-abc"), "with quotes"},
		{"a keyword in capitals", ScriptSrc("'SELF'"), "is written 'self'"},
		{"a keyword that does not exist", ScriptSrc("'unsafe-everything'"), "no keyword"},
		{"a fixed nonce", ScriptSrc("'nonce-abc'"), "use WithNonce"},
		{"a hash that is too short", ScriptSrc("'sha256-abcd'"), "no SHA-256"},
		{"a hash of another kind", ScriptSrc("'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk='"), "no SHA-256"},
		{"one quote", ScriptSrc("'self"), "no keyword"},
		{"a dead directive", OtherDirective("plugin-types", "application/pdf"), "is dead"},
		{"another dead directive", OtherDirective("block-all-mixed-content"), "is dead"},
		// Hosts.
		{"a query", ImgSrc("https://a.example/x?y=z"), "query"},
		{"a port of 0", ImgSrc("a.example:0"), "port"},
		{"a port beyond 65535", ImgSrc("a.example:65536"), "port"},
		{"a signed port", ImgSrc("a.example:+80"), "port"},
		{"a wildcard in the middle", ImgSrc("a.*.example"), "neither a host"},
		{"a wildcard within a label", ImgSrc("a*.example"), "neither a host"},
		{"an empty label", ImgSrc("a..example"), "neither a host"},
		{"a scheme that starts with a digit", ImgSrc("1a:"), "no scheme"},
		{"a user", ImgSrc("https://u@a.example"), "neither a host"},
		{"a percent sign that encodes nothing", ImgSrc("https://a.example/%zz"), "encodes nothing"},
		{"the same source twice", ImgSrc(Self, Self), "listed twice"},
		{"an opening quote alone before a hash", ScriptSrc(SHA256("x")[:52]), "no SHA-256"},
		{"a quote too many behind a hash", ScriptSrc(SHA256("x") + "'"), "no SHA-256"},
		{"a known directive as another one", OtherDirective("script-src", "'foo'"), "has a function of its own"},
		{"the nonce in a URL", ReportURI("/r'nonce'"), "no place in a URL"},
		{"none beside a name of Trusted Types", TrustedTypes("'none'", "a"), "only when it is alone"},
		{"a scheme without its colon", ImgSrc("data"), "the scheme is written"},
		{"an empty source beside strict-dynamic", ScriptSrc(WithNonce, StrictDynamic, ""), "empty value"},
		{"an unknown token of a sandbox", Sandbox("allow-everything"), "no token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newWith(Policy{DefaultSrc(None), tt.d})
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, "secheaders: Document.CSP: ")
			require.NotContains(t, err.Error(), "\n", "one fault, one line")
			require.NotContains(t, err.Error(), "\x00")
		})
	}
}

func TestWhatTheGrammarAllowsIsTaken(t *testing.T) {
	for _, s := range []Source{"https:", "data:", "*", "*.example", "a.example", "a.example:*", "https://a.example:8443/path/", "wss://a.example",
		"127.0.0.1:11434", "http://127.0.0.1:*", "localhost:3000", "a-b.example", "web+app:", "https://*", "https://a.example/%20b"} {
		_, err := newWith(Policy{DefaultSrc(None), ConnectSrc(s)})
		require.NoError(t, err, "%s", s)
	}
}

func TestAllFaultsAreNamedAtOnce(t *testing.T) {
	_, err := New(Options{
		Document: Headers{
			CSP:           Policy{ScriptSrc("self"), ImgSrc(None, Self), ScriptSrc(Self)}, // Trap d.6
			CSPReportOnly: Policy{UpgradeInsecureRequests()},
			FrameOptions:  "ALLOW-FROM https://a.example",
			XSSProtection: "1; mode=block", // Trap d.16
		},
		Reports: ReportOptions{URL: "http://a.example/r"},
	})
	for _, want := range []string{
		"Document.CSP: script-src: self is the name of a host",
		"Document.CSP: img-src: 'none' counts only",
		"Document.CSP: script-src: is there twice; the first one would win",
		"Document.CSPReportOnly: upgrade-insecure-requests: does nothing",
		"Document.FrameOptions: \"ALLOW-FROM https://a.example\" is neither",
		"Document.XSSProtection: \"1; mode=block\" opens leaks",
		"Reports.URL: \"http://a.example/r\" is not https",
	} {
		require.ErrorContains(t, err, want)
	}
}

func TestXFrameOptionsMustAgreeWithFrameAncestors(t *testing.T) {
	_, err := New(Options{Document: Headers{FrameOptions: FrameSameOrigin}})
	require.ErrorContains(t, err, "SAMEORIGIN contradicts the policy's frame-ancestors")
	_, err = New(Options{Document: Headers{FrameOptions: FrameDeny}})
	require.NoError(t, err)
}

// Trap d.2: HTTP/2 drops a header whose value has a line break.
func TestExtraHeadersAreChecked(t *testing.T) {
	tests := map[string]struct {
		name, value, want string
	}{
		"a line break":               {"X-A", "a\nb", "line break"},
		"an empty value":             {"X-A", "", "line break"},
		"no name":                    {"X A", "a", "no name"},
		"not in canonical form":      {"x-a", "a", "canonical"},
		"a header that has a field":  {"Referrer-Policy", "origin", "field of its own"},
		"a letter of another script": {"X-A", "ä", "control character"},
		"a field of one response":    {"Cache-Control", "public", "up to its handler"},
		"a field of the connection":  {"Transfer-Encoding", "chunked", "up to its handler"},
		"endpoints that are none":    {"Reporting-Endpoints", "a=b c", "no dictionary"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := New(Options{Document: Headers{Extra: map[string][]string{tt.name: {tt.value}}}})
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// Trap d.9.
func TestHeadersOver8KBAreRefused(t *testing.T) {
	var hosts []Source
	for i := range 200 {
		hosts = append(hosts, Source("https://host-number-"+strings.Repeat("x", 20)+string(rune('a'+i%26))+string(rune('a'+i/26))+".example"))
	}
	_, err := newWith(Policy{DefaultSrc(None), ImgSrc(hosts...)})
	require.ErrorContains(t, err, "servers and proxies refuse more than 8192")
}

func TestWithAllowsMoreAndLosesNothing(t *testing.T) {
	base := Policy{DefaultSrc(Self), ScriptSrc(WithNonce, StrictDynamic, ReportSample), ObjectSrc(None)}
	tests := []struct {
		name string
		add  Directive
		want string
	}{
		{"a directive that is there gets more", ScriptSrc(UnsafeEval),
			"default-src 'self'; script-src 'nonce' 'strict-dynamic' 'report-sample' 'unsafe-eval'; object-src 'none'"},
		{"none gives way", ObjectSrc(Self),
			"default-src 'self'; script-src 'nonce' 'strict-dynamic' 'report-sample'; object-src 'self'"},
		{"one that falls back keeps what it fell back to", ConnectSrc("wss://a.example"),
			"default-src 'self'; script-src 'nonce' 'strict-dynamic' 'report-sample'; object-src 'none'; connect-src 'self' wss://a.example"},
		{"any worker is allowed by strict-dynamic", WorkerSrc("blob:"), base.String()},
		{"what nothing governs is allowed", FormAction(Self), base.String()},
		{"child-src would take the place of script-src for workers", ChildSrc("https://a.example"),
			"default-src 'self'; script-src 'nonce' 'strict-dynamic' 'report-sample'; object-src 'none'; frame-src 'self' https://a.example"},
		{"an attribute has no nonce", StyleSrcAttr(UnsafeInline),
			"default-src 'self'; script-src 'nonce' 'strict-dynamic' 'report-sample'; object-src 'none'; style-src-attr 'unsafe-inline'"},
		{"nor strict-dynamic", ScriptSrcAttr(UnsafeInline),
			"default-src 'self'; script-src 'nonce' 'strict-dynamic' 'report-sample'; object-src 'none'; script-src-attr 'report-sample' 'unsafe-inline'"},
		{"an empty source is a fault of its own, and found later", ImgSrc(""),
			"default-src 'self'; script-src 'nonce' 'strict-dynamic' 'report-sample'; object-src 'none'; img-src 'self' "},
		{"what lists nothing is set", ReportTo("a"), base.String() + "; report-to a"},
		{"what is there already changes nothing", DefaultSrc(Self), base.String()},
		{"to add none is to add nothing", DefaultSrc(None), base.String()},
		{"nor where it falls back", ImgSrc(None),
			"default-src 'self'; script-src 'nonce' 'strict-dynamic' 'report-sample'; object-src 'none'; img-src 'self'"},
		{"a nonce is not carried where it has no meaning", ImgSrc("data:"),
			"default-src 'self'; script-src 'nonce' 'strict-dynamic' 'report-sample'; object-src 'none'; img-src 'self' data:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := base.String()
			require.Equal(t, tt.want, base.With(tt.add).String())
			require.Equal(t, before, base.String(), "the policy itself stays")
		})
	}
}

func TestReplaceAndWithout(t *testing.T) {
	base := Policy{DefaultSrc(Self), ImgSrc(Self)}
	require.Equal(t, "default-src 'self'; img-src data:; font-src 'none'", base.Replace(ImgSrc("data:"), FontSrc(None)).String())
	require.Equal(t, "img-src 'self'", base.Without("default-src", "nothing").String())
	require.Equal(t, "default-src 'self'; img-src 'self'", base.String())
}

func TestParsePolicyReadsWhatIsInHeaders(t *testing.T) {
	p, err := ParsePolicy(" Default-Src 'none' ;; script-src\t'self'  https://a.example; upgrade-insecure-requests; require-trusted-types-for 'script';")
	require.NoError(t, err)
	require.Equal(t, "default-src 'none'; script-src 'self' https://a.example; upgrade-insecure-requests; require-trusted-types-for 'script'", p.String())
	p, err = ParsePolicy("script-src 'SELF' 'self' 'Unsafe-Eval'")
	require.NoError(t, err)
	require.Equal(t, "script-src 'self' 'unsafe-eval'", p.String())
	p, err = ParsePolicy("default-src 'self' 'strict-dynamic' " + string(SHA256("x")))
	require.NoError(t, err, "for images, 'self' counts")
	require.Len(t, p, 1)
	for header, want := range map[string]string{
		"default-src self":                  "with quotes",
		"img-src 'self'; img-src *":         "twice",
		"report-to a b":                     "one endpoint",
		"upgrade-insecure-requests 1":       "takes no value",
		"require-trusted-types-for scripts": "is not 'script'",
		"webrtc":                            "neither",
		"imgsrc *":                          "is not known",
		"img-src a, b":                      "ends a value",
		"img-src 'self', default-src *":     "ends a value",
	} {
		_, err := ParsePolicy(header)
		require.ErrorContains(t, err, want, header)
	}
}

// FuzzPolicy: what New takes reads back, by a parser of its own, as the same
// directives, and has no separator within a value (CSP3 §2.2).
func FuzzPolicy(f *testing.F) {
	for _, seed := range []string{"https://a.example", "self", "'self'", "data:", "a;b", "a,b", "*.a:*", "https://a/%20", "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='", "\n"} {
		f.Add(seed, "allow-scripts", "p")
	}
	f.Fuzz(func(t *testing.T, source, token, name string) {
		p := Policy{DefaultSrc(None), ConnectSrc(Source(source)), Sandbox(token), OtherDirective("x-"+name, token), TrustedTypes(name), ReportURI(source)}
		s, err := newWith(p)
		if err != nil {
			return
		}
		value := headersOf(t, s, "text/html")["Content-Security-Policy"]
		require.Len(t, value, 1)
		require.NotRegexp(t, `[^\x20-\x7e]|,`, value[0])
		var read []string
		for _, part := range strings.Split(value[0], ";") {
			read = append(read, strings.Join(strings.Split(strings.TrimSpace(part), " "), " "))
		}
		require.Equal(t, []string{"default-src 'none'", "connect-src " + source, "sandbox " + token, "x-" + name + " " + token,
			"trusted-types " + name, "report-uri " + source}, read)
		again, err := ParsePolicy(strings.ReplaceAll(value[0], "x-"+name+" "+token+";", ""))
		require.NoError(t, err)
		require.Len(t, again, 5)
	})
}

// FuzzWith: to add to a policy panics at nothing, and takes nothing away.
func FuzzWith(f *testing.F) {
	names := []func(...Source) Directive{DefaultSrc, ChildSrc, ConnectSrc, FrameSrc, ImgSrc, ScriptSrc, ScriptSrcElem, ScriptSrcAttr, StyleSrc,
		StyleSrcElem, StyleSrcAttr, WorkerSrc, BaseURI, FormAction, FrameAncestors}
	f.Add("", "'self'", uint(0), uint(5))
	f.Add("'none'", "https://a.example", uint(1), uint(1))
	f.Add("'strict-dynamic'", "'nonce'", uint(5), uint(11))
	f.Fuzz(func(t *testing.T, a, b string, first, second uint) {
		base := Policy{names[first%uint(len(names))](Source(a))}
		if base[0].Name() != "default-src" {
			base = append(base, DefaultSrc(Self))
		}
		before := base.String()
		more := base.With(names[second%uint(len(names))](Source(b), Source(a)))
		require.Equal(t, before, base.String())
		for _, d := range base {
			i := slices.IndexFunc(more, func(m Directive) bool { return m.Name() == d.Name() })
			require.GreaterOrEqual(t, i, 0)
			for _, s := range d.Values() {
				if s != None {
					require.Contains(t, more[i].Values(), s)
				}
			}
		}
		_, _ = newWith(more)
	})
}
