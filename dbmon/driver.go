package dbmon

import (
	"context"
	"database/sql/driver"

	"github.com/sluice-go/sluice/dbmon/internal/shape"
)

// watchedDriver is a driver under watch.
type watchedDriver struct {
	src   *source
	inner driver.Driver
}

// wrapDriver returns d under watch, with OpenConnector where d has it: without
// it, database/sql opens each connection by name.
func wrapDriver(src *source, d driver.Driver) driver.Driver {
	w := &watchedDriver{src, d}
	if _, ok := d.(driver.DriverContext); ok {
		return driverWithContext{w}
	}
	return w
}

func (d *watchedDriver) Open(dsn string) (driver.Conn, error) {
	return d.src.connect(context.Background(), dsnConnector{d.inner, dsn})
}

// Raw is for [Raw].
func (d *watchedDriver) Raw() driver.Driver { return d.inner }

type driverWithContext struct{ *watchedDriver }

func (d driverWithContext) OpenConnector(dsn string) (driver.Connector, error) {
	c, err := d.inner.(driver.DriverContext).OpenConnector(dsn)
	if err != nil {
		return nil, err
	}
	return wrapConnector(d.src, c), nil
}

// connect opens a connection and takes it under watch.
func (s *source) connect(ctx context.Context, from driver.Connector) (driver.Conn, error) {
	var k call
	k.begin(s, nil, ctx, nil, opConnect)
	inner, err := from.Connect(ctx)
	k.exec(arguments{}, err)
	if err != nil {
		return nil, err
	}
	c := &conn{src: s, from: from, inner: inner}
	c.arrived()
	return shape.New(shape.Of(inner), c), nil
}
