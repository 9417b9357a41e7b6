//go:build !go1.27

package dbmon

import "database/sql/driver"

func rowsShapeOf(inner driver.Rows) rowsShape { return columnShapeOf(inner) }

// shaped returns v with the interfaces of a shape.
func (v *plainRows) shaped(s rowsShape) driver.Rows { return v.columnsAs(s) }
