package fingerprint

// Class is what a statement does, of a closed set: it can be a label.
type Class uint8

const (
	Other Class = iota
	Select
	Insert
	Update
	Delete
	Replace
	Merge
	Create
	Alter
	Drop
	Truncate
	Grant
	Revoke
	Begin
	Commit
	Rollback
	Savepoint // SAVEPOINT, RELEASE and ROLLBACK TO
	Call
	Copy
	Set
	Show
	Explain // EXPLAIN ANALYZE runs the statement, and has its class
	Pragma
	Lock
	Analyze
	Vacuum
	Classes // how many there are
)

// String is the upper-case verb.
func (c Class) String() string {
	names := [Classes]string{
		"OTHER", "SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "CREATE", "ALTER", "DROP",
		"TRUNCATE", "GRANT", "REVOKE", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "CALL", "COPY", "SET",
		"SHOW", "EXPLAIN", "PRAGMA", "LOCK", "ANALYZE", "VACUUM",
	}
	if c >= Classes {
		return names[Other]
	}
	return names[c]
}

// rank orders the statements of one text: its class is that of the one that
// does most.
func (c Class) rank() int {
	switch c {
	case Insert, Update, Delete, Replace, Merge, Copy:
		return 4
	case Create, Alter, Drop, Truncate, Grant, Revoke:
		return 3
	case Call:
		return 2
	case Select, Explain:
		return 1
	default:
		return 0
	}
}
