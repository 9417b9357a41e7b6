package main

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// randomTable has some indexes of all kinds, as a database may have them.
func randomTable(r *rand.Rand, ix index) *table {
	flip := func() bool { return r.IntN(2) == 0 }
	t := &table{name: ix.table, columns: []string{"a", "b"}, partitioned: r.IntN(4) == 0, taken: map[string]string{}}
	if r.IntN(8) == 0 {
		t.taken[ix.name()] = "a table"
	}
	if r.IntN(8) == 0 {
		t.refusal = "not yours"
	}
	names := []string{ix.name(), unfinishedName(ix.name()), "other", "another"}
	for _, name := range names {
		if flip() || name == ix.name() && len(t.taken) > 0 {
			continue
		}
		f := found{name: name, plain: r.IntN(4) > 0, unique: r.IntN(4) == 0, valid: r.IntN(3) > 0, ours: flip(),
			constraint: r.IntN(6) == 0, unfinished: isUnfinished(name)}
		f.columns = [][]string{{"a"}, {"b"}, {"a", "b"}, {"b", "a"}, {""}}[r.IntN(5)]
		if !f.valid && r.IntN(4) == 0 {
			f.builder = "somebody"
		}
		t.indexes = append(t.indexes, f)
	}
	return t
}

// do is what the databases do about a step, in a word.
func (t *table) do(s step, command string) {
	t.indexes = slices.DeleteFunc(t.indexes, func(f found) bool { return slices.Contains(s.drop, f.name) })
	if command == cmdDrop || s.action == actClean {
		return
	}
	t.indexes = slices.DeleteFunc(t.indexes, func(f found) bool { return f.name == unfinishedName(s.index.name()) })
	t.indexes = append(t.indexes, found{name: s.index.name(), columns: s.index.columns, plain: true, valid: true, ours: true})
}

// What must hold of a plan whatever there is.
func TestAPlanTakesNothingOfOthersAndNeedsNoSecondRun(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	seen := map[action]int{}
	for range 20000 {
		ix := index{"t", []string{"a", "b"}[:1+r.IntN(2)]}
		tab := randomTable(r, ix)
		command := []string{cmdCreate, cmdDrop}[r.IntN(2)]
		s := planStep(command, ix, tab)
		seen[s.action]++
		for _, f := range tab.indexes {
			if !slices.Contains(s.drop, f.name) {
				continue
			}
			mine := f.ours || f.unfinished || !f.valid && f.name == ix.name() && f.serves(ix, tab)
			require.True(t, mine, "%s takes %+v of %+v", s.action, f, tab)
			require.True(t, f.unfinished || !f.constraint, "%s takes %+v", s.action, f)
			if s.work() {
				require.Empty(t, f.builder, "%s takes %+v", s.action, f)
			}
		}
		if !s.work() {
			continue
		}
		require.Empty(t, tab.refusal)
		tab.do(s, command)
		again := planStep(command, ix, tab)
		require.Equal(t, actKeep, again.action, "after %s: %s of %+v", s.action, again.reason, tab)
		if command == cmdCreate {
			require.Equal(t, "valid", state(ix, map[string]*table{"t": tab}))
		}
	}
	for _, a := range []action{actCreate, actRebuild, actFinish, actClean, actDrop, actKeep, actRefuse} {
		require.Positive(t, seen[a], a)
	}
}
