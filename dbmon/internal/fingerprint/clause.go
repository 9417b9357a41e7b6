package fingerprint

// clauseWord prints a keyword and takes note of what it begins.
func (s *scanner) clauseWord(w word, n int) {
	f := s.frame()
	verb := s.prev == pStart || s.prev == pOpen || s.verbDue
	s.verbDue = false
	if w == wAs {
		s.asAt, s.asOperand = len(s.out), s.afterOperand() && (s.prev != pName || !s.loose)
	} else {
		f.named = false
	}
	isNot := w == wNot && s.after(wIs)
	prev, prevWord := s.prev, s.prevWord
	s.keyword(w, n)
	if isNot {
		s.prevWord = wIs
	}
	switch w {
	case wInterval:
		s.interval = true
	case wSelect, wWith, wValues, wTable:
		s.query(f, w)
	case wFrom:
		s.from(f, prev == pKeyword && prevWord == wDistinct)
	case wJoin:
		f.clause, f.expect = inFrom, true
	case wInto:
		s.keepLabels = s.keepLabels || s.verb == Select
		f.expect, s.reading = !s.follows("OUTFILE") && !s.follows("DUMPFILE"), false
		if f.clause == inFrom {
			f.clause = inNothing
		}
	case wInsert, wReplace, wMerge, wUpdate, wDelete:
		s.modify(f, w, verb)
	case wUsing:
		if s.peek() != '(' && (s.verb == Merge || s.verb == Delete) {
			f.clause, f.expect = inFrom, true
		}
	case wReferences:
		f.expect = s.ddl
	case wOn:
		s.on(f)
	case wSet:
		f.clause = inSet
	case wBy:
		f.clause = inBy
	case wReturning:
		f.clause = inExpression
	case wFor:
		s.locking()
		f.clause, f.query = inExpression, false
	case wWhere, wHaving, wLimit, wOffset:
		f.clause = inExpression
	case wSetOperator:
		f.clause = inExpression
	case wClause:
		switch string(s.upper[:n]) {
		case "LOCK": // LOCK IN SHARE MODE of MySQL
			s.reading = s.reading && !s.follows("IN")
		case "NATURAL":
			s.keepLabels = true
		}
	}
}

// query begins SELECT, WITH, VALUES or TABLE: the brackets hold no list.
func (s *scanner) query(f *frame, w word) {
	if f.list.mode == elements {
		f.list.mode = noList
	}
	switch w {
	case wSelect:
		f.clause, f.query = inSelect, true
	case wValues:
		f.clause = inExpression
		if f.list.mode == noList {
			f.list = newList(rows, len(s.out))
		}
	case wTable:
		f.expect = true
		f.clause = inNothing
	}
}

// from begins the tables, unless it belongs to a function (EXTRACT(x FROM y)), to
// IS DISTINCT FROM, or to a period of time (FOR SYSTEM_TIME FROM x TO y).
func (s *scanner) from(f *frame, distinct bool) {
	if !f.query || distinct {
		return
	}
	f.clause, f.expect, f.query = inFrom, true, false
	s.interval = false
}

// on begins the condition of a join, behind which more tables may follow, or in
// CREATE INDEX the table.
func (s *scanner) on(f *frame) {
	switch {
	case f.clause == inFrom:
		f.clause = inOn
	case s.ddl && s.depth == 0 && f.clause == inNothing:
		f.expect = true
	default:
		f.clause = inExpression
	}
}

// modify takes note of INSERT, REPLACE, MERGE, UPDATE or DELETE, where they are a
// verb: not in FOR UPDATE, ON DUPLICATE KEY UPDATE, ON DELETE CASCADE.
func (s *scanner) modify(f *frame, w word, verb bool) {
	if !verb {
		if w == wUpdate && !s.ddl {
			f.clause = inSet
		}
		s.reading = false
		return
	}
	s.reading = false
	f.list.mode = noList
	f.query = true
	f.clause = inNothing
	f.expect = w != wDelete && w != wMerge
	if s.depth > 0 && s.within == Other {
		s.within = w.class()
	}
}

// class is that of a verb.
func (w word) class() Class {
	switch w {
	case wInsert:
		return Insert
	case wUpdate:
		return Update
	case wDelete:
		return Delete
	case wReplace:
		return Replace
	case wMerge:
		return Merge
	default:
		return Select
	}
}

// locking takes note of FOR UPDATE, FOR NO KEY UPDATE, FOR SHARE, FOR KEY SHARE,
// and of NEXT VALUE FOR of MariaDB.
func (s *scanner) locking() {
	if s.follows("UPDATE") || s.follows("SHARE") || s.follows("NO") || s.follows("KEY") || hasSuffix(s.out, "next value FOR") {
		s.reading = false
	}
}

// namesFollow is true where a bracket opens a list of columns.
func (s *scanner) namesFollow(f *frame) bool {
	switch s.prev {
	case pTable:
		return true
	case pFunction:
		return s.phase == preparing && s.depth == s.with // WITH a (b, c) AS
	case pKeyword:
		return s.prevWord == wConflict || s.prevWord == wUsing || s.ddl && s.prevWord == wKeys
	default:
		return false
	}
}

// endTable ends the place for a table and its alias, as a value does.
func (s *scanner) endTable() {
	f := s.frame()
	f.expect, f.named = false, false
}
