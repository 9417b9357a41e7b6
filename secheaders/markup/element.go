package markup

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// scriptTypes are what a script without src is run for, or checked as one that is: the
// essences of JavaScript types (MIME Sniffing §4.6), modules, import maps and
// speculation rules (HTML §4.12.1.1, "prepare the script element").
var scriptTypes = []string{
	"application/ecmascript", "application/javascript", "application/x-ecmascript", "application/x-javascript",
	"text/ecmascript", "text/javascript", "text/javascript1.0", "text/javascript1.1", "text/javascript1.2",
	"text/javascript1.3", "text/javascript1.4", "text/javascript1.5", "text/jscript", "text/livescript",
	"text/x-ecmascript", "text/x-javascript",
	"module", "importmap", "speculationrules",
}

// isInlineScript reports whether a policy is asked for the text of a script element.
func isInlineScript(n *html.Node) bool {
	for _, a := range n.Attr {
		if a.Key == "src" && n.Namespace == "" || a.Key == "href" && n.Namespace == "svg" {
			return false // even if it is empty
		}
	}
	kind, hasType := attribute(n, "type")
	if !hasType {
		if language, _ := attribute(n, "language"); language != "" {
			kind = "text/" + language
		}
	}
	// White space around it does not count, but something must be left (HTML §4.12.1.1).
	return kind == "" || slices.Contains(scriptTypes, strings.ToLower(strings.Trim(kind, " \t\n\f\r")))
}

// isJavaScriptURL reads the scheme as the URL parser does, which drops white space
// within and what is no character in front (URL §4.4).
func isJavaScriptURL(s string) bool {
	s = strings.TrimLeftFunc(s, func(r rune) bool { return r <= ' ' })
	scheme, _, ok := strings.Cut(s, ":")
	return ok && strings.EqualFold(strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(scheme), "javascript")
}

// attribute returns the first value of a name without a namespace.
func attribute(n *html.Node, key string) (string, bool) {
	for _, a := range n.Attr {
		if a.Namespace == "" && a.Key == key {
			return a.Val, true
		}
	}
	return "", false
}

// text is the child text content of an element, which is what is hashed. The parser
// has made all line ends "\n" and left references in scripts alone, but keeps NUL.
func text(n *html.Node) string {
	var b strings.Builder
	for c := range n.ChildNodes() {
		if c.Type == html.TextNode {
			b.WriteString(strings.ReplaceAll(c.Data, "\x00", "\ufffd"))
		}
	}
	return b.String()
}
