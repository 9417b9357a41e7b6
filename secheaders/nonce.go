package secheaders

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/sluice-go/sluice/internal/httpheader"
	"github.com/sluice-go/sluice/internal/reqinfo"
)

// nonceBytes are 128 bits (CSP Level 3 §7.1).
const (
	nonceBytes  = 16
	nonceLength = 22
)

// Nonce returns the nonce of the response, for the nonce attribute of its script and
// style tags. All calls during a request return the same one, which is in the policy of
// the response; it is "" where there is no [Secure.Middleware].
//
// Whoever reads it says that the body carries it: no shared cache must store it. Read
// it before the first write to the response, which fixes the header: then the response
// is marked private for caches further out. It is base64url, which html/template leaves
// as it is.
func Nonce(ctx context.Context) string {
	info := reqinfo.From(ctx)
	policy, _ := info.HeaderPolicy()
	if policy == nil {
		return ""
	}
	return info.UseNonce(policy.Data.(*view).newNonce)
}

// newNonce makes a nonce, and the header of a document with it.
func (v *view) newNonce() (nonce string, draft reqinfo.Draft) {
	var random [nonceBytes]byte
	rand.Read(random[:]) // never fails
	var text [nonceLength]byte
	base64.RawURLEncoding.Encode(text[:], random[:])
	s := v.sets[document]
	if len(s.nonced) == 0 {
		return string(text[:]), draft
	}
	policy := s.nonced[0].text
	draft = reqinfo.Draft{By: &v.policy, Text: policy.execute(text[:])}
	at := len(policy.pieces[0])
	return draft.Text[at : at+nonceLength], draft
}

// dropNonced removes a policy with a nonce, a handler's own one, from a 304: it would
// take the place of the stored one, and the nonces in the stored page are others (RFC
// 9110 §15.4.5, RFC 9111 §3.2).
func dropNonced(h http.Header) {
	for _, name := range [...]string{enforced, reported} {
		for _, value := range h[name] {
			if strings.Contains(value, "'nonce-") {
				delete(h, name)
				break
			}
		}
	}
}

// keepPrivate keeps a page that carries its nonce out of shared caches: a nonce that
// many share is one that an attacker can read. Targeted fields (RFC 9213) would win
// over Cache-Control.
func keepPrivate(h http.Header, usual bool) {
	switch lines := h["Cache-Control"]; {
	case len(lines) == 0:
		h["Cache-Control"] = justPrivate
	case len(lines) == 1 && (lines[0] == "no-store" || lines[0] == "private"):
	default:
		h["Cache-Control"] = madePrivate(lines)
	}
	if usual {
		return
	}
	for name, lines := range h {
		switch {
		case strings.HasSuffix(name, "Cdn-Cache-Control"):
			h[name] = madePrivate(lines)
		case name == "Surrogate-Control": // of the Edge Architecture, which has no private
			h[name] = neverStored
		}
	}
}

var justPrivate, neverStored = []string{"private"}, []string{"no-store"}

// madePrivate returns the lines as they are where they keep shared caches away already.
func madePrivate(lines []string) []string {
	kept := []string{"private"}
	for _, line := range lines {
		for member, rest, ok := httpheader.Next(line); ok; member, rest, ok = httpheader.Next(rest) {
			switch name, _, _ := strings.Cut(member, "="); strings.ToLower(strings.TrimSpace(name)) {
			case "no-store":
				return lines
			case "private":
				if !strings.Contains(member, "=") {
					return lines
				}
			case "public", "s-maxage":
				continue
			}
			kept = append(kept, member)
		}
	}
	return []string{strings.Join(kept, ", ")}
}
