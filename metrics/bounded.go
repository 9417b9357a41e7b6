package metrics

import (
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// bounded holds the series of a recorder by what its callers say, up to a limit
// of distinct keys: whoever can choose a key must not choose how much memory
// the process and its Prometheus need. Further keys share one fixed series.
//
// Looking up a key takes no lock: the map is replaced, never changed.
type bounded[K comparable, S any] struct {
	known atomic.Pointer[map[K]*S]
	clean func(K) K  // makes the parts of a key fit to be label values
	open  func(K) *S // resolves the series of a clean key
	limit int
	rest  K // the key whose series takes the overflow
	over  *overflow

	mu sync.Mutex // held to add a key
}

func newBounded[K comparable, S any](limit int, over *overflow, rest K, clean func(K) K, open func(K) *S) *bounded[K, S] {
	b := &bounded[K, S]{clean: clean, open: open, limit: limit, rest: rest, over: over}
	b.known.Store(&map[K]*S{})
	return b
}

// get returns the series of k, or those of the rest.
func (b *bounded[K, S]) get(k K) *S {
	if s, ok := (*b.known.Load())[k]; ok {
		return s
	}
	return b.add(b.clean(k))
}

// lookup returns the series of a clean key that is known already, or nil.
func (b *bounded[K, S]) lookup(k K) *S { return (*b.known.Load())[k] }

// add returns the series of a clean key.
func (b *bounded[K, S]) add(k K) *S {
	known := *b.known.Load()
	s, ok := known[k]
	if !ok && len(known) < b.limit {
		s, ok = b.insert(k)
	}
	if ok {
		return s
	}
	b.over.note()
	if s, ok = known[b.rest]; ok {
		return s
	}
	return b.force(b.rest)
}

func (b *bounded[K, S]) insert(k K) (*S, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := *b.known.Load()
	if s, ok := known[k]; ok {
		return s, true
	}
	if len(known) >= b.limit {
		return nil, false
	}
	return b.put(known, k), true
}

// force adds a key of our own beyond the limit.
func (b *bounded[K, S]) force(k K) *S {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := *b.known.Load()
	if s, ok := known[k]; ok {
		return s
	}
	return b.put(known, k)
}

func (b *bounded[K, S]) put(known map[K]*S, k K) *S {
	s := b.open(k)
	grown := make(map[K]*S, len(known)+1)
	maps.Copy(grown, known)
	grown[k] = s
	b.known.Store(&grown)
	return s
}

// overflow tells that a limit was reached: a counter for each time, and one log
// line.
type overflow struct {
	recorder string
	limit    string // the option to raise
	count    prometheus.Counter
	logger   *slog.Logger
	once     sync.Once
}

func (o *overflow) note() {
	o.count.Inc()
	o.once.Do(func() {
		o.logger.Warn("metrics: too many distinct label values; the rest is counted as "+Other,
			"recorder", o.recorder, "limit", o.limit)
	})
}
