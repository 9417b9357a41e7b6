package dbmon

import (
	"context"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Query is one that is over. It has no value of an argument or of a literal,
// but for what an error may quote.
type Query struct {
	// Database is [Options.Name].
	Database string
	// ID is the fingerprint, 16 hexadecimal digits; Text is what it was made
	// from, at most 2 KB.
	ID, Text string
	// Operation is the class of the statement: "SELECT", "INSERT".
	Operation string
	// Outcome is "ok" or the class of the error.
	Outcome string
	Err     error

	// Duration is the time in the driver. Call is the part until the call
	// returned, FirstRow until the first row was there, Drain what came after the
	// call. Wall has the application's time between rows, too.
	Duration, Call, FirstRow, Drain, Wall time.Duration
	// Rows that were read.
	Rows int64
	// Retries on other connections, after broken ones.
	Retries int
	// InTransaction is true within one.
	InTransaction bool
	// Arguments are the types and lengths of the arguments, with
	// [Options.DescribeArguments].
	Arguments string

	// Block is the innermost [Track], Route and TraceID are those of the request,
	// CallSite is the line of the application, where they are known.
	Block, Route, TraceID, CallSite string
}

// slow reports a query that took long.
func (m *Monitor) slow(k *call, how outcome, now time.Duration, err error) {
	m.totals.slow[k.op].Add(1)
	untold, pass := m.gates.pass(gateKey{line: slowLine, query: k.query.ID}, now)
	if !pass && m.opts.OnSlowQuery == nil {
		return
	}
	q := k.describe(how, now, err)
	if pass {
		m.logSlow(k.ctx, q, untold)
	}
	if m.opts.OnSlowQuery != nil {
		m.tellSlow(k.ctx, q)
	}
}

func (k *call) describe(how outcome, now time.Duration, err error) Query {
	q := Query{
		Database: k.src.opts.Name, ID: k.query.id, Text: k.query.Text, Operation: k.op.String(),
		Outcome: how.String(), Err: err,
		Duration: k.busy, Call: k.called, FirstRow: k.firstRow, Drain: k.busy - k.called, Wall: max(k.busy, now-k.start),
		Rows: k.rows, Retries: k.retries, InTransaction: k.tx != nil, Arguments: k.shape,
		TraceID: k.info.Trace().TraceID,
	}
	q.Route, _ = k.info.RouteInside()
	if k.unit != nil {
		q.Block = k.unit.block()
	}
	if k.site != nil {
		q.CallSite = k.site.String()
	} else {
		q.CallSite = callSite()
	}
	return q
}

func (m *Monitor) logSlow(ctx context.Context, q Query, untold int64) {
	defer m.survive(logger)
	attrs := []slog.Attr{
		slog.String("db", q.Database), slog.String("operation", q.Operation), slog.String("outcome", q.Outcome),
		slog.Duration("duration", q.Duration), slog.Duration("call", q.Call), slog.Duration("drain", q.Drain),
		slog.Int64("rows", q.Rows), slog.String("query_id", q.ID), slog.String("query", q.Text),
	}
	if q.Rows > 0 {
		attrs = append(attrs, slog.Duration("first_row", q.FirstRow))
	}
	for _, a := range [...]struct{ name, value string }{
		{"block", q.Block}, {"route", q.Route}, {"trace_id", q.TraceID}, {"call_site", q.CallSite}, {"arguments", q.Arguments},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.name, a.value))
		}
	}
	if q.Retries > 0 {
		attrs = append(attrs, slog.Int("retries", q.Retries))
	}
	if q.InTransaction {
		attrs = append(attrs, slog.Bool("in_transaction", true))
	}
	if untold > 0 {
		attrs = append(attrs, slog.Int64("untold", untold))
	}
	m.opts.Logger.LogAttrs(ctx, slog.LevelWarn, "dbmon: slow query", attrs...)
}

// maxDescribed is of how many arguments something is said.
const maxDescribed = 32

// describe says of what type and how long the arguments are.
func describe(a arguments) string {
	var b strings.Builder
	for i := range min(a.len(), maxDescribed) {
		if i > 0 {
			b.WriteString(", ")
		}
		switch v := a.at(i).(type) {
		case nil:
			b.WriteString("null")
		case string:
			fmt.Fprintf(&b, "string(%d)", len(v))
		case []byte:
			fmt.Fprintf(&b, "bytes(%d)", len(v))
		default:
			fmt.Fprintf(&b, "%T", driver.Value(v))
		}
	}
	if more := a.len() - maxDescribed; more > 0 {
		fmt.Fprintf(&b, ", and %d more", more)
	}
	return b.String()
}

// maxName is how long a name of the caller's may be.
const maxName = 64

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '�' }) < 0
}
