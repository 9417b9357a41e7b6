package drivertest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
	"github.com/sluice-go/sluice/dbmon/internal/drivertest"
)

// program uses a database, and writes down what it sees.
type program struct {
	db    *sql.DB
	fake  *drivertest.Driver
	ctx   context.Context
	lines []string
}

func (p *program) note(format string, args ...any) {
	p.lines = append(p.lines, fmt.Sprintf(format, args...))
}

// saw writes an error down, with all that a program can ask about it.
func (p *program) saw(what string, err error) {
	p.note("%s: %v (%T; bad %t, skip %t, canceled %t, deadline %t, done %t)", what, err, err, errors.Is(err, driver.ErrBadConn),
		errors.Is(err, driver.ErrSkip), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, sql.ErrTxDone))
}

func (p *program) exec(args ...any) {
	_, err := p.db.ExecContext(p.ctx, "UPDATE t SET a = 1", args...)
	p.saw("exec", err)
}

func (p *program) query(args ...any) {
	rows, err := p.db.QueryContext(p.ctx, "SELECT a, b FROM t", args...)
	p.saw("query", err)
	if err == nil {
		p.read(rows)
	}
}

func (p *program) read(rows *sql.Rows) {
	for more := true; more; more = rows.NextResultSet() {
		for rows.Next() {
			var a, b any
			p.saw("scan", rows.Scan(&a, &b))
			p.note("row %v %v", a, b)
		}
		p.saw("rows", rows.Err())
	}
	p.saw("close", rows.Close())
}

// settle lets database/sql's goroutines do what a context's end asks for.
func (p *program) settle() { synctest.Wait() }

// stats are what the pool did.
func (p *program) stats() {
	s := p.db.Stats()
	p.note("open %d, in use %d, idle %d", s.OpenConnections, s.InUse, s.Idle)
}

// ways are those to put a driver under watch, and none.
var ways = []struct {
	name string
	open func(*dbmon.Monitor, driver.Connector) driver.Connector
}{
	{"bare", func(_ *dbmon.Monitor, c driver.Connector) driver.Connector { return c }},
	{"watched", func(m *dbmon.Monitor, c driver.Connector) driver.Connector { return m.WrapConnector(c) }},
	{"watched twice", func(m *dbmon.Monitor, c driver.Connector) driver.Connector {
		return m.WrapConnector(m.WrapConnector(c))
	}},
}

// transcripts runs a program each way, and returns what it wrote down and what
// the driver was asked for.
func transcripts(t *testing.T, makeFake func() *drivertest.Driver, run func(*program)) (all [][]string) {
	for _, way := range ways {
		synctest.Test(t, func(t *testing.T) {
			m := newMonitor(t)
			fake := makeFake()
			if fake.Fails == nil {
				fake.Fails = map[string][]error{}
			}
			p := &program{fake: fake, ctx: drivertest.WithValue(t.Context(), "marked")}
			p.db = sql.OpenDB(way.open(m, drivertest.ClosingConnector{Connector: drivertest.Connector{DB: fake}}))
			run(p)
			p.saw("end", p.db.Close())
			all = append(all, append(p.lines, fake.Log()...))
		})
	}
	return all
}

func TestAProgramCannotTellThatItIsWatched(t *testing.T) {
	for _, probe := range slices.Concat(probes, combined()) {
		t.Run(probe.name, func(t *testing.T) {
			all := transcripts(t, probe.fake, probe.run)
			require.Greater(t, len(all[0]), 2, "the program has seen something")
			for i, transcript := range all {
				require.Equal(t, all[0], transcript, ways[i].name)
			}
		})
	}
}
