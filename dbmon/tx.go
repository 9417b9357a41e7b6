package dbmon

import (
	"context"
	"database/sql/driver"
)

// tx is a transaction under watch. It has no optional methods.
type tx struct {
	conn  *conn
	ctx   context.Context // of Begin: Commit and Rollback are given none
	inner driver.Tx
	txState
}

// newTx takes what Begin returned under watch.
func (c *conn) newTx(ctx context.Context, inner driver.Tx, err error) (driver.Tx, error) {
	if err != nil {
		return nil, err
	}
	t := &tx{conn: c, ctx: ctx, inner: inner}
	c.began(ctx, &t.txState)
	return t, nil
}

func (t *tx) Commit() error {
	var k call
	k.begin(t.conn.src, t.conn, t.ctx, nil, opCommit)
	err := t.inner.Commit()
	k.exec(arguments{}, err)
	t.conn.ended()
	return err
}

func (t *tx) Rollback() error {
	var k call
	k.begin(t.conn.src, t.conn, t.ctx, nil, opRollback)
	err := t.inner.Rollback()
	k.exec(arguments{}, err)
	t.conn.ended()
	return err
}
