package secheaders

import (
	ctls "crypto/tls" // tls is a constant of the package
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/httpheader"
)

func prefixes(list ...string) (p trustedProxies) {
	for _, s := range list {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

var someProxies = prefixes("10.0.0.0/8", "2001:db8:aa::/48", "fe80::/10", "127.0.0.0/8")

func from(remoteAddr string, header http.Header) *http.Request {
	return &http.Request{RemoteAddr: remoteAddr, Header: header}
}

// Trap d.17: these fields count from configured proxies only.
func TestOnlyATrustedPeerIsAskedAboutTLS(t *testing.T) {
	for _, tt := range []struct {
		name, peer string
		want       bool
	}{
		{"a proxy", "10.1.2.3:4711", true},
		{"a proxy in an IPv4-mapped form", "[::ffff:10.1.2.3]:4711", true},
		{"a proxy by IPv6", "[2001:db8:aa::1]:443", true},
		{"a proxy with a zone", "[fe80::1%eth0]:443", true},
		{"a client", "192.0.2.1:4711", false},
		{"a client by IPv6", "[2001:db8:ab::1]:443", false},
		{"a client in an IPv4-mapped form", "[::ffff:192.0.2.1]:4711", false},
		{"an address that a middleware took from a field", "10.1.2.3", false},
		{"the same by IPv6", "[2001:db8:aa::1]", false},
		{"an empty port", "10.1.2.3:", false},
		{"a port that is none", "10.1.2.3:https", false},
		{"a Unix socket", "@", false},
		{"a Unix socket without a name", "", false},
		{"a named Unix socket", "/run/app.sock", false},
		{"a name", "proxy.example:443", false},
		{"IPv6 without brackets", "2001:db8:aa::1:443", false},
		{"IPv4 in brackets", "[10.1.2.3]:443", false},
		{"an open bracket", "[2001:db8:aa::1", false},
		{"something behind the bracket", "[2001:db8:aa::1]443", false},
		{"leading zeros", "010.1.2.3:443", false},
		{"only a colon", ":", false},
		{"only brackets", "[]:1", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, someProxies.overTLS(from(tt.peer, http.Header{"X-Forwarded-Proto": {"https"}})))
			require.Equal(t, tt.want, someProxies.overTLS(from(tt.peer, http.Header{"Forwarded": {"proto=https"}})))
			require.False(t, trustedProxies(nil).overTLS(from(tt.peer, http.Header{"X-Forwarded-Proto": {"https"}})))
		})
	}
}

func TestAConnectionOfItsOwnOverTLSNeedsNoProxy(t *testing.T) {
	r := from("192.0.2.1:1", http.Header{"X-Forwarded-Proto": {"http"}})
	r.TLS = &ctls.ConnectionState{}
	require.True(t, trustedProxies(nil).overTLS(r))
	require.True(t, someProxies.overTLS(r))
}

// Trap d.17: of a list, the value counts that the proxy wrote which the client spoke to.
func TestForwardedIsReadUpToTheProxyOfTheClient(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		want  claim
	}{
		{"no field", nil, silent},
		{"an empty field", []string{"", " , "}, silent},
		{"TLS", []string{"for=192.0.2.1;proto=https;by=10.0.0.1"}, secure},
		{"no TLS", []string{"for=192.0.2.1;proto=http"}, insecure},
		{"upper case", []string{"For=192.0.2.1;PROTO=HTTPS"}, secure},
		{"a quoted scheme", []string{`for="192.0.2.1:80";proto="https"`}, secure},
		{"an escape in quotes", []string{`proto="ht\tps"`}, secure},
		{"a WebSocket", []string{"proto=wss"}, secure},
		{"spaces around", []string{" for=192.0.2.1 ; proto=https , "}, secure},
		{"no scheme", []string{"for=192.0.2.1"}, silent},
		{"an extension", []string{"proto=https;secret=_x"}, secure},

		{"a client that says it itself", []string{"proto=https, for=192.0.2.1;proto=http"}, insecure},
		{"on a line of its own", []string{"for=10.0.0.1;proto=https", "for=192.0.2.1;proto=http"}, insecure},
		{"a client that claims plain HTTP", []string{"for=10.9.9.9;proto=http, for=192.0.2.1;proto=https"}, secure},
		{"TLS to the outer proxy alone", []string{"for=192.0.2.1;proto=https, for=10.0.0.2;proto=http"}, secure},
		{"TLS to the inner proxy alone", []string{"for=192.0.2.1;proto=http, for=10.0.0.2;proto=https"}, insecure},
		{"three proxies", []string{`for=192.0.2.1;proto=https, for="[2001:db8:aa::7]:80";proto=http`, "for=10.0.0.2;proto=http"}, secure},
		{"a foreign proxy between", []string{"for=192.0.2.1;proto=https, for=198.51.100.1;proto=http, for=10.0.0.2;proto=https"}, insecure},
		{"a client that is itself in a trusted network", []string{"for=10.3.3.3;proto=https"}, secure},
		{"an inner proxy that says nothing of the scheme", []string{"for=192.0.2.1;proto=https, for=10.0.0.2"}, secure},
		{"an outer proxy that says nothing of the scheme", []string{"for=192.0.2.1, for=10.0.0.2;proto=https"}, silent},
		{"an obfuscated client", []string{"for=10.0.0.1;proto=https, for=_hidden;proto=http"}, insecure},
		{"an unknown client", []string{"for=10.0.0.1;proto=https, for=unknown;proto=http"}, insecure},
		{"an element without a client", []string{"for=10.0.0.1;proto=https, proto=http"}, insecure},
		{"an IPv4-mapped proxy", []string{`for=192.0.2.1;proto=https, for="[::ffff:10.0.0.2]";proto=http`}, secure},

		{"a quote that the client left open", []string{`for=192.0.2.1;proto=https, "` + `, for=192.0.2.1;proto=http`}, insecure},
		{"a quote within a value", []string{`proto=https;x="` + `, for=192.0.2.1;proto=http`}, insecure},
		{"two schemes", []string{"proto=https;proto=https"}, insecure},
		{"two clients", []string{"for=192.0.2.1;for=10.0.0.1;proto=https"}, insecure},
		{"a space before the sign", []string{"proto =https"}, insecure},
		{"a port without quotes", []string{"for=192.0.2.1:80;proto=https"}, insecure},
		{"no scheme after the sign", []string{"proto="}, insecure},
		{"another scheme", []string{"proto=httpss"}, insecure},
		{"a letter that folds to ASCII", []string{"proto=\"http\u017f\""}, insecure},
		{"as many hops as there may be", []string{strings.Repeat("for=10.0.0.1;proto=https,", maxHops)}, secure},
		{"one more", []string{strings.Repeat("for=10.0.0.1;proto=https,", maxHops+1)}, insecure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, someProxies.forwarded(tt.lines))
			got := someProxies.overTLS(from("10.0.0.1:1", http.Header{"Forwarded": tt.lines}))
			require.Equal(t, tt.want == secure, got)
		})
	}
}

func TestXForwardedProtoMustSayTLSInAllItsValues(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		want  bool
	}{
		{"no field", nil, false},
		{"an empty field", []string{""}, false},
		{"TLS", []string{"https"}, true},
		{"upper case", []string{" HTTPS "}, true},
		{"a WebSocket", []string{"wss"}, true},
		{"no TLS", []string{"http"}, false},
		{"several that agree", []string{"https, https", "https"}, true},
		// Trap d.17: the leftmost may be what the client wrote.
		{"a client that says it itself", []string{"https, http"}, false},
		{"on another line", []string{"https", "http"}, false},
		{"TLS to the inner proxy alone", []string{"http, https"}, false},
		{"quotes", []string{`"https"`}, false},
		{"a parameter", []string{"https;q=1"}, false},
		{"a letter that folds to ASCII", []string{"http\u017f"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, someProxies.overTLS(from("10.0.0.1:1", http.Header{"X-Forwarded-Proto": tt.lines})))
		})
	}
}

// A proxy that knows one field passes the other one on as the client sent it.
func TestBothFieldsMustSayTLSWhereBothSaySomething(t *testing.T) {
	for _, tt := range []struct {
		forwarded, common string
		want              bool
	}{
		{"proto=https", "https", true}, {"for=192.0.2.1", "https", true}, {"", "https", true}, {"proto=https", "", true},
		{"proto=https", "http", false}, {"proto=http", "https", false}, {"proto", "https", false}, {"for=192.0.2.1", "", false},
	} {
		h := http.Header{"Forwarded": {tt.forwarded}, "X-Forwarded-Proto": {tt.common}}
		require.Equal(t, tt.want, someProxies.overTLS(from("10.0.0.1:1", h)), "%q %q", tt.forwarded, tt.common)
	}
}

func TestFaultsOfProxiesAreNamed(t *testing.T) {
	var f faults
	proxyFaults(&f, []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), {}, netip.PrefixFrom(netip.MustParseAddr("::1"), 129),
		netip.PrefixFrom(netip.MustParseAddr("::ffff:10.0.0.0"), 104),
	})
	require.EqualError(t, f.err(), "secheaders: TrustedProxies: number 1 is no valid prefix\n"+
		"secheaders: TrustedProxies: number 2 is no valid prefix\n"+
		"secheaders: TrustedProxies: ::ffff:10.0.0.0/104 is IPv4-mapped; give the IPv4 prefix")

	var none faults
	proxyFaults(&none, []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")})
	require.NoError(t, none.err())
}

// FuzzOverTLS compares with a model that walks the elements from the right, as RFC 7239
// tells it.
func FuzzOverTLS(f *testing.F) {
	for _, seed := range []string{
		"", "proto=https", "for=192.0.2.1;proto=https, for=10.0.0.2;proto=http", `for="[2001:db8:aa::1]:80";proto="https"`,
		`for=1;proto=https,"`, `proto="ht\tps"`, "for=10.0.0.1;for=10.0.0.1", ";;,=,", `for="10.0.0.1:";proto=https,for="[::ffff:10.0.0.1]"`,
		"proto=http\x00, \xff", `for="[fe80::1%25]:1x"`, strings.Repeat("for=10.0.0.1,", 40) + "proto=https",
	} {
		f.Add("10.0.0.1:80", seed, "", "")
		f.Add("[fe80::1%eth0]:80", "proto=https", seed, "https")
		f.Add(seed, "", "", "https, "+seed)
	}
	f.Fuzz(func(t *testing.T, peer, first, second, common string) {
		h := http.Header{"Forwarded": {first, second}, "X-Forwarded-Proto": {common}}
		require.Equal(t, modelOverTLS(peer, []string{first, second}, common), someProxies.overTLS(from(peer, h)))
	})
}

func modelOverTLS(peer string, lines []string, common string) bool {
	if !modelPort.MatchString(peer) || !modelIsProxy(peer) {
		return false
	}
	var elements []string
	for _, line := range lines {
		elements = append(elements, modelSplit(line, ',')...)
	}
	if len(elements) > maxHops {
		return false
	}
	said := ""
	for i := len(elements) - 1; i >= 0; i-- {
		var trusted bool
		if said, trusted = modelElement(elements[i]); !trusted {
			break
		}
	}
	schemes := modelSplit(common, ',')
	for _, scheme := range schemes {
		if !modelIsTLS(scheme) {
			return false
		}
	}
	return said == "tls" || said == "" && len(schemes) > 0
}

// modelElement is "", "tls" or "no", and whether the element before counts, too.
func modelElement(e string) (said string, trusted bool) {
	values := map[string]string{}
	for _, param := range modelSplit(e, ';') {
		name, value, _ := strings.Cut(param, "=")
		name = strings.ToLower(name)
		valid := httpheader.IsToken(name) && (value == "" || httpheader.IsToken(value))
		if strings.HasPrefix(value, `"`) {
			value, valid = httpheader.Unquote(value)
			valid = valid && httpheader.IsToken(name)
		}
		if _, twice := values[name]; !valid || twice && (name == "for" || name == "proto") {
			return "no", false
		}
		values[name] = value
	}
	if scheme, has := values["proto"]; has {
		said = "no"
		if modelIsTLS(scheme) {
			said = "tls"
		}
	}
	return said, modelIsProxy(values["for"])
}

func modelIsTLS(s string) bool {
	return strings.ToLower(s) == "https" || strings.ToLower(s) == "wss"
}

var modelPort = regexp.MustCompile(`:[0-9]+$`)

var modelNode = regexp.MustCompile(`^(?s:([^:\[]*)|\[([^\]]*:[^\]]*)\])(:[0-9]*)?$`)

func modelIsProxy(node string) bool {
	m := modelNode.FindStringSubmatch(node)
	if m == nil {
		return false
	}
	addr, err := netip.ParseAddr(strings.Split(m[1]+m[2], "%")[0])
	return err == nil && slices.ContainsFunc(someProxies, func(p netip.Prefix) bool { return p.Contains(addr.Unmap()) })
}

func modelSplit(s string, sep byte) (out []string) {
	piece, quoted := "", false
	add := func() {
		if piece = strings.Trim(piece, " \t"); piece != "" {
			out = append(out, piece)
		}
		piece = ""
	}
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\' && i+1 < len(s):
			piece += s[i : i+1]
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			add()
			continue
		}
		piece += s[i : i+1]
	}
	add()
	return out
}

func BenchmarkOverTLS(b *testing.B) {
	for _, bb := range []struct {
		name string
		r    *http.Request
	}{
		{"no proxy", from("192.0.2.1:4711", http.Header{})},
		{"X-Forwarded-Proto", from("10.0.0.1:4711", http.Header{"X-Forwarded-Proto": {"https"}})},
		{"Forwarded", from("[2001:db8:aa::1]:4711", http.Header{"Forwarded": {`for=192.0.2.1;proto=https, for="[2001:db8:aa::2]:80";proto=http`}})},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				someProxies.overTLS(bb.r)
			}
		})
	}
}
