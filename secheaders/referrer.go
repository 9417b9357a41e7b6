package secheaders

import (
	"slices"
	"strings"

	"github.com/sluice-go/sluice/internal/httpheader"
)

// ReferrerPolicy is a value of Referrer-Policy: what a request tells of the page that
// made it. It may be a list, "a, b", of which a browser takes the last that it knows
// (Referrer Policy §8.1).
type ReferrerPolicy string

const (
	// ReferrerNone tells nothing. Browsers then send "Origin: null" with forms, even
	// to the own origin.
	ReferrerNone ReferrerPolicy = "no-referrer"
	// ReferrerSameOrigin tells the own origin all, and others nothing.
	ReferrerSameOrigin ReferrerPolicy = "same-origin"
	// ReferrerStrictOrigin tells the origin, and nothing where TLS is left.
	ReferrerStrictOrigin ReferrerPolicy = "strict-origin"
	// ReferrerStrictOriginWhenCrossOrigin tells the own origin all, others the origin,
	// and nothing where TLS is left. It is what browsers do without the header.
	ReferrerStrictOriginWhenCrossOrigin ReferrerPolicy = "strict-origin-when-cross-origin"
	// ReferrerOrigin tells the origin, to those without TLS, too.
	ReferrerOrigin ReferrerPolicy = "origin"
	// ReferrerOriginWhenCrossOrigin tells the own origin all and others the origin, to
	// those without TLS, too.
	ReferrerOriginWhenCrossOrigin ReferrerPolicy = "origin-when-cross-origin"
)

var (
	referrerPolicies = []ReferrerPolicy{ReferrerNone, ReferrerSameOrigin, ReferrerStrictOrigin,
		ReferrerStrictOriginWhenCrossOrigin, ReferrerOrigin, ReferrerOriginWhenCrossOrigin}
	// leakyReferrers tell other sites the path and the query, in which there are
	// search terms and tokens that reset passwords.
	leakyReferrers = []ReferrerPolicy{"unsafe-url", "no-referrer-when-downgrade"}
)

// faults checks each policy of the list, those that leak among them: one link that
// needs its whole URL told has an attribute for it.
func (p ReferrerPolicy) faults(f *faults, field string) {
	known := 0
	for name, rest, ok := httpheader.Next(string(p)); ok; name, rest, ok = httpheader.Next(rest) {
		known++
		switch policy := ReferrerPolicy(name); {
		case slices.Contains(leakyReferrers, policy):
			f.add(field, "%s tells other sites the path and query of each page; use the referrerpolicy attribute of the link that needs it", name)
		case !slices.Contains(referrerPolicies, policy):
			f.add(field, "%q is no referrer policy", name)
		}
	}
	if known == 0 {
		f.add(field, "%q names no referrer policy", strings.TrimSpace(string(p)))
	}
}
