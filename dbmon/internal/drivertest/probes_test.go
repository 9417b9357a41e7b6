package drivertest_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/sluice-go/sluice/dbmon"
	"github.com/sluice-go/sluice/dbmon/internal/drivertest"
)

type fake = drivertest.Driver

// with makes fakes, a new one for each run.
func with(f func() fake) func() *fake {
	return func() *fake { d := f(); return &d }
}

func shaped(conn, stmt, rows string) func() *fake {
	return with(func() fake { return fake{Conn: conn, Stmt: stmt, Rows: rows, Sets: twoSets} })
}

// inputs is shaped with placeholders that are counted, or not.
func inputs(n int, conn, stmt string) func() *fake {
	return with(func() fake { return fake{Conn: conn, Stmt: stmt, Inputs: n, Sets: twoSets} })
}

func failing(d func() *fake, method string, errs ...error) func() *fake {
	return func() *fake {
		f := d()
		if f.Fails == nil {
			f.Fails = map[string][]error{}
		}
		f.Fails[method] = errs
		return f
	}
}

var (
	twoSets    = [][][]driver.Value{{{int64(1), "x"}, {int64(2), []byte("y")}}, {{nil, "z"}}}
	errOdd     = errors.New("odd")
	errBad     = driver.ErrBadConn
	errBadToo  = fmt.Errorf("connection reset: %w", driver.ErrBadConn)
	errSkipToo = fmt.Errorf("not by me: %w", driver.ErrSkip)

	modern = shaped("PXRSBTVC", "XR", "NTDLUP")
	legacy = shaped("EQ", "", "")
	plain  = shaped("", "", "")
)

// special is a value that only a checker or a converter of the driver's knows.
type special struct{ n int }

func (special) known(v *driver.NamedValue) error {
	if s, ok := v.Value.(special); ok {
		v.Value = int64(s.n)
		return nil
	}
	return driver.ErrSkip
}

func convert(v driver.Value) (driver.Value, error) {
	if s, ok := v.(special); ok {
		return int64(s.n + 100), nil
	}
	return driver.DefaultParameterConverter.ConvertValue(v)
}

// probe is something that a program can observe of database/sql.
type probe struct {
	name string
	fake func() *fake
	run  func(*program)
}

var probes = []probe{
	{"a modern driver executes and queries in one step", modern, func(p *program) { p.exec(1, "x"); p.query(2) }},
	{"a driver of everything prefers contexts", shaped(drivertest.ConnShapes, drivertest.StmtShapes, rowsShapes), func(p *program) { p.exec(1); p.query() }},
	// Trap d.1: XSAM and nhatthm turn the legacy fast path into three round trips.
	{"a legacy driver executes and queries in one step", legacy, func(p *program) { p.exec(1, "x"); p.query(2) }},
	{"a legacy driver refuses named arguments", legacy, func(p *program) { p.exec(sql.Named("a", 1)); p.query(sql.Named("a", 1)) }},
	{"a legacy driver is not called when the context is over", shaped("EQC", "", ""), func(p *program) {
		var cancel context.CancelFunc
		p.ctx, cancel = context.WithCancel(p.ctx)
		p.fake.During = map[string]func(){"conn.CheckNamedValue": cancel}
		p.exec(1)
	}},
	{"a driver without either prepares", inputs(-1, "", ""), func(p *program) { p.exec(1, "x"); p.query(2) }},
	{"a driver with only one of them prepares for the other", inputs(-1, "EV", "X"), func(p *program) { p.exec(1); p.query(2) }},
	{"statements use contexts where they can", inputs(-1, "S", "XR"), func(p *program) { p.exec(1); p.query(sql.Named("n", 2)) }},
	// Trap d.1: ErrSkip is compared by identity.
	{"ErrSkip makes it prepare", failing(failing(inputs(1, "XRS", "XR"), "conn.ExecContext", driver.ErrSkip), "conn.QueryContext", driver.ErrSkip),
		func(p *program) { p.exec(1); p.query(2); p.exec(3); p.query(4) }},
	{"a legacy ErrSkip makes it prepare", failing(failing(inputs(1, "EQ", ""), "conn.Exec", driver.ErrSkip), "conn.Query", driver.ErrSkip),
		func(p *program) { p.exec(1); p.query(2) }},
	{"an ErrSkip that is wrapped is an error", failing(failing(inputs(1, "XR", ""), "conn.ExecContext", errSkipToo), "conn.QueryContext", errSkipToo),
		func(p *program) { p.exec(1); p.query(2) }},
	{"an ErrSkip of a statement is an error", failing(failing(inputs(1, "", "XR"), "stmt.ExecContext", driver.ErrSkip), "stmt.QueryContext", driver.ErrSkip),
		func(p *program) { p.exec(1); p.query(2) }},
	// Trap d.1: pq's COPY is a statement without contexts, and XSAM #153.
	{"a statement that copies is fed without arguments at the end", inputs(-1, "SB", ""), func(p *program) {
		tx, err := p.db.BeginTx(p.ctx, nil)
		p.saw("begin", err)
		stmt, err := tx.PrepareContext(p.ctx, "COPY t FROM STDIN")
		p.saw("prepare", err)
		for _, args := range [][]any{{1, "x"}, {2, "y"}, {}, {sql.Named("a", 1)}} {
			_, err = stmt.ExecContext(p.ctx, args...)
			p.saw("copy", err)
		}
		p.saw("close", stmt.Close())
		p.saw("commit", tx.Commit())
	}},
	{"the number of arguments is checked where it is known", inputs(2, "S", "XR"), func(p *program) { p.exec(1); p.exec(1, 2); p.query(1, 2, 3) }},
	{"results are the driver's", modern, func(p *program) {
		res, err := p.db.ExecContext(p.ctx, "INSERT")
		p.saw("exec", err)
		p.note("driver so far: %v", p.fake.Log()) // nothing has asked the result
		n, err := res.RowsAffected()
		p.note("%d %v", n, err)
		n, err = res.LastInsertId()
		p.note("%d %v", n, err)
	}},
	// Trap d.1: Ping without Pinger is nil.
	{"ping without Pinger", plain, func(p *program) { p.saw("ping", p.db.PingContext(p.ctx)) }},
	{"ping that fails", failing(modern, "conn.Ping", errOdd, errBad, nil), func(p *program) {
		p.saw("ping", p.db.PingContext(p.ctx))
		p.saw("ping", p.db.PingContext(p.ctx))
	}},
	// Trap d.1: ErrBadConn passes unchanged, and is retried.
	{"a bad connection is replaced", failing(modern, "conn.ExecContext", errBad, errBadToo, nil), func(p *program) { p.exec(); p.stats() }},
	{"bad connections are given up", failing(modern, "conn.QueryContext", errBad, errBad, errBadToo, nil), func(p *program) { p.query(); p.query(); p.stats() }},
	{"a bad connection on the way to a statement", failing(failing(inputs(0, "S", "XR"), "conn.PrepareContext", errBad), "stmt.ExecContext", errBadToo), func(p *program) { p.exec(); p.stats() }},
	{"a bad connection in a transaction is an error", failing(modern, "conn.ExecContext", errBad), func(p *program) {
		tx, err := p.db.BeginTx(p.ctx, nil)
		p.saw("begin", err)
		_, err = tx.ExecContext(p.ctx, "UPDATE t")
		p.saw("exec", err)
		p.saw("rollback", tx.Rollback())
		p.stats()
	}},
	{"a connection that cannot be opened", failing(modern, "Connect", errOdd, errBad, errBad, nil), func(p *program) { p.exec(); p.exec() }},
	{"a session that is not reset for a bad connection", failing(modern, "conn.ResetSession", errBadToo), func(p *program) { p.exec(); p.exec(); p.stats() }},
	{"a session that is not reset for another reason", failing(modern, "conn.ResetSession", errOdd), func(p *program) { p.exec(); p.exec(); p.stats() }},
	{"a connection that is not valid any more", with(func() fake { return fake{Conn: "XTV", Invalid: true} }), func(p *program) { p.exec(); p.stats(); p.exec() }},
	{"a driver panics", with(func() fake {
		return fake{Conn: "XRTV", During: map[string]func(){"conn.ExecContext": func() { panic("the driver is broken") }}}
	}), func(p *program) {
		func() {
			defer func() { p.note("recovered %v", recover()) }()
			p.exec()
		}()
		p.query()
		p.stats()
	}},
	// Trap d.1: database/sql closes the connector.
	{"the connector is closed", modern, func(p *program) { p.saw("close", p.db.Close()) }},
	{"the connector's error reaches who closes", failing(modern, "connector.Close", errOdd), func(p *program) { p.saw("close", p.db.Close()) }},
	// Trap d.1: modernc compares Driver() with its own.
	{"the driver is the driver's", modern, func(p *program) { p.note("%T %t", p.db.Driver(), p.db.Driver() == driver.Driver(p.fake)) }},
	{"transactions end as asked", failing(failing(modern, "conn.Commit", nil, errOdd, errBad), "conn.Rollback", nil, errOdd), func(p *program) {
		for range 3 {
			tx, err := p.db.BeginTx(p.ctx, &sql.TxOptions{Isolation: sql.LevelSerializable, ReadOnly: true})
			p.saw("begin", err)
			p.saw("commit", tx.Commit())
			p.saw("again", tx.Commit())
			tx, err = p.db.BeginTx(p.ctx, nil)
			p.saw("begin", err)
			p.saw("rollback", tx.Rollback())
			p.stats()
		}
	}},
	// Trap d.1: options are refused, not dropped, where there is no BeginTx.
	{"a driver without BeginTx refuses options", plain, func(p *program) {
		for _, o := range []*sql.TxOptions{{Isolation: sql.LevelSerializable}, {ReadOnly: true}, {}, nil} {
			tx, err := p.db.BeginTx(p.ctx, o)
			p.saw("begin", err)
			if err == nil {
				p.saw("rollback", tx.Rollback())
			}
		}
	}},
	{"a transaction whose context ends as it begins", plain, func(p *program) {
		ctx, cancel := context.WithCancel(p.ctx)
		p.fake.During = map[string]func(){"conn.Begin": cancel}
		_, err := p.db.BeginTx(ctx, nil)
		p.saw("begin", err)
		p.stats()
	}},
	{"a statement whose context ends as it is prepared", plain, func(p *program) {
		ctx, cancel := context.WithCancel(p.ctx)
		p.fake.During = map[string]func(){"conn.Prepare": cancel}
		_, err := p.db.PrepareContext(ctx, "SELECT 1")
		p.saw("prepare", err)
		p.stats()
	}},
	{"a statement is prepared on each connection", inputs(-1, "XRSBTV", "XR"), func(p *program) {
		stmt, err := p.db.PrepareContext(p.ctx, "SELECT a, b FROM t")
		p.saw("prepare", err)
		rows, err := stmt.QueryContext(p.ctx, 1)
		p.saw("query", err)
		_, err = stmt.ExecContext(p.ctx, 2)
		p.saw("exec", err)
		p.read(rows)
		tx, err := p.db.BeginTx(p.ctx, nil)
		p.saw("begin", err)
		_, err = tx.StmtContext(p.ctx, stmt).ExecContext(p.ctx, 3)
		p.saw("exec", err)
		p.saw("commit", tx.Commit())
		p.saw("close", stmt.Close())
	}},
	{"rows that fail", failing(modern, "rows.Next", nil, errOdd), func(p *program) { p.query() }},
	{"rows that fail to close", failing(modern, "rows.Close", errOdd), func(p *program) { p.query() }},
	{"rows that are broken", failing(modern, "rows.Next", errBad), func(p *program) { p.query(); p.stats() }},
	{"a result set that fails", failing(modern, "rows.NextResultSet", errOdd), func(p *program) { p.query() }},
	{"rows without more result sets", shaped("R", "", ""), func(p *program) { p.query() }},
	{"rows that are left early", modern, func(p *program) {
		rows, err := p.db.QueryContext(p.ctx, "SELECT")
		p.saw("query", err)
		p.note("%t", rows.Next())
		p.saw("close", rows.Close())
		p.saw("rows", rows.Err())
		var a any
		p.saw("row", p.db.QueryRowContext(p.ctx, "SELECT").Scan(&a))
	}},
	{"rows whose context ends", modern, func(p *program) {
		ctx, cancel := context.WithCancel(p.ctx)
		rows, err := p.db.QueryContext(ctx, "SELECT")
		p.saw("query", err)
		p.note("%t", rows.Next())
		cancel()
		p.settle()
		p.note("%t", rows.Next())
		p.saw("rows", rows.Err())
		p.stats()
	}},
	{"raw bytes are the driver's memory", shaped("R", "", "D"), func(p *program) {
		rows, err := p.db.QueryContext(p.ctx, "SELECT")
		p.saw("query", err)
		for rows.Next() {
			var a, b sql.RawBytes
			p.saw("scan", rows.Scan(&a, &b))
			p.note("%s %s", a, b)
		}
		p.saw("close", rows.Close())
	}},
	// Trap d.1: instrumented connections keep Conn.Raw useful.
	{"the driver's connection is underneath", modern, func(p *program) {
		conn, err := p.db.Conn(p.ctx)
		p.saw("conn", err)
		p.saw("raw", conn.Raw(func(c any) error {
			p.note("%T", dbmon.Raw(c))
			_, execer := c.(driver.ExecerContext)
			_, queryer := c.(interface {
				Query(string, []driver.Value) (driver.Rows, error)
			})
			p.note("%t %t", execer, queryer)
			return errOdd
		}))
		p.saw("close", conn.Close())
		p.stats()
	}},
	{"a connection lives as long as it may", modern, func(p *program) {
		p.db.SetConnMaxIdleTime(time.Minute)
		p.exec()
		p.stats()
		time.Sleep(3 * time.Minute)
		p.settle()
		p.stats()
		p.exec()
	}},
}
