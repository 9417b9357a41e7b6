package drivertest

import (
	"database/sql/driver"
	"fmt"
	"io"
	"reflect"
)

// rows do the work of rows of all shapes.
type rows struct {
	db   *Driver
	n    int
	sets [][][]driver.Value
	row  []driver.Value
}

func (d *Driver) rows(n int, err error) (driver.Rows, error) {
	if err != nil {
		return nil, err
	}
	return d.newRows(n), nil
}

func (r *rows) called(method string, args ...any) error {
	return r.db.called(fmt.Sprint("#", r.n, " rows."+method), args...)
}

func (r *rows) Columns() []string { return []string{"a", "b"} }

func (r *rows) Close() error { return r.called("Close") }

func (r *rows) Next(dest []driver.Value) error {
	if err := r.called("Next"); err != nil {
		return err
	}
	err := r.step()
	copy(dest, r.row)
	return err
}

func (r *rows) step() error {
	r.row = nil
	if len(r.sets) == 0 || len(r.sets[0]) == 0 {
		return io.EOF
	}
	r.row = r.sets[0][0]
	r.sets = append([][][]driver.Value{r.sets[0][1:]}, r.sets[1:]...)
	return nil
}

func (r *rows) hasNextResultSet() bool {
	return r.called("HasNextResultSet") == nil && len(r.sets) > 1
}

func (r *rows) nextResultSet() error {
	if err := r.called("NextResultSet"); err != nil {
		return err
	}
	if len(r.sets) < 2 {
		return io.EOF
	}
	r.sets = r.sets[1:]
	return nil
}

func (r *rows) columnTypeScanType(i int) reflect.Type {
	_ = r.called("ColumnTypeScanType", i)
	return reflect.TypeFor[int32]()
}

func (r *rows) columnTypeDatabaseTypeName(i int) string {
	_ = r.called("ColumnTypeDatabaseTypeName", i)
	return "INT4"
}

func (r *rows) columnTypeLength(i int) (int64, bool) {
	_ = r.called("ColumnTypeLength", i)
	return 5, true
}

func (r *rows) columnTypeNullable(i int) (nullable, ok bool) {
	_ = r.called("ColumnTypeNullable", i)
	return true, true
}

func (r *rows) columnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	_ = r.called("ColumnTypePrecisionScale", i)
	return 3, 2, true
}
