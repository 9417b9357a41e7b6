package main

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"
)

// result is what became of a step.
type result struct {
	step step
	took time.Duration
	err  error
	idle bool // not tried: a signal came, or the connection was lost
}

func printPlan(w io.Writer, command string, steps []step, dryRun bool) {
	count := map[action]int{}
	for _, s := range steps {
		count[s.action]++
	}
	var parts []string
	for _, a := range []action{actCreate, actRebuild, actFinish, actClean, actDrop, actKeep, actSkip, actRefuse} {
		if count[a] > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", count[a], a))
		}
	}
	title := "plan of " + command
	if dryRun {
		title += " (nothing is changed)"
	}
	_, _ = fmt.Fprintf(w, "%s: %s\n", title, strings.Join(parts, ", "))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range steps {
		_, _ = fmt.Fprintf(t, "  %s\t%s\t%s\n", s.action, s.index.name(), reason(s))
	}
	_ = t.Flush()
}

func reason(s step) string {
	if s.reason == "" {
		return "on " + s.index.String()
	}
	return s.reason
}

// printResults shows what is there after the run. The state is what the database
// says now, not what the run believes to have done.
func printResults(w io.Writer, command string, results []result, now map[string]*table) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "INDEX\tON\tSTATE\tTIME\tRESULT")
	for _, r := range results {
		took := ""
		if r.took > 0 {
			took = shorten(r.took).String()
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", r.step.index.name(), r.step.index,
			state(r.step.index, now), took, r.outcome())
	}
	_ = t.Flush()
	there := 0
	for _, r := range results {
		if state(r.step.index, now) == "valid" {
			there++
		}
	}
	_, _ = fmt.Fprintf(w, "%s: %d of %d indexes are there\n", command, there, len(results))
}

// state is how an index is there by its definition, under whatever name.
func state(ix index, now map[string]*table) string {
	best := "absent"
	t := now[ix.table]
	if t == nil {
		return best
	}
	for _, f := range t.indexes {
		switch {
		case f.serves(ix, t) && f.valid && !f.unfinished:
			return "valid"
		case f.serves(ix, t):
			best = "invalid"
		}
	}
	return best
}

func (r result) outcome() string {
	switch {
	case r.err != nil:
		return "failed: " + oneLine(r.err.Error())
	case r.idle:
		return "not tried"
	case !r.step.work():
		return strings.TrimSpace(verb[r.step.action] + " " + reason(r.step))
	}
	return verb[r.step.action]
}

var verb = map[action]string{
	actCreate: "created", actRebuild: "rebuilt", actFinish: "finished", actClean: "cleaned up", actDrop: "dropped",
	actKeep: "kept:", actSkip: "skipped:", actRefuse: "refused:",
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(s, "\n", "; ")), " ")
}

// shorten keeps three digits or so.
func shorten(d time.Duration) time.Duration {
	if d < time.Second {
		return max(d.Round(time.Millisecond), time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}

// progress shows the step that is being done: as one line that changes on a
// terminal, as a line at its end elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	total    int
	done     int
	name     string
	start    time.Time
}

func newProgress(w io.Writer, total int) *progress {
	return &progress{w: w, terminal: isTerminal(w), total: total}
}

// isTerminal reports whether somebody looks on.
func isTerminal(w io.Writer) bool {
	f, ok := w.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&fs.ModeCharDevice != 0
}

func (p *progress) begin(name string) {
	p.done++
	p.name, p.start = name, time.Now()
	p.note("")
}

// note shows what the database is doing about the step.
func (p *progress) note(what string) {
	if p.terminal {
		// What is too long for the line is cut: a second line would stay behind.
		_, _ = fmt.Fprintf(p.w, "\r\x1b[K\x1b[?7l%s %s %s\x1b[?7h", p.head(), time.Since(p.start).Truncate(time.Second), what)
	}
}

func (p *progress) end(r result) {
	if p.terminal {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
	}
	_, _ = fmt.Fprintf(p.w, "%s %s in %s\n", p.head(), cmp.Or(r.outcome(), "done"), shorten(time.Since(p.start)))
}

func (p *progress) head() string {
	return fmt.Sprintf("[%*d/%d] %s", len(fmt.Sprint(p.total)), p.done, p.total, p.name)
}
