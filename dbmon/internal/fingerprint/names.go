package fingerprint

import "strings"

// word reads a keyword or a name without quotes.
func (s *scanner) word() {
	start, end := s.pos, s.pos+1
	for end < len(s.src) && is(s.src[end], identifier) {
		end++
	}
	if s.prefixed(start, end) {
		if s.phase == pending {
			s.other()
		}
		return
	}
	s.advance(end)
	raw := s.src[start:end]
	n := s.fold(raw)
	w := lookup(s.upper[:n])
	if s.fragment {
		copy(s.upper[:n], raw)
	}
	if s.phase == muted {
		s.mutedWord(s.upper[:n])
		return
	}
	if s.prev == pDot || s.qualifies(w) {
		if s.phase == pending {
			s.other()
		}
		s.name(raw, w, false)
		return
	}
	if s.phase != body && !s.lead(s.upper[:n], w) {
		return
	}
	s.unqualified(raw, w, n)
}

// fold puts a word into s.upper; 0 says that it is too long for a keyword.
func (s *scanner) fold(raw string) int {
	if len(raw) > longestWord {
		return 0
	}
	for i := range len(raw) {
		s.upper[i] = upper(raw[i])
	}
	return len(raw)
}

// unqualified prints a word without dots as what it is here.
func (s *scanner) unqualified(raw string, w word, n int) {
	f := s.frame()
	if f.expect {
		if w.modifies() || s.after(wInto) && s.temporary(n) {
			s.keyword(w, n)
			return
		}
		if !w.reserved() {
			s.name(raw, w, false)
			return
		}
		f.expect = false
	}
	switch {
	case w == noWord && s.rowsFollow(f, n):
		s.clauseWord(wValues, copy(s.upper[:], "VALUES"))
	case w == noWord || w == wModifier || s.aliasDue(f) && !w.startsQuery():
		s.name(raw, w, false)
	case w == wLiteral:
		s.literalWord(raw, n)
	case w == wDefault && s.rowOfDefault():
		s.putValue()
	case (w == wInfix || w == wOffset) && !s.afterOperand():
		s.name(raw, w, false)
	case s.callsFunction(w):
		s.name(raw, w, false)
	default:
		s.clauseWord(w, n)
	}
}

// temporary is true for what may stand before the table in SELECT INTO of
// PostgreSQL.
func (s *scanner) temporary(n int) bool {
	if s.dialect != PostgreSQL || s.verb != Select {
		return false
	}
	switch string(s.upper[:n]) {
	case "TEMP", "TEMPORARY", "UNLOGGED":
		return true
	default:
		return false
	}
}

// rowsFollow is true before VALUE, as MySQL calls VALUES too.
func (s *scanner) rowsFollow(f *frame, n int) bool {
	return s.dialect.mysqlish() && string(s.upper[:n]) == "VALUE" && s.peek() == '(' &&
		(s.verb == Insert || s.verb == Replace) && f.clause == inNothing && (s.prev == pTable || s.prev == pClose)
}

// startsQuery is true for what follows AS in CREATE TABLE t AS SELECT.
func (w word) startsQuery() bool {
	return w == wSelect || w == wWith || w == wValues || w == wTable
}

// aliasDue is true behind the AS of an alias.
func (s *scanner) aliasDue(f *frame) bool {
	return s.after(wAs) && (f.named || f.clause == inSelect)
}

// literalWord prints NULL, TRUE or FALSE: as a value, unless it belongs to a
// predicate (IS NULL) or to the definition of a column.
func (s *scanner) literalWord(raw string, n int) {
	if s.after(wIs) || s.ddl && !s.after(wDefault) && s.sign < 0 || s.after(wNot) && len(raw) == len("NULL") && lower(raw[0]) == 'n' {
		s.endTable()
		s.keyword(wLiteral, n)
		return
	}
	s.putValue()
}

// rowOfDefault is true where DEFAULT is an element of a row: it stands for a
// value, and multi-row inserts mix the two.
func (s *scanner) rowOfDefault() bool {
	if s.depth == 0 || s.depth >= maxFrames-1 || s.frames[s.depth-1].list.mode != rows {
		return false
	}
	next := s.peek()
	return (s.prev == pOpen || s.prev == pComma) && (next == ',' || next == ')')
}

// name prints a name. An exact one has its quotes, and is not folded.
func (s *scanner) name(raw string, w word, exact bool) {
	if s.phase == defining || s.phase == explaining && s.depth == 0 {
		s.verbAlone()
	}
	if s.phase == muted {
		return
	}
	f := s.frame()
	m := mention{role: mentioned, table: -1}
	dotted, qualifier := s.prev == pDot, s.qualifies(w)
	k := pName
	if s.peek() == '(' {
		k = pFunction
	}
	switch {
	case f.expect && !qualifier:
		m.role = tableName
		if f.clause != inFrom || k != pFunction {
			k = pTable
		}
	case dotted:
		m.role = part
	case qualifier && !f.expect:
		m.role = qualifies
	case !qualifier && k != pFunction && w == noWord && (!exact || s.dialect == PostgreSQL):
		s.alias(f, &m)
	}
	s.asKeyword = w != noWord
	s.dotted, s.loose = dotted, s.prev == pName || s.prev == pValue || s.prev == pClose || s.after(wAs)
	ofTable := f.expect && k != pFunction || qualifier || m.role == tableAlias
	s.printName(raw, k, exact, &m, s.fragment || ofTable && s.dialect.mysqlish())
	f.named = false
	if m.role == tableName {
		f.expect, f.named, f.table = false, true, s.last()
	}
}

// printName folds the case of a name, unless that may tell tables apart.
func (s *scanner) printName(raw string, k kind, exact bool, m *mention, keepCase bool) {
	s.sign = -1
	s.separate(k)
	from := len(s.out)
	s.out = append(s.out, raw...)
	s.prev = k
	name := s.out[from:]
	if !exact && !keepCase {
		for i, c := range name {
			name[i] = lower(c)
		}
	}
	switch {
	case k == pFunction && writes(name):
		s.reading = false
	case string(name) == "locked" && !s.reading && hasSuffix(s.out[:from], "skip "):
		s.skipLocked = true
	}
	m.from, m.to = int32(from), int32(len(s.out))
	s.mention(*m)
}

// singleQuoted reads a string. SQLite takes it for a name where nothing else may
// stand; only plain ones are printed.
func (s *scanner) singleQuoted() {
	start := s.pos
	end, closed := s.quoted(start, '\'', s.dialect == MySQL)
	if s.dialect == SQLite && closed && !s.fragment && plain(s.src[start+1:end-1]) {
		s.advance(end)
		if s.isName() {
			s.quotedAs(`"`+s.src[start+1:end-1]+`"`, s.src[start+1:end-1], true)
			return
		}
		s.pos = start
	}
	s.text(start, s.dialect == MySQL)
}

// doubleQuoted reads a name or a string. A name may have a prefix, from start.
func (s *scanner) doubleQuoted(start, quote int) {
	end, closed := s.quoted(quote, '"', s.dialect == MySQL)
	content := ""
	if closed {
		content = s.src[quote+1 : end-1]
	}
	s.advance(end)
	switch {
	case s.gaveUp:
	case closed && (s.dialect == PostgreSQL || s.namesSomething(content)):
		s.quotedAs(s.src[start:end], content, start == quote)
	case s.dialect == MySQL && (s.peek() == '\'' || s.peek() == '"'):
		s.text(s.pos, true)
	default:
		s.putValue()
	}
}

// quotedName reads a name in other quotes.
func (s *scanner) quotedName(closing byte) {
	start := s.pos
	end, closed := 0, false
	if closing == ']' {
		i := strings.IndexByte(s.src[start:], ']')
		end, closed = start+i+1, i >= 0
	} else {
		end, closed = s.quoted(start, closing, false)
	}
	if !closed {
		s.value(len(s.src))
		return
	}
	if s.dialect == Unknown && strings.ContainsAny(s.src[start+1:end-1], openers) {
		s.giveUp() // a backtick is an operator in PostgreSQL
		return
	}
	s.advance(end)
	if s.gaveUp {
		return
	}
	s.quotedAs(s.src[start:end], s.src[start+1:end-1], true)
}

// openers are what strings, names and comments begin with.
const openers = "'\"`$-/*#\\"

// quotedAs prints a quoted name, without its quotes where it is the same name
// then.
func (s *scanner) quotedAs(raw, content string, simple bool) {
	n := s.fold(content)
	folds := s.dialect == MySQL || s.dialect == SQLite || strings.ToLower(content) == content
	if simple && folds && plain(content) && lookup(s.upper[:n]) == noWord {
		s.name(content, noWord, false)
		return
	}
	s.name(raw, noWord, true)
}

// namesSomething decides on double quotes outside of PostgreSQL (see the
// package comment). The quotes and blanks behind them have been read.
func (s *scanner) namesSomething(content string) bool {
	if s.fragment || strings.IndexByte(content, '\\') >= 0 {
		return false
	}
	f := s.frame()
	switch {
	case s.isName():
		return true
	case !plain(content):
		return false
	case s.aliasDue(f) || f.named && s.prev != pKeyword:
		return true
	default:
		return s.dialect == SQLite && s.looksLikeColumn(f)
	}
}

// isName is true where the grammar allows a name only. The quotes and blanks
// behind them have been read.
func (s *scanner) isName() bool {
	f := s.frame()
	first := s.prev == pOpen || s.prev == pComma
	switch {
	case s.prev == pDot || s.peek() == '.' && !is(s.at(s.pos+1), digit), f.expect, f.names && first:
		return true
	case s.after(wWith), s.phase == preparing && s.depth == s.with && (s.prev == pComma || hasSuffix(s.out, "WITH RECURSIVE")):
		return true
	case f.clause == inSet && (s.prev == pComma || s.after(wSet) || s.after(wUpdate)) && s.peek() == '=':
		return true
	default:
		return s.ddl && s.after(wNamer)
	}
}

// looksLikeColumn is true where a constant would make no sense.
func (s *scanner) looksLikeColumn(f *frame) bool {
	if f.clause == inBy && (s.prev == pComma || s.after(wBy)) {
		return true
	}
	conditional := s.after(wWhere) || s.after(wAnd) || s.after(wOr) || s.after(wNot) || s.after(wOn) ||
		s.after(wHaving) || s.after(wWhen) || s.prev == pOpen && !f.call && f.list.mode == noList && !f.inList
	return conditional && s.comparedToValue()
}

// peekWord is the keyword that comes next.
func (s *scanner) peekWord() word {
	w, _ := s.wordAt(s.pos)
	return w
}

func (s *scanner) wordAt(i int) (w word, end int) {
	var buf [longestWord]byte
	n := 0
	for ; is(s.at(i), letter) && n < len(buf); i, n = i+1, n+1 {
		buf[n] = upper(s.src[i])
	}
	if is(s.at(i), identifier) {
		return noWord, i
	}
	return lookup(buf[:n]), i
}

// comparedToValue looks for an operator and a literal or placeholder.
func (s *scanner) comparedToValue() bool {
	i := s.pos
	for c := s.at(i); c == '=' || c == '<' || c == '>' || c == '!'; c = s.at(i) {
		i++
	}
	if i > s.pos {
		return s.valueAt(s.behindSpaces(i))
	}
	w, end := s.wordAt(i)
	if w == wNot {
		w, end = s.wordAt(s.behindSpaces(end))
	}
	end = s.behindSpaces(end)
	switch w {
	case wIs:
		if next, after := s.wordAt(end); next == wNot {
			end = s.behindSpaces(after)
		}
		return s.valueAt(end)
	case wIn:
		return s.at(end) == '(' && s.valueAt(s.behindSpaces(end+1))
	case wLike, wBetween, wInfix:
		return s.valueAt(end)
	default:
		return false
	}
}

func (s *scanner) behindSpaces(i int) int {
	for s.at(i) == ' ' || s.at(i) == '\n' || s.at(i) == '\t' || s.at(i) == '\r' {
		i++
	}
	return i
}

func (s *scanner) valueAt(i int) bool {
	c := s.at(i)
	switch c {
	case '\'', '?':
		return true
	case '-', '+', '.':
		return is(s.at(i+1), digit)
	case ':', '@', '$':
		return is(s.at(i+1), letter)
	}
	w, _ := s.wordAt(i)
	return is(c, digit) || w == wLiteral
}
