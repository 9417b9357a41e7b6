package fingerprint

// put prints a token, behind a blank unless the two belong together.
func (s *scanner) put(k kind, text string) {
	s.sign = -1
	if s.phase == muted {
		return
	}
	s.separate(k)
	s.out = append(s.out, text...)
	s.prev = k
}

// separate prints the blank.
func (s *scanner) separate(k kind) {
	if s.prev != pStart && !glued(s.prev, k) {
		s.out = append(s.out, ' ')
	}
}

// glued tells which tokens have no blank between them.
func glued(prev, k kind) bool {
	switch {
	case prev == pOpen || prev == pDot || prev == pCast:
		return true
	case k == pCast:
		return prev != pOperator // a colon may be one
	case k == pClose || k == pComma || k == pDot:
		return true
	default:
		return k == pOpen && prev == pFunction
	}
}

func (s *scanner) keyword(w word, n int) {
	s.sign = -1
	if s.phase == muted {
		return
	}
	s.separate(pKeyword)
	s.out = append(s.out, s.upper[:n]...)
	s.prev, s.prevWord = pKeyword, w
}

// operator prints the next n bytes. Signs stay open until it is known whether
// they belong to a value: -5 is the same as 5.
func (s *scanner) operator(n int) {
	text := s.src[s.pos : s.pos+n]
	s.advance(s.pos + n)
	s.endTable()
	if text == "::" {
		s.put(pCast, text)
		return
	}
	if text == ":=" && s.dialect.mysqlish() {
		s.reading = false
	}
	if (text != "-" && text != "+") || !s.operandDue() || s.phase == muted {
		s.put(pOperator, text)
		return
	}
	at := s.sign
	if at < 0 {
		at, s.beforeSign, s.wordBeforeSign = len(s.out), s.prev, s.prevWord
	}
	s.put(pOperator, text)
	s.sign = at
}

// operandDue is true where + and - are signs.
func (s *scanner) operandDue() bool {
	switch s.prev {
	case pStart, pOpen, pComma, pOperator:
		return true
	case pKeyword:
		return s.prevWord.beforeOperand() || s.prevWord == wDefault || s.prevWord == wInterval && s.dialect.mysqlish()
	default:
		return false
	}
}

// afterOperand is true where a word may be an operator.
func (s *scanner) afterOperand() bool {
	switch s.prev {
	case pName, pTable, pValue, pClose:
		return true
	case pKeyword:
		return s.prevWord.endsOperand() || s.prevWord == wNot || s.prevWord == wIs
	default:
		return false
	}
}

// after is true behind a keyword.
func (s *scanner) after(w word) bool { return s.prev == pKeyword && s.prevWord == w }
