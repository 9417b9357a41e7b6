// Command bench compares sluice's packages with their peers and prints what
// each adds to a request, as ratios from one run:
//
//	go run .            # all packages
//	go run . metrics    # one of them
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/sluice-go/sluice/bench/compress"
	"github.com/sluice-go/sluice/bench/dbmon"
	"github.com/sluice-go/sluice/bench/health"
	"github.com/sluice-go/sluice/bench/internal/harness"
	"github.com/sluice-go/sluice/bench/metrics"
	"github.com/sluice-go/sluice/bench/secheaders"
)

// suites has one entry for each package that has peers here.
var suites = []struct {
	name string
	open func() (harness.Suite, error)
	more func(io.Writer) error // what the time of one request does not show
}{
	{"compress", compress.Suite, nil},
	{"dbmon", dbmon.Suite, nil},
	{"health", health.Suite, health.Queue},
	{"metrics", metrics.Suite, nil},
	{"secheaders", secheaders.Suite, nil},
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	var names []string
	for _, s := range suites {
		names = append(names, s.name)
	}
	// A set of its own: package testing adds all of its flags to the usual one.
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "usage: bench [flags] [%s]...\n", strings.Join(names, "|"))
		flags.PrintDefaults()
	}
	var o harness.Options
	flags.DurationVar(&o.Time, "time", 0, "time for each package (default 45s)")
	flags.IntVar(&o.Rounds, "rounds", 0, "the least number of rounds (default 3)")
	flags.StringVar(&o.Each, "each", "", "time of one subject in one round, or a count such as 1000x (default 50ms)")
	cpu := flags.Int("cpu", 0, "processors, as GOMAXPROCS (default all)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for _, name := range flags.Args() {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%q is none of %s", name, strings.Join(names, ", "))
		}
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(*cpu))
	for _, s := range suites {
		if flags.NArg() > 0 && !slices.Contains(flags.Args(), s.name) {
			continue
		}
		if err := measure(s.open, o, stdout); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if s.more != nil {
			if err := s.more(stdout); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	return nil
}

func measure(open func() (harness.Suite, error), o harness.Options, stdout io.Writer) error {
	suite, err := open()
	if err != nil {
		return err
	}
	report, err := suite.Measure(o)
	if err != nil {
		return err
	}
	return report.Print(stdout)
}
