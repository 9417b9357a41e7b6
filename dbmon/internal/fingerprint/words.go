package fingerprint

// word is a keyword that means something to the scanner. Those that do not are
// printed as names are, in lower case.
type word uint8

const (
	noWord word = iota

	// Behind these an operand is due: a sign belongs to the number behind it.
	wSelect
	wDistinct
	wAll
	wWhere
	wAnd
	wOr
	wNot
	wIs
	wIn
	wLike
	wBetween
	wThen
	wElse
	wWhen
	wCase
	wOn
	wHaving
	wBy
	wLimit
	wReturning
	wSet
	wValues
	wFrom
	wFor
	wInfix  // operators that are words; names where an operand is due
	wOffset // the last of these

	// These end an operand.
	wEnd
	wConstant // CURRENT_DATE and others: no name may be mistaken for them
	wLiteral  // NULL, TRUE, FALSE
	wDefault  // the last of these

	wInterval
	wAs
	wInsert
	wUpdate
	wDelete
	wReplace
	wMerge
	wWith
	wInto
	wJoin
	wUsing
	wTable
	wArray
	wConflict
	wReferences
	wNamer // a name of its own follows in DDL
	wKeys  // columns in brackets follow in DDL
	wSetOperator
	wClause // others that end a clause
	wExists
	wModifier // between a verb and its table; a name elsewhere
)

// longestWord is that of [lookup].
const longestWord = 17

// lookup finds an upper-case word.
func lookup(upper []byte) word {
	if len(upper) < 2 || len(upper) > longestWord {
		return noWord
	}
	switch string(upper) {
	case "SELECT":
		return wSelect
	case "DISTINCT", "DISTINCTROW":
		return wDistinct
	case "ALL", "SYMMETRIC", "ASYMMETRIC":
		return wAll
	case "WHERE":
		return wWhere
	case "AND":
		return wAnd
	case "OR":
		return wOr
	case "NOT":
		return wNot
	case "IS":
		return wIs
	case "IN":
		return wIn
	case "LIKE":
		return wLike
	case "BETWEEN":
		return wBetween
	case "THEN":
		return wThen
	case "ELSE":
		return wElse
	case "WHEN":
		return wWhen
	case "CASE":
		return wCase
	case "ON":
		return wOn
	case "HAVING":
		return wHaving
	case "BY":
		return wBy
	case "LIMIT":
		return wLimit
	case "RETURNING":
		return wReturning
	case "SET":
		return wSet
	case "VALUES":
		return wValues
	case "FROM":
		return wFrom
	case "FOR":
		return wFor
	case "OFFSET":
		return wOffset
	case "XOR", "DIV", "MOD", "ILIKE", "RLIKE", "REGEXP", "GLOB", "MATCH", "SIMILAR", "ESCAPE", "SOUNDS",
		"OVERLAPS", "ISNULL", "NOTNULL", "COLLATE", "MEMBER", "OPERATOR", "AT":
		return wInfix
	case "END":
		return wEnd
	case "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "CURRENT_ROLE", "CURRENT_CATALOG",
		"CURRENT_SCHEMA", "SESSION_USER", "SYSTEM_USER", "LOCALTIME", "LOCALTIMESTAMP", "UTC_DATE", "UTC_TIME",
		"UTC_TIMESTAMP", "USER", "ROWID":
		return wConstant
	case "NULL", "TRUE", "FALSE":
		return wLiteral
	case "DEFAULT":
		return wDefault
	case "INTERVAL":
		return wInterval
	case "AS":
		return wAs
	case "INSERT":
		return wInsert
	case "UPDATE":
		return wUpdate
	case "DELETE":
		return wDelete
	case "REPLACE":
		return wReplace
	case "MERGE":
		return wMerge
	case "WITH":
		return wWith
	case "INTO":
		return wInto
	case "JOIN", "STRAIGHT_JOIN":
		return wJoin
	case "USING":
		return wUsing
	case "TABLE":
		return wTable
	case "ARRAY":
		return wArray
	case "CONFLICT":
		return wConflict
	case "REFERENCES":
		return wReferences
	case "COLUMN", "CONSTRAINT", "ADD", "RENAME", "TO", "DROP":
		return wNamer
	case "KEY", "UNIQUE":
		return wKeys
	case "UNION", "EXCEPT", "INTERSECT", "MINUS":
		return wSetOperator
	case "INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS", "NATURAL", "GROUP", "ORDER", "WINDOW", "FETCH",
		"TABLESAMPLE", "INDEXED", "FORCE", "USE", "PARTITION", "QUALIFY", "ANY", "SOME", "ASC", "DESC",
		"OVER", "FILTER", "DO", "PROCEDURE", "LOCK", "RECURSIVE", "DUPLICATE", "NOTHING", "CASCADE", "NOWAIT":
		return wClause
	case "EXISTS":
		return wExists
	case "ONLY", "LATERAL", "IF", "IGNORE", "LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "QUICK", "CONCURRENTLY",
		"ABORT", "FAIL", "ROLLBACK":
		return wModifier
	default:
		return noWord
	}
}

// beforeOperand is true where an operand is due behind a word.
func (w word) beforeOperand() bool { return w >= wSelect && w <= wOffset }

// endsOperand is true where a word is an operand or the end of one.
func (w word) endsOperand() bool { return w > wOffset && w <= wDefault }

// reserved words are no names of tables, in none of the dialects.
func (w word) reserved() bool {
	switch w {
	case wSelect, wDistinct, wAll, wWhere, wAnd, wOr, wNot, wIn, wLike, wBetween, wThen, wElse, wWhen, wCase,
		wOn, wHaving, wBy, wLimit, wSet, wValues, wFrom, wFor, wLiteral, wDefault, wAs, wInsert, wUpdate,
		wDelete, wWith, wInto, wJoin, wUsing, wTable, wReferences, wSetOperator:
		return true
	default:
		return false
	}
}

// modifies is true for words between a verb and the table that it names.
func (w word) modifies() bool {
	switch w {
	case wModifier, wExists, wOr, wNot, wInto, wTable, wReplace, wFrom:
		return true
	default:
		return false
	}
}

// writes is true for functions that are known to change something.
func writes(function []byte) bool {
	switch string(function) {
	case "nextval", "setval", "setseed", "set_config", "txid_current", "lowrite", // PostgreSQL
		"get_lock", "release_lock", "release_all_locks", "last_insert_id", // MySQL
		"load_extension", "writefile", "fts3_tokenizer", // SQLite
		"crosstab", "ts_stat": // they run a statement
		return true
	}
	for _, prefix := range [...]string{"pg_", "lo_", "dblink", "query_to_xml"} {
		if hasPrefix(function, prefix) {
			return true
		}
	}
	return false
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}

func hasSuffix(b []byte, suffix string) bool {
	return len(b) >= len(suffix) && string(b[len(b)-len(suffix):]) == suffix
}
