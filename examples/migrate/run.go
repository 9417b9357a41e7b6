package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// The exit codes; the package comment and the usage say the same.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitMissing = 3
	exitStopped = 4
)

const (
	connectTimeout = 30 * time.Second
	pollEvery      = 200 * time.Millisecond // locks, and how a statement gets on
	cleanTimeout   = 15 * time.Second       // for what is to be undone after a signal
)

// errLost is wrapped by errors after which nothing more can be done.
var errLost = errors.New("the connection is lost; run the command again")

// database is one kind of database system. Each has its own ways to build while
// others write, to let one run work at a time, and to mark what is its own.
type database interface {
	// title says what and where it is, without secrets.
	title() string
	// lock waits until no other run works on the database. It lasts until close.
	lock(ctx context.Context, waiting func(string)) error
	// inspect says what there is under these names of tables.
	inspect(ctx context.Context, names []string) (map[string]*table, error)
	// apply does what a step says, and leaves nothing half done if it can. It
	// returns the step that it did: what there was may have changed meanwhile.
	apply(ctx context.Context, command string, s step, note func(string)) (step, error)
	// finish is called once after the steps.
	finish(ctx context.Context) error
	close() error
}

// run is the whole program; main only adds the operating system.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) (code int, err error) {
	cfg, err := parseConfig(args, getenv, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return exitDone, nil
	}
	if err != nil {
		return exitUsage, err
	}
	db, err := open(ctx, cfg, stderr)
	if err == nil {
		code, err = work(ctx, cfg, db, stdout, stderr)
		err = errors.Join(err, db.close())
	}
	switch {
	case ctx.Err() != nil && (err != nil || code != exitDone):
		return exitStopped, errors.New("migrate: stopped; run it again")
	case err != nil:
		return exitFailed, fmt.Errorf("migrate: %w", err)
	}
	return code, nil
}

func open(ctx context.Context, cfg config, stderr io.Writer) (database, error) {
	switch {
	case strings.HasPrefix(cfg.database, "sqlite:"):
		return openSQLite(ctx, cfg)
	case strings.HasPrefix(cfg.database, "mysql:"):
		return openMySQL(ctx, cfg)
	default:
		return openPostgres(ctx, cfg, stderr)
	}
}

// work plans under the lock, so that what the plan is made from stays true.
func work(ctx context.Context, cfg config, db database, stdout, stderr io.Writer) (int, error) {
	_, _ = fmt.Fprintln(stdout, db.title())
	if !cfg.dryRun {
		waiting := func(what string) { _, _ = fmt.Fprintln(stderr, "waiting for "+what) }
		if err := db.lock(ctx, waiting); err != nil {
			return exitFailed, err
		}
	}
	list := wanted()
	there, err := db.inspect(ctx, tables(list))
	if err != nil {
		return exitFailed, err
	}
	steps := make([]step, len(list))
	for i, ix := range list {
		steps[i] = planStep(cfg.command, ix, there[ix.table])
	}
	printPlan(stdout, cfg.command, steps, cfg.dryRun)
	if cfg.dryRun {
		return exitCode(cfg, planned(steps)), nil
	}
	results := execute(ctx, cfg, db, steps, stdout)
	// Also after a signal, so that the table tells how things stand.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	finished := db.finish(last)
	now, err := db.inspect(last, tables(list))
	if err != nil {
		return exitFailed, errors.Join(failures(results), err)
	}
	verify(cfg.command, results, now)
	_, _ = fmt.Fprintln(stdout)
	printResults(stdout, cfg.command, results, now)
	return exitCode(cfg, results), finished
}

func planned(steps []step) []result {
	results := make([]result, len(steps))
	for i, s := range steps {
		results[i].step = s
	}
	return results
}

// execute does the steps in order. One that fails does not keep the others from
// being done.
func execute(ctx context.Context, cfg config, db database, steps []step, stdout io.Writer) []result {
	results := planned(steps)
	total := 0
	for _, s := range steps {
		if s.work() {
			total++
		}
	}
	shown := newProgress(stdout, total)
	lost := false
	for i, s := range steps {
		if !s.work() {
			continue
		}
		r := &results[i]
		if lost || ctx.Err() != nil {
			r.idle = true
			continue
		}
		shown.begin(s.index.name())
		start := time.Now()
		r.step, r.err = db.apply(ctx, cfg.command, s, shown.note)
		r.took = time.Since(start)
		lost = errors.Is(r.err, errLost)
		shown.end(*r)
	}
	return results
}

// verify believes only what is there: of what a run has done, nothing may be left
// to do. MariaDB, for one, makes an index over a part of a long column, and
// reports success.
func verify(command string, results []result, now map[string]*table) {
	for i := range results {
		r := &results[i]
		if !r.step.work() || r.err != nil || r.idle {
			continue
		}
		if s := planStep(command, r.step.index, now[r.step.index.table]); s.action != actKeep {
			r.err = fmt.Errorf("it did not come out as asked for; now there is: %s %s", s.action, s.reason)
		}
	}
}

func failures(results []result) error {
	var faults []error
	for _, r := range results {
		if r.err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", r.step.index.name(), r.err))
		}
	}
	return errors.Join(faults...)
}

func exitCode(cfg config, results []result) int {
	code := exitDone
	for _, r := range results {
		switch {
		case r.err != nil || r.idle || r.step.action == actRefuse:
			return exitFailed
		case r.step.action == actSkip && cfg.strict:
			code = exitMissing
		}
	}
	return code
}

// unbroken is for short questions on a connection that is needed after a signal:
// drivers close the one on which a context ended.
func unbroken(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
}

// pause waits, or ends with ctx.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
