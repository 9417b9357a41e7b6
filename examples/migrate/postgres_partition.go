package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// CONCURRENTLY does not work on a partitioned table. The way around is that of
// the manual (CREATE INDEX, "Notes"): an empty index on the parent alone, an
// index per partition made concurrently, and each attached to the parent's,
// which becomes valid with the last one. What a stopped run made stays and is
// taken up by the next.
//
// An index of somebody else on a partition is never attached: drop would take it
// along.

// briefLock is how long a statement may wait that stops others while it does.
const briefLock = 2 * time.Second

func (p *postgres) applyPartitioned(ctx context.Context, command string, t *pgTable, s step, note func(string)) error {
	for _, name := range s.drop {
		// It takes the indexes of all partitions along, and there is no concurrent
		// way to do so.
		if err := p.briefly(ctx, "DROP INDEX IF EXISTS "+quote(t.schema, name), note); err != nil {
			return err
		}
	}
	if command == cmdDrop || s.action == actClean {
		return nil
	}
	unfinished := unfinishedName(s.index.name())
	if err := p.onOnly(ctx, t, s.index, unfinished, note); err != nil {
		return err
	}
	if err := p.partitions(ctx, t, s.index, unfinished, note); err != nil {
		return err
	}
	return p.sign(ctx, t, s.index.name(), note)
}

// onOnly makes the index of a parent alone, unless it is there.
func (p *postgres) onOnly(ctx context.Context, t *pgTable, ix index, name string, note func(string)) error {
	if i := slices.IndexFunc(t.indexes, func(f found) bool { return f.name == name }); i >= 0 {
		if t.indexes[i].serves(ix, &t.table) {
			return nil
		}
		return fmt.Errorf("the name belongs to another index: %s", t.indexes[i].definition)
	}
	quoted := make([]string, len(ix.columns))
	for i, c := range ix.columns {
		quoted[i] = quote(c)
	}
	return p.briefly(ctx, fmt.Sprintf("CREATE INDEX %s ON ONLY %s (%s); COMMENT ON INDEX %s IS %s",
		quote(name), quote(t.schema, t.name), strings.Join(quoted, ", "), quote(t.schema, name), literal(mark)), note)
}

// partitions makes and attaches the index of each partition of t.
func (p *postgres) partitions(ctx context.Context, t *pgTable, ix index, parent string, note func(string)) error {
	short, cancel := unbroken(ctx)
	defer cancel()
	rows, err := p.helper.Query(short, `SELECT h.inhrelid, EXISTS (
		  SELECT FROM pg_inherits a JOIN pg_index i ON i.indexrelid = a.inhrelid
		  WHERE i.indrelid = h.inhrelid AND i.indisvalid AND a.inhparent = to_regclass($2))
		FROM pg_inherits h WHERE h.inhparent = $1 ORDER BY 1`, t.oid, quote(t.schema, parent))
	if err != nil {
		return p.lost(err)
	}
	type part struct {
		OID      uint32
		Attached bool
	}
	parts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[part])
	if err != nil {
		return p.lost(err)
	}
	for i, part := range parts {
		if part.Attached {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		head := fmt.Sprintf("partition %d of %d: ", i+1, len(parts))
		if err := p.partition(ctx, t, part.OID, ix, parent, func(what string) { note(head + what) }); err != nil {
			return err
		}
	}
	return nil
}

func (p *postgres) partition(ctx context.Context, t *pgTable, oid uint32, ix index, parent string, note func(string)) error {
	child, err := p.lookup(ctx, "c.oid = $1", oid)
	switch {
	case err != nil:
		return p.lost(err)
	case child == nil:
		return errors.New("a partition went away; run the command again")
	}
	name := partitionName(child.name, ix.columns)
	switch {
	case child.noIndex != "":
		return fmt.Errorf("partition %s %s", child.table.name, child.noIndex)
	case child.leaf:
		err = p.leaf(ctx, child, ix, name, note)
	default:
		if err = p.onOnly(ctx, child, ix, name, note); err == nil {
			err = p.partitions(ctx, child, ix, name, note)
		}
	}
	if err != nil {
		return fmt.Errorf("partition %s: %w", child.table.name, err)
	}
	return p.briefly(ctx, fmt.Sprintf("ALTER INDEX %s ATTACH PARTITION %s", quote(t.schema, parent), quote(child.schema, name)), note)
}

// leaf makes the index of one partition, from wherever an earlier run stopped.
func (p *postgres) leaf(ctx context.Context, child *pgTable, ix index, name string, note func(string)) error {
	for _, f := range child.indexes {
		switch {
		case f.name == name && f.ours && f.valid && f.serves(ix, &child.table):
			return nil
		case f.name == name:
			return fmt.Errorf("the name belongs to another index: %s", f.definition)
		case f.name != unfinishedName(name):
		case f.builder != "":
			return fmt.Errorf("%s is being built right now by %s", f.name, f.builder)
		case f.valid && f.serves(ix, &child.table):
			return p.sign(ctx, child, name, note)
		default:
			if err := p.dropConcurrently(ctx, child.schema, f.name, note); err != nil {
				return err
			}
		}
	}
	return p.build(ctx, child, ix.columns, name, note)
}

// partitionName leaves room for what an unfinished index has at its end:
// PostgreSQL cuts names after 63 bytes.
func partitionName(table string, columns []string) string {
	name := index{table, columns}.name()
	const most = 63 - len("_sluice_unfinished")
	if len(name) <= most {
		return name
	}
	sum := fmt.Sprintf("_%x", sha256.Sum256([]byte(name)))[:9]
	return strings.ToValidUTF8(name[:most-len(sum)], "") + sum
}

// briefly runs a statement that stops others on the table while it waits for its
// lock: only for a moment at a time, with pauses in which they go on.
func (p *postgres) briefly(ctx context.Context, statement string, note func(string)) error {
	short, cancel := unbroken(ctx)
	defer cancel()
	if _, err := p.session.Exec(short, fmt.Sprintf("SET lock_timeout = %d", briefLock.Milliseconds())); err != nil {
		return p.lost(err)
	}
	err := p.retryBriefly(ctx, statement, note)
	short, cancel = unbroken(ctx)
	defer cancel()
	_, reset := p.session.Exec(short, "SET lock_timeout = 0")
	return errors.Join(err, p.lost(reset))
}

func (p *postgres) retryBriefly(ctx context.Context, statement string, note func(string)) error {
	for start := time.Now(); ; {
		err := p.watched(ctx, statement, note)
		if state := sqlState(err); state != stateLockTimeout && state != stateDeadlock {
			return err
		}
		if time.Since(start) > p.wait {
			return fmt.Errorf("transactions have kept the table from being changed for %s: %w", p.wait, err)
		}
		if err := pause(ctx, briefLock/2); err != nil {
			return err
		}
	}
}
