// Package sluice makes a net/http service production-ready, one layer at a
// time. The layers live in packages of their own, each usable alone:
//
//	metrics     Prometheus metrics           cache      HTTP response cache
//	sentryx     errors and traces for Sentry health     probes and draining
//	compress    gzip, brotli and zstd        ratelimit  tiers, in memory or Redis
//	secheaders  CSP and security headers     dbmon      database/sql monitoring
//
// A layer is a func(http.Handler) http.Handler. This package only puts layers
// together: [Chain] orders them and [Must] keeps main functions short. It
// imports nothing but the standard library.
package sluice
