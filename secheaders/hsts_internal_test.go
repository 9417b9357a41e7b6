package secheaders

import (
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHSTSIsWritten(t *testing.T) {
	for _, tt := range []struct {
		name string
		hsts HSTS
		want string
	}{
		// Trap d.17: two years and subdomains, preload only when asked for.
		{"the zero value", HSTS{}, "max-age=63072000; includeSubDomains"},
		{"a time", HSTS{MaxAge: 5 * time.Minute}, "max-age=300; includeSubDomains"},
		{"without subdomains", HSTS{ExcludeSubDomains: true}, "max-age=63072000"},
		{"for the preload list", HSTS{Preload: true}, "max-age=63072000; includeSubDomains; preload"},
		{"for the preload list, at least", HSTS{Preload: true, MaxAge: 31536000 * time.Second}, "max-age=31536000; includeSubDomains; preload"},
		{"off", HSTS{MaxAge: -1}, ""},
		// Trap d.17: max-age=0 removes.
		{"a removal", HSTS{Remove: true}, "max-age=0"},
		{"a removal, whatever the time", HSTS{Remove: true, MaxAge: -1, ExcludeSubDomains: true}, "max-age=0"},
		{"a long time", HSTS{MaxAge: 1<<63 - 1 - (1<<63-1)%time.Second}, "max-age=9223372036; includeSubDomains"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var f faults
			tt.hsts.faults(&f, "HSTS")
			require.NoError(t, f.err())
			require.Equal(t, tt.want, tt.hsts.value())
		})
	}
}

// Trap d.17: the rules of the preload list.
func TestFaultsOfHSTSAreNamed(t *testing.T) {
	for _, tt := range []struct {
		hsts HSTS
		want string
	}{
		{HSTS{MaxAge: 31536000}, "secheaders: HSTS.MaxAge: 31.536ms is not in whole seconds"},
		{HSTS{MaxAge: 90500 * time.Millisecond}, "secheaders: HSTS.MaxAge: 1m30.5s is not in whole seconds"},
		{HSTS{Preload: true, MaxAge: 31535999 * time.Second}, "secheaders: HSTS.Preload: needs a MaxAge of one year, 31536000 seconds, at least; it is 8759h59m59s"},
		{HSTS{Preload: true, MaxAge: -1}, "secheaders: HSTS.Preload: needs the header, which MaxAge turns off"},
		{HSTS{Preload: true, Remove: true}, "secheaders: HSTS.Preload: contradicts Remove"},
		{HSTS{Preload: true, ExcludeSubDomains: true}, "secheaders: HSTS.Preload: contradicts ExcludeSubDomains"},
		{HSTS{Preload: true, ExcludeSubDomains: true, MaxAge: time.Millisecond}, "secheaders: HSTS.MaxAge: 1ms is not in whole seconds\n" +
			"secheaders: HSTS.Preload: needs a MaxAge of one year, 31536000 seconds, at least; it is 1ms\nsecheaders: HSTS.Preload: contradicts ExcludeSubDomains"},
	} {
		var f faults
		tt.hsts.faults(&f, "HSTS")
		require.EqualError(t, f.err(), tt.want)
	}
}

// Trap d.17: never for IP hosts; development pins nothing.
func TestHSTSIsForDomainNames(t *testing.T) {
	for host, want := range map[string]bool{
		"example.com": true, "example.com:8443": true, "example.com:": true, "EXAMPLE.com.": true, "a-b_c.example": true,
		"intranet": true, "xn--mnchen-3ya.de": true, "localhost.example": true, "mylocalhost": true, "1.example": true,
		"10.com": true, "0xg": true, "localhost-": true, "example.0xyz": true,

		"": false, ":443": false, ".": false, ".:443": false, "..": false, "a..b": false, ".example": false, "example..": false,
		"localhost": false, "localhost:8080": false, "LocalHost.": false, "app.localhost": false, "a.b.LOCALHOST.:1": false,
		"127.0.0.1": false, "127.0.0.1:8443": false, "192.0.2.1.": false, "127.1": false, "2130706433": false, "0x7f000001": false,
		"0X7F.1": false, "1.2.3.0x4": false, "a.0x": false, "example.7": false, "256.256.256.256": false,
		"[::1]": false, "[::1]:443": false, "[fe80::1%25eth0]:443": false, "::1": false, "2001:db8::1": false, "[": false, "]": false,
		"example.com:x": false, "example.com:443:443": false, "exa mple": false, "a,b": false, "a;b": false, "user@example.com": false,
		"m\u00fcnchen.de": false, "example.com\x00": false, "loc\u0430lhost": false, "local\u017fhost": false, "*.example": false, "a/b": false,
	} {
		require.Equal(t, want, hstsHost(host), "%q", host)
	}
}

func FuzzHSTSHost(f *testing.F) {
	for _, seed := range []string{"example.com:443", "localhost.", "app.localhost:1", "127.0.0.1", "[::1]:80", "0x7f.0XA", "a..b", "", "::", "\u017f.a:1:", "a.b\n"} {
		f.Add(seed)
	}
	domain := regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?(:[0-9]*)?\z`)
	number := regexp.MustCompile(`^([0-9]+|0[xX][0-9a-fA-F]*)$`)
	f.Fuzz(func(t *testing.T, hostport string) {
		labels := strings.Split(strings.TrimSuffix(strings.ToLower(strings.Split(hostport, ":")[0]), "."), ".")
		last := labels[len(labels)-1]
		want := domain.MatchString(hostport) && last != "localhost" && !number.MatchString(last)
		require.Equal(t, want, hstsHost(hostport))
		if want {
			host := hostport
			if h, _, err := net.SplitHostPort(hostport); err == nil {
				host = h
			}
			_, err := netip.ParseAddr(strings.Trim(host, "[]"))
			require.Error(t, err)
		}
	})
}
