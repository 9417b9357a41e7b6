package fingerprint

import "strings"

// advance moves behind a token and the blanks behind it, so that the next byte
// that matters is always at hand.
func (s *scanner) advance(end int) {
	if s.crossesEnd(end) {
		s.giveUp()
		return
	}
	s.pos = end
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		switch {
		case is(c, blank):
			s.pos++
		case c == '-' || c == '/' || c == '#' || c == '*':
			if !s.comment(c) {
				return
			}
		default:
			return
		}
	}
}

// crossesEnd is true where a string, a name or a comment goes on behind the end
// of a comment that is executed. A server that is older than the version of that
// comment skips it, and reads on where this token is still open.
func (s *scanner) crossesEnd(end int) bool {
	return s.executed && strings.Contains(s.src[s.pos:end], "*/")
}

// peek is the next byte that is neither blank nor comment, 0 at the end.
func (s *scanner) peek() byte { return s.at(s.pos) }

// at is a byte of the statement, 0 behind its end.
func (s *scanner) at(i int) byte {
	if i < len(s.src) {
		return s.src[i]
	}
	return 0
}

// comment skips what is one.
func (s *scanner) comment(c byte) bool {
	next := s.at(s.pos + 1)
	switch {
	case c == '-' && next == '-':
		return s.dashes()
	case c == '/' && next == '*':
		s.block()
		return true
	case c == '#' && s.dialect == MySQL:
		s.skipLine()
		return true
	case c == '#' && s.dialect == Unknown:
		s.giveUp()
		return true
	case c == '*' && next == '/' && s.executed:
		s.executed = false
		s.pos += 2
		return true
	default:
		return false
	}
}

// dashes skips a comment of one line. In MySQL a blank belongs to its start
// (Reference Manual, "'--' as the Start of a Comment"): 5--1 is 6.
func (s *scanner) dashes() bool {
	after := s.pos + 2
	begins := after >= len(s.src) || is(s.src[after], blank)
	if s.dialect == MySQL && !begins {
		return false
	}
	if s.dialect == Unknown && !begins {
		s.giveUp()
		return true
	}
	s.skipLine()
	return true
}

// skipLine skips a comment up to the end of its line. In PostgreSQL a carriage
// return is one too, and in MySQL a NUL.
func (s *scanner) skipLine() {
	end := len(s.src)
	if i := strings.IndexByte(s.src[s.pos:], '\n'); i >= 0 {
		end = s.pos + i
	}
	other := -1
	switch s.dialect {
	case PostgreSQL:
		other = strings.IndexByte(s.src[s.pos:end], '\r')
	case MySQL:
		other = strings.IndexByte(s.src[s.pos:end], 0)
	case Unknown:
		other = strings.IndexAny(s.src[s.pos:end], "\r\x00")
	}
	if other >= 0 {
		end = s.pos + other
	}
	if s.crossesEnd(end) || other >= 0 && s.dialect == Unknown {
		s.giveUp()
		return
	}
	s.pos = end
}

// block skips a comment in brackets. They nest in PostgreSQL only. What is in
// those with an exclamation mark is part of the statement in MySQL.
func (s *scanner) block() {
	i := s.pos + 2
	if s.dialect.mysqlish() && (s.at(i) == '!' || s.at(i) == 'M' && s.at(i+1) == '!') {
		s.conditional(i)
		return
	}
	for depth := 1; i < len(s.src); i++ {
		switch {
		case s.src[i] == '*' && s.at(i+1) == '/':
			i++
			if depth--; depth == 0 {
				s.pos = i + 1
				return
			}
		case s.src[i] == '/' && s.at(i+1) == '*' && s.dialect == PostgreSQL:
			i++
			depth++
		case s.src[i] == '/' && s.at(i+1) == '*' && s.dialect == Unknown:
			s.giveUp()
			return
		}
	}
	s.pos = len(s.src)
}

// conditional enters a comment whose content MySQL or MariaDB executes, from a
// version on that follows the mark.
func (s *scanner) conditional(i int) {
	if s.dialect == Unknown {
		s.giveUp()
		return
	}
	if s.src[i] == 'M' {
		i++
	}
	for i++; is(s.at(i), digit); i++ {
	}
	s.executed = true
	s.pos = i
}

// giveUp leaves out the rest, since the dialects differ from here on.
func (s *scanner) giveUp() {
	s.gaveUp = true
	s.pos = len(s.src)
}
