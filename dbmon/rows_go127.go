//go:build go1.27

package dbmon

import (
	"database/sql/driver"

	"github.com/sluice-go/sluice/dbmon/internal/shape"
)

func rowsShapeOf(inner driver.Rows) rowsShape {
	return columnShapeOf(inner) | shape.Has[driver.RowsColumnScanner](inner, rowsHasColumnScanner)
}

// shaped returns v with the interfaces of a shape.
func (v *plainRows) shaped(s rowsShape) driver.Rows {
	if s&rowsHasColumnScanner == 0 {
		return v.columnsAs(s)
	}
	return v.scannerAs(s)
}

// nextRow is what database/sql calls in the place of Next.
func (r *rows) nextRow() error {
	from := r.src.now()
	err := r.inner.(driver.RowsColumnScanner).NextRow()
	r.row(from, err)
	return err
}

func (r *rows) scanColumn(ctx driver.ScanContext, i int, dest any) error {
	return r.inner.(driver.RowsColumnScanner).ScanColumn(ctx, i, dest)
}
