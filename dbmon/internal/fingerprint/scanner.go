package fingerprint

// kind is that of a token that was printed.
type kind uint8

const (
	pStart kind = iota // of a statement
	pName
	pFunction // a name with a bracket behind it
	pTable    // a name of a table
	pKeyword
	pValue
	pOperator
	pOpen
	pClose
	pComma
	pDot
	pCast
)

// scanner reads a text once, token by token, and prints each as it comes. What
// turns out to be a repetition is taken back.
type scanner struct {
	dialect Dialect
	src     string
	pos     int // of the next token

	fragment bool // it is no statement

	executed bool // within /*! */
	gaveUp   bool // the rest is left out

	out            []byte
	prev           kind
	prevWord       word // where prev is pKeyword
	sign           int  // where the signs before an operand begin in out, or -1
	beforeSign     kind
	wordBeforeSign word
	upper          [longestWord]byte

	interval   bool // INTERVAL was read: a unit may follow an operand
	asAt       int  // where the last AS begins in out
	asOperand  bool // it followed an operand
	closedCall bool // the last bracket closed the arguments of a function
	dotted     bool // the last name followed a dot
	loose      bool // the last name followed an operand or AS
	asKeyword  bool // the last name is a keyword elsewhere
	nameDot    bool // the last dot followed a plain name

	depth  int
	frames [maxFrames]frame

	statement
	class      Class
	reads      bool
	skipLocked bool
	statements int

	names      []mention
	aliases    bool // one was declared
	keepLabels bool // they mean something: NATURAL JOIN, SELECT INTO
	crowded    bool // there are more names than are followed
}

func (s *scanner) run() {
	s.begin()
	// SQLite skips a byte order mark.
	if s.dialect == SQLite && len(s.src) >= 3 && s.src[:3] == "\ufeff" {
		s.pos = 3
	}
	s.advance(s.pos)
	for s.pos < len(s.src) {
		s.token(s.src[s.pos])
	}
	if s.gaveUp {
		if s.phase == pending {
			s.other()
		}
		if s.prev != pValue {
			s.putValue()
		}
		s.reading = false
	}
	s.end()
}

// token reads one token and the blanks behind it.
func (s *scanner) token(c byte) {
	switch {
	case is(c, letter):
		s.word()
		return
	case c == ';' && !s.fragment:
		s.end()
		s.advance(s.pos + 1)
		s.begin()
		return
	case c != '(' && s.phase == pending:
		s.other()
	}
	switch {
	case c == '\'':
		s.singleQuoted()
	case is(c, digit):
		s.digits()
	case c == '"':
		s.doubleQuoted(s.pos, s.pos)
	case c == '`' && s.dialect != PostgreSQL:
		s.quotedName('`')
	case c == '[' && s.dialect == SQLite:
		s.quotedName(']')
	case c == '[' && s.dialect == Unknown:
		s.giveUp() // it begins a name in SQLite
	case c == '(' || c == '[':
		s.open(c)
	case c == ')' || c == ']':
		s.close(c)
	case c == ',':
		s.comma()
	case c == '.':
		s.dot()
	case c == '$':
		s.dollar()
	case c == '?' && (s.dialect != PostgreSQL || !s.questionOperator()):
		s.questionMark()
	case (c == ':' || c == '@') && s.named(c):
		s.namedParameter()
	default:
		s.operator(s.operatorLength(c))
	}
}

// digits reads a number. In MySQL names may begin with digits; they are taken for
// such where nothing else may stand.
func (s *scanner) digits() {
	if !s.dialect.mysqlish() {
		s.number()
		return
	}
	i := s.pos
	for is(s.at(i), digit) {
		i++
	}
	numeric := !is(s.at(i), identifier)
	for is(s.at(i), identifier) {
		i++
	}
	qualifier := s.at(i) == '.' && is(s.at(i+1), letter)
	due := s.frame().expect || qualifier
	if s.prev == pDot {
		due = s.nameDot
	}
	if !numeric && due {
		s.word()
		return
	}
	s.number()
}

// dot is between names or before the digits of a number.
func (s *scanner) dot() {
	s.nameDot = s.prev == pName && !s.asKeyword && s.phase != muted && is(s.out[len(s.out)-1], identifier)
	name := s.dialect.mysqlish() && s.nameDot && is(s.src[s.pos-1], identifier)
	if is(s.at(s.pos+1), digit) && !name {
		s.number()
		return
	}
	s.advance(s.pos + 1)
	s.put(pDot, ".")
}

// qualifies is true where the name that was just read stands before a dot.
func (s *scanner) qualifies(w word) bool {
	if s.peek() != '.' {
		return false
	}
	if !is(s.at(s.pos+1), digit) {
		return true
	}
	return s.dialect.mysqlish() && w == noWord && is(s.src[s.pos-1], identifier)
}

// named is true at :name and @name. In PostgreSQL a colon in square brackets
// makes a slice, and both may be operators before a string such as E'a'.
func (s *scanner) named(c byte) bool {
	if s.prefixAt(s.pos + 1) {
		return false
	}
	if !is(s.at(s.pos+1), letter) && (c == '@' || !is(s.at(s.pos+1), digit)) {
		return false
	}
	slice := c == ':' && s.frame().square && s.dialect == PostgreSQL
	return !slice
}

// prefixAt is true where a string with a prefix may begin, as E'a' and U&'a'.
func (s *scanner) prefixAt(i int) bool {
	if s.dialect != PostgreSQL && s.dialect != Unknown {
		return false
	}
	next := s.at(i + 1)
	return next == '\'' || next == '&' && (s.at(i+2) == '\'' || s.at(i+2) == '"')
}

// questionOperator is true at ?| and ?&. A question mark alone is printed like
// a placeholder, which it never is in PostgreSQL.
func (s *scanner) questionOperator() bool {
	next := s.at(s.pos + 1)
	return next == '|' || next == '&'
}

// operatorLength is how many bytes of an operator belong together.
func (s *scanner) operatorLength(c byte) int {
	next := s.at(s.pos + 1)
	switch {
	case c == ':' && (next == ':' || next == '='):
		return 2
	case s.dialect == PostgreSQL && is(c, pgOperator):
		return s.pgOperatorLength()
	}
	switch next {
	case '=':
		if c == '<' && s.at(s.pos+2) == '>' {
			return 3
		}
		if c == '<' || c == '>' || c == '!' || c == '=' {
			return 2
		}
	case '>':
		if c == '-' && s.at(s.pos+2) == '>' {
			return 3
		}
		if c == '-' || c == '<' || c == '>' || c == '=' || c == '@' {
			return 2
		}
	case c:
		if c == '|' || c == '&' || c == '<' || c == '@' {
			return 2
		}
	}
	return 1
}

// longestOperator is that of PostgreSQL, NAMEDATALEN - 1. It bounds how often a
// row of signs is read.
const longestOperator = 63

// pgOperatorLength follows "Lexical Structure", "Operators": the longest run of
// operator characters, up to a comment, that ends in + or - only if it has one of
// a few others. Question marks and names behind @ are cut off, as placeholders.
func (s *scanner) pgOperatorLength() int {
	end, special := s.pos, false
	for ; is(s.at(end), pgOperator) && end-s.pos < longestOperator; end++ {
		c, next := s.src[end], s.at(end+1)
		if end > s.pos && (c == '-' && next == '-' || c == '/' && next == '*') {
			break
		}
		if c == '?' && end > s.pos && s.src[end-1] != '@' {
			break
		}
		if c == '@' && end > s.pos && is(next, letter) && !partOfAt(s.src[end-1]) {
			break
		}
		switch c {
		case '~', '!', '@', '#', '%', '^', '&', '|', '`', '?':
			special = true
		}
	}
	for !special && end > s.pos+1 && (s.src[end-1] == '+' || s.src[end-1] == '-') {
		end--
	}
	return end - s.pos
}

// partOfAt is true for what may stand before @ in an operator, as in <@ and @@.
func partOfAt(c byte) bool {
	switch c {
	case '<', '@', '&', '|', '#', '~', '!':
		return true
	default:
		return false
	}
}
