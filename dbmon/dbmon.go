package dbmon

import (
	"database/sql"
	"database/sql/driver"
	"time"
)

// Monitor watches a database. It is safe for concurrent use.
type Monitor struct {
	opts  Options
	epoch time.Time

	table   *table
	totals  totals
	retries retries
	blocks  blocks
	leaks   *janitor
	panics  gate // of the log of hooks
	gates   gates

	repetitions repetitions
	explain     *explainer // nil where no plans are wanted
}

// New makes a monitor, or says all that is wrong with the options.
func New(o Options) (*Monitor, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	m := &Monitor{opts: o, epoch: time.Now()}
	m.table = newTable(o.MaxQueries)
	m.leaks = newJanitor(m)
	m.explain = newExplainer(m)
	return m, nil
}

// Open is [sql.Open] with the driver under watch. Where the driver's name stands for
// a wrapper of another package that hides itself from DB.Driver, it is the driver
// itself that is opened; then use [Monitor.WrapConnector].
func (m *Monitor) Open(driverName, dsn string) (*sql.DB, error) {
	db, err := sql.Open(driverName, dsn)
	if err != nil {
		return nil, err
	}
	d := db.Driver()
	if err := db.Close(); err != nil {
		return nil, err
	}
	c, err := connectorOf(d, dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(m.WrapConnector(c)), nil
}

// WrapDriver returns d under watch, for sql.Register. Of a driver without
// [driver.DriverContext], DB.Driver then returns the wrapper, and a program that
// asserts the driver's type needs [Raw]; it is the driver itself with Open and
// WrapConnector.
func (m *Monitor) WrapDriver(d driver.Driver) driver.Driver {
	return wrapDriver(m.newSource(d), d)
}

// WrapConnector returns c under watch, for sql.OpenDB.
func (m *Monitor) WrapConnector(c driver.Connector) driver.Connector {
	return wrapConnector(m.newSource(c.Driver()), c)
}

// Name is that of the database.
func (m *Monitor) Name() string { return m.opts.Name }

// Close ends what runs in the background. Databases stay open, and go on to be
// measured; leaks and plans are not looked for any more. It must not be called by a
// hook.
func (m *Monitor) Close() error {
	m.explain.close()
	m.leaks.close()
	return nil
}

// now is the time since the monitor began. It takes one reading of the clock
// where time.Now takes two.
func (m *Monitor) now() time.Duration { return time.Since(m.epoch) }

// source is a driver or a connector under watch.
type source struct {
	*Monitor
	texts *texts
}

func (m *Monitor) newSource(d driver.Driver) *source {
	dialect := m.opts.Dialect
	if dialect == DialectOfDriver {
		dialect = dialectOf(d)
	}
	return &source{Monitor: m, texts: newTexts(m.table, dialect)}
}
