package secheaders

import (
	"fmt"
	"slices"
	"strings"
)

// Policy is a Content-Security-Policy (CSP Level 3). nil stands for "as inherited",
// an empty one for none at all.
type Policy []Directive

// With returns the policy with more allowed: the sources are added to those of the
// directive. Where the policy has no such directive it gets one, with what a browser
// falls back to until then; and where nothing governs what the directive is about, all
// of it is allowed already, and nothing is added. So nothing is lost by naming more;
// what is to be forbidden goes through [Policy.Replace]. 'none' gives way to what is
// added. Directives that list nothing that is allowed, such as [ReportTo], are set. p
// itself stays as it is.
func (p Policy) With(more ...Directive) Policy {
	out := slices.Clone(p)
	for _, d := range more {
		out = out.with(d)
	}
	return out
}

func (p Policy) with(d Directive) Policy {
	i := p.index(d.name)
	switch {
	case d.other || slices.Contains(setDirectives, d.name):
		return p.Replace(d)
	case i >= 0:
		p[i].values = union(p[i].values, d.values)
		return p
	case d.name == "child-src":
		// It would take the place of script-src for workers, and of default-src for frames.
		frames, workers := FrameSrc(d.values...), WorkerSrc(d.values...)
		return p.with(frames).with(workers)
	}
	sources, governed := p.fallback(d.name)
	if !governed || d.name == "worker-src" && slices.Contains(sources, StrictDynamic) {
		return p // a script that runs may start any worker (CSP Level 3 §6.7.1.1)
	}
	if added := union(sources, d.values); len(added) > 0 {
		return append(p, Directive{name: d.name, values: added})
	}
	return p
}

// Replace returns the policy with the given directives in place of those of the same
// name, or beside the others. p itself stays as it is.
func (p Policy) Replace(directives ...Directive) Policy {
	out := slices.Clone(p)
	for _, d := range directives {
		if i := out.index(d.name); i >= 0 {
			out[i] = d
		} else {
			out = append(out, d)
		}
	}
	return out
}

// Without returns the policy without the directives of these names. p itself stays
// as it is.
func (p Policy) Without(names ...string) Policy {
	return slices.DeleteFunc(slices.Clone(p), func(d Directive) bool { return slices.Contains(names, d.name) })
}

// String is the header's value, with the mark of a nonce in the place of one.
func (p Policy) String() string {
	var b strings.Builder
	for i, d := range p {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(d.name)
		for _, v := range d.values {
			b.WriteByte(' ')
			b.WriteString(string(v))
		}
	}
	return b.String()
}

func (p Policy) index(name string) int {
	return slices.IndexFunc(p, func(d Directive) bool { return d.name == name })
}

func (p Policy) has(name string) bool { return p.index(name) >= 0 }

// fallback are the sources that count for a directive that is not there.
func (p Policy) fallback(name string) (sources []Source, governed bool) {
	for _, next := range fallbacks[name] {
		if i := p.index(next); i >= 0 {
			return keep(p[i].values, name), true
		}
	}
	return nil, false
}

// keep are the sources that have a meaning in a directive. Attributes come
// from nowhere, and a nonce, which none has, would only turn off 'unsafe-inline'.
func keep(sources []Source, name string) (out []Source) {
	attributes := strings.HasSuffix(name, "-attr")
	for _, s := range sources {
		switch {
		case attributes && (s == Self || s == WithNonce || s == StrictDynamic || !isKeyword(s)):
		case !isKeyword(s) || slices.Contains(keywordsOf[name], s) || isHash(s) && slices.Contains(keywordsOf[name], WithNonce):
			out = append(out, s)
		}
	}
	return out
}

// union is what either list allows.
func union(a, b []Source) []Source {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	if len(all) > 1 {
		all = slices.DeleteFunc(all, func(s Source) bool { return s == None })
	}
	return all
}

// enforced and reported are the two headers of a policy.
const (
	enforced = "Content-Security-Policy"
	reported = "Content-Security-Policy-Report-Only"
)

// faults adds what is wrong with the policy as the value of a header.
func (p Policy) faults(f *faults, field, header string) {
	for i, d := range p {
		for _, reason := range d.faults() {
			f.add(field, "%s: %s", d.name, reason)
		}
		if p.index(d.name) < i {
			f.add(field, "%s: is there twice; the first one would win (CSP Level 3 §2.2.1)", d.name)
		}
		if header == reported && (d.name == "sandbox" || d.name == "upgrade-insecure-requests") {
			f.add(field, "%s: does nothing in a policy that only reports", d.name)
		}
	}
}

// frameOptions is the X-Frame-Options that says what frame-ancestors says, "" where the
// policy says nothing.
func (p Policy) frameOptions() FrameOptions {
	i := p.index("frame-ancestors")
	if i < 0 {
		return ""
	}
	if len(p[i].values) != 1 {
		return Omit
	}
	switch p[i].values[0] {
	case None:
		return FrameDeny
	case Self:
		return FrameSameOrigin
	}
	return Omit
}

// policyText is a policy made ready: constant text, with the nonce between the pieces.
type policyText struct {
	pieces []string
	length int // of the pieces together
}

// compile returns the policy for answers over TLS or over plain HTTP, or nil for
// none. reports are directives that name the endpoint.
func (p Policy) compile(tls bool, reports []Directive) *policyText {
	if !tls {
		p = p.Without("upgrade-insecure-requests")
	}
	if len(p) == 0 {
		return nil
	}
	if !p.has("report-uri") && !p.has("report-to") {
		p = append(slices.Clone(p), reports...)
	}
	t := &policyText{pieces: strings.Split(p.String(), string(WithNonce))}
	for i := range t.pieces {
		if i > 0 {
			t.pieces[i] = "'" + t.pieces[i]
		}
		if i < len(t.pieces)-1 {
			t.pieces[i] += "'nonce-"
		}
		t.length += len(t.pieces[i])
	}
	return t
}

func (t *policyText) hasNonce() bool { return len(t.pieces) > 1 }

func (t *policyText) execute(nonce []byte) string {
	var b strings.Builder
	b.Grow(t.length + (len(t.pieces)-1)*len(nonce))
	for i, piece := range t.pieces {
		if i > 0 {
			b.Write(nonce)
		}
		b.WriteString(piece)
	}
	return b.String()
}

// ParsePolicy reads a policy as it stands in a header, for those who have one. What
// it finds wrong is found again by [New], which names it.
func ParsePolicy(header string) (Policy, error) {
	var p Policy
	for text := range strings.SplitSeq(header, ";") {
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		d := directive(strings.ToLower(words[0]), nil)
		for _, word := range words[1:] {
			value := Source(word)
			if lower := Source(strings.ToLower(word)); slices.Contains(allKeywords, lower) {
				value = lower // their case does not matter (CSP Level 3 §2.3.1)
			}
			if !slices.Contains(d.values, value) {
				d.values = append(d.values, value)
			}
		}
		switch d.name {
		case "require-trusted-types-for":
			if len(words) != 2 || words[1] != "'script'" {
				return nil, fmt.Errorf("secheaders: require-trusted-types-for: %q is not 'script'", words[1:])
			}
		case "webrtc":
			if len(words) != 2 || words[1] != "'allow'" && words[1] != "'block'" {
				return nil, fmt.Errorf("secheaders: webrtc: %q is neither 'allow' nor 'block'", words[1:])
			}
		case "upgrade-insecure-requests":
			if len(words) > 1 {
				return nil, fmt.Errorf("secheaders: upgrade-insecure-requests: takes no value")
			}
		}
		p = append(p, d)
	}
	var f faults
	p.faults(&f, "Policy", enforced)
	return p, f.err()
}
