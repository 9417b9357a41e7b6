package pgxmon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sluice-go/sluice/dbmon"
)

// Tracer is for [pgx.ConnConfig]. It may be used for many connections and pools.
type Tracer struct {
	src *dbmon.Source
	key string // of a connection's state
}

var (
	_ pgx.QueryTracer       = (*Tracer)(nil)
	_ pgx.BatchTracer       = (*Tracer)(nil)
	_ pgx.CopyFromTracer    = (*Tracer)(nil)
	_ pgx.PrepareTracer     = (*Tracer)(nil)
	_ pgx.ConnectTracer     = (*Tracer)(nil)
	_ pgxpool.AcquireTracer = (*Tracer)(nil)
	_ pgxpool.ReleaseTracer = (*Tracer)(nil)
)

// New returns a tracer that tells mon.
func New(mon *dbmon.Monitor) *Tracer {
	t := &Tracer{src: mon.NewSource(dbmon.PostgreSQL)}
	t.key = fmt.Sprintf("github.com/sluice-go/sluice/dbmon/pgxmon %p", t)
	return t
}

// traced is a context with the operation that it is for.
type traced struct {
	context.Context
	tracer *Tracer
	call   *dbmon.Call

	name, sql string    // of a statement to prepare
	start     time.Time // of a wait for the pool
	queries   int       // of a batch, that were told
	failed    bool      // one of them
	fault     *pgconn.PgError
}

type tracedKey struct{}

// Value finds it under what other tracers put around it.
func (t *traced) Value(key any) any {
	if key == (tracedKey{}) {
		return t
	}
	return t.Context.Value(key)
}

// of returns what was begun, or nil.
func (t *Tracer) of(ctx context.Context) *traced {
	op, _ := ctx.Value(tracedKey{}).(*traced)
	for op != nil && op.tracer != t { // of another monitor
		op, _ = op.Context.Value(tracedKey{}).(*traced)
	}
	return op
}

func (t *Tracer) begun(ctx context.Context, call *dbmon.Call) context.Context {
	return &traced{Context: ctx, tracer: t, call: call}
}

// end ends what was begun, and follows the transaction.
func (t *Tracer) end(ctx context.Context, conn *pgx.Conn, rows int64, err error) {
	if op := t.of(ctx); op != nil && op.call != nil {
		op.call.End(rows, err)
	}
	t.follow(conn)
}

// follow looks whether the connection is within a transaction.
func (t *Tracer) follow(conn *pgx.Conn) {
	c := conn.PgConn()
	t.state(conn).InTransaction(!c.IsClosed() && (c.TxStatus() == 'T' || c.TxStatus() == 'E'))
}

// TraceConnectStart implements [pgx.ConnectTracer].
func (t *Tracer) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return t.begun(ctx, t.src.Connect(ctx))
}

// TraceConnectEnd implements [pgx.ConnectTracer].
func (t *Tracer) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	if op := t.of(ctx); op != nil && op.call != nil {
		op.call.End(0, data.Err)
	}
}

// TracePrepareStart implements [pgx.PrepareTracer].
func (t *Tracer) TracePrepareStart(ctx context.Context, conn *pgx.Conn, data pgx.TracePrepareStartData) context.Context {
	call := t.state(conn).Prepare(ctx, data.SQL)
	return &traced{Context: ctx, tracer: t, call: call, name: data.Name, sql: data.SQL}
}

// TracePrepareEnd implements [pgx.PrepareTracer].
func (t *Tracer) TracePrepareEnd(ctx context.Context, conn *pgx.Conn, data pgx.TracePrepareEndData) {
	op := t.of(ctx)
	switch {
	case op == nil || op.call == nil:
	case data.AlreadyPrepared:
		op.call.Cancel()
	default:
		op.call.End(0, data.Err)
		if data.Err == nil {
			t.state(conn).prepared(op.name, op.sql)
		}
	}
	t.follow(conn)
}

// TraceQueryStart implements [pgx.QueryTracer].
func (t *Tracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	s := t.state(conn)
	sql, args := s.statement(ctx, conn, data.SQL, data.Args)
	return t.begun(ctx, s.Begin(ctx, sql, args))
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (t *Tracer) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	t.end(ctx, conn, rowsOf(data.CommandTag), data.Err)
}

// rowsOf is how many rows a command returned, or took.
func rowsOf(tag pgconn.CommandTag) int64 {
	if s := tag.String(); tag.Select() || strings.HasPrefix(s, "FETCH") || strings.HasPrefix(s, "COPY") {
		return tag.RowsAffected()
	}
	return 0
}

// TraceCopyFromStart implements [pgx.CopyFromTracer].
func (t *Tracer) TraceCopyFromStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceCopyFromStartData) context.Context {
	return t.begun(ctx, t.state(conn).Begin(ctx, "COPY "+data.TableName.Sanitize()+" FROM STDIN", nil))
}

// TraceCopyFromEnd implements [pgx.CopyFromTracer].
func (t *Tracer) TraceCopyFromEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceCopyFromEndData) {
	t.end(ctx, conn, rowsOf(data.CommandTag), data.Err)
}

// TraceBatchStart implements [pgx.BatchTracer].
func (t *Tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return &traced{Context: ctx, tracer: t, start: time.Now()}
}

// TraceBatchQuery implements [pgx.BatchTracer].
func (t *Tracer) TraceBatchQuery(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchQueryData) {
	op, parent := t.of(ctx), ctx
	if op != nil {
		fault, _ := errors.AsType[*pgconn.PgError](data.Err)
		if fault != nil && fault == op.fault {
			return // the error of the query before: the server skipped this one
		}
		parent, op.fault = op.Context, fault
		op.queries++
		op.failed = op.failed || data.Err != nil
	}
	s := t.state(conn)
	sql, args := s.statement(ctx, conn, data.SQL, data.Args)
	s.Batched(parent, sql, args, data.ReadStartTime).End(rowsOf(data.CommandTag), data.Err)
}

// TraceBatchEnd implements [pgx.BatchTracer]. An error that no query was told of
// is from before them, or from the end of the transaction that they are in.
func (t *Tracer) TraceBatchEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchEndData) {
	if op := t.of(ctx); op != nil && data.Err != nil && !op.failed {
		op.failed = true
		s := t.state(conn)
		call := s.Prepare(op.Context, "")
		if op.queries > 0 {
			call = s.Batched(op.Context, "COMMIT", nil, time.Time{})
		}
		call.End(0, data.Err)
	}
	t.follow(conn)
}

// TraceAcquireStart implements [pgxpool.AcquireTracer].
func (t *Tracer) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	return &traced{Context: ctx, tracer: t, start: time.Now()}
}

// TraceAcquireEnd implements [pgxpool.AcquireTracer].
func (t *Tracer) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, data pgxpool.TraceAcquireEndData) {
	if op := t.of(ctx); op != nil {
		t.src.Waited(time.Since(op.start))
	}
	if data.Conn != nil {
		t.state(data.Conn).Taken()
	}
}

// TraceRelease implements [pgxpool.ReleaseTracer].
func (t *Tracer) TraceRelease(_ *pgxpool.Pool, data pgxpool.TraceReleaseData) {
	s := t.state(data.Conn)
	s.InTransaction(false) // the pool closes a connection that is in one
	s.Returned()
}
