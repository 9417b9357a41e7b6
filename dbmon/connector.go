package dbmon

import (
	"context"
	"database/sql/driver"
	"io"
)

// connectorOf returns what opens the connections of d, as [database/sql.Open]
// finds it.
func connectorOf(d driver.Driver, dsn string) (driver.Connector, error) {
	if c, ok := d.(driver.DriverContext); ok {
		return c.OpenConnector(dsn)
	}
	return dsnConnector{d, dsn}, nil
}

// dsnConnector opens the connections of a driver that has no connectors.
type dsnConnector struct {
	driver driver.Driver
	dsn    string
}

func (c dsnConnector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }

func (c dsnConnector) Driver() driver.Driver { return c.driver }

// watchedConnector is a connector under watch.
type watchedConnector struct {
	src   *source
	inner driver.Connector
}

// wrapConnector returns c under watch, with Close where c has it: DB.Close calls
// it.
func wrapConnector(src *source, c driver.Connector) driver.Connector {
	w := &watchedConnector{src, c}
	if closer, ok := c.(io.Closer); ok {
		return closingConnector{w, closer}
	}
	return w
}

func (c *watchedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	return c.src.connect(ctx, c.inner)
}

// Driver is the driver itself, without a layer: programs assert its type, and
// drivers compare it with their own.
func (c *watchedConnector) Driver() driver.Driver { return c.inner.Driver() }

// Raw is for [Raw].
func (c *watchedConnector) Raw() driver.Connector { return c.inner }

type closingConnector struct {
	*watchedConnector
	io.Closer
}
