package secheaders

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Directive is one rule of a [Policy], made by the functions below.
type Directive struct {
	name   string
	values []Source
	other  bool // by OtherDirective
}

// Name is the directive's name in lower case.
func (d Directive) Name() string { return d.name }

// Values are the directive's values.
func (d Directive) Values() []Source { return slices.Clone(d.values) }

func directive(name string, values []Source) Directive {
	return Directive{name: name, values: slices.Clone(values)}
}

// Directives that say from where something may be loaded (CSP Level 3 §6.1). What
// is not named falls back to a more general one, and in the end to DefaultSrc.
func DefaultSrc(s ...Source) Directive     { return directive("default-src", s) }
func ChildSrc(s ...Source) Directive       { return directive("child-src", s) }
func ConnectSrc(s ...Source) Directive     { return directive("connect-src", s) }
func FontSrc(s ...Source) Directive        { return directive("font-src", s) }
func FrameSrc(s ...Source) Directive       { return directive("frame-src", s) }
func FencedFrameSrc(s ...Source) Directive { return directive("fenced-frame-src", s) }
func ImgSrc(s ...Source) Directive         { return directive("img-src", s) }
func ManifestSrc(s ...Source) Directive    { return directive("manifest-src", s) }
func MediaSrc(s ...Source) Directive       { return directive("media-src", s) }
func ObjectSrc(s ...Source) Directive      { return directive("object-src", s) }
func ScriptSrc(s ...Source) Directive      { return directive("script-src", s) }
func ScriptSrcElem(s ...Source) Directive  { return directive("script-src-elem", s) }
func ScriptSrcAttr(s ...Source) Directive  { return directive("script-src-attr", s) }
func StyleSrc(s ...Source) Directive       { return directive("style-src", s) }
func StyleSrcElem(s ...Source) Directive   { return directive("style-src-elem", s) }
func StyleSrcAttr(s ...Source) Directive   { return directive("style-src-attr", s) }
func WorkerSrc(s ...Source) Directive      { return directive("worker-src", s) }

// Directives about the document and where it may lead (CSP Level 3 §6.3, §6.4). They
// do not fall back to DefaultSrc: what is not named is allowed.
func BaseURI(s ...Source) Directive        { return directive("base-uri", s) }
func FormAction(s ...Source) Directive     { return directive("form-action", s) }
func FrameAncestors(s ...Source) Directive { return directive("frame-ancestors", s) }

// Sandbox puts the document into a sandbox but for what the tokens allow, such as
// "allow-scripts" (HTML §7.2.6).
func Sandbox(allow ...string) Directive { return directive("sandbox", asSources(allow)) }

// UpgradeInsecureRequests makes a browser load http URLs over TLS. It is left out of
// answers to plain HTTP, where it would break a page that has no TLS.
func UpgradeInsecureRequests() Directive { return directive("upgrade-insecure-requests", nil) }

// RequireTrustedTypes refuses plain strings where they would become code, as in
// innerHTML (Trusted Types §4.2).
func RequireTrustedTypes() Directive {
	return directive("require-trusted-types-for", []Source{"'script'"})
}

// TrustedTypes names the policies that may be made: names, "*", "'none'" and
// "'allow-duplicates'" (Trusted Types §4.3).
func TrustedTypes(names ...string) Directive { return directive("trusted-types", asSources(names)) }

// WebRTC says whether the document may open peer connections (CSP Level 3 §6.2).
func WebRTC(allow bool) Directive {
	if allow {
		return directive("webrtc", []Source{"'allow'"})
	}
	return directive("webrtc", []Source{"'block'"})
}

// ReportTo and ReportURI are for policies that report elsewhere than
// [ReportOptions].URL says. Without them a policy reports there.
func ReportTo(endpoint string) Directive { return directive("report-to", []Source{Source(endpoint)}) }
func ReportURI(urls ...string) Directive { return directive("report-uri", asSources(urls)) }

// OtherDirective is one that this version does not know. Only its characters are
// checked.
func OtherDirective(name string, values ...string) Directive {
	d := directive(name, asSources(values))
	d.other = true
	return d
}

func asSources(values []string) []Source {
	out := make([]Source, len(values))
	for i, v := range values {
		out[i] = Source(v)
	}
	return out
}

var (
	plainKeywords  = []Source{None, Self}
	styleKeywords  = []Source{None, Self, WithNonce, UnsafeInline, UnsafeHashes, ReportSample}
	scriptKeywords = append(slices.Clone(styleKeywords), StrictDynamic, UnsafeEval, WasmUnsafeEval, TrustedTypesEval,
		InlineSpeculationRules, ReportSHA256, ReportSHA384, ReportSHA512)
	connectKeywords = []Source{None, Self, UnsafeWebTransportHashes}
	allKeywords     = append(slices.Clone(scriptKeywords), UnsafeWebTransportHashes)
)

// keywordsOf are the keywords of directives that list sources.
var keywordsOf = map[string][]Source{
	"default-src": allKeywords, "script-src": scriptKeywords, "script-src-elem": scriptKeywords,
	"script-src-attr": scriptKeywords, "worker-src": scriptKeywords, "child-src": plainKeywords,
	"style-src": styleKeywords, "style-src-elem": styleKeywords, "style-src-attr": styleKeywords,
	"connect-src": connectKeywords, "font-src": plainKeywords, "frame-src": plainKeywords, "fenced-frame-src": plainKeywords,
	"img-src": plainKeywords, "manifest-src": plainKeywords, "media-src": plainKeywords, "object-src": plainKeywords,
	"base-uri": plainKeywords, "form-action": plainKeywords, "frame-ancestors": plainKeywords,
}

// fallbacks are where a browser looks for a directive that is not there (CSP Level 3
// §6.8.3), nearest first.
var fallbacks = map[string][]string{
	"script-src-elem": {"script-src", "default-src"},
	"script-src-attr": {"script-src", "default-src"},
	"style-src-elem":  {"style-src", "default-src"},
	"style-src-attr":  {"style-src", "default-src"},
	"worker-src":      {"child-src", "script-src", "default-src"},
	"frame-src":       {"child-src", "default-src"},
	"fenced-frame-src": {
		"frame-src", "child-src", "default-src"},
	"child-src": {"default-src"}, "connect-src": {"default-src"}, "font-src": {"default-src"}, "img-src": {"default-src"},
	"manifest-src": {"default-src"}, "media-src": {"default-src"}, "object-src": {"default-src"},
	"script-src": {"default-src"}, "style-src": {"default-src"},
}

// dead are directives that browsers no longer know, and what took their place.
var dead = map[string]string{
	"plugin-types":            "plug-ins are gone",
	"navigate-to":             "it was never shipped",
	"prefetch-src":            "default-src governs prefetching",
	"require-sri-for":         "use Integrity-Policy",
	"block-all-mixed-content": "browsers block mixed content without it",
	"referrer":                "use Referrer-Policy",
	"reflected-xss":           "it was never shipped",
}

var sandboxTokens = strings.Fields(`allow-downloads allow-forms allow-modals allow-orientation-lock allow-pointer-lock
	allow-popups allow-popups-to-escape-sandbox allow-presentation allow-same-origin allow-scripts
	allow-storage-access-by-user-activation allow-top-navigation allow-top-navigation-by-user-activation
	allow-top-navigation-to-custom-protocols`)

// faults are what is wrong with one directive, without its name.
func (d Directive) faults() []string {
	out := d.valueFaults()
	if keywordsOf[d.name] != nil && !d.other {
		out = append(out, d.listFaults()...)
	}
	return out
}

// valueFaults are those of the name and of each value by itself.
func (d Directive) valueFaults() (out []string) {
	if !isName(d.name) {
		return []string{"is no name of a directive"}
	}
	if reason, ok := dead[d.name]; ok {
		return []string{"is dead: " + reason}
	}
	if d.other {
		if isKnown(d.name) {
			return []string{"is known, and has a function of its own"}
		}
		return d.eachValue(textFault)
	}
	if keywords, ok := keywordsOf[d.name]; ok {
		return d.eachValue(func(s Source) string { return sourceFault(s, keywords) })
	}
	switch d.name {
	case "sandbox":
		return d.eachValue(func(s Source) string {
			if !slices.Contains(sandboxTokens, string(s)) {
				return fmt.Sprintf("%q is no token of a sandbox", s)
			}
			return ""
		})
	case "trusted-types":
		out = d.eachValue(trustedTypeFault)
		if len(d.values) > 1 && slices.Contains(d.values, None) {
			out = append(out, "'none' counts only when it is alone")
		}
		return out
	case "report-to", "report-uri":
		return d.reportFaults()
	case "upgrade-insecure-requests", "require-trusted-types-for", "webrtc":
		return nil // their values are ours
	}
	return []string{fmt.Sprintf("is not known; OtherDirective takes what this version does not know (known: %s)",
		strings.Join(slices.Sorted(maps.Keys(keywordsOf)), ", "))}
}

// setDirectives are those that list nothing that is allowed.
var setDirectives = []string{"report-to", "report-uri", "upgrade-insecure-requests", "require-trusted-types-for", "webrtc"}

func isKnown(name string) bool {
	return keywordsOf[name] != nil || name == "sandbox" || name == "trusted-types" || slices.Contains(setDirectives, name)
}

func (d Directive) reportFaults() []string {
	out := d.eachValue(func(s Source) string {
		if strings.Contains(string(s), string(WithNonce)) {
			return "the nonce has no place in a URL"
		}
		return textFault(s)
	})
	switch {
	case len(d.values) == 0:
		out = append(out, "names nothing")
	case d.name == "report-to" && len(d.values) > 1:
		out = append(out, "takes one endpoint")
	}
	return out
}

func (d Directive) eachValue(fault func(Source) string) (out []string) {
	for i, s := range d.values {
		if f := fault(s); f != "" {
			out = append(out, f)
		} else if slices.Contains(d.values[:i], s) {
			out = append(out, fmt.Sprintf("%s is listed twice", s))
		}
	}
	return out
}

// listFaults are those of sources beside each other.
func (d Directive) listFaults() (out []string) {
	has := func(s Source) bool { return slices.Contains(d.values, s) }
	inline := slices.ContainsFunc(d.values, allowsInline)
	switch {
	case len(d.values) == 0:
		out = append(out, "is empty; to allow nothing is None")
	case has(None) && len(d.values) > 1:
		out = append(out, "'none' counts only when it is alone (CSP Level 3 §6.7.2.5)")
	case has(UnsafeInline) && inline:
		out = append(out, "'unsafe-inline' is ignored beside a nonce or a hash (CSP Level 3 §6.7.3.2)")
	case has(StrictDynamic) && !inline:
		out = append(out, "'strict-dynamic' without a nonce or a hash blocks every script")
	case has(StrictDynamic) && d.name != "default-src": // there they count for all but scripts
		for _, s := range d.values {
			if s == Self || !isKeyword(s) && s != "" {
				out = append(out, fmt.Sprintf("%q is ignored beside 'strict-dynamic': give its script tag a nonce, or leave out StrictDynamic", s))
			}
		}
	}
	return out
}

func textFault(s Source) string {
	if s == "" || !isText(string(s)) {
		return fmt.Sprintf("%q has a character that ends a value, a directive or a policy (CSP Level 3 §2.2)", s)
	}
	return ""
}

// trustedTypeFault follows tt-policy-name (Trusted Types §4.3).
func trustedTypeFault(s Source) string {
	if s == "*" || s == "'none'" || s == "'allow-duplicates'" {
		return ""
	}
	for i := range len(s) {
		if c := s[i]; !isAlpha(c) && !isDigit(c) && strings.IndexByte("-#=_/@.%", c) < 0 {
			return fmt.Sprintf("%q is no name of a policy", s)
		}
	}
	if s == "" {
		return "has an empty name"
	}
	return ""
}

func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '-' && !isDigit(c) && (c < 'a' || c > 'z') {
			return false
		}
	}
	return s != ""
}
