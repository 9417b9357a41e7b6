package fingerprint

// maxFrames is how deep brackets are told apart. Deeper ones are printed as
// they are.
const maxFrames = 16

// clause is where in a query the scanner is.
type clause uint8

const (
	inNothing clause = iota
	inSelect         // its list
	inFrom
	inSet
	inOn // of a join
	inBy
	inExpression
)

// frame is what is known of a pair of brackets, or of a statement outside of
// all.
type frame struct {
	clause clause
	list   list
	inList bool // within elements that may be taken back
	call   bool // arguments of a function
	names  bool // names of columns
	square bool
	query  bool  // the FROM of a verb is due
	expect bool  // the name of a table is due
	stands bool  // brackets that are open stand for a table
	named  bool  // a table was named: an alias may follow
	table  int16 // the mention of that table, or -1
}

// mode is what the elements of a list are.
type mode uint8

const (
	noList   mode = iota
	elements      // between the brackets of a frame
	rows          // pairs of brackets behind VALUES
)

// list drops the elements that were there before.
type list struct {
	mode  mode
	start int // of the element
	comma int // before it, or -1
	kept  [4]span
	n     int
}

type span struct{ from, to int }

func newList(m mode, start int) list { return list{mode: m, start: start, comma: -1} }

func (s *scanner) frame() *frame { return &s.frames[min(s.depth, maxFrames-1)] }

func (s *scanner) push(f frame) {
	s.depth++
	if s.depth >= maxFrames-1 {
		f = frame{inList: true, call: f.call, square: f.square, table: -1}
	}
	*s.frame() = f
}

func (s *scanner) pop() {
	s.depth--
	if s.depth >= maxFrames-1 {
		*s.frame() = frame{inList: true, table: -1}
	}
}

// open reads a bracket, and knows by what is before it what is in it.
func (s *scanner) open(c byte) {
	s.advance(s.pos + 1)
	f := s.frame()
	if s.phase == preparing && s.depth == s.with && s.prev == pClose {
		s.with++ // WITH a AS (SELECT 1) (SELECT 2)
	}
	inner := frame{
		square: c == '[',
		call:   s.prev == pFunction,
		inList: f.inList || f.list.mode != noList,
		names:  s.namesFollow(f),
		table:  -1,
	}
	if f.expect && c == '(' {
		// Tables in brackets, unless SELECT follows.
		inner.clause, inner.query, inner.expect = inFrom, true, true
	}
	f.stands = c == '(' && (f.expect || f.named && s.prev == pFunction)
	f.expect, f.named, f.table = false, false, -1
	if f.list.mode == rows && !s.rowDue() {
		f.list.mode = noList
	}
	lists := s.after(wIn) || c == '[' && s.after(wArray) || s.prev == pFunction && s.fieldList()
	if c == '[' && f.square && f.list.mode == elements && (s.prev == pOpen || s.prev == pComma) {
		lists = true
	}
	if c == '[' && s.prev != pStart {
		s.glue()
	}
	s.put(pOpen, text(c))
	if lists {
		inner.list = newList(elements, len(s.out))
	}
	s.push(inner)
}

// glue lets a square bracket stand next to what is before it.
func (s *scanner) glue() {
	if s.prev != pComma && s.prev != pOperator {
		s.prev = pDot
	}
}

// text is a bracket as a string.
func text(c byte) string {
	switch c {
	case '(':
		return "("
	case ')':
		return ")"
	case '[':
		return "["
	default:
		return "]"
	}
}

// rowDue is true where a bracket opens a row of VALUES.
func (s *scanner) rowDue() bool {
	return s.after(wValues) || s.prev == pComma || s.prev == pFunction
}

// fieldList is true behind FIELD of MySQL, which orders by a list of values.
func (s *scanner) fieldList() bool {
	return s.dialect.mysqlish() && hasSuffix(s.out, " field")
}

func (s *scanner) close(c byte) {
	s.advance(s.pos + 1)
	if s.depth == 0 {
		s.endTable()
		s.put(pClose, text(c))
		return
	}
	f := s.frame()
	if f.list.mode == elements {
		s.endElement(&f.list)
	}
	s.closedCall = f.call
	s.put(pClose, text(c))
	s.pop()
	f = s.frame()
	if f.list.mode == rows {
		s.endElement(&f.list)
	}
	if f.stands {
		f.stands, f.named = false, true
	}
}

func (s *scanner) comma() {
	s.advance(s.pos + 1)
	f := s.frame()
	f.named = false
	switch f.list.mode {
	case elements:
		s.endElement(&f.list)
		f.list.comma = len(s.out)
	case rows:
		if s.prev != pClose && s.prev != pValue || s.peek() != '(' && !s.follows("ROW") {
			f.list.mode = noList
		}
		f.list.comma = len(s.out)
	}
	s.put(pComma, ",")
	f.list.start = len(s.out)
	if f.clause == inOn {
		f.clause = inFrom
	}
	f.expect = f.clause == inFrom
	s.interval = false
}

// endElement takes an element back that the list has already.
func (s *scanner) endElement(l *list) {
	if s.phase == muted {
		return
	}
	element := span{l.start, len(s.out)}
	if element.from < element.to && s.out[element.from] == ' ' {
		element.from++
	}
	for _, k := range l.kept[:l.n] {
		if l.comma >= 0 && string(s.out[k.from:k.to]) == string(s.out[element.from:element.to]) {
			s.takeBack(l.comma)
			return
		}
	}
	if l.n == len(l.kept) {
		l.n-- // the last is replaced: runs are found, whatever was before
	}
	l.kept[l.n] = element
	l.n++
}

func (s *scanner) takeBack(to int) {
	s.out = s.out[:to]
	s.sign = -1
	s.prev = pValue
	for n := len(s.names); n > 0 && int(s.names[n-1].from) >= to; n-- {
		s.names = s.names[:n-1]
	}
}
