//go:build go1.27

package drivertest

import (
	"database/sql"
	"database/sql/driver"
)

// makeRows makes rows of a shape.
func makeRows(s int) (*rows, driver.Rows) {
	if s < 64 {
		return newRows0(s)
	}
	return newRows64(s)
}

func (r *rows) nextRow() error {
	if err := r.called("NextRow"); err != nil {
		return err
	}
	return r.step()
}

func (r *rows) scanColumn(ctx driver.ScanContext, i int, dest any) error {
	if err := r.called("ScanColumn", i); err != nil {
		return err
	}
	return sql.ConvertAssign(ctx, dest, r.row[i])
}
