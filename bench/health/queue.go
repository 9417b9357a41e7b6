package health

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

const (
	slow   = 300 * time.Millisecond  // what one of the checks takes
	probes = 4                       // at the same time
	kept   = 1100 * time.Millisecond // results of checks that run as they are asked for
	limit  = time.Second             // timeoutSeconds of a Kubernetes probe that names none
)

// Queue prints how long probes that come at the same time have to wait for a
// check that is slow, which no benchmark of one answer shows.
func Queue(w io.Writer) error {
	fmt.Fprintf(w, "\nhealth: %d probes at the same time while one of five checks takes %v\n", probes, slow)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "first\tlast\tof the check\tover %v\t  subject\n", limit)
	for _, s := range subjects {
		waits, err := s.queue()
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		late := 0
		for _, d := range waits {
			if d > limit {
				late++
			}
		}
		first, last := waits[0], waits[len(waits)-1]
		fmt.Fprintf(t, "%v\t%v\t%.1f\t%d\t  %s\n", round(first), round(last), last.Seconds()/slow.Seconds(), late, s.name)
	}
	return t.Flush()
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// queue returns how long the probes took, the shortest first. They come while
// the slow check is under way: in the background, or as they ask for it.
func (s subject) queue() ([]time.Duration, error) {
	begun := make(chan struct{}, 1)
	set := passing()
	set.interval = slow * 5 / 2
	set.timeout = set.interval - 50*time.Millisecond
	set.checks[2].run = func(ctx context.Context) error {
		select {
		case begun <- struct{}{}:
		default:
		}
		select {
		case <-time.After(slow):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	h, end, err := s.open(set)
	if err != nil {
		return nil, err
	}
	defer end()
	if err := ready(h); err != nil {
		return nil, err
	}
	<-begun // the first run, for whomever
	if s.background {
		<-begun
	} else {
		time.Sleep(kept) // until no result is used again
	}
	waits := make([]time.Duration, probes)
	var all sync.WaitGroup
	for i := range waits {
		all.Go(func() {
			start := time.Now()
			ask(h)
			waits[i] = time.Since(start)
		})
	}
	all.Wait()
	slices.Sort(waits)
	return waits, nil
}
