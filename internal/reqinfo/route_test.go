package reqinfo_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/reqinfo"
	"github.com/sluice-go/sluice/internal/respw"
)

// mounted is h at a pattern of a mux, as a router within a router.
func mounted(pattern string, h http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(pattern, h)
	return mux
}

func tenantStripped(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.StripPrefix("/tenants/"+r.PathValue("tenant"), h).ServeHTTP(w, r)
	})
}

func TestTheRouteIsTheFullTemplateThroughStrippedPrefixes(t *testing.T) {
	strip := http.StripPrefix
	users := func() http.Handler { return mounted("GET /users/{id}", hello) }
	one := func(h http.Handler) http.Handler { return layers(1, h) }
	tests := []struct {
		name string
		h    http.Handler
		path string
		want string
	}{
		{"one prefix", mounted("/api/", strip("/api", one(users()))), "/api/users/7", "GET /api/users/{id}"},
		{"a prefix matched by a named rest", mounted("/api/{rest...}", strip("/api", one(users()))), "/api/users/7", "GET /api/users/{id}"},
		{"a method and a host in the outer pattern", mounted("GET example.com/api/", strip("/api", one(mounted("/users/{id}", hello)))), "/api/users/7", "GET example.com/api/users/{id}"},
		{"two prefixes, a layer at each", mounted("/api/", strip("/api", one(mounted("/v1/", strip("/v1", one(users())))))), "/api/v1/users/7", "GET /api/v1/users/{id}"},
		{"a prefix of two segments", mounted("/api/v1/", strip("/api/v1", one(users()))), "/api/v1/users/7", "GET /api/v1/users/{id}"},
		{"less stripped than matched", mounted("/api/v1/", strip("/api", one(mounted("GET /v1/users/{id}", hello)))), "/api/v1/users/7", "GET /api/v1/users/{id}"},
		{"a wildcard in the prefix", mounted("/tenants/{tenant}/", tenantStripped(one(users()))), "/tenants/acme/users/7", "GET /tenants/{tenant}/users/{id}"},
		{"a prefix that no pattern names", mounted("/", strip("/api", one(users()))), "/api/users/7", "GET /users/{id}"},
		{"a prefix and no outer mux", strip("/api", one(users())), "/api/users/7", "GET /users/{id}"},
		{"nothing matched further in", mounted("/api/", strip("/api", one(users()))), "/api/nothing", ""},
		{"the root of a stripped mux", mounted("/api/", strip("/api", one(mounted("GET /{$}", hello)))), "/api/", "GET /api/{$}"},
		{"a nested mux without stripping", mounted("/api/", mounted("GET /api/users/{id}", hello)), "/api/users/7", "GET /api/users/{id}"},
		{"a nested mux that matches nothing", mounted("/api/", mounted("GET /api/users/{id}", hello)), "/api/nothing", ""},
		{"a foreign copy and a prefix", mounted("/api/", strip("/api", copier(one(copier(one(users())))))), "/api/users/7", "GET /api/users/{id}"},
		{"an unrelated path further in", mounted("/old/{id}", rewritten("/users/7", one(users()))), "/old/7", "GET /users/{id}"},
	}
	outermost := map[string]func(info **reqinfo.Info, h http.Handler) http.Handler{"a layer": spyOn, "a watching layer": watchOn}
	for kind, outer := range outermost {
		for _, tt := range tests {
			t.Run(tt.name+" under "+kind, func(t *testing.T) {
				var info *reqinfo.Info
				r := httptest.NewRequest("GET", tt.path, nil)
				outer(&info, tt.h).ServeHTTP(httptest.NewRecorder(), r)
				require.Equal(t, tt.want, info.Route())
				require.Equal(t, tt.want, r.Pattern)
			})
		}
	}
}

func rewritten(path string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r2 := r.Clone(r.Context())
		r2.URL.Path = path
		h.ServeHTTP(w, r2)
	})
}

func TestTheRouteInsideIsKnownOnCopies(t *testing.T) {
	var info *reqinfo.Info
	inside := ""
	look := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside, _ = info.RouteInside() })
	one := func(h http.Handler) http.Handler { return layers(1, h) }
	for name, h := range map[string]http.Handler{
		"stripped prefixes": mounted("/api/", http.StripPrefix("/api", one(mounted("/v1/", http.StripPrefix("/v1", one(mounted("GET /users/{id}", look))))))),
		"a foreign copy":    copier(one(mounted("GET /api/v1/users/{id}", look))),
		"no copy":           mounted("GET /api/v1/users/{id}", look),
	} {
		for kind, outer := range map[string]func(info **reqinfo.Info, h http.Handler) http.Handler{"a layer": spyOn, "a watching layer": watchOn} {
			t.Run(name+" under "+kind, func(t *testing.T) {
				inside = "not served"
				outer(&info, h).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/api/v1/users/7", nil))
				require.Equal(t, "GET /api/v1/users/{id}", inside)
			})
		}
	}
}

// watchOn is a layer that only watches, and hands out the carrier.
func watchOn(info **reqinfo.Info, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var room reqinfo.Space
		var e reqinfo.Entry
		room.Watch(&e, w, r, nil)
		defer e.Leave()
		*info = e.Info
		e.Next(next)
	})
}

func TestAWatcherHandsTheRequestOnAsItIs(t *testing.T) {
	var info *reqinfo.Info
	r := httptest.NewRequest("GET", "/", nil)
	watchOn(&info, http.HandlerFunc(func(w http.ResponseWriter, got *http.Request) {
		require.Same(t, r, got)
		require.Same(t, info.Recorder(), respw.From(w))
		require.Same(t, info, reqinfo.Find(w, got))
	})).ServeHTTP(httptest.NewRecorder(), r)
	require.Nil(t, reqinfo.Find(httptest.NewRecorder(), r))
}

func TestLayersInsideAWatcherShareItsCarrier(t *testing.T) {
	wrapped := func(h http.Handler) http.Handler { // a foreign writer as well as a foreign copy
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			copier(h).ServeHTTP(struct{ unwrapper }{unwrapper{w}}, r)
		})
	}
	for name, between := range map[string]func(http.Handler) http.Handler{
		"nothing between":     func(h http.Handler) http.Handler { return h },
		"a copy between":      copier,
		"a copy and a writer": wrapped,
	} {
		t.Run(name, func(t *testing.T) {
			var outer *reqinfo.Info
			h := watchOn(&outer, between(layers(3, mounted("GET /things/{id}", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				i := reqinfo.From(r.Context())
				require.Same(t, outer, i)
				i.SetCache("hit")
				i.SetTrace(reqinfo.Trace{TraceID: "t", Sampled: true})
				i.AddQuery(1)
				require.Equal(t, "n", i.UseNonce(func() (string, reqinfo.Draft) { return "n", reqinfo.Draft{} }))
			})))))
			r := httptest.NewRequest("GET", "/things/7", nil)
			h.ServeHTTP(httptest.NewRecorder(), r)
			require.Equal(t, "hit", outer.Cache())
			require.Equal(t, "t", outer.Trace().TraceID)
			require.True(t, outer.NonceRead())
			require.Equal(t, "GET /things/{id}", outer.Route())
			require.Equal(t, "GET /things/{id}", r.Pattern)
		})
	}
}

type unwrapper struct{ http.ResponseWriter }

func (u unwrapper) Unwrap() http.ResponseWriter { return u.ResponseWriter }

func TestAWatchersCarrierIsNotLentToAnotherRequest(t *testing.T) {
	var outer *reqinfo.Info
	h := watchOn(&outer, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sub, err := http.NewRequestWithContext(context.Background(), "GET", "/other", nil)
		require.NoError(t, err)
		var inner *reqinfo.Info
		spyOn(&inner, hello).ServeHTTP(w, sub)
		require.NotSame(t, outer, inner)
	}))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
}

func TestFactsOfAWatchersCarrierWaitForAContext(t *testing.T) {
	var i *reqinfo.Info
	watchOn(&i, hello).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	i.SetCache("hit")
	i.AddQuery(1)
	require.Empty(t, i.Cache())
	require.Empty(t, i.UseNonce(func() (string, reqinfo.Draft) { return "n", reqinfo.Draft{} }))
	require.False(t, i.NonceRead())
	n, _ := i.Queries()
	require.Zero(t, n)
	i.SetRoute(new("/by/name"))
	require.Equal(t, "/by/name", i.Route())
	route, named := i.RouteInside()
	require.Equal(t, "/by/name", route)
	require.True(t, named)
}
