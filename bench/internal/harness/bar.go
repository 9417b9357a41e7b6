package harness

import (
	"fmt"
	"io"
	"slices"
)

// Bar is the most that a subject may add in a case.
type Bar struct {
	Case    string
	Of      string  // the name of the subject, or "" for the first one
	Against string  // the name of another subject
	Share   float64 // of the time that the other one adds
	Allocs  float64
}

// check finds bars that nothing can be measured against.
func (b Bar) check(s Suite) error {
	if _, _, _, err := b.places(s); err != nil {
		return fmt.Errorf("harness: a bar: %w", err)
	}
	return nil
}

func (b Bar) places(s Suite) (inCase, of, against int, err error) {
	inCase = slices.IndexFunc(s.Cases, func(c Case) bool { return c.Name == b.Case })
	if inCase < 0 {
		return 0, 0, 0, fmt.Errorf("no case is named %q", b.Case)
	}
	if b.Of != "" {
		of, err = b.subject(s, b.Of)
	}
	if err == nil {
		against, err = b.subject(s, b.Against)
	}
	return inCase, of, against, err
}

func (b Bar) subject(s Suite, name string) (int, error) {
	i := slices.IndexFunc(s.Subjects, func(s Subject) bool { return s.Name == name })
	switch {
	case i < 0:
		return 0, fmt.Errorf("no subject is named %q", name)
	case slices.Contains(s.Subjects[i].Without, b.Case):
		return 0, fmt.Errorf("%s has no answer to %q", name, b.Case)
	default:
		return i, nil
	}
}

// name is what the bar is printed under.
func (b Bar) name() string {
	if b.Of == "" {
		return b.Case
	}
	return b.Case + ": " + b.Of
}

// bar prints whether one holds, by the medians: a single bad round, of which a busy
// machine has some, makes a quotient of its own meaningless. Allocations are rounded
// as in the tables: what is made once for many is no allocation of each.
func (r *Report) bar(w io.Writer, b Bar) error {
	inCase, of, against, err := b.places(r.suite)
	if err != nil {
		return err
	}
	rows := r.cases[inCase].rows
	own, other := spreadOf(rows[of].added, inTime).median, spreadOf(rows[against].added, inTime).median
	if other <= 0 {
		_, err := fmt.Fprintf(w, "bar: %s: noise\n", b.name())
		return err
	}
	allocs := spreadOf(rows[of].added, inAllocs).median
	verdict := "holds"
	if own/other > b.Share || allocs >= b.Allocs+0.5 {
		verdict = "does NOT hold"
	}
	_, err = fmt.Fprintf(w, "bar: %s: %.2f of what %s adds, at most %.2f; %.2f allocs, at most %.0f: %s\n",
		b.name(), own/other, b.Against, b.Share, max(allocs, 0), b.Allocs, verdict)
	return err
}
