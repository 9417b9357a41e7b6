package fingerprint

// role is what a name stands for.
type role uint8

const (
	mentioned   role = iota // anything else
	part                    // behind a dot
	qualifies               // before a dot
	tableName               // the last part of the name of a table
	tableAlias              // as it is declared
	columnAlias             // as it is declared
)

// mention is a name in the printed text.
type mention struct {
	from, to int32
	cut      int32 // where AS begins before an alias
	table    int16 // the mention of what a tableAlias names, or -1
	role     role
	hash     uint32 // set where aliases are rewritten
}

// maxMentions is of how many names in a text the aliases are followed.
const maxMentions = 512

func (s *scanner) mention(m mention) {
	if len(s.names) >= maxMentions {
		s.crowded = true
		return
	}
	s.names = append(s.names, m)
	s.aliases = s.aliases || m.role >= tableAlias
}

// last is the mention that was made last, or -1.
func (s *scanner) last() int16 {
	if s.crowded {
		return -1
	}
	return int16(len(s.names) - 1)
}

// alias tells whether the name to be printed declares one. Those within lists,
// and those that could be something else, are printed like any other name.
func (s *scanner) alias(f *frame, m *mention) {
	if s.fragment || s.ddl || f.inList || f.list.mode != noList {
		return
	}
	explicit := s.after(wAs)
	switch {
	case f.named && (explicit || s.prev == pTable || s.prev == pClose) && s.aliasEnds():
		m.role, m.table = tableAlias, f.table
	case f.clause != inSelect || f.named:
		return
	case explicit && s.asOperand && s.aliasEnds(), !explicit && s.labelled():
		m.role = columnAlias
	default:
		return
	}
	m.cut = int32(s.asAt)
	if !explicit {
		m.cut = int32(len(s.out))
		s.put(pKeyword, "AS")
		s.prevWord = wAs
	}
}

// aliasEnds is true where a keyword or the end of something follows.
func (s *scanner) aliasEnds() bool {
	switch s.peek() {
	case ',', ')', ';', 0:
		return !s.gaveUp
	default:
		w := s.peekWord()
		return w != noWord && w != wAs
	}
}

// labelled is true for a label without AS: behind a function or a qualified
// column, since behind anything else the word before could be an operator.
func (s *scanner) labelled() bool {
	certain := s.prev == pClose && s.closedCall || s.prev == pName && s.dotted
	if !certain || s.interval {
		return false
	}
	switch s.peek() {
	case ',', ')', ';', 0:
		return !s.gaveUp
	default:
		return s.peekWord() == wFrom
	}
}
