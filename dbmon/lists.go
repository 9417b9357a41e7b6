package dbmon

import "reflect"

// lists is a hash of the lists in a call that have two values or more, 0 where
// there is none: IN (1, 2), IN (?, ?), VALUES (1), (2), ANY(?) of an array. Of a statement that
// takes lists, calls with the same ones are repeated for another argument's sake;
// calls with different ones are batches.
func (a arguments) lists() uint64 {
	l := listReader{args: a, text: a.text}
	l.read()
	for i := range a.len() {
		if v := a.at(i); isArray(v) {
			l.hash = mix(l.hash, hashValue(v))
		}
	}
	return l.hash
}

// isArray knows arrays of two elements or more, in the forms of drivers: as they
// are, as text of PostgreSQL, and as JSON.
func isArray(v any) bool {
	switch v := v.(type) {
	case nil, int64, float64, bool:
		return false
	case string:
		return isArrayText(v)
	case []byte:
		return isArrayText(v)
	}
	r := reflect.ValueOf(v)
	for r.Kind() == reflect.Pointer && !r.IsNil() {
		r = r.Elem()
	}
	return (r.Kind() == reflect.Slice || r.Kind() == reflect.Array && r.Type().Elem().Kind() != reflect.Uint8) && r.Len() > 1
}

func isArrayText[T string | []byte](s T) bool {
	if len(s) < 2 || s[0] != '{' && s[0] != '[' {
		return false
	}
	for i := range len(s) {
		if s[i] == ',' {
			return true
		}
	}
	return false
}

// maxListed is how many tokens of a list are compared; of the rest, the number of
// arguments.
const maxListed = 256

// listReader goes through a statement once. It knows no more of the grammar than
// it needs to find lists, and errs where a dialect is at odds with the others.
type listReader struct {
	args arguments
	text string
	pos  int
	next int // placeholder, where they have no numbers
	hash uint64
}

func (l *listReader) read() {
	for l.pos < len(l.text) {
		start := l.pos
		switch c := l.text[l.pos]; {
		case isWord(c):
			switch word := l.word(); {
			case fold(word, "in"), fold(word, "any"), fold(word, "all"), fold(word, "array"):
				l.list()
			case fold(word, "values"):
				l.members() // to the bracket that closes what it is in
			}
		default:
			l.token()
		}
		if l.pos == start {
			l.pos++
		}
	}
}

// list reads what is in brackets, if it is a list of values.
func (l *listReader) list() {
	l.blanks()
	if l.at() != '(' && l.at() != '[' {
		return
	}
	l.pos++
	l.blanks()
	start := l.pos
	if w := l.word(); fold(w, "select") || fold(w, "with") || fold(w, "values") || fold(w, "array") {
		l.pos = start // what is in there is read like all the rest
		return
	}
	l.pos = start
	l.members()
}

// members reads a list up to its end.
func (l *listReader) members() {
	h, several := mix(1, uint64(l.args.len())), false
	for depth, tokens := 1, 0; l.pos < len(l.text); tokens++ {
		from := l.pos
		switch l.text[l.pos] {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case ',':
			several = several || depth == 1
		}
		if depth == 0 {
			break
		}
		if tokens == maxListed {
			l.pos = len(l.text)
			break
		}
		h = mix(h, l.token())
		if l.pos == from {
			l.pos++
		}
	}
	if several {
		l.hash = mix(l.hash, h)
	}
}

// token passes one, and returns a hash of it; of a placeholder, that of what
// stands for it.
func (l *listReader) token() uint64 {
	from := l.pos
	switch c := l.text[l.pos]; {
	case c == '\'' || c == '"' || c == '`':
		l.quoted(c)
	case c == '?' || c == '$':
		l.pos++
		return l.placeholder()
	case isWord(c):
		l.word()
	case c == '-' && l.follows("--"), c == '#':
		l.until("\n")
	case c == '/' && l.follows("/*"):
		l.until("*/")
	default:
		l.pos++
	}
	return hashString(l.text[from:l.pos])
}

func (l *listReader) placeholder() uint64 {
	n := 0
	from := l.pos
	for l.pos < len(l.text) && l.text[l.pos] >= '0' && l.text[l.pos] <= '9' && n < 1<<20 {
		n = n*10 + int(l.text[l.pos]-'0')
		l.pos++
	}
	if l.pos == from {
		l.next++
		n = l.next
	}
	if n < 1 || n > l.args.len() {
		return 0
	}
	return hashValue(l.args.at(n - 1))
}

func (l *listReader) quoted(end byte) {
	for l.pos++; l.pos < len(l.text); l.pos++ {
		if l.text[l.pos] == end {
			l.pos++
			return
		}
	}
}

func (l *listReader) word() string {
	from := l.pos
	for l.pos < len(l.text) && isWord(l.text[l.pos]) {
		l.pos++
	}
	return l.text[from:l.pos]
}

func (l *listReader) blanks() {
	for l.pos < len(l.text) && l.text[l.pos] <= ' ' {
		l.pos++
	}
}

func (l *listReader) until(end string) {
	for l.pos < len(l.text) && !l.follows(end) {
		l.pos++
	}
	l.pos = min(l.pos+len(end), len(l.text))
}

func (l *listReader) at() byte {
	if l.pos < len(l.text) {
		return l.text[l.pos]
	}
	return 0
}

func (l *listReader) follows(s string) bool {
	return len(l.text)-l.pos >= len(s) && l.text[l.pos:l.pos+len(s)] == s
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c >= 0x80
}

// fold compares with a word in lower case.
func fold(word, lower string) bool {
	if len(word) != len(lower) {
		return false
	}
	for i := range len(word) {
		if word[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}
