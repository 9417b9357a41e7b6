package drivertest_test

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/sluice-go/sluice/dbmon/internal/drivertest"
)

// combined are the probes of what depends on a combination, in all of them.
func combined() (probes []probe) {
	for _, shape := range subsets("TVB") {
		probes = append(probes, keepsConnection(shape))
	}
	for _, direct := range []string{"", "XR", "EQ", "X", "Q"} {
		for _, checker := range []string{"", "C"} {
			for _, stmt := range subsets("CVXR") {
				for _, n := range []int{-1, 1} {
					probes = append(probes, checksValues(direct+checker, stmt, n))
				}
			}
		}
	}
	for _, shape := range subsets(rowsShapes) {
		probes = append(probes, describesColumns(shape))
	}
	return probes
}

// keepsConnection: database/sql keeps the connection of a transaction whose
// context ended only where it has SessionResetter and Validator (trap d.1).
func keepsConnection(shape string) probe {
	return probe{fmt.Sprintf("a context ends a transaction of a connection with %q", shape), shaped("XR"+shape, "", "N"), func(p *program) {
		ctx, cancel := context.WithCancel(p.ctx)
		tx, err := p.db.BeginTx(ctx, nil)
		p.saw("begin", err)
		_, err = tx.ExecContext(p.ctx, "UPDATE t")
		p.saw("exec", err)
		cancel()
		p.settle()
		p.stats()
		p.saw("commit", tx.Commit())
		p.exec()
		p.stats()
	}}
}

// checksValues: the checker of the statement, that of the connection, the column
// converter of the statement and the default come in this order (trap d.1), and a
// connection that gained a method would hide those of statements.
func checksValues(conn, stmt string, n int) probe {
	d := func() *fake {
		return &fake{Conn: conn, Stmt: stmt, Inputs: n, Sets: twoSets, Convert: convert, Check: map[string]drivertest.Check{
			"conn": special{}.known,
			"stmt": func(v *driver.NamedValue) error {
				if s, ok := v.Value.(special); ok && s.n > 1 {
					return driver.ErrRemoveArgument
				}
				return special{}.known(v)
			},
		}}
	}
	return probe{fmt.Sprintf("values of connection %q and statement %q with %d inputs", conn, stmt, n), d, func(p *program) {
		for _, v := range []any{special{1}, special{2}, 3, uint64(1) << 63, []int{1}} {
			p.exec(v)
			p.query(v)
		}
		stmt, err := p.db.PrepareContext(p.ctx, "UPDATE t SET a = ?")
		p.saw("prepare", err)
		for _, v := range []any{special{1}, special{2}, 3, []int{1}} {
			_, err = stmt.ExecContext(p.ctx, v)
			p.saw("exec", err)
		}
		p.saw("close", stmt.Close())
	}}
}

// describesColumns: each missing method has a default, as the empty interface
// for the type to scan into (trap d.1).
func describesColumns(shape string) probe {
	return probe{fmt.Sprintf("columns of rows with %q", shape), shaped("R", "", shape), func(p *program) {
		rows, err := p.db.QueryContext(p.ctx, "SELECT")
		p.saw("query", err)
		types, err := rows.ColumnTypes()
		p.saw("types", err)
		for _, c := range types {
			length, hasLength := c.Length()
			nullable, hasNullable := c.Nullable()
			precision, scale, hasPrecision := c.DecimalSize()
			p.note("%s %v %q %d %t %t %t %d %d %t", c.Name(), c.ScanType(), c.DatabaseTypeName(),
				length, hasLength, nullable, hasNullable, precision, scale, hasPrecision)
		}
		p.read(rows)
	}}
}
