//go:build !go1.27

package drivertest

import "database/sql/driver"

// makeRows makes rows of a shape. Before Go 1.27 there is no S.
func makeRows(s int) (*rows, driver.Rows) { return newRows0(s & 63) }
