package httpheader

import "strings"

// Next cuts the first element off a comma-separated list (RFC 9110 §5.6.1). A
// comma within a quoted string does not separate. Empty elements are skipped;
// ok is false when none is left. Elements come without white space around them.
// Lists of entity tags need a reader of their own: in those a backslash escapes
// nothing (§8.8.3).
//
//	for e, rest, ok := Next(value); ok; e, rest, ok = Next(rest) {
func Next(list string) (element, rest string, ok bool) {
	for list != "" {
		end := indexOutsideQuotes(list, ',')
		element, rest = list[:end], ""
		if end < len(list) {
			rest = list[end+1:]
		}
		if element = trim(element); element != "" {
			return element, rest, true
		}
		list = rest
	}
	return "", "", false
}

// NextParam cuts the first parameter off what follows an element's value, as in
// `text/html;charset=utf-8; q=0.5` after the media type. A quoted value comes
// without its quotes and with escapes resolved, which is the only case that
// allocates. A parameter without "=" has an empty value. Pieces whose name is
// no token or whose value is neither token nor quoted string are returned with
// valid false, for the caller to refuse or to skip.
func NextParam(params string) (name, value, rest string, valid, ok bool) {
	for params != "" {
		if params[0] == ';' {
			params = params[1:]
		}
		end := indexOutsideQuotes(params, ';')
		piece := trim(params[:end])
		params = params[end:]
		if piece == "" {
			continue
		}
		name, value, _ = strings.Cut(piece, "=")
		// RFC 9110 §5.6.6 allows no white space around "=".
		valid = IsToken(name)
		if strings.HasPrefix(value, `"`) {
			var quoted bool
			value, quoted = Unquote(value)
			valid = valid && quoted
		} else {
			valid = valid && (IsToken(value) || value == "")
		}
		return name, value, params, valid, true
	}
	return "", "", "", false, false
}

// CutParams splits an element from its parameters: `gzip;q=0.5` into `gzip` and
// `;q=0.5`.
func CutParams(element string) (value, params string) {
	end := indexOutsideQuotes(element, ';')
	return trim(element[:end]), element[end:]
}

// indexOutsideQuotes returns the position of the first sep that is not within a
// quoted string, or len(s). An unclosed quote reaches to the end.
func indexOutsideQuotes(s string, sep byte) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == sep && !quoted:
			return i
		}
	}
	return len(s)
}

// Unquote returns the content of a quoted string (RFC 9110 §5.6.4), with ok
// false when s is not exactly one.
func Unquote(s string) (content string, ok bool) {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return "", false
	}
	s = s[1 : len(s)-1]
	escaped := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c < ' ' && c != '\t' || c == 0x7f:
			return "", false
		case c == '\\':
			escaped = true
			if i++; i == len(s) || s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
				return "", false
			}
		}
	}
	if !escaped {
		return s, true
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), true
}

// trim cuts optional white space (RFC 9110 §5.6.3).
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
