// Package conformance holds dbmon's fingerprints against PostgreSQL's own
// scanner, parser and fingerprint, by pg_query_go. It needs cgo; without, there is
// nothing to test.
package conformance
