// Package prom shows what a [dbmon.Monitor] counts as Prometheus metrics. All of
// them have the label db_name, which is that of go_sql_* too:
//
//	dbmon_operation_duration_seconds{operation,outcome}
//	dbmon_rows_total{operation}
//	dbmon_slow_queries_total{operation}
//	dbmon_retries_total
//	dbmon_transaction_duration_seconds{outcome}
//	dbmon_transaction_idle_seconds
//	dbmon_connection_hold_seconds
//	dbmon_connection_wait_seconds
//	dbmon_leaks_total{kind}
//	dbmon_repetitions_total{kind}
//	dbmon_query_calls_total{operation,query_id}
//	dbmon_query_seconds_total{operation,query_id}
//	dbmon_query_errors_total{operation,query_id}
//	dbmon_statistics_evictions_total
//
// The values of all labels but query_id are of closed sets. The text of a query
// is no label: the statistics page has it under its id. A query begins at zero
// when it comes among those that have series of their own; what it had before is
// in "other", so that no series ever jumps.
//
//	reg.MustRegister(prom.NewCollector(mon, prom.Options{}))
package prom
