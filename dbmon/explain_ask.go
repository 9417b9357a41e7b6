package dbmon

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

// asking is a connection on which a plan is asked for, past the monitor. There is
// no database/sql in between, which keeps locks and goroutines where a driver
// panics. The arguments are in the driver's form already.
type asking struct {
	ctx  context.Context
	conn driver.Conn
	job  job
}

// planOf asks for a plan on a connection of its own.
func planOf(ctx context.Context, j job) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			text, err = "", errPanic(p)
		}
	}()
	c, err := j.from.Connect(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	return asking{ctx, c, j}.plan()
}

func (a asking) plan() (string, error) {
	if a.job.dialect == fingerprint.SQLite {
		// It plans without running anything, and has no time limit but ours.
		return a.explain("EXPLAIN QUERY PLAN ", (*outline).sqlite)
	}
	// Planning may call functions.
	b, ok := a.conn.(driver.ConnBeginTx)
	if !ok {
		return "", errors.New("dbmon: the driver has no read-only transactions")
	}
	tx, err := b.BeginTx(a.ctx, driver.TxOptions{ReadOnly: true})
	if err != nil {
		return "", err
	}
	text, err := a.planWithin()
	return text, errors.Join(err, tx.Rollback())
}

func (a asking) planWithin() (string, error) {
	if err := a.limit(); err != nil {
		return "", err
	}
	if a.job.dialect == fingerprint.PostgreSQL {
		return a.explain("EXPLAIN (FORMAT JSON) ", (*outline).postgres)
	}
	return a.explain("EXPLAIN ", (*outline).mysql)
}

// limit tells the server what is left of the time, as not every driver tells it
// that nobody waits any more. Waiting for locks counts.
func (a asking) limit() error {
	deadline, _ := a.ctx.Deadline()
	ms := max(1, time.Until(deadline).Milliseconds())
	if a.job.dialect == fingerprint.PostgreSQL {
		return a.exec("SET LOCAL statement_timeout = " + strconv.FormatInt(ms, 10))
	}
	// MariaDB has one, MySQL the other.
	if a.exec(fmt.Sprintf("SET SESSION max_statement_time = %d.%03d", ms/1000, ms%1000)) == nil {
		return nil
	}
	return a.exec("SET SESSION max_execution_time = " + strconv.FormatInt(ms, 10))
}

// exec runs a statement without arguments.
func (a asking) exec(text string) error {
	if e, ok := a.conn.(driver.ExecerContext); ok {
		if _, err := e.ExecContext(a.ctx, text, nil); err != driver.ErrSkip { //nolint:errorlint // as database/sql does
			return err
		}
	}
	s, err := a.prepare(text)
	if err != nil {
		return err
	}
	if e, ok := s.(driver.StmtExecContext); ok {
		_, err = e.ExecContext(a.ctx, nil)
	} else {
		//lint:ignore SA1019 some drivers have no other
		_, err = s.Exec(nil)
	}
	return errors.Join(err, s.Close())
}

func (a asking) prepare(text string) (driver.Stmt, error) {
	if p, ok := a.conn.(driver.ConnPrepareContext); ok {
		return p.PrepareContext(a.ctx, text)
	}
	return a.conn.Prepare(text)
}

// explain uses a prepared statement: servers prepare one statement, and refuse a
// text that is two of them after all.
func (a asking) explain(verb string, read func(*outline, []string, []driver.Value) error) (string, error) {
	s, err := a.prepare(verb + a.job.kept.text)
	if err != nil {
		return "", err
	}
	rows, err := a.query(s)
	if err != nil {
		return "", errors.Join(err, s.Close())
	}
	o := &outline{dialect: a.job.dialect}
	err = a.read(rows, func(columns []string, row []driver.Value) error { return read(o, columns, row) })
	if err = errors.Join(err, rows.Close(), s.Close()); err != nil {
		return "", err
	}
	if o.b.Len() == 0 {
		return "", errors.New("dbmon: the plan is empty")
	}
	return o.b.String(), nil
}

func (a asking) query(s driver.Stmt) (driver.Rows, error) {
	args := a.job.kept.args
	if q, ok := s.(driver.StmtQueryContext); ok {
		return q.QueryContext(a.ctx, args)
	}
	values := make([]driver.Value, len(args))
	for i, arg := range args {
		if arg.Name != "" {
			return nil, errors.New("dbmon: the driver takes no names for arguments")
		}
		values[i] = arg.Value
	}
	//lint:ignore SA1019 some drivers have no other
	return s.Query(values)
}

func (a asking) read(rows driver.Rows, each func(columns []string, row []driver.Value) error) error {
	columns := rows.Columns()
	row := make([]driver.Value, len(columns))
	for range maxPlanRows {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		switch err := rows.Next(row); {
		case err == io.EOF: //nolint:errorlint // as database/sql does
			return nil
		case err != nil:
			return err
		}
		if err := each(columns, row); err != nil {
			return err
		}
	}
	return nil
}
