package drivertest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
	"github.com/sluice-go/sluice/dbmon/internal/drivertest"
)

var registered atomic.Int64

// register gives a driver a name of its own: database/sql never forgets one.
func register(t *testing.T, d driver.Driver) string {
	name := fmt.Sprint(t.Name(), registered.Add(1))
	sql.Register(name, d)
	return name
}

// Trap d.1: a driver without DriverContext must not gain OpenConnector.
func TestADriverUnderWatchHasTheMethodsOfTheDriver(t *testing.T) {
	m, d := newMonitor(t), &drivertest.Driver{Conn: "XRB"}
	_, has := m.WrapDriver(d).(driver.DriverContext)
	require.False(t, has)
	_, has = m.WrapDriver(drivertest.ContextDriver{Driver: d}).(driver.DriverContext)
	require.True(t, has)
}

// Trap d.1: a connector without Close must not gain one, and keeps its own.
func TestAConnectorUnderWatchHasTheMethodsOfTheConnector(t *testing.T) {
	m, c := newMonitor(t), drivertest.Connector{DB: &drivertest.Driver{}}
	_, has := m.WrapConnector(c).(io.Closer)
	require.False(t, has)
	_, has = m.WrapConnector(drivertest.ClosingConnector{Connector: c}).(io.Closer)
	require.True(t, has)
}

func TestARegisteredDriverIsOpenedAsWithoutWatch(t *testing.T) {
	m := newMonitor(t)
	tests := []struct {
		name string
		wrap func(*drivertest.Driver) driver.Driver
	}{
		{"by name", func(d *drivertest.Driver) driver.Driver { return d }},
		{"by connector", func(d *drivertest.Driver) driver.Driver { return drivertest.ContextDriver{Driver: d} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			transcript := func(watch func(driver.Driver) driver.Driver, open func(name, dsn string) (*sql.DB, error)) []string {
				d := &drivertest.Driver{Conn: "PXR", Sets: twoSets}
				p := &program{fake: d, ctx: t.Context()}
				var err error
				p.db, err = open(register(t, watch(tt.wrap(d))), "the dsn")
				require.NoError(t, err)
				p.exec(1)
				p.query()
				p.saw("close", p.db.Close())
				return append(p.lines, d.Log()...)
			}
			bare := func(d driver.Driver) driver.Driver { return d }
			want := transcript(bare, sql.Open)
			require.Equal(t, want, transcript(m.WrapDriver, sql.Open))
			// Monitor.Open finds the driver by opening it once with database/sql, which
			// makes a connector that is closed and never used.
			got := transcript(bare, m.Open)
			if i := slices.Index(got, "OpenConnector the dsn"); i >= 0 {
				got = slices.Delete(got, i, i+1)
			}
			require.Equal(t, want, got)
		})
	}
}

func TestAnErrorOfOpenConnectorIsThatOfOpen(t *testing.T) {
	m := newMonitor(t)
	d := &drivertest.Driver{Fails: map[string][]error{"OpenConnector": {errOdd, errOdd}}}
	_, err := sql.Open(register(t, m.WrapDriver(drivertest.ContextDriver{Driver: d})), "dsn")
	require.Equal(t, errOdd, err)
	_, err = m.Open(register(t, drivertest.ContextDriver{Driver: d}), "dsn")
	require.Equal(t, errOdd, err)
}

func TestTheDriverOfAnOpenedDatabaseIsTheDriver(t *testing.T) {
	m, d := newMonitor(t), &drivertest.Driver{}
	db, err := m.Open(register(t, d), "dsn")
	require.NoError(t, err)
	require.Same(t, d, db.Driver())
	require.NoError(t, db.Close())

	db, err = sql.Open(register(t, m.WrapDriver(drivertest.ContextDriver{Driver: d})), "dsn")
	require.NoError(t, err)
	require.Equal(t, drivertest.ContextDriver{Driver: d}, db.Driver())
	require.NoError(t, db.Close())

	// Without connectors database/sql keeps what was registered.
	db, err = sql.Open(register(t, m.WrapDriver(d)), "dsn")
	require.NoError(t, err)
	require.Same(t, d, dbmon.Raw(db.Driver()))
	require.NoError(t, db.Close())
}

// rawLayer is a connection of another library that has one of the usual methods.
type rawLayer struct{ driver.Conn }

func (l rawLayer) Raw() driver.Conn { return l.Conn }

type unwrapLayer struct{ driver.Conn }

func (l unwrapLayer) Unwrap() driver.Conn { return l.Conn }

type wrappedLayer struct{ driver.Conn }

func (l wrappedLayer) WrappedConn() driver.Conn { return l.Conn }

// circle is underneath itself.
type circle struct{ driver.Conn }

func (c circle) Raw() driver.Conn { return c }

// handle is a driver's connection whose Raw is its own affair.
type handle struct{ driver.Conn }

func (handle) Raw() *int { return nil }

type nothing struct{ driver.Conn }

func (nothing) Raw() driver.Conn { return nil }

// layered is a connector of another library.
type layered struct{ driver.Connector }

func (l layered) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := l.Connector.Connect(ctx)
	return unwrapLayer{c}, err
}

func TestRawTakesAllLayersOff(t *testing.T) {
	m, d := newMonitor(t), &drivertest.Driver{Conn: "PXR"}
	conn := d.NewConn()
	tests := []struct {
		name string
		v    any
		want any
	}{
		{"Raw", rawLayer{conn}, conn},
		{"Unwrap", unwrapLayer{conn}, conn},
		{"WrappedConn", wrappedLayer{conn}, conn},
		{"a chain", rawLayer{wrappedLayer{unwrapLayer{rawLayer{conn}}}}, conn},
		{"none", conn, conn},
		{"a Raw of the driver's own", handle{conn}, handle{conn}},
		{"a layer around nothing", nothing{}, nothing{}},
		{"a circle", circle{conn}, circle{conn}},
		{"nil", nil, nil},
		{"something else", 7, 7},
		{"a driver", m.WrapDriver(m.WrapDriver(d)), d},
		{"a connector", m.WrapConnector(drivertest.Connector{DB: d}), drivertest.Connector{DB: d}},
		{"a connector that is closed", m.WrapConnector(drivertest.ClosingConnector{Connector: drivertest.Connector{DB: d}}), drivertest.ClosingConnector{Connector: drivertest.Connector{DB: d}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { require.True(t, tt.want == dbmon.Raw(tt.v), "%T", dbmon.Raw(tt.v)) })
	}
	t.Run("between layers of others", func(t *testing.T) {
		db := sql.OpenDB(m.WrapConnector(layered{drivertest.Connector{DB: d}}))
		defer db.Close()
		c, err := db.Conn(t.Context())
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.Raw(func(v any) error {
			require.IsType(t, conn, dbmon.Raw(v))
			return nil
		}))
	})
}
