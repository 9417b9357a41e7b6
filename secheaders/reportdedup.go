package secheaders

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"time"
)

// The memory of violations has a fixed size. Where a set is full the oldest one
// makes room, and its repeats are forgotten.
const (
	recentSets = 1024
	recentWays = 4
)

// recentViolations remembers which violations were handed on within a window.
type recentViolations struct {
	start  time.Time
	seed   maphash.Seed
	window time.Duration

	mu   sync.Mutex // guards sets
	sets [recentSets][recentWays]recentViolation
}

type recentViolation struct {
	key     uint64
	at      time.Duration // it was handed on
	repeats int           // since
	used    bool
}

func newRecentViolations(window time.Duration) *recentViolations {
	return &recentViolations{start: time.Now(), seed: maphash.MakeSeed(), window: window}
}

// see reports whether v is to be handed on, and how many equal ones were not since
// the last time.
func (t *recentViolations) see(v *Violation) (repeats int, fresh bool) {
	if t.window < 0 {
		return 0, true
	}
	key := t.keyOf(v)
	now := time.Since(t.start)
	t.mu.Lock()
	defer t.mu.Unlock()
	set := &t.sets[key%recentSets]
	oldest := &set[0]
	for i := range set {
		e := &set[i]
		if e.used && e.key == key {
			if now-e.at < t.window {
				e.repeats++
				return 0, false
			}
			repeats = e.repeats
			e.at, e.repeats = now, 0
			return repeats, true
		}
		if !e.used || oldest.used && e.at < oldest.at {
			oldest = e
		}
	}
	*oldest = recentViolation{key: key, at: now, used: true}
	return 0, true
}

// keyOf leaves out what differs between browsers for the same violation: the
// column, the sample, the policy.
func (t *recentViolations) keyOf(v *Violation) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	for _, s := range [...]string{v.Type, v.Directive, v.Disposition, v.Blocked, v.Document, v.Source} {
		_, _ = h.WriteString(s)
		_ = h.WriteByte(0) // is in none of them
	}
	var line [8]byte
	binary.LittleEndian.PutUint64(line[:], uint64(v.Line))
	_, _ = h.Write(line[:])
	return h.Sum64()
}
