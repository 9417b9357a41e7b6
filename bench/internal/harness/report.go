package harness

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"text/tabwriter"
)

// Report is what a run measured.
type Report struct {
	suite  Suite
	rounds int
	cases  []caseReport
}

type caseReport struct{ rows []row }

// row has one sample a round.
type row struct{ bare, added []sample }

func newReport(s Suite) *Report {
	r := &Report{suite: s, cases: make([]caseReport, len(s.Cases))}
	for i := range r.cases {
		r.cases[i].rows = make([]row, len(s.Subjects))
	}
	return r
}

// Print writes one table for each case.
func (r *Report) Print(w io.Writer) error {
	fmt.Fprintf(w, "%s: added by one layer, over the same handler without it\n", r.suite.Package)
	if r.suite.CPU {
		fmt.Fprintln(w, "times are those that the processors worked")
	}
	fmt.Fprintf(w, "%s %s/%s, %d cores; %d interleaved rounds: median (min-max)\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), r.rounds)
	for i, c := range r.suite.Cases {
		if err := r.table(w, c, r.cases[i]); err != nil {
			return err
		}
	}
	if len(r.suite.Bars) > 0 {
		fmt.Fprintln(w)
	}
	for _, b := range r.suite.Bars {
		if err := r.bar(w, b); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\nnoise: a bare handler's median was up to %.2f times its fastest round\n", r.noise())
	if err == nil && r.noise() > quiet {
		_, err = fmt.Fprintf(w, "the machine was busy; take no figures from this run\n")
	}
	return err
}

// quiet is the noise of a machine that does little else. With more of it the
// ratios are off too: sharing the cores does not cost every subject the same.
const quiet = 1.15

// noise is how much slower the median of a bare handler is than its best round,
// for the one where this is worst.
func (r *Report) noise() (worst float64) {
	for _, c := range r.cases {
		for _, row := range c.rows {
			if len(row.bare) == 0 {
				continue
			}
			bare := spreadOf(row.bare, inTime)
			worst = max(worst, bare.median/bare.min)
		}
	}
	return worst
}

func (r *Report) table(w io.Writer, c Case, cr caseReport) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\n%s\n", c.Name)
	fmt.Fprintf(t, "added ns\t(min-max)\tallocs\tbytes\tratio\t(min-max)\tbare ns\t  subject\n")
	for i, s := range r.suite.Subjects {
		if len(cr.rows[i].added) == 0 {
			fmt.Fprintf(t, "-\t\t-\t-\t-\t\t-\t  %s\n", s.Name)
			continue
		}
		ns := spreadOf(cr.rows[i].added, inTime)
		fmt.Fprintf(t, "%.0f\t(%.0f-%.0f)\t%.0f\t%.0f\t%s\t%.0f\t  %s\n",
			ns.median, ns.min, ns.max,
			spreadOf(cr.rows[i].added, inAllocs).median,
			spreadOf(cr.rows[i].added, inBytes).median,
			ratio(cr.rows[i].added, cr.rows[0].added),
			spreadOf(cr.rows[i].bare, inTime).median,
			s.Name)
	}
	return t.Flush()
}

// ratio is the quotient of two subjects round by round, so that a slow round is
// slow above and below the line.
func ratio(of, to []sample) string {
	quotients := make([]sample, len(of))
	for i := range of {
		if to[i].ns <= 0 {
			return "noise\t" // the bare handler took longer than the whole
		}
		quotients[i].ns = of[i].ns / to[i].ns
	}
	q := spreadOf(quotients, inTime)
	return fmt.Sprintf("%.1f\t(%.1f-%.1f)", q.median, q.min, q.max)
}

func inTime(s sample) float64   { return s.ns }
func inAllocs(s sample) float64 { return s.allocs }
func inBytes(s sample) float64  { return s.bytes }

type spread struct{ min, median, max float64 }

func spreadOf(samples []sample, f func(sample) float64) spread {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = f(s)
	}
	slices.Sort(values)
	n := len(values)
	return spread{values[0], (values[(n-1)/2] + values[n/2]) / 2, values[n-1]}
}
