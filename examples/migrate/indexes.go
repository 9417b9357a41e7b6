package main

import "strings"

// index is one that is wanted: ascending, not unique, over whole columns, in the
// database's usual kind of tree.
type index struct {
	table   string
	columns []string
}

// wanted are the indexes for the lists of the server, in the order in which they
// are made. The tables and columns are those of examples/server/migrations.
func wanted() []index {
	return []index{
		{"messages", []string{"username", "created_at"}},
		{"messages", []string{"created_at"}},
		{"messages", []string{"type"}},
		{"projects", []string{"status", "created_at"}},
		{"projects", []string{"owner_id"}},
		{"tickets", []string{"project_id", "status"}},
		{"tickets", []string{"assigned_to"}},
		{"tickets", []string{"priority", "status"}},
		{"tickets", []string{"due_date"}},
		{"files", []string{"project_id"}},
		{"files", []string{"ticket_id"}},
		{"files", []string{"file_type"}},
		{"users", []string{"username"}},
		{"users", []string{"role"}},
	}
}

// tables are the tables that a list of indexes is on, each once.
func tables(list []index) (names []string) {
	seen := map[string]bool{}
	for _, ix := range list {
		if !seen[ix.table] {
			names = append(names, ix.table)
		}
		seen[ix.table] = true
	}
	return names
}

func (ix index) name() string { return "idx_" + ix.table + "_" + strings.Join(ix.columns, "_") }

func (ix index) String() string { return ix.table + " (" + strings.Join(ix.columns, ", ") + ")" }
