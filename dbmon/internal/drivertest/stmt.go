package drivertest

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// stmt does the work of statements of all shapes.
type stmt struct {
	db    *Driver
	n     int
	query string
}

func (s *stmt) called(method string, args ...any) error {
	return s.db.called(fmt.Sprint("#", s.n, " stmt."+method), args...)
}

func (s *stmt) Close() error { return s.called("Close") }

func (s *stmt) NumInput() int { return s.db.Inputs }

func (s *stmt) Exec(args []driver.Value) (driver.Result, error) {
	return s.db.result(s.n, s.called("Exec", s.query, args))
}

func (s *stmt) Query(args []driver.Value) (driver.Rows, error) {
	return s.db.rows(s.n, s.called("Query", s.query, args))
}

func (s *stmt) execContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.db.result(s.n, s.called("ExecContext", ctx.Value(key{}), s.query, args))
}

func (s *stmt) queryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.db.rows(s.n, s.called("QueryContext", ctx.Value(key{}), s.query, args))
}

func (s *stmt) checkNamedValue(v *driver.NamedValue) error {
	return s.db.check("stmt", v, s.called("CheckNamedValue", *v))
}

func (s *stmt) columnConverter(i int) driver.ValueConverter {
	_ = s.called("ColumnConverter", i)
	return converter{s.db}
}

type converter struct{ db *Driver }

func (c converter) ConvertValue(v any) (driver.Value, error) {
	if c.db.Convert != nil {
		return c.db.Convert(v)
	}
	return driver.DefaultParameterConverter.ConvertValue(v)
}
