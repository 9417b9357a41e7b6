package fingerprint

import (
	"bytes"
	"strconv"
)

// maxAliases is how many aliases of tables a text may have to lose them.
const maxAliases = 16

// fate is what becomes of an alias.
type fate uint8

const (
	stays    fate = iota
	dropped       // nothing refers to it
	resolved      // dropped, and what refers to it names the table
	numbered      // t1, t2 and so on
)

// known is what is known of the aliases of tables with one name.
type known struct {
	mention   // the first that declares it
	declared  int
	qualifies bool
	bare      bool // mentioned without a dot: that may be a column
	fate      fate
	number    int // of those that are numbered
}

// buckets is how many names are told apart at once; more are compared.
const buckets = 4096

// renamer gives the aliases of a text their fate.
type renamer struct {
	out    []byte
	names  []mention
	keep   bool // the labels
	list   []known
	counts [buckets]uint8 // mentions by the hash of their name, at most 2
	labels [buckets]bool  // likewise, those that are labels
}

// rewriteAliases leaves out the labels of columns and the aliases of tables that
// nothing refers to. Others become the name of their table, where that is the
// only mention of it, or t1, t2 and so on. No name gets a new meaning by that, so
// that the text remains an equivalent query.
func (s *scanner) rewriteAliases() {
	if !s.aliases || s.crowded {
		return
	}
	r := renamer{out: s.out, names: s.names, keep: s.keepLabels, list: make([]known, 0, 4)}
	r.count()
	if !r.collect() {
		r.list = nil
	}
	for i := range r.list {
		r.list[i].fate = r.choose(&r.list[i])
	}
	r.giveNumbers()
	s.out = r.rewrite()
}

func (r *renamer) nameOf(m *mention) []byte { return r.out[m.from:m.to] }

// count makes that most names need not be compared with all others.
func (r *renamer) count() {
	for i := range r.names {
		m := &r.names[i]
		m.hash = hashOf(r.nameOf(m))
		r.counts[m.hash%buckets] = min(r.counts[m.hash%buckets]+1, 2)
		if m.role == columnAlias {
			r.labels[m.hash%buckets] = true
		}
	}
}

// same is true for the same name in any case.
func (r *renamer) same(a, b *mention) bool {
	return a.hash == b.hash && bytes.EqualFold(r.nameOf(a), r.nameOf(b))
}

// hashOf is the same for a name in any case.
func hashOf(name []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range name {
		h = (h ^ uint32(lower(c))) * 16777619
	}
	return h
}

// find returns what is known of a name, or nil. Aliases in another case are
// another alias.
func (r *renamer) find(m *mention) *known {
	for i := range r.list {
		k := &r.list[i]
		if k.hash == m.hash && bytes.Equal(r.nameOf(&k.mention), r.nameOf(m)) {
			return k
		}
	}
	return nil
}

// collect finds all there is on each alias. False says that they have to stay:
// there are too many, or one has the name of a table.
func (r *renamer) collect() bool {
	for i := range r.names {
		m := &r.names[i]
		if m.role != tableAlias {
			continue
		}
		if k := r.find(m); k != nil {
			k.declared++
			continue
		}
		if len(r.list) == maxAliases {
			return false
		}
		r.list = append(r.list, known{mention: *m, declared: 1})
	}
	for i := range r.list {
		k := &r.list[i]
		for j := range r.names {
			m := &r.names[j]
			if !r.same(&k.mention, m) {
				continue
			}
			if m.role == tableName {
				return false
			}
			k.refer(m.role, bytes.Equal(r.nameOf(&k.mention), r.nameOf(m)))
		}
	}
	return true
}

// refer takes note of a mention. One in another case may be the same name, as
// in MySQL on some systems.
func (k *known) refer(as role, exactly bool) {
	switch {
	case as == part:
	case as == mentioned || as == columnAlias || !exactly:
		k.bare = true
	case as == qualifies:
		k.qualifies = true
	}
}

func (r *renamer) choose(k *known) fate {
	switch {
	case k.bare:
		return stays
	case !k.qualifies && !r.hides(k):
		return dropped
	case k.qualifies && k.declared == 1 && r.standsAlone(k.table):
		return resolved
	default:
		return numbered
	}
}

// hides is true where something refers to another table with the name of one
// that has the alias: without the alias it could be this one.
func (r *renamer) hides(k *known) bool {
	for i := range r.names {
		alias := &r.names[i]
		if alias.role != tableAlias || alias.table < 0 || !r.same(&k.mention, alias) {
			continue
		}
		table := &r.names[alias.table]
		for j := range r.names {
			m := &r.names[j]
			if (m.role == qualifies || m.role == mentioned) && r.same(m, table) {
				return true
			}
		}
	}
	return false
}

// standsAlone is true for a table that the text names once. MySQL knows tables
// that begin with a digit, which is no name elsewhere.
func (r *renamer) standsAlone(table int16) bool {
	if table < 0 {
		return false
	}
	m := &r.names[table]
	return !is(r.nameOf(m)[0], digit) && r.once(m)
}

// once is true for a name that the text has once, in any case.
func (r *renamer) once(m *mention) bool {
	if r.counts[m.hash%buckets] == 1 {
		return true
	}
	n := 0
	for i := 0; i < len(r.names) && n < 2; i++ {
		if r.same(m, &r.names[i]) {
			n++
		}
	}
	return n == 1
}

// idle is true for a label that can be left out: nothing refers to it, and the
// column that it may be of then has a name that no other column has.
func (r *renamer) idle(i int) bool {
	m := &r.names[i]
	if m.role != columnAlias || r.keep || !r.once(m) {
		return false
	}
	if i == 0 || r.names[i-1].role > part || !r.labels[r.names[i-1].hash%buckets] {
		return true
	}
	for j := range r.names {
		if other := &r.names[j]; other.role == columnAlias && r.same(other, &r.names[i-1]) {
			return false
		}
	}
	return true
}

// giveNumbers gives out t1, t2 in the order of their first mention, unless a name
// that stays could be mistaken for one.
func (r *renamer) giveNumbers() {
	if !r.numbersFree() {
		for i := range r.list {
			if r.list[i].fate == numbered {
				r.list[i].fate = stays
			}
		}
		return
	}
	n := 0
	for i := range r.names {
		m := &r.names[i]
		if k := r.find(m); k != nil && m.role != part && k.fate == numbered && k.number == 0 {
			n++
			k.number = n
		}
	}
}

func (r *renamer) numbersFree() bool {
	for i := range r.names {
		m := &r.names[i]
		name := r.nameOf(m)
		if m.role == part || len(name) < 2 || lower(name[0]) != 't' || len(bytes.Trim(name[1:], "0123456789")) > 0 {
			continue
		}
		k := r.find(m)
		if gone := k != nil && k.fate != stays || r.idle(i); !gone {
			return false
		}
	}
	return true
}

// rewrite prints the text once more.
func (r *renamer) rewrite() []byte {
	var out []byte
	done := int32(0)
	for i := range r.names {
		m := &r.names[i]
		k := r.find(m)
		idle := r.idle(i)
		if !idle && (k == nil || k.fate == stays || m.role == part) {
			continue
		}
		if out == nil {
			out = make([]byte, 0, len(r.out)+16)
		}
		switch {
		case idle || m.role == tableAlias && k.fate != numbered:
			out = append(out, r.out[done:m.cut]...)
		case k.fate == numbered:
			out = append(append(out, r.out[done:m.from]...), 't')
			out = strconv.AppendInt(out, int64(k.number), 10)
		case k.fate == resolved:
			out = append(append(out, r.out[done:m.from]...), r.nameOf(&r.names[k.table])...)
		}
		done = m.to
	}
	if out == nil {
		return r.out
	}
	return append(out, r.out[done:]...)
}
