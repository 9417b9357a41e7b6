// Package health answers the probes of orchestrators and load balancers, shows
// operators what is wrong, and ends a service without losing a request.
//
//	hc := sluice.Must(health.New(health.Options{Checks: []health.Check{
//		{Name: "database", Func: health.SQL(db)},
//		{Name: "cache", Func: health.Redis(do), Criticality: health.Degrading},
//	}}))
//	root := http.NewServeMux()
//	hc.Mount(root)                              // /health, /health/readiness, /readyz ...
//	root.Handle("/", hc.Middleware(app))        // so that Drain knows every request
//	srv := &http.Server{Addr: ":8080", Handler: root}
//	go srv.ListenAndServe()
//	<-signaled.Done()
//	err := hc.Drain(ctx, srv)
//
// Checks run in the background, and probes are answered from what they found
// last: a probe calls no dependency, waits for none, and costs the same for any
// number of checks.
//
// # Answers
//
//	/health             all checks             /healthz
//	/health/liveness    would a restart help?  /livez
//	/health/readiness   send requests here?    /readyz
//	/health/startup     has it started?        /startupz
//	/health/{group}     a group of your own
//	/health/detailed    everything, for who may see it
//
//	status      code   when
//	healthy     200    all is well, or the group has no checks
//	degraded    200    something that is not critical fails, or a check says so itself
//	unknown     503    a critical check has no result, or one that is too old
//	unhealthy   503    a critical check fails; [Checker.SetReady], Drain, Close; [Checker.Fail]
//
// The worst of unhealthy, unknown, degraded and healthy counts. Liveness takes
// checks of the process itself only, see [Internal], and is healthy until one of
// them has failed, or was not run for too long; readiness is not healthy before
// each critical check has a result; startup stays healthy once each has passed.
//
// GET, HEAD and OPTIONS have the same status code. Any other method is a 405,
// any other name below /health a 404. No answer may be stored (RFC 9111
// §5.2.2.5), none is a redirect, and no path is matched but exactly.
//
// The form is that of the Accept field: application/json by default,
// application/health+json (draft-inadarei-api-health-check-06), or text/plain in
// the form of the Kubernetes API server, which the aliases always have. These
// know ?verbose and ?exclude=name, for callers who may see details.
//
//	{"status":"degraded","timestamp":1701878400.5,"reason":"refused",
//	 "components":{"cache":{"status":"unhealthy","reason":"refused"},"database":{"status":"healthy"}}}
//
// # Who sees what
//
// Everybody sees the status and a class of the reason, such as "timeout", and,
// with [Options].ShowComponents, those of each check. Only who may see details
// gets errors, facts, times and measures: by default a peer on the same host
// that asks for that host and was not forwarded by a proxy. Errors lose
// the user and password of URLs even there.
//
// # Guarantees
//
//   - At most one run of a check at a time, and one goroutine while it hangs. A
//     run that has not returned by Timeout has failed, and no second one begins.
//   - A result that is older than two intervals and a timeout is not believed:
//     the status is unknown, with the reason "stale".
//   - A check that panics, or ends its goroutine, has failed, and runs again.
//   - A client that leaves cannot spoil a result: no run has a request's context.
//   - Hooks are called in order for each check, outside of all locks, and may
//     call the checker. One that hangs holds up only its own check's hooks.
//   - Measures of [Options].System are never a reason for 503.
//
// # Not guaranteed
//
//   - A function that ignores its context cannot be ended; it keeps its goroutine.
//   - What a check found may be as old as its interval. A fault is seen by the
//     first run after it.
//   - Drain protects requests that clients send to a server that still listens. A
//     client that uses an idle connection, or opens one, in the very moment of the end loses
//     that request, as with any HTTP/1.1 server (RFC 9112 §9.5): Wait gives them
//     the time to leave.
//   - Hijacked connections are known only to the middleware, WebSockets over
//     HTTP/2 (RFC 8441) are requests like any other.
//
// # Cost
//
// A probe is served without an allocation from bytes that are rendered at most
// ten times a second, and only while somebody asks. See BenchmarkProbe, and
// bench/ for a comparison with other packages. The middleware costs one
// allocation. An idle checker has no goroutine but that of the sampler of
// [Options].System.
//
// # Defaults
//
//	Checks              none, besides cpu, memory, disk
//	Interval, Timeout   10 s, 2 s
//	thresholds          1 and 1
//	Groups              readiness
//	Criticality         critical
//	OnDemand            false
//	Path, aliases       /health, on
//	ShowComponents      false
//	Details             callers on this host
//	Drain               wait 5 s, 3 probes, quiet 1 s, timeout 25 s
//	System              on where the system is known; degraded above 90 %
//	Logger              slog.Default()
package health
