package markup

import (
	"slices"
	"strings"
	"text/template/parse"
)

// Names of elements that a scanner tells apart. "" is any other.
const (
	script    = "script"
	style     = "style"
	link      = "link"
	plaintext = "plaintext" // has no end (HTML §13.2.5.5)
)

// rawElements hold text up to their end tag, and no tags (HTML §13.2.6.2), in
// browsers that run scripts. Those that do not read the content of noscript.
var rawElements = []string{script, style, "textarea", "title", "xmp", "iframe", "noembed", "noframes"}

// tag is a start tag in the text of a template.
type tag struct {
	name string
	text *parse.TextNode // nil for a tag that gets no attribute in any case
	end  int             // of its name, in text

	joined bool // what follows the name may belong to it
	nonce  bool // it has an attribute of that name in some branch
	rel    tokens
	as     tokens
	// next are what several tags become that begin in different branches and go on
	// together. What holds for them holds for each.
	next []*tag
}

// tokens are the words of an attribute, of all branches.
type tokens struct {
	words   []string
	dynamic bool // there may be others
}

func (t *tokens) add(text []byte) {
	t.words = append(t.words, strings.Fields(strings.ToLower(string(text)))...)
}

func (t *tokens) hasAny(words ...string) bool {
	return t.dynamic || slices.ContainsFunc(words, func(w string) bool { return slices.Contains(t.words, w) })
}

// attr is an attribute that counts.
type attr uint8

const (
	otherAttr attr = iota
	relAttr
	asAttr
)

// element is the name if what is in it is text, or "".
func (t *tag) element() string {
	if t == nil || t.name == link || t.name == plaintext {
		return ""
	}
	return t.name
}

// sees notes an attribute by its name.
func (t *tag) sees(name []byte) attr {
	switch strings.ToLower(string(name)) {
	case "nonce":
		t.nonce = true
	case "rel":
		return relAttr
	case "as":
		return asAttr
	}
	return otherAttr
}

// value returns where the words of an attribute belong, or nil.
func (t *tag) value(a attr) *tokens {
	switch a {
	case relAttr:
		return &t.rel
	case asAttr:
		return &t.as
	}
	return nil
}

// any reports whether f holds for a tag or for what becomes of it.
func (t *tag) any(f func(*tag) bool) bool {
	return f(t) || slices.ContainsFunc(t.next, func(n *tag) bool { return n.any(f) })
}

// needsNonce reports whether a policy allows what the element has or loads by its
// nonce. Scripts that are data need none, but what they are may be known at run time
// only, and it does no harm. An attribute that is there stays the only one: browsers
// take no nonce from a tag that has two of a name (CSP Level 3 §6.7.3.1).
func (t *tag) needsNonce() bool {
	if t.any(func(t *tag) bool { return t.joined || t.nonce }) {
		return false
	}
	if t.name != link {
		return true
	}
	return t.any(func(t *tag) bool { return t.rel.hasAny("stylesheet", "modulepreload") }) ||
		t.any(func(t *tag) bool { return t.rel.hasAny("preload", "prefetch") }) &&
			t.any(func(t *tag) bool { return t.as.hasAny(script, style) })
}
