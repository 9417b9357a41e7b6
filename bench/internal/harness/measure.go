package harness

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"runtime"
	"slices"
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
	CPU      bool      // times are those that the processors worked, where the system tells
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
	Over    string   // the name of the application in it
	Without []string // the names of cases that it has no answer to
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
			if err := s.round(c, &report.cases[i], report.rounds); err != nil {
				return nil, err
			}
		}
	}
	return report, nil
}

// round measures every application bare and then every subject. Each round begins
// with the next one: the first to need much memory after a collection waits for it.
func (s Suite) round(c Case, into *caseReport, n int) error {
	bare := map[string]sample{}
	for _, b := range s.Bare {
		cost, err := s.measure(c, b.Handler)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", c.Name, b.Name, err)
		}
		bare[b.Name] = cost
	}
	for k := range s.Subjects {
		i := (k + n) % len(s.Subjects)
		subject := s.Subjects[i]
		if slices.Contains(subject.Without, c.Name) {
			continue
		}
		over, ok := bare[subject.Over]
		if !ok {
			return fmt.Errorf("%s: no bare application is named %q", subject.Name, subject.Over)
		}
		cost, err := s.measure(c, subject.Handler)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", c.Name, subject.Name, err)
		}
		into.rows[i].bare = append(into.rows[i].bare, over)
		into.rows[i].added = append(into.rows[i].added, cost.less(over))
	}
	return nil
}

func (s Suite) measure(c Case, h http.Handler) (sample, error) {
	r := testing.Benchmark(func(b *testing.B) { Bench(b, c, h) })
	if r.N == 0 {
		return sample{}, errors.New("the benchmark failed")
	}
	n := float64(r.N)
	ns := float64(r.T.Nanoseconds()) / n
	if worked, ok := r.Extra[cpuTime]; ok && s.CPU {
		ns = worked
	}
	return sample{ns, float64(r.MemAllocs) / n, float64(r.MemBytes) / n}, nil
}

// cpuTime is what a benchmark reports beside the time of the wall: that of the
// garbage collector is in it, and that of other processes is not.
const cpuTime = "cpu-ns/op"

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
	var start time.Duration
	if c.Clients == 0 {
		for b.Loop() {
			if start == 0 {
				start = worked()
			}
			clients[0].Do(h)
		}
	} else {
		var next atomic.Int32
		b.SetParallelism(perProc)
		start = worked()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			client := clients[next.Add(1)-1]
			for pb.Next() {
				client.Do(h)
			}
		})
	}
	b.StopTimer()
	if spent := worked() - start; start > 0 {
		b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N), cpuTime)
	}
	if !slices.ContainsFunc(clients, func(c *Client) bool { return c.Answered() > 0 || c.writer.empty }) {
		b.Fatal("no answer had a body, nor a status that has none")
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
