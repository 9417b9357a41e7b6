package dbmon

import "github.com/sluice-go/sluice/dbmon/internal/fingerprint"

// operation is what the driver is asked for, of a closed set: the class of a
// statement, or one of those that have no statement or do not run it.
type operation uint8

const (
	opBegin    = operation(fingerprint.Begin)
	opCommit   = operation(fingerprint.Commit)
	opRollback = operation(fingerprint.Rollback)

	opPrepare = operation(fingerprint.Classes) + iota - 3
	opConnect
	opPing
	operations
)

func (o operation) String() string {
	switch o {
	case opPrepare:
		return "PREPARE"
	case opConnect:
		return "CONNECT"
	case opPing:
		return "PING"
	default:
		return fingerprint.Class(o).String()
	}
}
