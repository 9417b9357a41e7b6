package dbmon

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

const (
	maxText     = 64 << 10 // longer ones are not kept
	meanText    = 1 << 10  // bytes for each place, on average
	perQuery    = 4        // texts for each query there is room for
	places      = 8        // of a set
	rememberers = 6        // a set with its lock then fills two lines of a cache
)

// texts remembers the queries of statements by their text. It is a set-associative
// cache: the hash of a text names the set that has it, if any has. A hit takes no
// lock and writes nothing that others read, but once after each turn of the clock.
//
// Texts that come once must not push out those that come often: once a set is
// full, a text is let in when it comes for the second time, and takes the place of
// one that was not used since the last text wanted in.
type texts struct {
	table   *table
	dialect fingerprint.Dialect
	seed    maphash.Seed // nobody can choose texts that share a set
	sets    []textSet    // as many as a power of two

	budget int64
	bytes  atomic.Int64
	hand   atomic.Uint32 // the set that is asked next for bytes
}

type textSet struct {
	tags  [places]atomic.Uint32 // of the hashes, which saves looking at the texts
	texts [places]atomic.Pointer[text]
	mu    sync.Mutex          // to change it
	once  [rememberers]uint32 // tags of texts that were not let in, the latest first
}

type text struct {
	sql   string
	query atomic.Pointer[query]
	used  atomic.Bool // since the hand of the clock came by
}

func newTexts(t *table, d Dialect) *texts {
	n := 1
	for n*places < perQuery*t.max {
		n *= 2
	}
	return &texts{
		table:   t,
		dialect: fingerprint.Dialect(d),
		seed:    maphash.MakeSeed(),
		sets:    make([]textSet, n),
		budget:  int64(n) * places * meanText,
	}
}

// lookup returns the query of a text.
func (x *texts) lookup(sql string) *query {
	if len(sql) > maxText {
		return x.read(sql)
	}
	h := maphash.Comparable(x.seed, sql) // maphash.String takes 128 bytes at a time, and twice as long for 1 KB
	s, tag := &x.sets[h&uint64(len(x.sets)-1)], uint32(h>>32)
	if t := s.find(tag, sql); t != nil {
		if !t.used.Load() {
			t.used.Store(true)
		}
		q := t.query.Load()
		if q.row.Load() == nil {
			q = x.table.admit(q)
			t.query.Store(q)
		}
		return q
	}
	q := x.read(sql)
	x.offer(s, tag, sql, q)
	return q
}

func (x *texts) read(sql string) *query {
	return x.table.of(fingerprint.Of(x.dialect, sql))
}

// find may miss a text that is on its way in.
func (s *textSet) find(tag uint32, sql string) *text {
	for i := range s.tags {
		if s.tags[i].Load() != tag {
			continue
		}
		if t := s.texts[i].Load(); t != nil && t.sql == sql {
			return t
		}
	}
	return nil
}

// offer keeps a text if it is worth a place.
func (x *texts) offer(s *textSet, tag uint32, sql string, q *query) {
	s.mu.Lock()
	x.place(s, tag, sql, q)
	s.mu.Unlock()
	for range x.sets {
		if x.bytes.Load() <= x.budget {
			return
		}
		x.turn()
	}
}

func (x *texts) place(s *textSet, tag uint32, sql string, q *query) {
	if s.find(tag, sql) != nil {
		return
	}
	i := s.free()
	full := i < 0 || x.bytes.Load()+int64(len(sql)) > x.budget
	if full && !s.came(tag) {
		return
	}
	if i < 0 {
		i = s.unused()
	}
	if i < 0 {
		return
	}
	t := &text{sql: strings.Clone(sql)} // it may be a part of something large
	t.query.Store(q)
	x.set(s, i, t)
	s.tags[i].Store(tag)
}

// came tells whether a text came before, and remembers it.
func (s *textSet) came(tag uint32) bool {
	for _, t := range s.once {
		if t == tag {
			return true
		}
	}
	copy(s.once[1:], s.once[:])
	s.once[0] = tag
	return false
}

func (s *textSet) free() int {
	for i := range s.texts {
		if s.texts[i].Load() == nil {
			return i
		}
	}
	return -1
}

// unused returns a place whose text was not used since the last call.
func (s *textSet) unused() int {
	found := -1
	for i := range s.texts {
		if !s.texts[i].Load().used.Swap(false) {
			found = i
		}
	}
	return found
}

// set puts a text or nothing in a place.
func (x *texts) set(s *textSet, i int, t *text) {
	if old := s.texts[i].Load(); old != nil {
		x.bytes.Add(-int64(len(old.sql)))
	}
	if t != nil {
		x.bytes.Add(int64(len(t.sql)))
	}
	s.texts[i].Store(t)
}

// turn moves the hand of the clock by one set, whose unused texts leave.
func (x *texts) turn() {
	s := &x.sets[x.hand.Add(1)&uint32(len(x.sets)-1)]
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.texts {
		if t := s.texts[i].Load(); t != nil && !t.used.Swap(false) {
			x.set(s, i, nil)
		}
	}
}
