package health

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// isLocal lets in who sits at this host and asks for this host. A proxy on the
// same host is a local peer too: it is known by the fields that it adds, or by
// the name that it was asked for, which also stops pages that make a browser
// resolve their own name to a loopback address. nginx adds no field and asks for
// the address, unless it is told otherwise, but in HTTP/1.0 up to version 1.29.6.
func isLocal(r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && peer.Addr().Unmap().IsLoopback() && isLoopbackHost(r.Host) && r.ProtoAtLeast(1, 1) && !isForwarded(r.Header)
}

// isForwarded looks for what proxies add: RFC 7239, RFC 9110 §7.6.3, RFC 8586,
// and the usual fields that have no standard.
func isForwarded(h http.Header) bool {
	for name := range h {
		switch name = http.CanonicalHeaderKey(name); { // a layer outside of us may have added it
		case name == "Forwarded", name == "Via", name == "Cdn-Loop", name == "X-Real-Ip", strings.HasPrefix(name, "X-Forwarded"):
			return true
		}
	}
	return false
}

// isLoopbackHost knows "localhost" (RFC 6761 §6.3) and loopback addresses.
func isLoopbackHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}
