package dbmon

import (
	"iter"
	"reflect"
	"strings"
)

// maxCauses bounds the walk through errors that wrap each other.
const maxCauses = 64

// causes are the errors of the tree that err is the root of, in the order of
// [errors.Is].
func causes(err error) iter.Seq[error] {
	return func(yield func(error) bool) {
		waiting := []error{err}
		for range maxCauses {
			if len(waiting) == 0 {
				return
			}
			e := waiting[len(waiting)-1]
			waiting = waiting[:len(waiting)-1]
			if e != nil && !yield(e) {
				return
			}
			switch e := e.(type) { //nolint:errorlint // it is this walk that unwraps
			case interface{ Unwrap() error }:
				waiting = append(waiting, e.Unwrap())
			case interface{ Unwrap() []error }:
				inner := e.Unwrap()
				for i := min(len(inner), maxCauses) - 1; i >= 0; i-- {
					waiting = append(waiting, inner[i])
				}
			}
		}
	}
}

// outcomeOfCode reads the code of the database, or is failed where there is
// none. Drivers are not imported for it: their types are known by their methods,
// or by the package and the names of fields.
func outcomeOfCode(err error) outcome {
	for e := range causes(err) {
		if how, found := codeOf(e); found {
			return how
		}
	}
	return failed
}

func codeOf(err error) (how outcome, found bool) {
	switch e := err.(type) { //nolint:errorlint // the caller unwraps
	case interface{ SQLState() string }: // pgx, lib/pq
		return outcomeOfState(e.SQLState()), true
	case interface{ Field(byte) string }: // pgdriver and go-pg, by the keys of the protocol (PostgreSQL 55.8)
		return outcomeOfState(e.Field('C')), true
	}
	v := reflect.ValueOf(err)
	switch path := packageOf(v.Type()); {
	case strings.Contains(path, "sqlite"): // modernc, mattn, ncruces, glebarez
		if code, found := integer(v); found { // ncruces has codes that are errors
			return outcomeOfSQLite(code), true
		}
		if code, found := number(v, "ExtendedCode", "Code"); found {
			return outcomeOfSQLite(code), true
		}
	case strings.Contains(path, "mysql"): // go-sql-driver, go-mysql-org
		if code, found := number(v, "Number", "Code"); found {
			return outcomeOfMySQL(code, stateOf(v)), true
		}
	case strings.HasSuffix(path, "/pq"): // before it had the method
		if state := stateOf(v); state != "" {
			return outcomeOfState(state), true
		}
	}
	return failed, false
}

func packageOf(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath()
}

// number is the first of what it names that is a method without arguments, or a
// field, and an integer.
func number(v reflect.Value, names ...string) (n int64, found bool) {
	for _, name := range names {
		if m := v.MethodByName(name); m.IsValid() && m.Type().NumIn() == 0 && m.Type().NumOut() == 1 {
			if n, found = integer(m.Call(nil)[0]); found {
				return n, true
			}
		}
		if f := field(v, name); f.IsValid() {
			if n, found = integer(f); found && n != 0 {
				return n, true
			}
		}
	}
	return 0, false
}

func integer(v reflect.Value) (n int64, found bool) {
	switch {
	case v.CanInt():
		return v.Int(), true
	case v.CanUint():
		return int64(v.Uint()), true
	default:
		return 0, false
	}
}

func field(v reflect.Value, name string) reflect.Value {
	v = reflect.Indirect(v)
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	return v.FieldByName(name)
}

// stateOf is a SQLSTATE in a field, a text or five bytes.
func stateOf(v reflect.Value) string {
	for _, name := range []string{"SQLState", "State", "Code"} {
		switch f := field(v, name); {
		case f.Kind() == reflect.String:
			return f.String()
		case f.Kind() == reflect.Array && f.Type().Elem().Kind() == reflect.Uint8:
			state := make([]byte, f.Len())
			reflect.Copy(reflect.ValueOf(state), f)
			return string(state)
		}
	}
	return ""
}

// outcomeOfState goes by the SQLSTATE, whose first two characters are its class
// (ISO/IEC 9075-2, clause 24.1; PostgreSQL, appendix A).
func outcomeOfState(state string) outcome {
	switch state {
	case "23505": // unique_violation
		return uniqueViolation
	case "40001", "40P01", "40000": // serialization_failure, deadlock_detected, transaction_rollback
		return serialization
	case "40002": // transaction_integrity_constraint_violation
		return constraint
	case "55P03": // lock_not_available
		return lockTimeout
	case "57014", "25P03", "25P04", "70100": // query_canceled, which is how the server's time limit ends a query; idle_in_transaction_session_timeout; transaction_timeout; MySQL's query_canceled
		return timeout
	case "57P01", "57P02", "57P03", "57P04", "57P05": // shutdown, crash, not up yet, database dropped, idle_session_timeout
		return badConnection
	case "42501": // insufficient_privilege
		return denied
	case "25006": // read_only_sql_transaction
		return readOnly
	case "3D000", "3F000": // no such database, no such schema
		return syntax
	}
	switch state[:min(2, len(state))] {
	case "08": // connection exception
		return badConnection
	case "23": // integrity constraint violation
		return constraint
	case "28": // invalid authorization specification
		return denied
	case "42": // syntax error or access rule violation
		return syntax
	case "53": // insufficient resources
		return resources
	default:
		return failed
	}
}

// outcomeOfMySQL knows the errors whose SQLSTATE says too little: it is HY000
// for most of what MySQL and MariaDB added. Those from 1900 to 1999 and from 4000
// to 4099 are MariaDB's.
func outcomeOfMySQL(code int64, state string) outcome {
	switch code {
	case 1022, 1062, 1169, 1557, 1586, 1761, 1762: // duplicate keys
		return uniqueViolation
	case 1216, 1217, 1451, 1452, 1048, 1364, 3819, 4025: // foreign keys, not null, no default, CHECK of both
		return constraint
	case 1213, 1020, 1614: // deadlock, record has changed since last read, deadlock in XA
		return serialization
	case 1205, 3572: // lock wait timeout, NOWAIT
		return lockTimeout
	case 1317, 1969, 3024: // interrupted, max_statement_time, max_execution_time
		return timeout
	case 1053, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 3169, 4031: // shutdown, network, killed, idle
		return badConnection
	case 1044, 1045, 1129, 1130, 1142, 1143, 1227, 1370, 1698, 1820: // user, host, table, column, privilege, routine, plugin, password
		return denied
	case 1290, 1792, 1836: // --read-only, READ ONLY transaction, read-only mode
		return readOnly
	case 1021, 1037, 1038, 1040, 1041, 1114, 1135, 1203, 1206, 1226, 1461: // disk, memory, connections, table, threads, user, locks, statements
		return resources
	case 1052: // ambiguous column, which has the state of a constraint
		return syntax
	default:
		return outcomeOfState(state)
	}
}

// outcomeOfSQLite takes primary and extended result codes (SQLite, Result and
// Error Codes); the lowest 8 bits of an extended code are the primary one.
func outcomeOfSQLite(code int64) outcome {
	switch code {
	case 1555, 2067, 2579: // CONSTRAINT_PRIMARYKEY, _UNIQUE, _ROWID
		return uniqueViolation
	case 517, 769: // BUSY_SNAPSHOT, ERROR_SNAPSHOT
		return serialization
	}
	switch code & 0xff {
	case 1, 21, 25: // ERROR, which is mostly that of the parser; MISUSE, RANGE
		return syntax
	case 3, 23: // PERM, AUTH
		return denied
	case 5, 6: // BUSY, LOCKED
		return lockTimeout
	case 7, 13: // NOMEM, FULL
		return resources
	case 8: // READONLY
		return readOnly
	case 9: // INTERRUPT: it has no time limits of its own
		return canceled
	case 14: // CANTOPEN
		return badConnection
	case 19: // CONSTRAINT
		return constraint
	default:
		return failed
	}
}
