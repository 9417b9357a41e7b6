package harness

import (
	"fmt"
	"io"
	"slices"
)

// Bar is the most that the first subject of a suite may add in a case.
type Bar struct {
	Case    string
	Against string  // the name of another subject
	Share   float64 // of the time that the other one adds
	Allocs  float64
}

// check finds bars that nothing can be measured against.
func (b Bar) check(s Suite) error {
	if _, _, err := b.places(s); err != nil {
		return fmt.Errorf("harness: a bar: %w", err)
	}
	return nil
}

func (b Bar) places(s Suite) (inCase, against int, err error) {
	inCase = slices.IndexFunc(s.Cases, func(c Case) bool { return c.Name == b.Case })
	against = slices.IndexFunc(s.Subjects, func(s Subject) bool { return s.Name == b.Against })
	switch {
	case inCase < 0:
		return 0, 0, fmt.Errorf("no case is named %q", b.Case)
	case against < 0:
		return 0, 0, fmt.Errorf("no subject is named %q", b.Against)
	case slices.Contains(s.Subjects[against].Without, b.Case):
		return 0, 0, fmt.Errorf("%s has no answer to %q", b.Against, b.Case)
	default:
		return inCase, against, nil
	}
}

// bar prints whether one holds, by the medians: a single bad round, of which a busy
// machine has some, makes a quotient of its own meaningless. Allocations are rounded
// as in the tables: what is made once for many is no allocation of each.
func (r *Report) bar(w io.Writer, b Bar) error {
	inCase, against, err := b.places(r.suite)
	if err != nil {
		return err
	}
	rows := r.cases[inCase].rows
	own, other := spreadOf(rows[0].added, inTime).median, spreadOf(rows[against].added, inTime).median
	if other <= 0 {
		_, err := fmt.Fprintf(w, "bar: %s: noise\n", b.Case)
		return err
	}
	allocs := spreadOf(rows[0].added, inAllocs).median
	verdict := "holds"
	if own/other > b.Share || allocs >= b.Allocs+0.5 {
		verdict = "does NOT hold"
	}
	_, err = fmt.Fprintf(w, "bar: %s: %.2f of what %s adds, at most %.2f; %.2f allocs, at most %.0f: %s\n",
		b.Case, own/other, b.Against, b.Share, max(allocs, 0), b.Allocs, verdict)
	return err
}
