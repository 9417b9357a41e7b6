package secheaders

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// Bounds of the log: what strangers send must not fill a disk.
const (
	reportLogLines  = 10
	reportLogWindow = 10 * time.Second
	maxPanicText    = 4 << 10
)

// reportLog is the log of violations and of what was dropped.
type reportLog struct {
	logger *slog.Logger

	mu      sync.Mutex // guards the rest
	own     lineRing   // about documents of the host that is reported to
	any     lineRing
	leftOut int // new violations without a line since the last one
	drops   [numDropReasons]dropLine
	panicAt time.Time
}

// lineRing is when half of the lines were last written.
type lineRing struct {
	at   [reportLogLines / 2]time.Time
	next int
}

// take takes the place of the oldest line, if that is long enough ago.
func (l *lineRing) take(now time.Time) bool {
	if now.Sub(l.at[l.next]) < reportLogWindow {
		return false
	}
	l.at[l.next] = now
	l.next = (l.next + 1) % len(l.at)
	return true
}

// dropLine is when a reason was last told, and how many records since then were not.
type dropLine struct {
	at      time.Time
	records int
}

// violation writes a line, if there were not too many, and reports whether it did.
func (l *reportLog) violation(ctx context.Context, v *Violation, fresh, own bool) bool {
	level := slog.LevelWarn
	if v.Disposition == "report" {
		level = slog.LevelInfo // nothing was blocked
	}
	if !l.logger.Enabled(ctx, level) {
		return false
	}
	leftOut, ok := l.line(fresh, own)
	if !ok {
		return false
	}
	attrs := make([]slog.Attr, 0, 13)
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	number := func(key string, n int) {
		if n != 0 {
			attrs = append(attrs, slog.Int(key, n))
		}
	}
	text("type", v.Type)
	text("directive", v.Directive)
	text("disposition", v.Disposition)
	text("document", v.Document)
	text("blocked", v.Blocked)
	text("source", v.Source)
	number("line", v.Line)
	number("column", v.Column)
	text("sample", v.Sample)
	text("engine", v.Engine)
	number("repeats", v.Repeats)
	number("left_out", leftOut)
	l.logger.LogAttrs(ctx, level, "secheaders: a browser reports a violation", attrs...)
	return true
}

// line takes one of the lines, the own ones first. Strangers that report about other
// hosts get no more than half of them.
func (l *reportLog) line(fresh, own bool) (leftOut int, ok bool) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if own && l.own.take(now) || l.any.take(now) {
		leftOut, l.leftOut = l.leftOut, 0
		return leftOut, true
	}
	if fresh {
		l.leftOut++
	}
	return 0, false
}

// dropped writes one line for a reason in a while, with what was dropped since the
// last one. What is dropped because it means nothing is for debugging.
func (l *reportLog) dropped(ctx context.Context, reason dropReason, records int) {
	level := slog.LevelWarn
	if reason == dropNoise || reason == dropIgnored || reason == dropType {
		level = slog.LevelDebug
	}
	if !l.logger.Enabled(ctx, level) {
		return
	}
	if records = l.dropLine(reason, records); records > 0 {
		l.logger.LogAttrs(ctx, level, "secheaders: reports of browsers were dropped",
			slog.String("reason", dropReasons[reason]), slog.Int("records", records))
	}
}

// dropLine is how many records a line has to tell, 0 for no line.
func (l *reportLog) dropLine(reason dropReason, records int) int {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	d := &l.drops[reason]
	d.records += records
	if now.Sub(d.at) < reportLogWindow {
		return 0
	}
	records = d.records
	*d = dropLine{at: now}
	return records
}

// panicked tells of a hook that panicked, as net/http would: with the value and
// where it was.
func (l *reportLog) panicked(ctx context.Context, hook string, value any) {
	now := time.Now()
	l.mu.Lock()
	tell := now.Sub(l.panicAt) >= reportLogWindow
	if tell {
		l.panicAt = now
	}
	l.mu.Unlock()
	if tell {
		stack := debug.Stack()
		l.logger.LogAttrs(ctx, slog.LevelError, "secheaders: a hook panicked", slog.String("hook", hook),
			slog.String("panic", cleanText(fmt.Sprint(value), maxReportField)),
			slog.String("stack", string(stack[:min(len(stack), maxPanicText)])))
	}
}
