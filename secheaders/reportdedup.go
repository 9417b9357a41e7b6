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
	logged  bool // or about to be
}

func newRecentViolations(window time.Duration) *recentViolations {
	return &recentViolations{start: time.Now(), seed: maphash.MakeSeed(), window: window}
}

// see reports how many violations equal to v were not handed on since the last time,
// whether v is to be handed on, and whether it is to be logged: it may be later than
// that, if there was no line for it.
func (t *recentViolations) see(v *Violation) (repeats int, fresh, unlogged bool) {
	if t.window < 0 {
		return 0, true, true
	}
	key := t.keyOf(v)
	now := time.Since(t.start)
	t.mu.Lock()
	defer t.mu.Unlock()
	set := t.setOf(key)
	oldest := &set[0]
	for i := range set {
		e := &set[i]
		if e.used && e.key == key {
			if now-e.at < t.window {
				e.repeats++
				unlogged, e.logged = !e.logged, true
				return e.repeats, false, unlogged
			}
			repeats = e.repeats
			e.at, e.repeats, e.logged = now, 0, true
			return repeats, true, true
		}
		if !e.used || oldest.used && e.at < oldest.at {
			oldest = e
		}
	}
	*oldest = recentViolation{key: key, at: now, used: true, logged: true}
	return 0, true, true
}

// notLogged takes back that v is logged, for the next time that it is seen.
func (t *recentViolations) notLogged(v *Violation) {
	key := t.keyOf(v)
	t.mu.Lock()
	defer t.mu.Unlock()
	set := t.setOf(key)
	for i := range set {
		if e := &set[i]; e.used && e.key == key {
			e.logged = false
		}
	}
}

func (t *recentViolations) setOf(key uint64) *[recentWays]recentViolation {
	return &t.sets[key%recentSets]
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
