package dbmon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sluice-go/sluice/dbmon/internal/fingerprint"
)

// Dialect says by whose rules statements are read.
type Dialect int

// The dialects. MySQL is MariaDB's too.
const (
	// DialectOfDriver is that of the driver's package. Where it is not known,
	// statements are hidden from the place on where the dialects would not agree.
	DialectOfDriver = Dialect(fingerprint.Unknown)
	PostgreSQL      = Dialect(fingerprint.PostgreSQL)
	MySQL           = Dialect(fingerprint.MySQL)
	SQLite          = Dialect(fingerprint.SQLite)
)

// Options configure [New]. The zero value is right for production.
type Options struct {
	// Name is that of the database in logs, statistics and metrics.
	// Default: "main".
	Name string
	// Dialect is that of the statements.
	// Default: that of the driver, where it is known.
	Dialect Dialect

	// SlowQuery is from when on a query is slow: the time that it kept the
	// driver busy, from the call to the last row, without the time that the
	// application took between rows. Negative: no query is slow.
	// Default: 100 ms.
	SlowQuery time.Duration
	// DescribeArguments adds the types and the lengths of the arguments to the
	// log of slow queries, never their values.
	// Default: false.
	DescribeArguments bool
	// LeakAfter is how long rows or a transaction may be left alone before they
	// are reported as forgotten. Negative: they never are.
	// Default: 1 minute.
	LeakAfter time.Duration
	// MaxQueries is how many fingerprints the statistics hold; the least used
	// make room.
	// Default: 1000.
	MaxQueries int

	// NPlusOne says what is reported as N+1.
	// Default: see [NPlusOneOptions].
	NPlusOne NPlusOneOptions
	// Explain asks the database for the plans of slow reads.
	// Default: it does not, see [ExplainOptions].
	Explain ExplainOptions

	// The hooks are called by whoever made the query, while the connection is in
	// use: one that queries the same database needs another connection, and waits
	// for ever where there is none. One that panics is logged. None may close the
	// monitor.

	// OnQuery is told of each operation that ended: its class, such as "SELECT",
	// "COMMIT" or "PREPARE", the time that it kept the driver busy, and its error.
	// An error that the context caused matches the context's.
	// Default: nobody is told.
	OnQuery func(ctx context.Context, operation string, d time.Duration, err error)
	// OnSlowQuery is told of each slow query.
	// Default: nobody is told.
	OnSlowQuery func(ctx context.Context, q Query)
	// OnNPlusOne is told when a scope ends, of each repetition in it.
	// Default: nobody is told.
	OnNPlusOne func(ctx context.Context, r Repetition)
	// OnLeak is told of forgotten rows and transactions, once each.
	// Default: nobody is told.
	OnLeak func(l Leak)

	// Logger is told of slow queries, repetitions, leaks and plans.
	// Default: slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Name = cmp.Or(o.Name, "main")
	o.SlowQuery = cmp.Or(o.SlowQuery, 100*time.Millisecond)
	o.LeakAfter = cmp.Or(o.LeakAfter, time.Minute)
	o.MaxQueries = cmp.Or(o.MaxQueries, 1000)
	o.NPlusOne = o.NPlusOne.withDefaults()
	o.Explain = o.Explain.withDefaults()
	o.Logger = cmp.Or(o.Logger, slog.Default())
	return o
}

// validate finds all faults of options that have their defaults.
func (o Options) validate() error {
	var faults []error
	check := func(ok bool, field, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("dbmon: "+field+": "+format, args...))
		}
	}
	check(len(o.Name) <= maxName && printable(o.Name), "Name", "must be printable and no longer than %d bytes", maxName)
	check(o.Dialect >= DialectOfDriver && o.Dialect <= SQLite, "Dialect", "%d is none", o.Dialect)
	check(o.LeakAfter < 0 || o.LeakAfter >= time.Millisecond, "LeakAfter", "must be 1 ms or more")
	check(o.MaxQueries > 0 && o.MaxQueries <= 1<<20, "MaxQueries", "must be from 1 to %d", 1<<20)
	return errors.Join(append(faults, o.NPlusOne.validate(), o.Explain.validate())...)
}
