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
	host := hostport
	if i := strings.LastIndexByte(hostport, ':'); i >= 0 {
		if !isDigits(hostport[i+1:]) {
			return false
		}
		host = hostport[:i] // with a colon in it, which no name has, for an IPv6 address
	}
	host = strings.TrimSuffix(host, ".")
	last, ok := lastLabel(host)
	return ok && !endsInNumber(last) && !equal(last, "localhost")
}

// lastLabel returns the last label of a domain, if host is one.
func lastLabel(host string) (last string, ok bool) {
	start := 0
	for i := range len(host) {
		if inLabel[host[i]] {
			continue
		}
		if host[i] != '.' || i == start {
			return "", false
		}
		start = i + 1
	}
	return host[start:], start < len(host)
}

// inLabel are the characters of labels. It is a table, as each request looks here.
var inLabel = func() (table [256]bool) {
	for c := range table {
		b := byte(c)
		table[c] = isAlpha(b) || isDigit(b) || b == '-' || b == '_'
	}
	return table
}()

// isDomain reports whether host is made of labels of letters, digits, "-" and "_".
// Names of other scripts arrive in Punycode.
func isDomain(host string) bool {
	_, ok := lastLabel(host)
	return ok
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
