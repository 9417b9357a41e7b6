// Package pgxmon lets a [dbmon.Monitor] see what goes through pgx without
// database/sql: queries, batches, COPY, prepared statements, connections, and
// the pool. Nothing is wrapped. The statistics, the slow log, the search for N+1
// and the metrics are those of the monitor, also where the same monitor watches
// database/sql:
//
//	config, err := pgxpool.ParseConfig(url)
//	...
//	config.ConnConfig.Tracer = pgxmon.New(mon)
//	pool, err := pgxpool.NewWithConfig(ctx, config)
//
// For another tracer beside it there is pgx's package multitracer.
//
// It guarantees:
//
//   - Each query of a batch is a query, with the time from when its result was
//     asked for. What fails before the first result is a failed PREPARE, what
//     fails after the last one a failed COMMIT. Since a batch is one round trip,
//     its queries are no N+1.
//   - Transactions are what the server says: their time, and the time in them in
//     which the connection had nothing to do, however they are begun.
//   - The wait for a connection of the pool and the time that it was away are
//     exact: [dbmon.Totals] has them as Waited and Held.
//   - No argument is kept, but for a plan, see [dbmon.ExplainOptions].
//
// pgx tells of the end of a query when its rows are closed, and of nothing in
// between: the time of the application between rows counts, the time until the
// first row is not known, and rows and transactions that were left open are not
// found. Rows are those that
// SELECT, FETCH and COPY report, not those of RETURNING. The automatic
// preparation of a statement is counted apart, as PREPARE, and is a part of the
// time of the query that needed it.
//
// Cost: 0.4 microseconds and two allocations a query, where a round trip to a
// server on the same machine takes some 40.
package pgxmon
