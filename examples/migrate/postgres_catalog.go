package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// pgTable is a table and how to name it in a statement.
type pgTable struct {
	oid          uint32
	schema, name string
	kind         string // relkind of pg_class
	leaf         bool   // neither partitioned nor something that has no indexes
	table
}

func (p *postgres) inspect(ctx context.Context, names []string) (map[string]*table, error) {
	tables := map[string]*table{}
	for _, name := range names {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		// As an unquoted name in a statement would be looked up: through the
		// search_path, not in a schema of our choice.
		t, err := p.lookup(ctx, "c.oid = to_regclass(quote_ident($1))", name)
		if err != nil {
			return nil, err
		}
		if t != nil {
			tables[name] = &t.table
		}
	}
	return tables, nil
}

// lookup returns nil if there is none.
func (p *postgres) lookup(ctx context.Context, condition string, arg any) (*pgTable, error) {
	ctx, cancel := unbroken(ctx)
	defer cancel()
	var t pgTable
	var owner string
	var mine, mayCreate, readOnly bool
	err := p.helper.QueryRow(ctx, `
		SELECT c.oid, n.nspname, c.relname, c.relkind::text, pg_get_userbyid(c.relowner),
		       pg_has_role(c.relowner, 'USAGE'), has_schema_privilege(n.oid, 'CREATE'),
		       pg_is_in_recovery() OR (SELECT reset_val = 'on' FROM pg_settings WHERE name = 'default_transaction_read_only'),
		       ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum)
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE `+condition, arg).Scan(&t.oid, &t.schema, &t.name, &t.kind, &owner, &mine, &mayCreate, &readOnly, &t.columns)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t.table.name = t.schema + "." + t.name
	switch t.kind {
	case "r", "m":
		t.leaf = true
	case "p":
		t.partitioned = true
	default:
		t.noIndex = map[string]string{"v": "is a view", "f": "is a foreign table"}[t.kind]
		if t.noIndex == "" {
			t.noIndex = "is not a table"
		}
		return &t, nil
	}
	switch {
	case readOnly:
		t.refusal = "the server or the role is read-only"
	case !mine:
		t.refusal = fmt.Sprintf("only its owner %s may change indexes of %s", owner, t.table.name)
	case !mayCreate:
		t.refusal = "this role may not create anything in schema " + t.schema
	}
	if t.indexes, err = p.indexes(ctx, t.oid); err != nil {
		return nil, err
	}
	t.taken, err = p.taken(ctx, &t)
	return &t, err
}

// indexes reads the definitions. What a column of indoption, indclass or
// indcollation has other than by default makes an index another one. Whether it
// is being built shows in the view of progress; where this role may not see
// whose, the lock that every build holds on the table tells.
func (p *postgres) indexes(ctx context.Context, table uint32) ([]found, error) {
	rows, err := p.helper.Query(ctx, `
		SELECT c.relname, i.indisunique, i.indisvalid AND i.indisready AND i.indislive,
		       EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x')),
		       coalesce(obj_description(i.indexrelid, 'pg_class'), ''), pg_get_indexdef(i.indexrelid),
		       ARRAY(SELECT coalesce(a.attname::text, '') FROM generate_series(0, i.indnkeyatts - 1) k
		             LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k] AND a.attnum > 0 ORDER BY k),
		       am.amname = 'btree' AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnatts = i.indnkeyatts
		       AND NOT EXISTS (SELECT FROM generate_series(0, i.indnkeyatts - 1) k
		             JOIN pg_opclass o ON o.oid = i.indclass[k]
		             LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k]
		             WHERE i.indoption[k] <> 0 OR NOT o.opcdefault OR i.indcollation[k] IS DISTINCT FROM a.attcollation),
		       coalesce((SELECT 'server process ' || b.pid FROM pg_stat_progress_create_index b
		             WHERE b.datname = current_database() AND (b.index_relid = i.indexrelid OR b.relid IS NULL AND EXISTS (
		               SELECT FROM pg_locks l WHERE l.pid = b.pid AND l.relation = i.indrelid AND l.mode = 'ShareUpdateExclusiveLock'))
		             LIMIT 1), '')
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam
		WHERE i.indrelid = $1 ORDER BY c.relname`, table)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (f found, err error) {
		var comment string
		err = row.Scan(&f.name, &f.unique, &f.valid, &f.constraint, &comment, &f.definition, &f.columns, &f.plain, &f.builder)
		f.ours = comment == mark
		f.unfinished = isUnfinished(f.name)
		return f, err
	})
}

// taken finds what has a name of ours without being an index of this table. In a
// schema, indexes share their names with tables and all else that has rows.
func (p *postgres) taken(ctx context.Context, t *pgTable) (map[string]string, error) {
	var names []string
	for _, ix := range wanted() {
		names = append(names, ix.name())
	}
	rows, err := p.helper.Query(ctx, `
		SELECT c.relname, coalesce('an index of ' || r.relname, 'something that is no index')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class r ON r.oid = i.indrelid
		WHERE n.nspname = $1 AND c.relname = ANY($2) AND i.indrelid IS DISTINCT FROM $3`, t.schema, names, t.oid)
	if err != nil {
		return nil, err
	}
	taken := map[string]string{}
	var name, what string
	_, err = pgx.ForEachRow(rows, []any{&name, &what}, func() error {
		taken[name] = what
		return nil
	})
	return taken, err
}
