package secheaders

import (
	"cmp"
	"strconv"
	"strings"
	"time"
)

// HSTS is Strict-Transport-Security (RFC 6797): browsers that have seen it speak TLS
// to the host for MaxAge, and let nobody click through a broken certificate. It is
// sent over TLS only (§7.2), and never for localhost or an IP address (§8.1.1), so that
// development pins nothing. The zero value is two years, with all subdomains.
//
// The header cannot be taken back from a browser that does not come again: try it with
// a short MaxAge where subdomains may still be without TLS.
type HSTS struct {
	// MaxAge is how long browsers remember, in whole seconds. Negative: the header is
	// not sent.
	// Default: 63072000 seconds, two years.
	MaxAge time.Duration
	// ExcludeSubDomains leaves out subdomains. A network attacker can then set cookies
	// for the host by way of one of them (§14.4).
	// Default: false.
	ExcludeSubDomains bool
	// Preload asks to be built into browsers, by way of hstspreload.org: for a year at
	// least and with subdomains, and it takes months to get out again. The host must
	// redirect plain HTTP to TLS on the same host first.
	// Default: false.
	Preload bool
	// Remove sends max-age=0, by which browsers forget the host (§6.1.1), whatever
	// MaxAge is. Send it for as long as MaxAge was.
	// Default: false.
	Remove bool
}

const (
	defaultHSTS = 63072000 * time.Second
	// preloadHSTS is the least that the preload list takes.
	preloadHSTS = 31536000 * time.Second
)

func (h HSTS) faults(f *faults, field string) {
	age := cmp.Or(h.MaxAge, defaultHSTS)
	if age > 0 && age%time.Second != 0 {
		f.add(field+".MaxAge", "%s is not in whole seconds", age)
	}
	if !h.Preload {
		return
	}
	switch {
	case h.Remove:
		f.add(field+".Preload", "contradicts Remove")
	case age < 0:
		f.add(field+".Preload", "needs the header, which MaxAge turns off")
	case age < preloadHSTS:
		f.add(field+".Preload", "needs a MaxAge of one year, 31536000 seconds, at least; it is %s", age)
	}
	if h.ExcludeSubDomains {
		f.add(field+".Preload", "contradicts ExcludeSubDomains")
	}
}

// value is that of the header, "" for none.
func (h HSTS) value() string {
	age := cmp.Or(h.MaxAge, defaultHSTS)
	switch {
	case h.Remove:
		return "max-age=0"
	case age < 0:
		return ""
	}
	value := "max-age=" + strconv.FormatInt(int64(age/time.Second), 10)
	if !h.ExcludeSubDomains {
		value += "; includeSubDomains"
	}
	if h.Preload {
		value += "; preload"
	}
	return value
}

// hstsHost reports whether a Host field names what a browser pins: a domain name, and
// none of localhost (RFC 6761 §6.3). It is not the place to refuse a request: what is
// no name just gets no header.
func hstsHost(hostport string) bool {
	host, port, _ := strings.Cut(hostport, ":")
	if !isDigits(port) {
		return false // an IPv6 address, or worse
	}
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	return isDomain(host) && !endsInNumber(last) && !equal(last, "localhost")
}

// isDomain reports whether host is made of labels of letters, digits, "-" and "_".
// Names of other scripts arrive in Punycode.
func isDomain(host string) bool {
	label := 0
	for i := range len(host) {
		switch c := host[i]; {
		case c == '.' && label > 0:
			label = 0
		case c == '-', c == '_', isDigit(c), isAlpha(c):
			label++
		default:
			return false
		}
	}
	return label > 0
}

// endsInNumber reports whether the last label makes the host an IPv4 address, or an
// invalid one, for browsers (URL §3.5): "127.0.0.1", "127.1" and "0x7f000001" are one.
func endsInNumber(last string) bool {
	if isDigits(last) {
		return true
	}
	if len(last) < 2 || last[0] != '0' || last[1]|0x20 != 'x' {
		return false
	}
	for i := 2; i < len(last); i++ {
		if !isHex(last[i]) {
			return false
		}
	}
	return true
}
