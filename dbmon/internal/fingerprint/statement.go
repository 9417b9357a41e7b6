package fingerprint

import "strings"

// phase is how much of the head of a statement has been read.
type phase uint8

const (
	pending    phase = iota // the verb is due
	explaining              // EXPLAIN and its options
	defining                // CREATE, ALTER or DROP, of what is due
	preparing               // WITH, the main verb is due
	body
	muted // the rest is not printed
)

// statement is what is known of one statement of a text.
type statement struct {
	phase     phase
	verb      Class
	start     int // in out
	reading   bool
	ddl       bool
	explained bool // EXPLAIN
	runs      bool // ANALYZE
	within    Class
	with      int  // depth of WITH
	verbDue   bool // the word to come is a verb
}

// begin begins a statement.
func (s *scanner) begin() {
	s.statement = statement{start: len(s.out)}
	s.depth = 0
	s.frames[0] = frame{table: -1}
	s.prev, s.prevWord, s.sign = pStart, noWord, -1
	if s.fragment {
		s.phase = body
	}
	if len(s.out) > 0 {
		s.out = append(s.out, "; "...)
		s.start = len(s.out)
	}
}

// end ends a statement, and takes the separator back if there was none.
func (s *scanner) end() {
	if s.phase == explaining || s.phase == defining {
		s.mute("")
	}
	if s.phase == pending {
		s.out = s.out[:max(0, s.start-len("; "))]
		s.prev = pStart
		return
	}
	c := s.verb
	if c == Select && s.within != Other {
		c = s.within
	}
	if s.explained && !s.runs {
		c = Explain
	}
	s.statements++
	s.reads = s.reading && !s.explained && s.statements == 1
	if s.statements == 1 || c.rank() > s.class.rank() {
		s.class = c
	}
}

// mute keeps the verb only.
func (s *scanner) mute(text string) {
	if text == "" {
		text = s.verb.String()
	}
	s.out = append(s.out[:s.start], text...)
	s.phase = muted
	s.reading, s.sign = false, -1
	for n := len(s.names); n > 0 && int(s.names[n-1].from) >= s.start; n-- {
		s.names = s.names[:n-1]
	}
}

// other mutes a statement of which not even the verb is known.
func (s *scanner) other() {
	s.verb = Other
	s.mute("OTHER")
}

// muteRest mutes the statements behind this one too: they are its body, or rows.
func (s *scanner) muteRest(text string) {
	s.mute(text)
	s.pos = len(s.src)
}

// lead reads a word of the head. It returns true where the word is to be printed
// like any other.
func (s *scanner) lead(upper []byte, w word) bool {
	switch s.phase {
	case pending:
		return s.leadVerb(upper, w)
	case explaining:
		return s.leadExplained(upper, w)
	case defining:
		return s.leadObject(upper)
	case preparing:
		if s.depth == s.with && w.isVerb() && !s.callsFunction(w) {
			s.enter(w)
		}
	}
	return true
}

// callsFunction is true for REPLACE and INSERT where they are functions of MySQL
// and SQLite.
func (s *scanner) callsFunction(w word) bool {
	return (w == wReplace || w == wInsert) && s.peek() == '('
}

// isVerb is true for the verbs of statements that are printed in full.
func (w word) isVerb() bool {
	switch w {
	case wSelect, wValues, wTable, wInsert, wUpdate, wDelete, wReplace, wMerge:
		return true
	default:
		return false
	}
}

// enter begins the body of a statement that is printed.
func (s *scanner) enter(w word) {
	s.phase = body
	s.verb = w.class()
	s.reading = s.verb == Select && s.within == Other
	s.verbDue = true
}

func (s *scanner) leadVerb(upper []byte, w word) bool {
	if w.isVerb() {
		s.enter(w)
		return true
	}
	switch string(upper) {
	case "WITH":
		s.phase, s.with = preparing, s.depth
		return true
	case "EXPLAIN", "DESCRIBE", "DESC":
		s.phase, s.verb, s.explained = explaining, Explain, true
		s.keyword(wClause, len(upper))
		return false
	case "CREATE":
		s.phase, s.verb, s.ddl = defining, Create, true
		s.keyword(wClause, len(upper))
		return false
	case "ALTER":
		s.phase, s.verb, s.ddl = defining, Alter, true
		s.keyword(wClause, len(upper))
		return false
	case "DROP":
		s.phase, s.verb, s.ddl = defining, Drop, true
		s.keyword(wClause, len(upper))
		return false
	case "TRUNCATE":
		s.phase, s.verb, s.ddl = body, Truncate, true
		s.frame().clause, s.frame().expect = inFrom, true
		s.keyword(wClause, len(upper))
		return false
	case "CALL":
		s.phase, s.verb = body, Call
		s.keyword(wClause, len(upper))
		return false
	case "COPY":
		s.verb = Copy
		s.muteRest("COPY")
		return false
	case "ANALYZE":
		if next := s.peekWord(); s.dialect.mysqlish() && (next.isVerb() && next != wTable || next == wWith || s.follows("FORMAT")) {
			s.phase, s.verb, s.explained, s.runs = explaining, Explain, true, true
			s.keyword(wClause, len(upper))
			return false
		}
	}
	s.verb = utility(upper)
	switch {
	case s.verb == Other && !verbOnly(upper):
		s.other()
	case string(upper) == "START" && s.follows("TRANSACTION"):
		s.verb = Begin
		s.mute("START TRANSACTION")
	default:
		s.mute(string(upper))
	}
	return false
}

// follows is true where a word comes next.
func (s *scanner) follows(word string) bool {
	end := s.pos + len(word)
	return end <= len(s.src) && !is(s.at(end), identifier) && strings.EqualFold(s.src[s.pos:end], word)
}

// leadExplained reads the options of EXPLAIN up to the verb of what it explains.
func (s *scanner) leadExplained(upper []byte, w word) bool {
	inOptions := s.depth > 0 && s.prev != pOpen
	if w.isVerb() && !inOptions {
		s.enter(w)
		return true
	}
	switch string(upper) {
	case "WITH":
		s.phase, s.with = preparing, s.depth
		return true
	case "ANALYZE", "ANALYSE":
		s.runs = true
	case "CREATE":
		if s.depth > 0 || !s.runs {
			s.verbAlone()
			return false
		}
		s.phase, s.verb, s.ddl = defining, Create, true // EXPLAIN ANALYZE CREATE TABLE t AS
	case "VERBOSE", "FORMAT", "JSON", "TREE", "TRADITIONAL", "XML", "YAML", "TEXT", "QUERY", "PLAN", "EXTENDED", "PARTITIONS":
	default:
		if s.depth > 0 {
			return true
		}
		s.verbAlone()
		return false
	}
	s.keyword(wClause, len(upper))
	return false
}

// leadObject reads what is created, altered or dropped. Tables and what belongs
// to them are printed in full.
func (s *scanner) leadObject(upper []byte) bool {
	switch string(upper) {
	case "OR", "REPLACE", "TEMP", "TEMPORARY", "UNLOGGED", "GLOBAL", "LOCAL", "UNIQUE", "FULLTEXT", "SPATIAL", "MATERIALIZED", "RECURSIVE":
		s.keyword(wClause, len(upper))
		return false
	case "TABLE", "INDEX", "VIEW", "SEQUENCE":
		s.phase = body
		s.keyword(wClause, len(upper))
		s.frame().expect = true
		return false
	case "USER", "ROLE", "GROUP", "DATABASE", "SCHEMA", "SUBSCRIPTION", "PUBLICATION", "SERVER", "EXTENSION", "TYPE", "DOMAIN", "POLICY", "SYSTEM":
		s.mute(s.verb.String() + " " + string(upper))
		return false
	case "FUNCTION", "PROCEDURE", "TRIGGER", "EVENT", "RULE", "PACKAGE":
		text := s.verb.String() + " " + string(upper)
		if s.verb == Drop {
			s.mute(text)
		} else {
			s.muteRest(text)
		}
		return false
	}
	s.verbAlone()
	return false
}

// verbAlone mutes a statement whose head is not known. What is created may have
// statements in it.
func (s *scanner) verbAlone() {
	if s.verb == Create || s.verb == Alter {
		s.muteRest("")
		return
	}
	s.mute("")
}

// mutedWord looks for TO behind ROLLBACK, which then ends no transaction.
func (s *scanner) mutedWord(upper []byte) {
	if s.verb == Rollback && string(upper) == "TO" {
		s.verb = Savepoint
		s.out = append(s.out, " TO"...)
	}
}

// utility is the class of a statement of which the verb is kept.
func utility(upper []byte) Class {
	switch string(upper) {
	case "BEGIN":
		return Begin
	case "COMMIT", "END":
		return Commit
	case "ROLLBACK", "ABORT":
		return Rollback
	case "SAVEPOINT", "RELEASE":
		return Savepoint
	case "SET", "RESET", "USE":
		return Set
	case "SHOW":
		return Show
	case "GRANT":
		return Grant
	case "REVOKE":
		return Revoke
	case "PRAGMA":
		return Pragma
	case "LOCK", "UNLOCK":
		return Lock
	case "ANALYZE", "ANALYSE":
		return Analyze
	case "VACUUM":
		return Vacuum
	default:
		return Other
	}
}

// verbOnly is true for other verbs that may be shown.
func verbOnly(upper []byte) bool {
	switch string(upper) {
	case "START", "STOP", "DO", "EXEC", "EXECUTE", "PREPARE", "DEALLOCATE", "DECLARE", "FETCH", "MOVE", "CLOSE", "LISTEN",
		"UNLISTEN", "NOTIFY", "DISCARD", "CHECKPOINT", "CLUSTER", "REINDEX", "REFRESH", "COMMENT", "SECURITY",
		"IMPORT", "REASSIGN", "LOAD", "KILL", "FLUSH", "RENAME", "HANDLER", "INSTALL", "UNINSTALL", "ATTACH",
		"DETACH", "OPTIMIZE", "REPAIR", "CHECK", "CHECKSUM", "PURGE", "CHANGE", "XA", "OTHER":
		return true
	default:
		return false
	}
}
