package markup

import (
	"bytes"
	"slices"
	"strings"
	"text/template/parse"
)

// scanner finds the tags of templates to which html/template has put its escapers.
// After that no "<" is left in text, title or textarea that begins no tag, no comment
// outside of attributes, and no "</script" in strings, comments and expressions of a
// script: the text can be read without knowing JavaScript.
type scanner struct {
	trees    map[string]*parse.Tree
	found    []*tag
	calls    map[call]state
	nameless map[string]*tag // tags that get no attribute, one for each name of an element
	depth    int             // of calls
	unclosed []string        // templates that are called between tags and end elsewhere
}

// call is a template as it is called in a state.
type call struct {
	name string
	in   state
}

// maxDepth bounds calls of templates by each other, each in another state.
const maxDepth = 100

// derived stands in the name of a copy that html/template makes of a template which is
// called elsewhere than between tags.
const derived = "$htmltemplate_"

// template returns the state after a call. Between tags it notes what it finds, once.
// A copy cannot be changed, so a tag in there gets no attribute; its text is that of
// the template before html/template has read it.
func (s *scanner) template(name string, in state) state {
	if in.mode != inText {
		name, _, _ = strings.Cut(name, derived)
	}
	tree := s.trees[name]
	if tree == nil || in.mode == lost {
		return in
	}
	key := call{name, in}
	if out, ok := s.calls[key]; ok {
		return out
	}
	if s.depth == maxDepth {
		return state{mode: lost}
	}
	s.calls[key] = in // as html/template assumes of a template that calls itself
	s.depth++
	out := s.list(tree.Root, in, in.mode == inText)
	s.depth--
	s.calls[key] = out
	return out
}

// list returns the state after nodes. Tags in them are noted if they can be changed.
func (s *scanner) list(l *parse.ListNode, in state, note bool) state {
	if l == nil {
		return in
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.TextNode:
			in = s.text(n, in, note)
		case *parse.ActionNode:
			if len(n.Pipe.Decl) == 0 { // an assignment writes nothing
				in = in.afterAction()
			}
		case *parse.TemplateNode:
			out := s.template(n.Name, in)
			if in.mode == inText && out.isOpen() {
				s.unclosed = append(s.unclosed, n.Name)
			}
			in = out
		case *parse.BreakNode, *parse.ContinueNode:
			// html/template has seen that the states of all ways out agree.
			return state{mode: left}
		}
		if b := branch(n); b != nil {
			in = s.join(s.list(b.List, in, note), s.list(b.ElseList, in, note), note)
		}
	}
	return in
}

// join returns the state where two branches meet, which html/template has seen to be
// the same but for what it does not matter whether it is written.
func (s *scanner) join(a, b state, note bool) state {
	switch {
	case a == b || b.mode == left:
		return a
	case a.mode == left:
		return b
	case a.mode == lost || b.mode == lost:
		return state{mode: lost}
	}
	if a.tag != b.tag {
		// Only what can be noted makes new tags: a template that calls itself would
		// make them without end.
		if a.tag == nil || b.tag == nil || a.tag.name != b.tag.name || !note {
			return state{mode: lost}
		}
		both := &tag{name: a.tag.name}
		a.tag.next, b.tag.next = append(a.tag.next, both), append(b.tag.next, both)
		a.tag, b.tag = both, both
	}
	if a.attr != b.attr {
		a.attr, b.attr = otherAttr, otherAttr
	}
	switch low, high := min(a.mode, b.mode), max(a.mode, b.mode); {
	case low == high && a.quote == b.quote:
		return a
	case low == inTagName && high <= afterAttrName:
		a.mode = inTagName
		return a
	case inTag <= low && high <= afterAttrName:
		a.mode = inAttrName
		return a
	case low == beforeValue && high == inValue && a.quote == b.quote:
		a.mode = inValue
		return a
	}
	return state{mode: lost}
}

// text returns the state after a text.
func (s *scanner) text(n *parse.TextNode, in state, note bool) state {
	text := n.Text
	for i := 0; i < len(text); {
		switch in.mode {
		case inText:
			at := bytes.IndexByte(text[i:], '<')
			if at < 0 {
				return in
			}
			in, i = s.open(n, i+at, in, note)
		case inRaw:
			end := endTag(text[i:], in.tag.name)
			if end < 0 {
				return in
			}
			if in.tag.name == script && !note {
				return state{mode: lost} // it may stand in a string, where html/template escapes it
			}
			in, i = state{}, i+end
		case left, lost:
			return in
		default:
			rest := text[i:]
			if name := in.tag.element(); in.mode <= beforeValue && name != "" {
				// There html/template ends the element, and browsers do not.
				if end := endTag(rest, name); end == 0 {
					in.tag.joined = true
					return state{mode: lost}
				} else if end > 0 {
					rest = rest[:end]
				}
			}
			var read int
			in, read = in.within(rest)
			i += read
		}
	}
	return in
}

// open reads a "<", and the name if it begins a tag.
func (s *scanner) open(n *parse.TextNode, at int, in state, note bool) (state, int) {
	rest := n.Text[at:]
	if bytes.HasPrefix(rest, []byte("<!--")) {
		return state{mode: inComment}, at + len("<!--")
	}
	if bytes.HasPrefix(rest, []byte("<!")) { // a DOCTYPE; all else has been escaped
		if end := bytes.IndexByte(rest, '>'); end > 0 && bytes.IndexByte(rest[1:end], '<') < 0 {
			return in, at + end + 1
		}
		return state{mode: lost}, at + 1 // browsers take it to the next ">", html/template does not
	}
	begin := 1
	if bytes.HasPrefix(rest, []byte("</")) {
		begin = 2
	}
	end := begin + nameLength(rest[begin:])
	if end == begin {
		return in, at + 1
	}
	name := ""
	if begin == 1 {
		name = elementName(rest[begin:end])
	}
	if note && (name == script || name == style || name == link) {
		t := &tag{name: name, text: n, end: at + end}
		s.found = append(s.found, t)
		return state{mode: inTagName, tag: t}, at + end
	}
	if s.nameless[name] == nil {
		s.nameless[name] = &tag{name: name}
	}
	return state{mode: inTagName, tag: s.nameless[name]}, at + end
}

// elementName returns the name in lower case if it is told apart from others.
func elementName(b []byte) string {
	name := strings.ToLower(string(b))
	if name == link || name == plaintext || slices.Contains(rawElements, name) {
		return name
	}
	return ""
}

// nameLength reads the name of a tag as html/template does: "-" and ":" join words.
func nameLength(b []byte) int {
	n := 0
	for i, c := range b {
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z', i > 0 && '0' <= c && c <= '9':
			n = i + 1
		case i > 0 && n == i && (c == '-' || c == ':'):
		default:
			return n
		}
	}
	return n
}

// endTag returns where the end tag of an element begins, or -1.
func endTag(b []byte, name string) int {
	for i := 0; ; i += 2 {
		next := bytes.Index(b[i:], []byte("</"))
		if next < 0 {
			return -1
		}
		i += next
		after := b[i+2:]
		if len(after) > len(name) && strings.EqualFold(string(after[:len(name)]), name) &&
			after[len(name)] != '\r' && endsName(after[len(name)]) { // html/template does not know of "\r" there
			return i
		}
	}
}

// endsName reports whether c ends the name of a tag (HTML §13.2.5.8).
func endsName(c byte) bool { return isSpace(c) || c == '/' || c == '>' }

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' && c != '\v' }
