package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

func (m *mysqlDB) inspect(ctx context.Context, names []string) (map[string]*table, error) {
	tables := map[string]*table{}
	for _, name := range names {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		t, err := m.table(ctx, name)
		if err != nil {
			return nil, err
		}
		if t != nil {
			tables[name] = t
		}
	}
	return tables, nil
}

// table returns nil if there is none. Names of indexes are a table's own, so none
// can be taken by something else.
func (m *mysqlDB) table(ctx context.Context, name string) (*table, error) {
	ctx, cancel := unbroken(ctx)
	defer cancel()
	t := &table{name: name, folds: true}
	var kind string
	err := m.helper.QueryRowContext(ctx, `SELECT table_type FROM information_schema.tables
		WHERE table_schema = database() AND table_name = ?`, name).Scan(&kind)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	case strings.Contains(kind, "VIEW"):
		t.noIndex = "is a view"
		return t, nil
	}
	t.long = map[string]string{}
	rows, err := m.query(ctx, `SELECT column_name, data_type FROM information_schema.columns
		WHERE table_schema = database() AND table_name = ? ORDER BY ordinal_position`, name)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		t.columns = append(t.columns, row["column_name"])
		if kind := row["data_type"]; strings.HasSuffix(kind, "text") || strings.HasSuffix(kind, "blob") {
			t.long[strings.ToLower(row["column_name"])] = kind
		}
	}
	t.indexes, err = m.indexes(ctx, name)
	return t, err
}

// indexes reads all columns of the view: which there are differs between systems
// and versions.
func (m *mysqlDB) indexes(ctx context.Context, table string) ([]found, error) {
	rows, err := m.query(ctx, `SELECT * FROM information_schema.statistics
		WHERE table_schema = database() AND table_name = ? ORDER BY index_name, seq_in_index`, table)
	if err != nil {
		return nil, err
	}
	constraints, err := m.query(ctx, `SELECT constraint_name FROM information_schema.table_constraints
		WHERE table_schema = database() AND table_name = ? AND constraint_type <> 'FOREIGN KEY'`, table)
	if err != nil {
		return nil, err
	}
	var list []found
	for _, row := range rows {
		if row["seq_in_index"] == "1" {
			named := func(c map[string]string) bool { return strings.EqualFold(c["constraint_name"], row["index_name"]) }
			list = append(list, found{
				name: row["index_name"], plain: true,
				unique:     row["non_unique"] == "0",
				constraint: slices.ContainsFunc(constraints, named),
				// What the optimizer is told not to see: MySQL's is_visible, MariaDB's ignored.
				valid: row["is_visible"] != "NO" && row["ignored"] != "YES",
				ours:  row["index_comment"] == mark,
			})
		}
		f := &list[len(list)-1]
		f.columns = append(f.columns, row["column_name"]) // none for an expression
		f.plain = f.plain && row["index_type"] == "BTREE" && row["sub_part"] == "" && row["collation"] == "A"
	}
	for i := range list {
		list[i].define()
	}
	return list, nil
}

func (f *found) define() {
	kind := "an index"
	if f.unique {
		kind = "a unique index"
	}
	f.definition = fmt.Sprintf("%s on (%s)", kind, strings.Join(f.columns, ", "))
	if !f.plain {
		f.definition += ", of a special kind"
	}
}

// query returns each row as text by lower-case name of column, as MySQL 8 and
// MariaDB write the names of these views in different cases.
func (m *mysqlDB) query(ctx context.Context, query string, args ...any) ([]map[string]string, error) {
	rows, err := m.helper.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all []map[string]string
	for rows.Next() {
		values, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := map[string]string{}
		for i, name := range names {
			row[strings.ToLower(name)] = values[i].String
		}
		all = append(all, row)
	}
	return all, rows.Err()
}
