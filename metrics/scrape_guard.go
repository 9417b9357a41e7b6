package metrics

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/netip"
	"strings"
)

// scrapeGuard decides who may scrape.
type scrapeGuard struct {
	allow    []netip.Prefix // nil: everyone
	hasToken bool
	token    [sha256.Size]byte
}

func newScrapeGuard(o ScrapeOptions) scrapeGuard {
	g := scrapeGuard{hasToken: o.Token != "", token: sha256.Sum256([]byte(o.Token))}
	if o.AllowFrom != nil {
		g.allow = make([]netip.Prefix, 0, len(o.AllowFrom))
	}
	for _, p := range o.AllowFrom {
		p, _ = peerPrefix(p)
		g.allow = append(g.allow, p)
	}
	return g
}

// check refuses the wrong peer before it looks at the token: who may not come
// at all is not told whether a token is right.
func (g *scrapeGuard) check(r *http.Request) *refusal {
	if !g.allowed(r.RemoteAddr) {
		return &refusal{"address", http.StatusForbidden, "this address may not read metrics"}
	}
	if g.hasToken && !g.holdsToken(r.Header["Authorization"]) {
		return &refusal{"token", http.StatusUnauthorized, "a valid bearer token is needed"}
	}
	return nil
}

func (g *scrapeGuard) allowed(remote string) bool {
	if g.allow == nil {
		return true
	}
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false // a Unix socket has peers without an address
	}
	// A listener for both families shows IPv4 peers as ::ffff:a.b.c.d, and a
	// prefix contains no address with a zone.
	addr := peer.Addr().Unmap().WithZone("")
	for _, p := range g.allow {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// holdsToken compares digests, so that the time tells neither a prefix nor the
// length of the token.
func (g *scrapeGuard) holdsToken(authorization []string) bool {
	if len(authorization) != 1 {
		return false
	}
	scheme, sent, _ := strings.Cut(authorization[0], " ")
	if !strings.EqualFold(scheme, "Bearer") { // RFC 9110 §11.1
		return false
	}
	digest := sha256.Sum256([]byte(strings.TrimLeft(sent, " ")))
	return subtle.ConstantTimeCompare(digest[:], g.token[:]) == 1
}

// peerPrefix is p as peers are compared with it: IPv4-mapped networks as IPv4.
func peerPrefix(p netip.Prefix) (netip.Prefix, bool) {
	if p.IsValid() && p.Addr().Is4In6() {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96) // invalid where it is wider than all of IPv4
	}
	return p, p.IsValid()
}

// isBearerToken is b64token of RFC 6750 §2.1.
func isBearerToken(s string) bool {
	s = strings.TrimRight(s, "=")
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~+/", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
