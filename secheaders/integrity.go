package secheaders

import "github.com/sluice-go/sluice/internal/httpheader"

// IntegrityPolicy says what a document loads only with a hash of its content in the
// integrity attribute (Subresource Integrity Level 2). What is loaded without
// CORS is refused, too. A nil pointer inherits; a zero IntegrityPolicy is none.
type IntegrityPolicy struct {
	Scripts bool
	// Styles are style sheets. Chromium 156 does not know them: it says so in its
	// console, and holds the rest of the policy.
	Styles bool
}

// value is the header, "" for none.
func (p *IntegrityPolicy) value(endpoint string) string {
	if p == nil || !p.Scripts && !p.Styles {
		return ""
	}
	var destinations []httpheader.Bare
	if p.Scripts {
		destinations = append(destinations, httpheader.SFToken("script"))
	}
	if p.Styles {
		destinations = append(destinations, httpheader.SFToken("style"))
	}
	members := []httpheader.SFMember{httpheader.SFListMember("blocked-destinations", destinations)}
	if endpoint != "" {
		members = append(members, httpheader.SFListMember("endpoints", []httpheader.Bare{httpheader.SFToken(endpoint)}))
	}
	return serialised(httpheader.SFDictionary(members...))
}
