package host

import (
	"iter"
	"log/slog"
	"sync"
	"time"
)

// logEvery is the least time between two lines about one cause.
const logEvery = 10 * time.Second

// faults counts what could not be read, and says so once.
type faults struct {
	logger  *slog.Logger
	sources []string

	mu     sync.Mutex
	count  map[string]uint64
	causes map[string]*cause
}

type cause struct {
	failing bool
	logged  time.Time
}

func newFaults(logger *slog.Logger, sources []string) *faults {
	return &faults{logger: logger, sources: sources, count: map[string]uint64{}, causes: map[string]*cause{}}
}

// note records how a reading of a source ended. A cause is one that is logged
// by itself, where a source has several.
func (f *faults) note(source, name string, err error) {
	if f.record(source, name, err) {
		f.logger.Warn("host: a source of metrics cannot be read", "source", name, "error", err)
	}
}

func (f *faults) record(source, name string, err error) (log bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.causes[name]
	if c == nil {
		c = &cause{}
		f.causes[name] = c
	}
	begins := err != nil && !c.failing
	c.failing = err != nil
	if err != nil {
		f.count[source]++
	}
	if !begins || !c.logged.IsZero() && time.Since(c.logged) < logEvery {
		return false
	}
	c.logged = time.Now()
	return true
}

// counts yields all sources, those without a fault too: an alert on an increase
// needs the zero before it.
func (f *faults) counts() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, s := range f.sources {
			if !yield(s, f.count[s]) {
				return
			}
		}
	}
}
