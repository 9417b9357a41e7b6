package main

import (
	"fmt"
	"slices"
	"strings"
)

// table is what a database has under a name.
type table struct {
	name    string // as people write it, with its schema where there are schemas
	columns []string
	indexes []found
	taken   map[string]string // names of ours that something else has: what has it
	noIndex string            // why it cannot have an index, like "is a view"
	refusal string            // why this account cannot change it
	long    map[string]string // columns that cannot be indexed as a whole, and their type
	folds   bool              // names are the same in any case

	partitioned bool
}

// found is an index that is there.
type found struct {
	name       string
	columns    []string // in order; "" for an expression
	plain      bool     // nothing but whole columns, ascending, all rows, the usual tree
	unique     bool
	constraint bool   // belongs to a constraint, as a primary key does
	valid      bool   // reads use it
	ours       bool   // bears the mark of this command
	unfinished bool   // under the name that only a build of this command has
	builder    string // who is building it at this moment
	definition string
}

// serves reports whether an index does for reads all that ix would. Names say
// nothing. One that is unique or belongs to a constraint serves as well as one
// that is not, and a second one would only cost time with every write.
func (f found) serves(ix index, t *table) bool {
	return f.plain && slices.EqualFunc(f.columns, ix.columns, t.same)
}

// same compares names as the database does.
func (t *table) same(a, b string) bool {
	return a == b || t.folds && strings.EqualFold(a, b)
}

// action is what is done about one index.
type action string

const (
	actCreate  action = "create"
	actRebuild action = "rebuild" // there is a remainder that no read uses
	actFinish  action = "finish"  // all but named and marked
	actClean   action = "clean"   // it is there, and so is a remainder of another try
	actDrop    action = "drop"
	actKeep    action = "keep"   // nothing to do
	actSkip    action = "skip"   // a table or column is not there
	actRefuse  action = "refuse" // somebody must decide
)

// step is what is done about one index, and why.
type step struct {
	index  index
	table  *table // nil: there is none
	action action
	reason string
	drop   []string // indexes that go: before the new one comes, or altogether
}

// work reports whether a step changes anything.
func (s step) work() bool {
	return s.action != actKeep && s.action != actSkip && s.action != actRefuse
}

// planStep decides, from what is there alone.
func planStep(command string, ix index, t *table) step {
	s := step{index: ix, table: t}
	switch {
	case t == nil:
		s.action, s.reason = actSkip, "there is no table "+ix.table
		return s
	case t.noIndex != "":
		s.action, s.reason = actSkip, t.name+" "+t.noIndex
		return s
	}
	if command == cmdDrop {
		s = planDrop(s, ix, t)
	} else {
		s = planCreate(s, ix, t)
	}
	if s.work() && t.refusal != "" {
		s.action, s.reason = actRefuse, t.refusal
	}
	return s
}

func planCreate(s step, ix index, t *table) step {
	if missing := t.missing(ix); missing != "" {
		s.action, s.reason = actSkip, missing
		return s
	}
	for _, c := range ix.columns {
		if kind := t.long[strings.ToLower(c)]; kind != "" {
			s.action, s.reason = actRefuse, fmt.Sprintf("column %s is a %s, of which only a part can be indexed; make it a varchar", c, kind)
			return s
		}
	}
	if what, ok := t.taken[ix.name()]; ok {
		s.action, s.reason = actRefuse, "the name belongs to "+what
		return s
	}
	if s = planNamed(s, ix, t); s.action == "" {
		s = planOther(s, ix, t)
	}
	i := slices.IndexFunc(t.indexes, func(f found) bool { return f.unfinished && f.name == unfinishedName(ix.name()) })
	if i < 0 || s.action == actRefuse {
		return s
	}
	f := t.indexes[i]
	switch {
	case f.builder != "" && s.action == actKeep:
		return s
	case f.builder != "":
		s.action, s.reason, s.drop = actRefuse, "it is being built right now by "+f.builder, nil
		return s
	case s.action == actCreate:
		return planUnfinished(s, f, f.serves(ix, t), t.partitioned)
	case s.action == actKeep:
		s.action, s.reason = actClean, s.reason+"; an unfinished one goes"
	}
	s.drop = append(s.drop, f.name)
	return s
}

// planOther decides by definition, where no index has the wanted name.
func planOther(s step, ix index, t *table) step {
	s.action = actCreate
	for _, f := range t.indexes {
		switch {
		case f.unfinished || !f.serves(ix, t):
		case f.valid:
			s.action, s.reason = actKeep, "the same index is there as "+f.name
			if f.unique {
				s.reason += ", which is unique too"
			}
			return s
		default:
			s.reason = f.name + " would be the same, but no read uses it"
		}
	}
	return s
}

// planNamed decides where an index of the wanted name is there. The name alone
// proves nothing: an index that a build left behind is kept up with every write
// and used by no read, and IF NOT EXISTS is content with it.
func planNamed(s step, ix index, t *table) step {
	i := slices.IndexFunc(t.indexes, func(f found) bool { return t.same(f.name, ix.name()) })
	if i < 0 {
		return s
	}
	f := t.indexes[i]
	switch {
	case !f.serves(ix, t):
		s.action, s.reason = actRefuse, "the name belongs to another index: "+f.definition
	case f.valid:
		s.action, s.reason = actKeep, "it is there"
		if !f.ours {
			s.reason += ", made by somebody else"
		}
	case f.builder != "":
		s.action, s.reason = actRefuse, "it is being built right now by "+f.builder
	case t.partitioned:
		s.action, s.reason = actRefuse, "it is not there on all partitions; attach the others, or drop it"
	case f.constraint:
		s.action, s.reason = actRefuse, "it belongs to a constraint, but no read uses it"
	default:
		s.action, s.reason, s.drop = actRebuild, "no read uses it: a build or a drop was interrupted", []string{f.name}
	}
	return s
}

// planUnfinished decides what becomes of what an earlier run left. On a
// partitioned table that is the parent's index, and those of its partitions
// with it: it is taken up where that run stopped.
func planUnfinished(s step, f found, equal, partitioned bool) step {
	switch {
	case equal && (f.valid || partitioned):
		s.action, s.reason = actFinish, "an earlier run was stopped before it was done"
	default:
		s.action, s.reason, s.drop = actRebuild, "an earlier run was stopped while it built it", []string{f.name}
	}
	return s
}

func planDrop(s step, ix index, t *table) step {
	s.action, s.reason = actKeep, "it is not there"
	for _, f := range t.indexes {
		mine := f.ours && (f.serves(ix, t) || t.same(f.name, ix.name()))
		switch {
		case mine && f.constraint:
			s.action, s.reason = actRefuse, f.name+" belongs to a constraint by now"
			return s
		case f.unfinished && f.name == unfinishedName(ix.name()), mine:
			if f.builder != "" {
				s.action, s.reason = actRefuse, f.name+" is being built right now by "+f.builder
				return s
			}
			s.drop = append(s.drop, f.name)
		case s.drop == nil && (t.same(f.name, ix.name()) || f.serves(ix, t)):
			s.reason = f.name + " was not made by this command"
		}
	}
	if s.drop != nil {
		s.action, s.reason = actDrop, "made by this command"
	}
	return s
}

// missing says which columns are not there.
func (t *table) missing(ix index) string {
	var columns []string
	for _, c := range ix.columns {
		if !slices.ContainsFunc(t.columns, func(have string) bool { return t.same(have, c) }) {
			columns = append(columns, c)
		}
	}
	if columns == nil {
		return ""
	}
	return fmt.Sprintf("%s has no column %s", t.name, strings.Join(columns, ", "))
}

// unfinishedName is what an index is called until it is built and marked. Only
// this command gives such names, so that what a killed run leaves is known as
// its own.
func unfinishedName(name string) string { return name + "_sluice_unfinished" }
