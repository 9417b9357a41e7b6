package markup

import "bytes"

// mode is where in HTML a scanner stands.
type mode uint8

const (
	inText        mode = iota
	inTagName          // right behind the name: nothing has ended it yet
	inTag              // between attributes
	inAttrName         // of which more may come
	afterAttrName      // a value may follow
	beforeValue        // behind "="
	inValue            // up to state.quote, or white space or ">" if that is 0
	inComment
	inRaw // up to the end tag of state.tag
	left  // nothing comes after break and continue
	lost  // to be found out by reading JavaScript only: no tag is looked for any more
)

// state is all that a scanner remembers of the text before.
type state struct {
	mode  mode
	tag   *tag // that is open
	attr  attr
	quote byte
}

// isOpen reports whether what began between tags has ended within one, or in an element
// whose text is none.
func (in state) isOpen() bool { return in.mode != inText && in.mode < left }

// afterAction returns the state behind something that is written at run time.
func (in state) afterAction() state {
	switch in.mode {
	case inTagName:
		in.tag.joined = true
		in.mode = inAttrName
	case inTag, inAttrName, afterAttrName:
		in.mode, in.attr = inAttrName, otherAttr
	case beforeValue, inValue:
		in.mode = inValue
		if v := in.tag.value(in.attr); v != nil {
			v.dynamic = true
		}
	}
	return in
}

// within reads some of a text within a tag or a comment, and returns how much.
func (in state) within(b []byte) (state, int) {
	switch in.mode {
	case inTagName:
		if endsName(b[0]) {
			in.mode = inTag
			return in, 0
		}
		// To browsers the name goes on, to html/template an attribute begins.
		if in.tag.name != "" || bytes.ContainsAny(b[:tagNameLength(b)], `="'<`) {
			return state{mode: lost}, 0
		}
		in.tag.joined = true
		in.mode = inAttrName
		return in, 0
	case inTag:
		return in.between(b)
	case inAttrName:
		n := attrNameLength(b)
		if n > 0 { // its beginning is elsewhere
			in.attr = otherAttr
		}
		if n < len(b) {
			in.mode = afterAttrName
		}
		return in, n
	case afterAttrName:
		n := spaceLength(b)
		if n == len(b) {
			return in, n
		}
		if b[n] == '=' {
			in.mode = beforeValue
			return in, n + 1
		}
		in.mode, in.attr = inTag, otherAttr
		return in, n
	case beforeValue:
		n := spaceLength(b)
		if n == len(b) {
			return in, n
		}
		in.mode = inValue
		if b[n] == '"' || b[n] == '\'' {
			in.quote = b[n]
			n++
		}
		return in, n
	case inValue:
		return in.inValue(b)
	}
	if end := bytes.Index(b, []byte("-->")); end >= 0 { // inComment
		return state{}, end + len("-->")
	}
	return in, len(b)
}

// between reads what stands between attributes, and the name of the next one.
func (in state) between(b []byte) (state, int) {
	n := 0
	for n < len(b) && (isSpace(b[n]) || b[n] == '/') {
		n++
	}
	if n == len(b) {
		return in, n
	}
	if b[n] == '>' {
		return in.closed(), n + 1
	}
	length := max(1, attrNameLength(b[n:]))
	in.attr = in.tag.sees(b[n : n+length])
	in.mode = afterAttrName
	if n+length == len(b) {
		in.mode = inAttrName
	}
	return in, n + length
}

// closed returns the state behind the ">" of a tag.
func (in state) closed() state {
	switch {
	case in.tag.element() != "":
		return state{mode: inRaw, tag: in.tag}
	case in.tag.name == plaintext:
		return state{mode: lost}
	}
	return state{}
}

// inValue reads a value, to its end if that is there.
func (in state) inValue(b []byte) (state, int) {
	end, quote := 0, 0
	if in.quote == 0 {
		end = bytes.IndexAny(b, " \t\n\f\r>")
	} else {
		end, quote = bytes.IndexByte(b, in.quote), 1
	}
	v := in.tag.value(in.attr)
	if end < 0 {
		if v != nil {
			v.add(b)
		}
		return in, len(b)
	}
	if v != nil {
		v.add(b[:end])
	}
	return state{mode: inTag, tag: in.tag}, end + quote
}

// tagNameLength is how much of b still belongs to the name of a tag, for a browser.
func tagNameLength(b []byte) int {
	if n := bytes.IndexAny(b, " \t\n\f\r>/"); n >= 0 {
		return n
	}
	return len(b)
}

func attrNameLength(b []byte) int {
	if n := bytes.IndexAny(b, " \t\n\f\r=>/"); n >= 0 {
		return n
	}
	return len(b)
}

func spaceLength(b []byte) int {
	n := 0
	for n < len(b) && isSpace(b[n]) {
		n++
	}
	return n
}
