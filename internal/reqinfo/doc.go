// Package reqinfo carries what the layers of a stack learn about a request from
// one to the other. The outermost sluice layer creates the carrier, the others
// find it, so that the layers compose without importing each other and the
// whole stack pays for one copy of the request.
//
//	e := reqinfo.Enter(w, r)
//	defer e.Leave()
//	... before ...
//	e.Next(next)
//	... after ...
//
// Guarantees:
//   - One carrier and one recorder for all layers that share a request. The
//     carrier, the recorder, and the copy whose context leads to the carrier are
//     one allocation.
//   - What the mux and the handler leave on a copied request reaches the
//     original: Pattern, which outer layers name routes by, and MultipartForm,
//     whose temporary files only the server removes. This holds for copies made
//     by foreign middlewares between two layers, and files of a handler that
//     panicked or outlived its request are removed.
//   - The route is the full template: what [http.StripPrefix] took off between two
//     layers is put back, by the segments of the pattern that matched it.
//   - Every method but those for the route may be called from any goroutine, also
//     after the request.
//
// Not guaranteed: below a writer without Unwrap, such as that of
// [http.TimeoutHandler], the carrier of a layer that watches is not found, and a
// new one begins. A nested pattern that equals the one it is nested in is taken
// for that one. A middleware that replaces the context of a request by one
// that does not descend from it, or that rewrites RequestURI, starts a new
// carrier for the layers inside. Form and path values that are set inside are
// not seen outside. A layer sets header fields of its own in a header hook where
// they must not get lost: [httputil.ReverseProxy] clears the map at every
// interim response.
//
// Cost: one allocation for the outermost layer, none for the others. A layer
// that needs no context, and is the outermost, uses [Space.Watch]: it copies no
// request and costs half; then the first layer inside it that does need a
// context pays for the copy.
package reqinfo
