package secheaders

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

func (o *IsolationOptions) faults(f *faults) {
	for i, origin := range o.Origins {
		if reason := originFault(origin); reason != "" {
			f.add("Isolation.Origins", "%q %s", origin, reason)
		} else if slices.Contains(o.Origins[:i], origin) {
			f.add("Isolation.Origins", "%q is listed twice", origin)
		}
	}
}

// originFault says why no browser sends origin as an Origin to be trusted, or "". One
// that differs in a letter from what browsers send (HTML §7.1.1) never matches, which
// shows only once the page is live.
func originFault(origin string) string {
	if origin == "null" {
		return "is every sandboxed frame, of anybody"
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return `is no origin, such as "https://app.example"`
	}
	switch u.Scheme {
	case "ws", "wss":
		return "is that of a WebSocket; its Origin is the page's, with http or https"
	case "file", "data", "blob", "about", "javascript":
		return "has a scheme whose pages send null"
	}
	if u.Scheme+"://"+u.Host != origin {
		return "is not in the form that browsers send: a scheme in lower case, a host and a port, with nothing behind"
	}
	if reason := originHostFault(u.Hostname()); reason != "" {
		return reason
	}
	return originPortFault(u.Scheme, u.Host)
}

func originHostFault(host string) string {
	if strings.Contains(host, ":") {
		addr, err := netip.ParseAddr(host)
		if err != nil || addr.Zone() != "" || addr.Is4In6() || addr.String() != host {
			return "has an IPv6 address that is not in its shortest form"
		}
		return ""
	}
	name := strings.TrimSuffix(host, ".")
	if host != strings.ToLower(host) || !isDomain(name) {
		return "has a host that browsers do not send: lower case, no wildcard, other scripts in Punycode"
	}
	if _, err := netip.ParseAddr(host); err != nil && endsInNumber(name[strings.LastIndexByte(name, '.')+1:]) {
		return "has a host that is no IPv4 address in its usual form"
	}
	return ""
}

func originPortFault(scheme, host string) string {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.HasSuffix(host, "]") {
		return ""
	}
	port := host[i+1:]
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || n == 0 || strconv.FormatUint(n, 10) != port:
		return "has no valid port"
	case scheme == "https" && n == 443 || scheme == "http" && n == 80:
		return "has the default port, which browsers leave out"
	}
	return ""
}
