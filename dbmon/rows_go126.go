//go:build !go1.27

package dbmon

import "database/sql/driver"

// shaped returns v with the interfaces of inner.
func (v *plainRows) shaped(inner driver.Rows) driver.Rows {
	return v.columnsAs(columnShapeOf(inner))
}
