package dbmon

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

const (
	maxBlocks     = 200 // names of a monitor; those to come are otherBlock
	maxBlockDepth = 32  // of blocks in blocks; those to come are the last one
	otherBlock    = "other"
)

// Track begins a named block: the queries that are made under the returned context
// until done are counted for it, by each monitor that had one of them. See
// [Monitor.Blocks]. It needs no scope, and done may be called again.
//
// A query is named after the innermost block, and counted for those around it
// too. A block within one of the same name, as of a function that calls itself, is
// a part of it. Rows that are still open at the end are not counted.
//
// Names are of the program, never of its input: a monitor keeps 200, and counts
// the others as "other".
func Track(ctx context.Context, name string) (tracked context.Context, done func()) {
	outer := unitOf(ctx)
	name = blockName(name)
	if name == "" || outer.depth() >= maxBlockDepth {
		return ctx, func() {}
	}
	both := new(struct {
		unit unit
		run  blockRun
	})
	u, b := &both.unit, &both.run
	b.name, b.start, b.counts = name, time.Now(), b.room[:0]
	if u.run = b; outer != nil {
		u.scope, b.outer = outer.scope, outer.run
		b.deep, b.within = outer.depth(), outer.run.find(name)
	}
	return reqinfo.WithScope(ctx, u), b.done
}

// blockName is fit to be shown, and to be kept.
func blockName(name string) string {
	name = strings.ToValidUTF8(name, "�")
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, name)
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "")
	}
	return name
}

// blockRun is one run of a block.
type blockRun struct {
	name   string
	start  time.Time
	outer  *blockRun
	within bool // another one of the same name
	deep   int

	mu     sync.Mutex
	over   bool
	counts []blockCount
	room   [1]blockCount
}

// blockCount is what a run had to do with one monitor.
type blockCount struct {
	m       *Monitor
	queries int64
	own     int64
	rows    int64
	errors  int64
	busy    time.Duration
}

func (u *unit) depth() int {
	if u == nil || u.run == nil {
		return 0
	}
	return u.run.deep + 1
}

func (b *blockRun) find(name string) bool {
	for ; b != nil; b = b.outer {
		if b.name == name {
			return true
		}
	}
	return false
}

// String is the name, or empty.
func (b *blockRun) String() string {
	if b == nil {
		return ""
	}
	return b.name
}

// innermost is the first run outward that is not over, or nil.
func (b *blockRun) innermost() *blockRun {
	for b != nil && !b.isOpen() {
		b = b.outer
	}
	return b
}

func (b *blockRun) isOpen() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.over
}

// add counts a call for a run and those around it, and returns the innermost.
func (b *blockRun) add(k *call, o outcome) (innermost *blockRun) {
	for ; b != nil; b = b.outer {
		if b.count(k, o, innermost == nil) && innermost == nil {
			innermost = b
		}
	}
	return innermost
}

func (b *blockRun) count(k *call, o outcome, own bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return false
	}
	c := b.of(k.src.Monitor)
	if k.query != nil && k.op < opPrepare {
		c.queries++
		if own {
			c.own++
		}
		c.rows += k.rows
	}
	if o != ok {
		c.errors++
	}
	c.busy += k.busy
	return true
}

func (b *blockRun) of(m *Monitor) *blockCount {
	for i := range b.counts {
		if b.counts[i].m == m {
			return &b.counts[i]
		}
	}
	b.counts = append(b.counts, blockCount{m: m})
	return &b.counts[len(b.counts)-1]
}

func (b *blockRun) done() {
	b.mu.Lock()
	counts := b.counts
	if b.over {
		counts = nil
	}
	b.over = true
	b.mu.Unlock()
	if b.within {
		return
	}
	wall := time.Since(b.start)
	for _, c := range counts {
		c.m.blocks.add(b.name, c, wall)
	}
}

// BlockStats are what the runs of a [Track] block come to.
type BlockStats struct {
	Name string `json:"name"`
	// Count is how many runs there were that had to do with the database.
	Count uint64 `json:"count"`
	// Queries include those of blocks within, OwnQueries do not; MaxQueries is
	// the most that one run made.
	Queries    uint64 `json:"queries"`
	OwnQueries uint64 `json:"own_queries"`
	MaxQueries uint64 `json:"max_queries"`
	Rows       uint64 `json:"rows"`
	// Errors are of all that the database was asked for, as COMMIT.
	Errors uint64 `json:"errors"`
	// Total is the time in the driver. Mean and Max are those of one run.
	Total time.Duration `json:"total_ns"`
	Mean  time.Duration `json:"mean_ns"`
	Max   time.Duration `json:"max_ns"`
	// Wall is the whole time of the runs, MaxWall that of the longest.
	Wall    time.Duration `json:"wall_ns"`
	MaxWall time.Duration `json:"max_wall_ns"`
}

// blocks are the sums of a monitor by name.
type blocks struct {
	mu   sync.Mutex
	sums map[string]*BlockStats
}

func (b *blocks) add(name string, c blockCount, wall time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.of(name)
	s.Count++
	s.Queries += uint64(c.queries)
	s.OwnQueries += uint64(c.own)
	s.MaxQueries = max(s.MaxQueries, uint64(c.queries))
	s.Rows += uint64(c.rows)
	s.Errors += uint64(c.errors)
	s.Total += c.busy
	s.Max = max(s.Max, c.busy)
	s.Wall += wall
	s.MaxWall = max(s.MaxWall, wall)
}

func (b *blocks) of(name string) *BlockStats {
	if b.sums == nil {
		b.sums = map[string]*BlockStats{}
	}
	if b.sums[name] == nil && len(b.sums) >= maxBlocks {
		name = otherBlock
	}
	s := b.sums[name]
	if s == nil {
		s = &BlockStats{Name: name}
		b.sums[name] = s
	}
	return s
}

// snapshot has the largest total time first.
func (b *blocks) snapshot() []BlockStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]BlockStats, 0, len(b.sums))
	for _, s := range b.sums {
		one := *s
		one.Mean = one.Total / time.Duration(one.Count)
		all = append(all, one)
	}
	slices.SortFunc(all, func(x, y BlockStats) int {
		return cmp.Or(cmp.Compare(y.Total, x.Total), cmp.Compare(x.Name, y.Name))
	})
	return all
}

func (b *blocks) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sums = nil
}

// Blocks are the [Track] blocks since the last reset of the statistics, the largest
// total time first.
func (m *Monitor) Blocks() []BlockStats { return m.blocks.snapshot() }
