// Package drivertest is a driver for tests. Its connections, statements and rows
// have the optional methods that the test asks for, of all combinations that
// there are, and note each call.
package drivertest

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"strings"
	"sync"
)

// The optional interfaces, by the letters that a shape is written with.
const (
	// Pinger, Execer, eXecerContext, Queryer, queryeRContext, connprepare(S)context,
	// connBeginTx, sessionreseTter, Validator, namedvalueChecker.
	ConnShapes = "PEXQRSBTVC"
	// stmteXeccontext, stmtqueRycontext, namedvalueChecker, columnconVerter.
	StmtShapes = "XRCV"
	// Nextresultset, and the column's scanType, Databasetypename, Length,
	// nUllable, Precisionscale; from Go 1.27 on column(S)canner.
	RowsShapes = "NTDLUP"
)

// Driver is a driver, and a database with it. Its fields are set before use.
type Driver struct {
	Conn, Stmt, Rows string // the shapes, in letters

	Inputs  int                // of statements
	Fails   map[string][]error // what the next calls of a method return; nil is no error
	During  map[string]func()  // what happens within a method
	Check   map[string]Check   // of the checkers "conn" and "stmt"; nil accepts all
	Convert func(driver.Value) (driver.Value, error)
	Sets    [][][]driver.Value // the results of each query
	Invalid bool

	mu    sync.Mutex
	log   []string
	conns int
}

// Check is a NamedValueChecker.
type Check func(*driver.NamedValue) error

// Log returns what was called, and forgets it.
func (d *Driver) Log() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	log := d.log
	d.log = nil
	return log
}

// called notes a call and says what it returns.
func (d *Driver) called(method string, args ...any) error {
	var line strings.Builder
	line.WriteString(method)
	for _, a := range args {
		fmt.Fprintf(&line, " %v", a)
	}
	d.mu.Lock()
	d.log = append(d.log, line.String())
	name := method[strings.LastIndexByte(method, ' ')+1:]
	var err error
	if errs := d.Fails[name]; len(errs) > 0 {
		err, d.Fails[name] = errs[0], errs[1:]
	}
	d.mu.Unlock()
	if during := d.During[name]; during != nil {
		during()
	}
	return err
}

// Open opens a connection for a driver without connectors.
func (d *Driver) Open(dsn string) (driver.Conn, error) {
	if err := d.called("Open", dsn); err != nil {
		return nil, err
	}
	return d.NewConn(), nil
}

// NewConn returns a connection.
func (d *Driver) NewConn() driver.Conn {
	d.mu.Lock()
	d.conns++
	n := d.conns
	d.mu.Unlock()
	c, shaped := newConn0(bitsOf(ConnShapes, d.Conn))
	c.db, c.n = d, n
	return shaped
}

func (d *Driver) newStmt(n int, query string) driver.Stmt {
	s, shaped := newStmt0(bitsOf(StmtShapes, d.Stmt))
	s.db, s.n, s.query = d, n, query
	return shaped
}

func (d *Driver) newRows(n int) driver.Rows {
	r, shaped := makeRows(bitsOf(RowsShapes+"S", d.Rows))
	r.db, r.n, r.sets = d, n, d.Sets
	return shaped
}

// bitsOf reads a shape.
func bitsOf(letters, shape string) (s int) {
	for _, l := range shape {
		i := strings.IndexRune(letters, l)
		if i < 0 {
			panic("drivertest: no such shape: " + shape)
		}
		s |= 1 << i
	}
	return s
}

// ContextDriver is one that makes connectors.
type ContextDriver struct{ *Driver }

// OpenConnector is noted.
func (d ContextDriver) OpenConnector(dsn string) (driver.Connector, error) {
	if err := d.called("OpenConnector", dsn); err != nil {
		return nil, err
	}
	return contextConnector{Connector{d.Driver}, d}, nil
}

type contextConnector struct {
	Connector
	driver ContextDriver
}

func (c contextConnector) Driver() driver.Driver { return c.driver }

// Connector opens connections.
type Connector struct{ DB *Driver }

// Connect is noted.
func (c Connector) Connect(context.Context) (driver.Conn, error) {
	if err := c.DB.called("Connect"); err != nil {
		return nil, err
	}
	return c.DB.NewConn(), nil
}

// Driver returns the one that the test made.
func (c Connector) Driver() driver.Driver { return c.DB }

// ClosingConnector is one that is told of the end of its DB.
type ClosingConnector struct{ Connector }

// Close is noted.
func (c ClosingConnector) Close() error { return c.DB.called("connector.Close") }

var _ io.Closer = ClosingConnector{}
