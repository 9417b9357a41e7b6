package dbmon

import (
	"sync"
	"sync/atomic"
	"time"
)

// gate lets one line through in a while, and counts the others.
type gate struct{ next, untold atomic.Int64 }

const between = 10 * time.Second

func (g *gate) pass(now time.Duration) (untold int64, pass bool) {
	next := g.next.Load()
	if int64(now) < next || !g.next.CompareAndSwap(next, int64(now+between)) {
		g.untold.Add(1)
		return 0, false
	}
	return g.untold.Swap(0), true
}

// lineKind is what a line of the log is about.
type lineKind uint8

const (
	slowLine lineKind = iota
	leakLine
	repetitionLine
)

// gateKey is a fingerprint, and a place where that makes a difference.
type gateKey struct {
	line        lineKind
	query, site uint64
}

// maxGates is how many lines of the log are kept apart.
const maxGates = 1024

// gates are those of a monitor. They are not part of the statistics, where a query
// may make room for others.
type gates struct {
	mu   sync.Mutex
	keys map[gateKey]*gate
	rest gate // of those for which there is no room
}

func (g *gates) pass(key gateKey, now time.Duration) (untold int64, pass bool) {
	return g.of(key, now).pass(now)
}

func (g *gates) of(key gateKey, now time.Duration) *gate {
	g.mu.Lock()
	defer g.mu.Unlock()
	if found := g.keys[key]; found != nil {
		return found
	}
	if g.keys == nil {
		g.keys = map[gateKey]*gate{}
	}
	if len(g.keys) >= maxGates {
		for k, old := range g.keys {
			if old.next.Load() <= int64(now) {
				delete(g.keys, k)
			}
		}
	}
	if len(g.keys) >= maxGates {
		return &g.rest
	}
	made := new(gate)
	g.keys[key] = made
	return made
}
