// Package shape gives a connection the optional methods of the driver's own, and
// no others: database/sql asserts each of them, and does something else where one
// is missing, so a method too many changes what a program does as much as one
// too few.
//
// There is a type for each of the 1024 combinations, in a package of its own
// since they take seconds to compile. They add 2.4 MB to a stripped binary.
package shape

import "database/sql/driver"

// Core does the work of a connection. Its optional methods are called only where
// the connection's shape has them.
type Core interface {
	driver.Conn
	Raw() driver.Conn // the driver's own

	driver.Pinger
	//lint:ignore SA1019 what an old driver has is kept
	driver.Execer
	driver.ExecerContext
	//lint:ignore SA1019 what an old driver has is kept
	driver.Queryer
	driver.QueryerContext
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.SessionResetter
	driver.Validator
	driver.NamedValueChecker
}

// conn is the shape without optional methods. All others embed it, at the same
// address.
type conn struct{ core Core }

//go:noinline
func (v *conn) Prepare(query string) (driver.Stmt, error) { return v.core.Prepare(query) }

//go:noinline
func (v *conn) Close() error { return v.core.Close() }

//go:noinline
func (v *conn) Begin() (driver.Tx, error) {
	return v.core.Begin()
}

//go:noinline
func (v *conn) Raw() driver.Conn { return v.core.Raw() }

// Of returns the shape of a driver's connection.
func Of(c driver.Conn) Shape {
	return Has[driver.Pinger](c, Pinger) |
		//lint:ignore SA1019 what an old driver has is kept
		Has[driver.Execer](c, Execer) |
		Has[driver.ExecerContext](c, ExecerContext) |
		//lint:ignore SA1019 what an old driver has is kept
		Has[driver.Queryer](c, Queryer) |
		Has[driver.QueryerContext](c, QueryerContext) |
		Has[driver.ConnPrepareContext](c, ConnPrepareContext) |
		Has[driver.ConnBeginTx](c, ConnBeginTx) |
		Has[driver.SessionResetter](c, SessionResetter) |
		Has[driver.Validator](c, Validator) |
		Has[driver.NamedValueChecker](c, NamedValueChecker)
}

// Has is the bit where v has the interface T, and 0 otherwise.
func Has[T any, S ~uint8 | ~uint16](v any, bit S) S {
	if _, ok := v.(T); ok {
		return bit
	}
	return 0
}
