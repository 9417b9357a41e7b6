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

	mu      sync.Mutex                // guards the rest
	lines   [reportLogLines]time.Time // of the last lines about violations, in a ring
	next    int
	leftOut int // violations without a line since the last one
	drops   [numDropReasons]dropLine
	panicAt time.Time
}

// dropLine is when a reason was last told, and how many records since then were not.
type dropLine struct {
	at      time.Time
	records int
}

// violation writes a line, if there were not too many.
func (l *reportLog) violation(ctx context.Context, v *Violation) {
	level := slog.LevelWarn
	if v.Disposition == "report" {
		level = slog.LevelInfo // nothing was blocked
	}
	if !l.logger.Enabled(ctx, level) {
		return
	}
	leftOut, ok := l.line()
	if !ok {
		return
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
}

// line takes the place of the oldest line, if that is long enough ago.
func (l *reportLog) line() (leftOut int, ok bool) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.lines[l.next]) < reportLogWindow {
		l.leftOut++
		return 0, false
	}
	l.lines[l.next] = now
	l.next = (l.next + 1) % reportLogLines
	leftOut, l.leftOut = l.leftOut, 0
	return leftOut, true
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
