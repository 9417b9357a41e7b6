package fingerprint

// Dialect says by whose rules a statement is read.
type Dialect int

const (
	// Unknown replaces the rest of a statement from where the other dialects
	// would not read the same.
	Unknown Dialect = iota
	PostgreSQL
	MySQL // and MariaDB
	SQLite
)

func (d Dialect) String() string {
	switch d {
	case PostgreSQL:
		return "postgresql"
	case MySQL:
		return "mysql"
	case SQLite:
		return "sqlite"
	default:
		return "unknown"
	}
}

// mysqlish is true where MySQL's rules have to be thought of.
func (d Dialect) mysqlish() bool { return d == MySQL || d == Unknown }
