package secheaders

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-go/sluice/internal/httpheader"
)

// Permission says who may use a feature, made by [Allow] or [Deny].
type Permission struct {
	features []Feature
	who      []Source
	deny     bool
}

// Deny takes features from the document and from every frame in it.
func Deny(features ...Feature) Permission {
	return Permission{features: slices.Clone(features), deny: true}
}

// Allow leaves a feature to [Self], to "*", or to origins: "https://a.example",
// "https://*.a.example" (which is not https://a.example itself) or all of a scheme,
// "https:". A document can hand on only what it has itself: without Self, a frame of
// an origin that is named gets nothing from documents of other origins (Permissions
// Policy §9.7). A frame of another origin needs the allow attribute, too.
func Allow(f Feature, who ...Source) Permission {
	return Permission{features: []Feature{f}, who: slices.Clone(who)}
}

// Permissions is a Permissions-Policy. nil stands for "as inherited", an empty one for
// none at all. What it does not name is as browsers have it.
type Permissions []Permission

// with returns p with more, which replace those for the same features. An empty list
// that is not nil stands for none.
func (p Permissions) with(more Permissions) Permissions {
	switch {
	case more == nil:
		return p
	case len(more) == 0:
		return more
	}
	named := map[string]bool{}
	for _, m := range more {
		for _, f := range m.features {
			named[f.name()] = true
		}
	}
	out := make(Permissions, 0, len(p)+len(more))
	for _, m := range p {
		m.features = slices.DeleteFunc(slices.Clone(m.features), func(f Feature) bool { return named[f.name()] })
		if len(m.features) > 0 {
			out = append(out, m)
		}
	}
	return append(out, more...)
}

// faults adds all that is wrong: browsers ignore a bad member without a word, or the
// whole header.
func (p Permissions) faults(f *faults, field string) {
	seen := map[string]bool{}
	for _, m := range p {
		if len(m.features) == 0 {
			f.add(field, "a permission names no feature; use Allow or Deny")
		}
		for _, feature := range m.features {
			name := feature.name()
			if reason := feature.fault(); reason != "" {
				f.add(field, "%s", reason)
			}
			if seen[name] {
				f.add(field, "%s occurs twice, and the last one would win (RFC 9651 §4.2.2)", name)
			}
			seen[name] = true
			for _, reason := range m.allowlistFaults() {
				f.add(field, "%s: %s", name, reason)
			}
		}
	}
}

// allowlistFaults says what is wrong with those who may.
func (m Permission) allowlistFaults() (reasons []string) {
	if m.deny {
		return nil
	}
	if len(m.who) == 0 {
		return []string{"it is allowed to nobody; use Deny"}
	}
	for i, who := range m.who {
		switch reason := allowlistFault(who); {
		case reason != "":
			reasons = append(reasons, reason)
		case who == everyone && len(m.who) > 1:
			reasons = append(reasons, "* is everyone, so that nobody else counts")
		case slices.Contains(m.who[:i], who):
			reasons = append(reasons, fmt.Sprintf("%q occurs twice", string(who)))
		}
	}
	return reasons
}

// everyone is all origins. It counts even beside others (Permissions Policy §9.2).
const everyone Source = "*"

// allowlistFault checks one of them: a host-source or a scheme-source of CSP without a
// path (Permissions Policy §5.1). A host needs its scheme: browsers ignore it without.
func allowlistFault(s Source) string {
	switch s {
	case Self, everyone:
		return ""
	case None:
		return "use Deny instead of 'none'"
	}
	if reason := sourceFault(s, []Source{Self}); reason != "" {
		return reason
	}
	if strings.HasSuffix(string(s), ":") {
		return ""
	}
	switch _, host, ok := strings.Cut(string(s), "://"); {
	case !ok:
		return fmt.Sprintf("%q has no scheme; browsers ignore it", string(s))
	case strings.Contains(host, "/"):
		return fmt.Sprintf("%q has a path; an origin ends with its host or port", string(s))
	}
	return ""
}

// value is the header, a dictionary of lists (Permissions Policy §5.2), "" for none.
// reportTo is where browsers report attempts to use what is not allowed, if not "".
func (p Permissions) value(reportTo string) string {
	var params []httpheader.SFParam
	if reportTo != "" {
		// The specification has a string here. Chromium, the one browser that
		// reports, takes nothing but a token.
		params = append(params, httpheader.SFParam{Key: "report-to", Value: httpheader.SFToken(reportTo)})
	}
	var members []httpheader.SFMember
	for _, m := range p {
		list := m.allowlist()
		for _, f := range m.features {
			members = append(members, httpheader.SFListMember(f.name(), list, params...))
		}
	}
	return serialised(httpheader.SFDictionary(members...))
}

// allowlist is whom the permission names, with 'self' as a token: in the quotes of
// CSP it would void the header.
func (m Permission) allowlist() []httpheader.Bare {
	list := make([]httpheader.Bare, len(m.who))
	for i, who := range m.who {
		switch who {
		case Self:
			list[i] = httpheader.SFToken("self")
		case everyone:
			list[i] = httpheader.SFToken("*")
		default:
			list[i] = httpheader.SFString(string(who))
		}
	}
	return list
}

// serialised is text, or nothing where the faults of the options should have kept one
// from coming here: half a structured field is worth no more than none.
func serialised(text string, err error) string {
	if err != nil {
		return ""
	}
	return text
}
