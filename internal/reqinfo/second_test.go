package reqinfo_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// outermost are the two kinds of outermost layers, which differ in nothing that
// these tests see.
var outermost = map[string]func(info **reqinfo.Info, h http.Handler) http.Handler{"a layer": spyOn, "a watching layer": watchOn}

func things() http.Handler { return mounted("GET /things/{id}", hello) }

// A router that tries handlers one after the other: the last one served, and
// everybody outside agrees on that.
func TestTheRouteIsOfTheAttemptThatServed(t *testing.T) {
	one := func(h http.Handler) http.Handler { return layers(1, h) }
	empty := http.NewServeMux
	other := func() http.Handler { return mounted("GET /{kind}/{id}", hello) }
	strip := func(h http.Handler) http.Handler { return http.StripPrefix("/api", h) }
	boom := func(h http.Handler) http.Handler { return survivor(then(h, func() { panic("boom") })) }
	tests := []struct {
		name, path, want string
		h                http.Handler
	}{
		{"on the request", "/things/7", "GET /things/{id}", onOne(one(empty()), one(things()))},
		{"on the request, the first without a layer", "/things/7", "GET /things/{id}", onOne(empty(), one(things()))},
		{"on the request, the second without a layer", "/things/7", "GET /things/{id}", onOne(one(empty()), things())},
		{"on the request, where the first matched too", "/things/7", "GET /things/{id}", onOne(one(other()), one(things()))},
		{"on the request, where the first matched and the second is bare", "/things/7", "GET /things/{id}", onOne(one(other()), things())},
		{"on the request, where the second matched nothing", "/things/7", "", onOne(one(other()), one(empty()))},
		{"on copies", "/things/7", "GET /things/{id}", onCopies(one(empty()), one(things()))},
		{"on copies, where the first matched too", "/things/7", "GET /things/{id}", onCopies(one(other()), one(things()))},
		{"on three copies", "/things/7", "GET /things/{id}", onCopies(one(other()), one(empty()), one(things()))},
		{"on a copy and then on the request", "/things/7", "GET /things/{id}", onOne(copier(one(empty())), one(things()))},
		{"on a copy and then bare on the request", "/things/7", "GET /things/{id}", onOne(copier(one(empty())), things())},
		{"on a copy that matched and then bare on the request", "/things/7", "GET /things/{id}", onOne(copier(one(other())), things())},
		{"on the request and then on a copy", "/things/7", "GET /things/{id}", onOne(one(empty()), copier(one(things())))},
		{"on a copy inside a layer and then bare on the request", "/things/7", "GET /things/{id}", onOne(one(copier(one(other()))), things())},
		{"inside a layer, on copies", "/things/7", "GET /things/{id}", one(onCopies(one(empty()), one(things())))},
		{"inside a layer, on a copy and then bare", "/things/7", "GET /things/{id}", one(onOne(copier(one(empty())), things()))},
		{"in a second attempt", "/things/7", "GET /things/{id}", onCopies(one(other()), onCopies(one(empty()), one(things())))},
		{"in a second attempt on the request", "/things/7", "GET /things/{id}", onOne(one(other()), one(onOne(one(empty()), one(things()))))},
		{"after a panic of the first", "/things/7", "GET /things/{id}", onOne(boom(one(other())), one(things()))},
		{"after a panic of the first on a copy", "/things/7", "GET /things/{id}", onCopies(boom(one(other())), one(things()))},
		{"where the second panics", "/things/7", "GET /things/{id}", onOne(one(other()), boom(one(things())))},
		{"inside a prefix", "/api/things/7", "GET /api/things/{id}", mounted("/api/", strip(onOne(one(empty()), one(things()))))},
		{"inside a prefix, on copies", "/api/things/7", "GET /api/things/{id}", mounted("/api/", strip(onCopies(one(empty()), one(things()))))},
		{"each inside the prefix", "/api/things/7", "GET /api/things/{id}", mounted("/api/", onOne(strip(one(empty())), strip(one(things()))))},
		{"each inside the prefix, where the first matched", "/api/things/7", "GET /api/things/{id}", mounted("/api/", onOne(strip(one(other())), strip(one(things()))))},
	}
	for kind, outer := range outermost {
		for _, tt := range tests {
			t.Run(tt.name+" under "+kind, func(t *testing.T) {
				var info *reqinfo.Info
				before := ""
				r := httptest.NewRequest("GET", tt.path, nil)
				outer(&info, then(tt.h, func() { before = info.Route() })).ServeHTTP(httptest.NewRecorder(), r)
				require.Equal(t, tt.want, before, "while the outermost layer is there")
				require.Equal(t, tt.want, info.Route(), "after it left")
				require.Equal(t, tt.want, r.Pattern, "as net/http and outer middlewares see it")
			})
		}
	}
}

// What the attempt that served has learned is what the outside reads.
func TestTheFactsAreOfTheAttemptThatServed(t *testing.T) {
	learn := layers(2, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		i := reqinfo.From(r.Context())
		i.SetCache("hit")
		i.AddQuery(5)
		i.UseNonce(func() (string, reqinfo.Draft) { return "n", reqinfo.Draft{} })
	}))
	for kind, outer := range outermost {
		for name, h := range map[string]http.Handler{
			"the only one":               learn,
			"a second one":               onOne(layers(1, hello), learn),
			"a second one, on copies":    onCopies(layers(1, hello), learn),
			"a second one in the second": onOne(layers(1, hello), onOne(layers(1, hello), learn)),
		} {
			t.Run(name+" under "+kind, func(t *testing.T) {
				var info *reqinfo.Info
				outer(&info, h).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
				require.Equal(t, "hit", info.Cache())
				n, total := info.Queries()
				require.EqualValues(t, 1, n)
				require.EqualValues(t, 5, total)
				require.True(t, info.NonceRead(), "a body carries it")
			})
		}
	}
}

// A layer reads what it has set, also when a foreign middleware further in
// replaced the context.
func TestALayerReadsWhatItSetThoughTheContextIsReplacedInside(t *testing.T) {
	replacer := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.Background()))
		})
	}
	for kind, outer := range outermost {
		t.Run(kind, func(t *testing.T) {
			var watcher, own *reqinfo.Info
			h := outer(&watcher, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				e := reqinfo.Enter(w, r)
				defer e.Leave()
				own = e.Info
				own.SetLimit(reqinfo.Limit{Policy: "public"})
				e.Next(replacer(layers(1, hello)))
				own.SetCache("fwd=miss")
				require.Equal(t, "fwd=miss", own.Cache())
				require.Equal(t, "public", own.Limit().Policy)
			}))
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
			require.Equal(t, "public", watcher.Limit().Policy)
		})
	}
}

// "The last name counts", whichever attempt gave it.
func TestTheLastNameCountsAcrossAttempts(t *testing.T) {
	named := func(name string, h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			reqinfo.Find(w, r).SetRoute(&name)
			h.ServeHTTP(w, r)
		})
	}
	one := func(h http.Handler) http.Handler { return layers(1, h) }
	for kind, outer := range outermost {
		for name, h := range map[string]http.Handler{
			"both inside":        onOne(one(named("/first", hello)), one(named("/second", hello))),
			"both outside":       onOne(named("/first", one(hello)), named("/second", one(hello))),
			"the second inside":  onOne(named("/first", one(hello)), one(named("/second", hello))),
			"the second outside": onOne(one(named("/first", hello)), named("/second", one(hello))),
			"only the second":    onOne(one(hello), one(named("/second", hello))),
		} {
			t.Run(name+" under "+kind, func(t *testing.T) {
				var info *reqinfo.Info
				outer(&info, h).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
				route, isName := info.NamedRoute()
				require.True(t, isName)
				require.Equal(t, "/second", route)
			})
		}
	}
}

// A copy whose layers are done has no part in the route of a later attempt.
func TestTheRouteInsideALaterAttemptForgetsTheEarlierOne(t *testing.T) {
	one := func(h http.Handler) http.Handler { return layers(1, h) }
	versioned := func() http.Handler { return mounted("/v1/", hello) }
	for kind, outer := range outermost {
		for name, first := range map[string]http.Handler{
			"a copy":                             copier(one(versioned())),
			"a copy in a copy":                   copier(one(copier(one(versioned())))),
			"a copy of a layer's own":            copyingLayer(versioned()),
			"a copy of a layer's own on a copy":  copier(copyingLayer(versioned())),
			"a copy, of a handler that panicked": survivor(copier(one(then(versioned(), func() { panic("boom") })))),
		} {
			t.Run(name+" under "+kind, func(t *testing.T) {
				var info *reqinfo.Info
				inside := ""
				look := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside, _ = info.RouteInside() })
				second := http.StripPrefix("/v1", one(mounted("GET /users/{id}", look)))
				outer(&info, one(onOne(first, second))).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/v1/users/7", nil))
				require.Equal(t, "GET /users/{id}", inside, "no pattern names the prefix")
				require.Equal(t, "GET /users/{id}", info.Route())
			})
		}
	}
}

func TestTheRouteInsideASecondAttemptIsKnownOnCopies(t *testing.T) {
	one := func(h http.Handler) http.Handler { return layers(1, h) }
	for kind, outer := range outermost {
		for name, try := range map[string]func(hs ...http.Handler) http.Handler{"on the request": onOne, "on copies": onCopies} {
			t.Run(name+" under "+kind, func(t *testing.T) {
				var info *reqinfo.Info
				inside := ""
				look := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside, _ = info.RouteInside() })
				second := one(copier(one(mounted("GET /users/{id}", look))))
				h := mounted("/v1/", http.StripPrefix("/v1", try(one(http.NewServeMux()), second)))
				outer(&info, h).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/v1/users/7", nil))
				require.Equal(t, "GET /v1/users/{id}", inside)
			})
		}
	}
}
