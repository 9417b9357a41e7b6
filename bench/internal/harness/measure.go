package harness

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// Suite is one package and its peers.
type Suite struct {
	Package  string
	Cases    []Case
	Bare     []Bare
	Subjects []Subject // the first is our own: the ratios are against it
	Bars     []Bar     // that it has to clear
}

// Bare is an application without the middleware.
type Bare struct {
	Name    string
	Handler http.Handler
}

// Subject is one contender. Its handler serves all cases.
type Subject struct {
	Name    string
	Handler http.Handler
	Over    string // the name of the application in it
}

// Options are the limits of a run.
type Options struct {
	Time   time.Duration // Rounds begin within this time. Default: 45 s.
	Rounds int           // The least number of rounds. Default: 3.
	Each   string        // Of one subject in one round, as of -benchtime. Default: "50ms".
}

// sample is what one request cost.
type sample struct{ ns, allocs, bytes float64 }

func (s sample) less(t sample) sample {
	return sample{s.ns - t.ns, s.allocs - t.allocs, s.bytes - t.bytes}
}

// Measure runs all cases of the suite.
func (s Suite) Measure(o Options) (*Report, error) {
	if o.Time == 0 {
		o.Time = 45 * time.Second
	}
	if o.Rounds == 0 {
		o.Rounds = 3
	}
	if o.Each == "" {
		o.Each = "50ms"
	}
	restore, err := benchTime(o.Each)
	if err != nil {
		return nil, err
	}
	defer restore()
	for _, b := range s.Bars {
		if err := b.check(s); err != nil {
			return nil, err
		}
	}
	report := newReport(s)
	for start := time.Now(); report.rounds < o.Rounds || time.Since(start) < o.Time; report.rounds++ {
		for i, c := range s.Cases {
			if err := s.round(c, &report.cases[i]); err != nil {
				return nil, err
			}
		}
	}
	return report, nil
}

// round measures every application bare and then every subject.
func (s Suite) round(c Case, into *caseReport) error {
	bare := map[string]sample{}
	for _, b := range s.Bare {
		cost, err := measure(c, b.Handler)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", c.Name, b.Name, err)
		}
		bare[b.Name] = cost
	}
	for i, subject := range s.Subjects {
		over, ok := bare[subject.Over]
		if !ok {
			return fmt.Errorf("%s: no bare application is named %q", subject.Name, subject.Over)
		}
		cost, err := measure(c, subject.Handler)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", c.Name, subject.Name, err)
		}
		into.rows[i].bare = append(into.rows[i].bare, over)
		into.rows[i].added = append(into.rows[i].added, cost.less(over))
	}
	return nil
}

func measure(c Case, h http.Handler) (sample, error) {
	r := testing.Benchmark(func(b *testing.B) { Bench(b, c, h) })
	if r.N == 0 {
		return sample{}, errors.New("the benchmark failed")
	}
	n := float64(r.N)
	return sample{float64(r.T.Nanoseconds()) / n, float64(r.MemAllocs) / n, float64(r.MemBytes) / n}, nil
}

// Bench is one case as a Go benchmark.
func Bench(b *testing.B, c Case, h http.Handler) {
	b.ReportAllocs()
	perProc := max(1, (c.Clients+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	clients := make([]*Client, perProc*runtime.GOMAXPROCS(0))
	for i := range clients {
		client, err := NewClient(c)
		if err != nil {
			b.Fatal(err)
		}
		defer client.Close()
		clients[i] = client
	}
	if c.Clients == 0 {
		for b.Loop() {
			clients[0].Do(h)
		}
	} else {
		var next atomic.Int32
		b.SetParallelism(perProc)
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			client := clients[next.Add(1)-1]
			for pb.Next() {
				client.Do(h)
			}
		})
	}
	b.StopTimer()
	var answered int64
	for _, client := range clients {
		answered += client.Answered()
	}
	if answered == 0 {
		b.Fatal("no answer had a body")
	}
}

// benchTime sets how long a benchmark takes: testing has only its flag for it.
func benchTime(each string) (restore func(), err error) {
	testing.Init()
	f := flag.Lookup("test.benchtime")
	before := f.Value.String()
	if err := f.Value.Set(each); err != nil {
		return nil, fmt.Errorf("harness: Each: %w", err)
	}
	return func() { _ = f.Value.Set(before) }, nil
}
