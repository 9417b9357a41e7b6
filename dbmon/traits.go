package dbmon

import (
	"strings"
	"sync/atomic"
)

// traits are what the fingerprint of a read says about how it may be repeated.
type traits uint32

const (
	known   traits = 1 << iota // they were looked for
	tabled                     // it reads something, unlike SELECT now()
	listing                    // by a list of values, which may have one
	paging                     // the next of what there is
	ranging                    // what lies between values
	catalog                    // the database about itself
)

func (t traits) has(other traits) bool { return t&other != 0 }

// bulk is from how many rows on, in the mean, calls are no lookups but parts of
// something large that is read piece by piece. What asks for pages says so, ranges
// could be days of which each is a lookup, and what names a parent may have many
// children.
func (t traits) bulk() int64 {
	switch {
	case t.has(paging):
		return 2
	case t.has(ranging):
		return 10
	default:
		return 100
	}
}

// habit is what is remembered of how a query is repeated.
type habit struct {
	traits atomic.Uint32
	once   atomic.Uint32 // scopes in a row, up to enough, that made it once
}

// enough is after how many scopes a query is taken for one that is not repeated.
const enough = 8

// learns is true where the stack of the first call is worth having. It costs as
// much as any; without it nobody knows which of the sites to count it for. Queries
// that are mostly made once per scope go without.
func (h *habit) learns() bool {
	n := h.once.Load()
	if n >= enough {
		return false
	}
	h.once.Store(n + 1)
	return true
}

// repeats notes that there was a second call.
func (h *habit) repeats() {
	if h.once.Load() != 0 {
		h.once.Store(0)
	}
}

func (h *habit) of(text string) traits {
	if t := traits(h.traits.Load()); t != 0 {
		return t
	}
	t := traitsOf(text)
	h.traits.Store(uint32(t))
	return t
}

// traitsOf reads the text of a fingerprint.
func traitsOf(text string) traits {
	text = strings.ToLower(text)
	t := known
	set := func(trait traits, words ...string) {
		for _, w := range words {
			if strings.Contains(text, w) {
				t |= trait
			}
		}
	}
	set(tabled, " from ", "table ")
	set(listing, " in (", "values (", " any (", " all (", "any(", "unnest(", "json_each(", "json_array_elements", "jsonb_array_elements",
		"json_table(", "string_to_array(", "find_in_set(")
	set(ranging, " between ", " > ?", " < ?", " >= ?", " <= ?", ") > (", ") < (")
	set(paging, " offset ", " limit ?, ?")
	if t.has(ranging) && !strings.Contains(text, " between ") {
		set(paging, " limit ", " fetch ")
	}
	set(catalog, "information_schema.", "pg_catalog.", " from pg_", " join pg_", "sqlite_master", "sqlite_schema", "pragma_",
		" from mysql.", "performance_schema.")
	return t
}
