package dbmon

import "database/sql/driver"

// maxLayers bounds the walk through layers, as one may return itself.
const maxLayers = 32

// Raw returns what is underneath all layers of a connection, a driver or a
// connector: those of this package, and those of others that have a method Raw,
// Unwrap or WrappedConn. Anything else is returned as it is. It is made for
// [database/sql.Conn.Raw]:
//
//	err := c.Raw(func(conn any) error {
//		pgxConn := dbmon.Raw(conn).(*stdlib.Conn).Conn()
//		...
//	})
//
// A method Raw that returns anything else than what it is a method of belongs to
// the driver, and is left alone.
func Raw(v any) any {
	for range maxLayers {
		below := unwrap(v)
		if below == nil {
			break
		}
		v = below
	}
	return v
}

// unwrap takes one layer off, or returns nil where there is none.
func unwrap(v any) any {
	switch v.(type) {
	case driver.Conn:
		return below[driver.Conn](v)
	case driver.Connector:
		return below[driver.Connector](v)
	case driver.Driver:
		return below[driver.Driver](v)
	}
	return nil
}

func below[T comparable](v any) any {
	var under, none T
	switch v := v.(type) {
	case interface{ Raw() T }:
		under = v.Raw()
	case interface{ Unwrap() T }:
		under = v.Unwrap()
	case interface{ WrappedConn() T }:
		under = v.WrappedConn()
	}
	if under == none {
		return nil
	}
	return under
}
