package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// apply builds each index under a name that only this command gives, and then
// marks and renames it in one transaction. So whatever the moment at which a run
// is killed: what it leaves is known as its own, and an index with the right
// name is complete and marked.
func (p *postgres) apply(ctx context.Context, command string, s step, note func(string)) (step, error) {
	t, err := p.lookup(ctx, "c.oid = to_regclass(quote_ident($1))", s.index.table)
	switch {
	case err != nil:
		return s, p.lost(err)
	case t == nil:
		return s, errors.New("the table went away")
	}
	if t.partitioned {
		return s, explain(p.applyPartitioned(ctx, command, t, s, note))
	}
	for _, name := range s.drop {
		if err := p.dropConcurrently(ctx, t.schema, name, note); err != nil {
			return s, explain(err)
		}
	}
	switch s.action {
	case actDrop, actClean:
		return s, nil
	case actFinish:
		return s, explain(p.sign(ctx, t, s.index.name(), note))
	}
	return s, explain(p.build(ctx, t, s.index.columns, s.index.name(), note))
}

// dropConcurrently may be stopped; the index is invalid then, and the next run
// drops or rebuilds it.
func (p *postgres) dropConcurrently(ctx context.Context, schema, name string, note func(string)) error {
	statement := "DROP INDEX CONCURRENTLY IF EXISTS " + quote(schema, name)
	err := p.undeadlocked(ctx, func() error { return p.watched(ctx, statement, note) })
	if err != nil {
		return fmt.Errorf("dropping %s: %w", name, err)
	}
	return nil
}

// build makes one index of a table that is not partitioned.
func (p *postgres) build(ctx context.Context, t *pgTable, columns []string, name string, note func(string)) error {
	quoted := make([]string, len(columns))
	for i, c := range columns {
		quoted[i] = quote(c)
	}
	unfinished := unfinishedName(name)
	remove := "DROP INDEX CONCURRENTLY IF EXISTS " + quote(t.schema, unfinished) // left by a deadlock
	// Without IF NOT EXISTS, which takes an invalid index for a good one.
	create := fmt.Sprintf("CREATE INDEX CONCURRENTLY %s ON %s (%s)",
		quote(unfinished), quote(t.schema, t.name), strings.Join(quoted, ", "))
	err := p.undeadlocked(ctx, func() error {
		if err := p.awaitBuilders(ctx, t, note); err != nil {
			return err
		}
		if err := p.watched(ctx, remove, note); err != nil {
			return err
		}
		return p.watched(ctx, create, note)
	})
	if err != nil {
		return errors.Join(err, p.clean(t, unfinished))
	}
	return p.sign(ctx, t, name, note)
}

// sign ends a build: one message of several statements is one transaction. Both
// take a lock that reads and writes do not notice.
func (p *postgres) sign(ctx context.Context, t *pgTable, name string, note func(string)) error {
	unfinished := quote(t.schema, unfinishedName(name))
	return p.watched(ctx, fmt.Sprintf("COMMENT ON INDEX %s IS %s; ALTER INDEX %s RENAME TO %s",
		unfinished, literal(mark), unfinished, quote(name)), note)
}

// undeadlocked tries again when the server chose us to resolve a deadlock, as
// with somebody else's CREATE INDEX CONCURRENTLY on the same table: each of the
// two waits for the other's snapshot.
func (p *postgres) undeadlocked(ctx context.Context, f func() error) error {
	for start := time.Now(); ; {
		err := f()
		if sqlState(err) != stateDeadlock || time.Since(start) > p.wait {
			return err
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// awaitBuilders waits until nobody else builds an index on the table. To wait in
// the server, for the table's lock, would be to have the snapshot for which that
// build waits in turn.
func (p *postgres) awaitBuilders(ctx context.Context, t *pgTable, note func(string)) error {
	for start := time.Now(); ; {
		pid, err := p.builder(ctx, t)
		switch {
		case err != nil || pid == 0:
			return err
		case time.Since(start) > p.wait:
			return fmt.Errorf("server process %d has been building an index on the table for %s", pid, p.wait)
		}
		note(fmt.Sprintf("waiting for server process %d, which builds another index on the table", pid))
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
}

// builder is who builds an index on the table, or 0.
func (p *postgres) builder(ctx context.Context, t *pgTable) (pid uint32, err error) {
	ctx, cancel := unbroken(ctx)
	defer cancel()
	err = p.helper.QueryRow(ctx, `SELECT coalesce(max(b.pid), 0) FROM pg_stat_progress_create_index b
		JOIN pg_locks l ON l.pid = b.pid AND l.relation = $1 AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted
		WHERE b.datname = current_database()`, t.oid).Scan(&pid)
	return pid, p.lost(err)
}

// clean removes what a failed build left, on the helper since the session may be
// gone. Then the lock is gone too, and the next run, which may have begun, has
// the same name for its build: only with the lock may it be removed.
func (p *postgres) clean(t *pgTable, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanTimeout)
	defer cancel()
	if p.session.IsClosed() {
		if got, err := tryLock(ctx, p.helper); err != nil || !got {
			return err
		}
	}
	var left bool
	err := p.helper.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", quote(t.schema, name)).Scan(&left)
	if err != nil || !left {
		return p.lost(err)
	}
	if pid, fault := p.builder(ctx, t); pid != 0 { // a deadlock with it may be the end of its build
		err = fmt.Errorf("server process %d builds an index on the table", pid)
	} else if err = fault; err == nil {
		err = p.removeSoon(ctx, quote(t.schema, name))
	}
	if err != nil {
		err = fmt.Errorf("%s stays behind, which no read uses and the next run removes: %w", name, err)
	}
	return err
}

// removeSoon waits a little for transactions that use the table, of which one may
// be what the build waited for.
func (p *postgres) removeSoon(ctx context.Context, name string) error {
	most := min(cleanTimeout/3, max(p.wait, time.Second))
	if _, err := p.helper.Exec(ctx, fmt.Sprintf("SET statement_timeout = %d", most.Milliseconds())); err != nil {
		return p.lost(err)
	}
	_, err := p.helper.Exec(ctx, "DROP INDEX CONCURRENTLY IF EXISTS "+name)
	_, reset := p.helper.Exec(ctx, "SET statement_timeout = 0")
	return errors.Join(err, p.lost(reset))
}

// watched runs a statement to its end, or cancels it with ctx or when it has
// waited for too long.
func (p *postgres) watched(ctx context.Context, statement string, note func(string)) error {
	running, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	ended := make(chan error, 1)
	go func() {
		_, err := p.session.Exec(running, statement)
		ended <- err
	}()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var since time.Time // when the wait began
	for {
		select {
		case err := <-ended:
			return p.lost(err)
		case <-ctx.Done():
			return p.cancel(ended, abandon, ctx.Err())
		case <-tick.C:
		}
		doing, blocker := p.doing(ctx)
		note(doing)
		switch {
		case blocker == "":
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) > p.wait:
			return p.cancel(ended, abandon, fmt.Errorf("%s has been in the way for %s", blocker, p.wait))
		}
	}
}

// cancel ends the statement in the server and waits until it has ended there:
// before that, nothing can be cleaned up.
func (p *postgres) cancel(ended <-chan error, abandon func(), why error) error {
	ctx, stop := context.WithTimeout(context.Background(), cleanTimeout)
	defer stop()
	_, _ = p.helper.Exec(ctx, "SELECT pg_cancel_backend($1)", p.pid)
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		abandon()
		err = <-ended
	}
	if err == nil { // it was faster
		return nil
	}
	return why
}

// doing is what the server says the session does, and who is in its way.
func (p *postgres) doing(ctx context.Context) (what, blocker string) {
	ctx, cancel := unbroken(ctx)
	defer cancel()
	var phase string
	var percent float64
	err := p.helper.QueryRow(ctx, `
		SELECT coalesce(b.phase, a.state, ''),
		       coalesce(100.0 * CASE WHEN b.tuples_total > 0 THEN b.tuples_done::float8 / b.tuples_total
		                             ELSE b.blocks_done::float8 / nullif(b.blocks_total, 0) END, 0)::float8,
		       coalesce((SELECT format('process %s of %s%s, in a transaction for %s', o.pid, o.usename,
		                               ' (' || nullif(o.application_name, '') || ')', date_trunc('second', now() - o.xact_start))
		                 FROM pg_stat_activity o WHERE o.pid = (pg_blocking_pids(a.pid))[1]),
		                CASE WHEN a.wait_event_type = 'Lock' THEN 'another transaction' END, '')
		FROM pg_stat_activity a LEFT JOIN pg_stat_progress_create_index b USING (pid) WHERE a.pid = $1`,
		p.pid).Scan(&phase, &percent, &blocker)
	switch {
	case err != nil:
		return "building", ""
	case blocker != "":
		return phase + ": " + blocker, blocker
	case percent > 0:
		return fmt.Sprintf("%s, %.0f %%", phase, percent), ""
	}
	return phase, ""
}

// lost marks what ends the session.
func (p *postgres) lost(err error) error {
	if err != nil && (p.session.IsClosed() || p.helper.IsClosed()) {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

// isUnfinished reports whether only a build of this command has such a name.
func isUnfinished(name string) bool { return strings.HasSuffix(name, unfinishedName("")) }
