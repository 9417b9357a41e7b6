package fingerprint

import "strings"

// value prints a literal or placeholder that ends at end, together with the
// signs before it.
func (s *scanner) value(end int) {
	s.advance(end)
	s.putValue()
}

func (s *scanner) putValue() {
	s.endTable()
	if s.sign >= 0 {
		s.out = s.out[:s.sign]
		s.prev, s.prevWord = s.beforeSign, s.wordBeforeSign
	}
	s.put(pValue, "?")
}

// text reads a string with those that continue it: PostgreSQL and MySQL join
// strings that only blanks are between. In PostgreSQL a continuation has the
// escapes of its start, and 'a' E'b' is none. In MySQL it always has escapes,
// which bits and hex digits have not.
func (s *scanner) text(quote int, escapes bool) {
	q := s.src[quote]
	for {
		end, _ := s.quoted(quote, q, escapes)
		s.advance(end)
		q = s.peek()
		if q != '\'' && (q != '"' || s.dialect != MySQL) {
			break
		}
		quote, escapes = s.pos, escapes || s.dialect == MySQL
	}
	s.putValue()
}

// quoted is the end of a string or a quoted name whose first quote is at i. A
// doubled quote is part of it. What is not closed reaches to the end.
func (s *scanner) quoted(i int, quote byte, escapes bool) (end int, closed bool) {
	for i++; i < len(s.src); i++ {
		switch s.src[i] {
		case quote:
			if s.at(i+1) != quote {
				return i + 1, true
			}
			i++
		case '\\':
			if escapes {
				i++
			} else if s.dialect == Unknown && quote != '`' {
				if s.at(i+1) == quote {
					s.gaveUp = true
					return len(s.src), false
				}
				if s.at(i+1) == '\\' {
					i++
				}
			}
		}
	}
	return len(s.src), false
}

// prefixed reads a string behind its prefix, which is the word from start to
// end: E, B, X, N, U& and in MySQL the name of a character set.
func (s *scanner) prefixed(start, end int) bool {
	c := lower(s.src[start])
	next := s.at(end)
	switch {
	case end == start+1 && next == '\'':
		known := c == 'x' || s.dialect != SQLite && (c == 'b' || c == 'n') ||
			c == 'e' && (s.dialect == PostgreSQL || s.dialect == Unknown)
		if !known {
			return false
		}
		s.text(end, c == 'e' && s.dialect == PostgreSQL || c == 'n' && s.dialect == MySQL)
		return true
	case end == start+1 && c == 'u' && next == '&' && s.dialect != MySQL && s.dialect != SQLite:
		switch s.at(end + 1) {
		case '\'':
			s.text(end+1, false)
			return true
		case '"':
			s.doubleQuoted(start, end+1)
			return true
		}
	case c == '_' && s.dialect == MySQL:
		return s.introduced(end)
	}
	return false
}

// introduced reads a literal behind a character set introducer, as in
// _utf8mb4 'x' and _latin1 0x41.
func (s *scanner) introduced(end int) bool {
	pos, executed := s.pos, s.executed
	s.advance(end)
	switch c := s.peek(); {
	case c == '\'' || c == '"':
		s.text(s.pos, true)
		return true
	case is(c, digit):
		s.number()
		return true
	case (lower(c) == 'x' || lower(c) == 'b') && s.at(s.pos+1) == '\'':
		s.text(s.pos+1, false)
		return true
	}
	s.pos, s.executed = pos, executed
	return false
}

// number takes all that could be part of one, so that no digit is left of
// 4_242, 0xCAFE, 1e-5 or 12abc. It takes $1 too.
func (s *scanner) number() {
	i := s.pos
	base := lower(s.at(i + 1))
	based := s.src[i] == '0' && (base == 'x' || base == 'o' || base == 'b')
	exponent, name := !based && s.src[i] != '$', false
	for i++; i < len(s.src); i++ {
		c := s.src[i]
		switch {
		case is(c, digit) || c == '_' || c == '.' && !based:
			continue
		case is(c, letter) && !based && !name && s.prefixAt(i):
			s.value(i)
			return
		case lower(c) == 'e' && exponent:
			if sign := s.at(i + 1); (sign == '+' || sign == '-') && is(s.at(i+2), digit) {
				i++
			}
		case !is(c, identifier) || c == '$' && !name && s.dialect != MySQL && s.dialect != SQLite:
			// In PostgreSQL text in dollar quotes may follow a number, but no name.
			s.value(i)
			return
		default:
			name = !based
		}
		exponent = false
	}
	s.value(i)
}

// dollar reads what begins with a dollar sign: text in dollar quotes or $1 in
// PostgreSQL, $name in SQLite, a name in MySQL.
func (s *scanner) dollar() {
	i := s.pos + 1
	switch {
	case s.dialect == MySQL:
		s.word()
		return
	case is(s.at(i), digit):
		s.number()
		return
	}
	for is(s.at(i), letter|digit) {
		i++
	}
	switch {
	case s.at(i) == '$' && s.dialect == PostgreSQL:
		tag := s.src[s.pos : i+1]
		end := strings.Index(s.src[i+1:], tag)
		if end < 0 {
			s.value(len(s.src))
			return
		}
		s.value(i + 1 + end + len(tag))
	case s.at(i) == '$' && s.dialect == Unknown:
		s.giveUp()
	case i > s.pos+1 && !s.prefixAt(s.pos+1):
		s.namedParameter()
	default:
		s.operator(1)
	}
}

// questionMark reads ? and ?1. Letters do not belong to it: in PostgreSQL it is
// an operator, and in a ?E'b' they begin a string.
func (s *scanner) questionMark() {
	i := s.pos + 1
	if is(s.at(i), digit) && s.dialect != SQLite {
		s.pos = i
		s.number()
		return
	}
	for is(s.at(i), digit) {
		i++
	}
	s.value(i)
}

// parameter is the end of a placeholder with a name or number.
func (s *scanner) parameter(i int) int {
	for is(s.at(i), identifier) {
		i++
	}
	return i
}

// namedParameter reads :name, @name and $name. In SQLite the name may have the
// form of a Tcl variable, as in $a::b(c), with anything but blanks in its
// brackets.
func (s *scanner) namedParameter() {
	if is(s.at(s.pos+1), digit) && s.dialect != SQLite {
		s.pos++ // an operator and a number to PostgreSQL
		s.number()
		return
	}
	i := s.parameter(s.pos + 1)
	for s.dialect == SQLite && s.at(i) == ':' && s.at(i+1) == ':' {
		i = s.parameter(i + 2)
	}
	switch {
	case s.at(i) == '(' && s.dialect == SQLite:
		for i < len(s.src) && s.src[i] != ')' && !is(s.src[i], blank) {
			i++
		}
		if s.at(i) == ')' {
			i++
		}
	case s.at(i) == '(' && s.dialect == Unknown:
		s.giveUp()
		return
	}
	s.value(i)
}
