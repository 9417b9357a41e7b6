// Package metrics measures a net/http service for Prometheus: requests,
// streams, upgraded connections, and, through recorders that are called or
// plugged in as hooks, queries, caches, language models, retrieval, uploads,
// health checks, rate limits, policy reports, compression and errors.
//
//	m := sluice.Must(metrics.New(metrics.Options{}))
//
//	mux := http.NewServeMux()
//	mux.HandleFunc("GET /things/{id}", thing)
//	_ = m.AddRoutes("GET /things/{id}") // its series start at zero
//
//	admin := http.NewServeMux()
//	admin.Handle("GET /metrics", m.Handler())
//
//	go http.ListenAndServe("127.0.0.1:9090", admin)
//	http.ListenAndServe(":8080", m.Middleware(mux))
//
// # Guarantees
//
//   - What is counted is what the client saw: the first status that is not 1xx
//     (RFC 9110 §15.2), 101 for an upgraded connection, 500 for a panic before
//     any status, bytes that left the middleware and bytes of the request that
//     were read.
//   - The route is the template, never the path: through nested routers, stripped
//     prefixes and copied requests (see [Router]).
//   - The number of series is bounded, whatever clients and callers say. Methods
//     that are not known, routes beyond [Options].MaxRoutes, values beyond
//     MaxSeries, and all but four methods of a route whose pattern leaves the
//     method open, are counted as [Other]; sluice_label_overflow_total and one log
//     line for each recorder tell.
//   - The lifetime of a stream or of an upgraded connection is no latency: the
//     duration of such a request is the time to its first byte, and lifetimes
//     have histograms of their own. A response is a stream from its first flush
//     on, or if it is a text/event-stream that outgrew the server's buffer. Both
//     are counted when they begin; what goes wrong later shows in error_type, and
//     a client that leaves a stream is none of that.
//   - No string that a caller hands over makes anything panic, and none but the
//     documented labels appears. A panic of a handler is passed on with its value.
//   - The body of the server's own request is never replaced, so that an early
//     answer to "Expect: 100-continue" leaves at once (RFC 9110 §10.1.1).
//
// # Not guaranteed
//
//   - A layer outside of the middleware may change what the client sees. An
//     [http.TimeoutHandler] there is noticed: 503, error_type "timeout".
//   - Whether a client left before the end is what net/http knows of it: a client
//     that closes its sending half early is taken for gone. What net/http refuses
//     by itself (400, 431), and an answer that its WriteTimeout cuts off, no
//     middleware sees.
//   - A recoverer inside of the middleware makes a panic an ordinary answer, so
//     that error_type="panic" counts those that nobody recovered there.
//   - What a layer refused before the router has the pattern of the mux outside of
//     the middleware, if there is one, and else [Unrouted].
//   - The response size is that of the wire only if compression is inside.
//   - A hijacked connection that is closed other than by its Close, as through
//     NetConn, stays in the gauge. All hijacked connections count as WebSockets,
//     tunnels too: their route tells.
//
// # Routers
//
// A [http.ServeMux] needs nothing, as long as it gets the request that the
// middleware handed on. Where something in between makes a copy (a prefix is
// stripped, a user added to the context), put [Router] around the mux.
//
// chi sets the pattern on a copy of its own: make metrics.Router the last
// middleware of the router, r.Use(metrics.Router), wherever m.Middleware is. For
// a router that sets no pattern, wrap its handlers in [Route], or name the route
// in [Options].RoutePattern.
//
// # Cost
//
// A plain GET costs one allocation, and no lock is taken on its way. See
// BenchmarkMiddleware, and bench/ for a comparison with other packages.
// A request with a body costs a copy of the request in addition, which all
// sluice layers share.
//
// # Families
//
//	http_requests_total{method,route,code}                counter
//	http_request_duration_seconds{method,route,outcome}   histogram; success, client_error,
//	                                                      server_error, client_closed, aborted
//	http_request_size_bytes{method,route}                 histogram
//	http_response_size_bytes{method,route}                histogram
//	http_request_errors_total{method,route,error_type}    counter; panic, aborted, client_closed, timeout
//	http_requests_in_flight                               gauge; handlers that run, of streams too
//	http_streams_active{route}                            gauge
//	http_stream_duration_seconds{route}                   histogram
//	websocket_connections_active{route}                   gauge
//	websocket_connections_total{route}                    counter
//	websocket_connection_duration_seconds{route}          histogram
//	websocket_received_bytes_total{route}                 counter
//	websocket_sent_bytes_total{route}                     counter
//	db_client_operation_duration_seconds{operation,error_type}
//	cache_requests_total{cache,result}                    counter
//	gen_ai_client_operation_duration_seconds{gen_ai_operation_name,gen_ai_provider_name,gen_ai_request_model,error_type}
//	gen_ai_client_operation_time_to_first_chunk_seconds{...}
//	gen_ai_client_token_usage{...,gen_ai_token_type}      histogram; input, output
//	rag_retrieval_duration_seconds{source,error_type}     histogram
//	rag_retrieved_documents{source}                       histogram
//	uploads_total{type,outcome}                           counter; accepted, or why not
//	upload_size_bytes{type}                               histogram
//	http_response_encodings_total{coding}                 counter; gzip, br, zstd, identity
//	http_response_encoding_bytes_total{coding,stage}      counter; before, after
//	http_response_encoding_seconds_total{coding}          counter
//	errors_total{kind,component}                          counter
//	health_check_status{check,status}                     gauge, 1 for the state it is in
//	health_check_duration_seconds{check}                  histogram
//	health_check_last_success_timestamp_seconds{check}    gauge
//	health_check_transitions_total{check,to}              counter
//	health_check_stuck{check}                             gauge, 1 while it does not return
//	health_draining                                       gauge, 1 while the service ends
//	ratelimit_decisions_total{policy,decision}            counter; allowed, denied
//	csp_reports_total{directive,disposition}              counter
//	csp_reports_dropped_total{reason}                     counter
//	sluice_label_overflow_total{recorder}                 counter
//
// The ratio of requests that failed, for an objective, is
//
//	  sum(rate(http_request_duration_seconds_count{outcome=~"server_error|aborted"}[5m]))
//	/ sum(rate(http_request_duration_seconds_count{outcome!="client_closed"}[5m]))
//
// and those of the Go runtime, the process, the build, and of the scrape
// endpoint itself. All histograms are classic and native. The code is "aborted"
// where the connection was broken off before a status, 499 where the client had
// left by then, and "unknown" for a number outside of 100 to 599. The error_type
// is "timeout", "canceled" or "error", and empty for success.
//
// # Defaults
//
//	Registerer, Gatherer   a registry of its own
//	Namespace              none
//	Methods                those of RFC 9110, PATCH, QUERY
//	MaxRoutes              500
//	MaxSeries              200 for each recorder
//	KeepHost               false
//	DurationBuckets        5 ms to 10 s, 14 bounds
//	SizeBuckets            256 B to 64 MiB, 10 bounds
//	native histograms      on
//	runtime collectors     on
//	exemplars              off
//	Scrape                 every peer, no token, 8 answers at a time, 5 s
//	Logger                 slog.Default()
package metrics
