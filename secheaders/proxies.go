package secheaders

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/sluice-go/sluice/internal/httpheader"
)

// trustedProxies are the networks of the proxies that may say how a client is
// connected to them. Nobody else is asked: every client can send these fields.
type trustedProxies []netip.Prefix

func proxyFaults(f *faults, prefixes []netip.Prefix) {
	for i, prefix := range prefixes {
		switch {
		case !prefix.IsValid():
			f.add("TrustedProxies", "number %d is no valid prefix", i)
		case prefix.Addr().Is4In6():
			f.add("TrustedProxies", "%s is IPv4-mapped; give the IPv4 prefix", prefix)
		}
	}
}

// overTLS reports whether the client speaks TLS: to this server, or to a trusted proxy
// whose word reaches it through trusted proxies only.
func (p trustedProxies) overTLS(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	if len(p) == 0 || !p.havePeer(r.RemoteAddr) {
		return false
	}
	// A proxy sets one of the two fields and may pass on the other as the client sent
	// it. So what both say counts, and a client can at most talk itself out of TLS.
	return p.forwarded(r.Header["Forwarded"])|forwardedProto(r.Header["X-Forwarded-Proto"]) == secure
}

// claim is what a field says about the connection of the client. Claims are bits, so
// that those of two fields can be put together.
type claim uint8

const (
	silent   claim = 0
	secure   claim = 1
	insecure claim = 2 // or not to be understood
)

// maxHops is how many proxies a request may have passed. A longer list was made by a
// client, and reading it costs.
const maxHops = 32

// forwarded reads Forwarded (RFC 7239 §4). Each proxy adds an element at the end, about
// whoever spoke to it: the last one is the peer's. An element about a trusted proxy
// vouches for the one before it, and so on up to the proxy that the client spoke to.
// Its element counts; what stands before it is the client's own word.
func (p trustedProxies) forwarded(lines []string) claim {
	said, hops := silent, 0
	for _, line := range lines {
		for e, rest, ok := httpheader.Next(line); ok; e, rest, ok = httpheader.Next(rest) {
			c, aboutProxy := p.element(e)
			if hops == 0 || !aboutProxy {
				said = c
			}
			if hops++; hops > maxHops {
				return insecure
			}
		}
	}
	return said
}

// element reads a forwarded-element. One that is malformed vouches for nothing, as a
// client can make a proxy's own element part of a quoted string that it left open.
func (p trustedProxies) element(e string) (c claim, aboutProxy bool) {
	hasFor := false
	for name, value, rest, valid, ok := httpheader.NextParam(e); ok; name, value, rest, valid, ok = httpheader.NextParam(rest) {
		isFor, isProto := strings.EqualFold(name, "for"), strings.EqualFold(name, "proto")
		// RFC 7239 §4: no parameter occurs twice.
		if !valid || isFor && hasFor || isProto && c != silent {
			return insecure, false
		}
		switch {
		case isFor:
			hasFor = true
			host, _ := cutPort(value)
			aboutProxy = p.have(host)
		case isProto:
			c = claimOf(value)
		}
	}
	return c, aboutProxy
}

// forwardedProto reads X-Forwarded-Proto, which has no specification. Some proxies
// replace it, others add to it, and nothing in it says whose word a value is. Where
// there are several, all must say TLS: the first may be the client's.
func forwardedProto(lines []string) claim {
	said := silent
	for _, line := range lines {
		for e, rest, ok := httpheader.Next(line); ok; e, rest, ok = httpheader.Next(rest) {
			if claimOf(e) == insecure {
				return insecure
			}
			said = secure
		}
	}
	return said
}

// claimOf reads a scheme (RFC 3986 §3.1: its case does not matter). Some proxies say
// wss of a WebSocket.
func claimOf(scheme string) claim {
	if equal(scheme, "https") || equal(scheme, "wss") {
		return secure
	}
	return insecure
}

// havePeer reports whether a RemoteAddr is that of a proxy. net/http writes it as
// address and port; one without a port was put there by somebody who took it from a
// field of the request, and one of a Unix socket names nobody.
func (p trustedProxies) havePeer(remoteAddr string) bool {
	host, port := cutPort(remoteAddr)
	return port != "" && p.have(host)
}

// have reports whether the address is in one of the prefixes. A zone tells interfaces
// of this host apart, which no prefix does.
func (p trustedProxies) have(host string) bool {
	host, _, _ = strings.Cut(host, "%")
	// What is no address is told without an error, which would be allocated.
	if len(host) > len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") || strings.IndexByte(host, '.') < 0 && strings.IndexByte(host, ':') < 0 {
		return false
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	addr = addr.Unmap()
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// cutPort cuts "192.0.2.1:80", "192.0.2.1", "[2001:db8::1]:80" and "[2001:db8::1]". The
// host is empty where there is something else than a port behind it.
func cutPort(node string) (host, port string) {
	i := strings.IndexByte(node, ':')
	if strings.HasPrefix(node, "[") {
		end := strings.IndexByte(node, ']')
		if end < 0 || strings.IndexByte(node[:end], ':') < 0 {
			return "", "" // brackets are for IPv6 (RFC 3986 §3.2.2)
		}
		host, node = node[1:end], node[end+1:]
		if i = 0; node == "" {
			return host, ""
		}
		if node[0] != ':' {
			return "", ""
		}
	} else if i < 0 {
		return node, ""
	} else {
		host = node[:i]
	}
	port = node[i+1:]
	if !isDigits(port) {
		return "", ""
	}
	return host, port
}

func isDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return true
}
