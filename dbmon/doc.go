// Package dbmon watches a database through its database/sql driver: slow
// queries, N+1, statistics by query, transactions, what was left open, and the
// plans of slow reads.
//
//	mon, err := dbmon.New(dbmon.Options{SlowQuery: 100 * time.Millisecond, OnQuery: m.ObserveQuery})
//	if err != nil {
//		return err
//	}
//	defer mon.Close()
//	db, err := mon.Open("pgx", dsn) // *sql.DB, as from sql.Open
//	if err != nil {
//		return err
//	}
//	mux.Handle("GET /things", mon.Middleware(things(db)))
//	admin.Handle("/debug/queries", mon.StatsHandler())
//
// # What it guarantees
//
//   - No program can tell that it is there, unless it asks a connection for its
//     type (sql.Conn.Raw): for that there is [Raw]. The wrapped driver, connector,
//     connections, statements and rows have exactly the optional interfaces that
//     those of the driver have, and each call ends in the driver's own method.
//     Errors and results pass as they are.
//   - The whole life of a query is measured: the call, the first row, each
//     further row until the rows are closed, without the time that the
//     application takes between them. What the driver skips (driver.ErrSkip) is
//     no query; what database/sql repeats on another connection is one.
//   - No value leaves: neither literals nor arguments are in a log, a statistic,
//     a plan or a label. Statements whose text may hold passwords are their verb.
//     Texts are read as servers do by default: a server with NO_BACKSLASH_ESCAPES,
//     or with standard_conforming_strings off, reads a backslash before a quote in
//     another way, and what follows it may be taken for names.
//   - Whatever clients can make more of is bounded: texts, fingerprints, queries
//     of a request, names of blocks, lines in the log (one for each query, or for
//     each place that repeats it, in ten seconds).
//   - A monitor never makes a query fail, and waits for nothing but the hooks and
//     the logger that it was given.
//
// # What it does not
//
// It does not see how long a query waited for a connection: that happens above
// the driver. database/sql's own statistics have the sum (DB.Stats). dbmon/pgxmon
// sees it, with pgx's pool.
//
// How long a connection was away from the pool is seen with drivers that
// implement driver.Validator; pgx's does not.
//
// It cannot tell reads from writes within functions of the database, nor a query
// that was slow by itself from one that waited for a lock.
//
// # N+1
//
// Queries are counted within a scope: a request behind [Monitor.Middleware], or
// what [Scope] began. The same read from the same place of the application, five
// times or more with other arguments, is reported when the scope ends. See
// [NPlusOneOptions] for what is not.
//
// # Metrics
//
// [Options.OnQuery] takes ObserveQuery of sluice's metrics. dbmon/prom has a
// collector of all the rest: rows, slow queries, transactions and the time that
// they idle, hold times, leaks, and the queries that take the most time.
//
// # Cost
//
// Beside the driver's own: an Exec costs no allocation, a query with its rows
// one. bench/dbmon compares it with other wrappers.
//
// # Defaults
//
//	SlowQuery          100 ms
//	LeakAfter          1 minute
//	MaxQueries         1000 fingerprints
//	NPlusOne.Threshold 5
//	Explain.Enable     false
//	DescribeArguments  false
package dbmon
