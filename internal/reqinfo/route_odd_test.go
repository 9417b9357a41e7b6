package reqinfo_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// A prefix is stripped, and what is inside is no mux: a file server, a proxy. It
// is handed a copy that has the outer mux's pattern on it already.
func TestAPatternThatACopyInheritedIsNotPutTwice(t *testing.T) {
	strip := http.StripPrefix
	one := func(h http.Handler) http.Handler { return layers(1, h) }
	tests := []struct {
		name, path, want string
		h                func(look http.Handler) http.Handler
	}{
		{"a layer inside the prefix", "/static/app.css", "/static/", func(look http.Handler) http.Handler {
			return mounted("/static/", strip("/static", one(look)))
		}},
		{"two layers inside the prefix", "/static/app.css", "/static/", func(look http.Handler) http.Handler {
			return mounted("/static/", strip("/static", layers(2, look)))
		}},
		{"a copy inside the prefix", "/static/app.css", "/static/", func(look http.Handler) http.Handler {
			return mounted("/static/", strip("/static", copier(one(look))))
		}},
		{"layers on both sides of the prefix", "/static/app.css", "/static/", func(look http.Handler) http.Handler {
			return one(mounted("/static/", one(strip("/static", one(look)))))
		}},
		{"a method and a named rest", "/files/a/b", "GET /files/{path...}", func(look http.Handler) http.Handler {
			return mounted("GET /files/{path...}", strip("/files", one(look)))
		}},
		{"two prefixes", "/api/v1/x", "/api/v1/", func(look http.Handler) http.Handler {
			return mounted("/api/", strip("/api", one(mounted("/v1/", strip("/v1", one(look))))))
		}},
		{"a wildcard", "/tenants/acme/x", "/tenants/{tenant}/", func(look http.Handler) http.Handler {
			return mounted("/tenants/{tenant}/", tenantStripped(one(look)))
		}},
		{"no prefix", "/static/app.css", "/static/", func(look http.Handler) http.Handler {
			return mounted("/static/", copier(one(look)))
		}},
	}
	for kind, outer := range outermost {
		for _, tt := range tests {
			t.Run(tt.name+" under "+kind, func(t *testing.T) {
				var info *reqinfo.Info
				inside := ""
				look := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside, _ = info.RouteInside() })
				r := httptest.NewRequest("GET", tt.path, nil)
				outer(&info, tt.h(look)).ServeHTTP(httptest.NewRecorder(), r)
				require.Equal(t, tt.want, inside, "inside")
				require.Equal(t, tt.want, info.Route())
				require.Equal(t, tt.want, r.Pattern)
			})
		}
	}
}

// Nothing is left of the path; the inner mux takes it for "/" and redirects.
func TestAnEmptyPathAfterStrippingIsNotTheRootOfTheService(t *testing.T) {
	var info *reqinfo.Info
	h := mounted("/api", http.StripPrefix("/api", layers(1, mounted("GET /{$}", hello))))
	spyOn(&info, h).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/api", nil))
	require.Contains(t, []string{"", "/api", "GET /api", "GET /api/{$}"}, info.Route())
}

func TestPathsThatAreNotCleanHaveTheRouteOfThePatternOrNone(t *testing.T) {
	tree := mounted("/api/", http.StripPrefix("/api", layers(1, mounted("GET /users/{id}/{$}", hello))))
	for path, want := range map[string][]string{
		"/api//users/7/":     {"", "/api/"},
		"/api/users/7":       {"", "GET /api/users/{id}/{$}"}, // a redirect
		"/api/users//7/":     {"", "/api/"},
		"/api/./users/7/":    {"", "/api/"},
		"//api/users/7/":     {"", "/api/"},
		"/api/users/7/":      {"GET /api/users/{id}/{$}"},
		"/api/users/%2F/":    {""}, // for a mux no segment
		"/api/users/a%20b/":  {"GET /api/users/{id}/{$}"},
		"/api/users/a%2Fb/":  {"GET /api/users/{id}/{$}"},
		"/%61pi/users/7/":    {"/api/"}, // StripPrefix compares the escaped path
		"/api/users/..%2F7/": {"GET /api/users/{id}/{$}"},
	} {
		for kind, outer := range outermost {
			t.Run(path+" under "+kind, func(t *testing.T) {
				var info *reqinfo.Info
				r := httptest.NewRequest("GET", "/", nil)
				u, err := url.ParseRequestURI(path)
				require.NoError(t, err)
				r.URL, r.RequestURI = u, path
				outer(&info, tree).ServeHTTP(httptest.NewRecorder(), r)
				require.Contains(t, want, info.Route())
			})
		}
	}
}

// A path of CONNECT is not cleaned, and redirects leave it as the pattern.
func TestTheRouteOfAConnectIsNeverTheClientsPath(t *testing.T) {
	one := func(h http.Handler) http.Handler { return layers(1, h) }
	patterns := []string{"/tree/{x}/", "/{x}/{y}/", "CONNECT /c/{x}/", "/{rest...}", "/{$}", "/tree/{x}"}
	trees := map[string]func(pattern string, look http.Handler) http.Handler{
		"a mux": mounted,
		"a copy": func(p string, look http.Handler) http.Handler {
			return copier(one(mounted(p, look)))
		},
		"a prefix": func(p string, look http.Handler) http.Handler {
			return mounted("/api/", http.StripPrefix("/api", one(mounted(p, look))))
		},
		"a prefix and copies": func(p string, look http.Handler) http.Handler {
			return copier(one(mounted("/api/", http.StripPrefix("/api", copier(one(copier(one(mounted(p, look)))))))))
		},
	}
	paths := []string{"/tree/SECRET", "/tree/SECRET/", "/SECRET/SECRET", "/c/SECRET", "/tree/../tree/SECRET", "/tree//SECRET", "//tree/SECRET", "/tree/./SECRET", "/tree/SECRET%2FSECRET", "/tree/SECRET/..", "/SECRET", "/tree/%2e%2e/SECRET", "/./SECRET", "/../SECRET", "/./", ""}
	for kind, outer := range outermost {
		for name, build := range trees {
			for _, pattern := range patterns {
				for _, path := range paths {
					if strings.HasPrefix(name, "a prefix") {
						path = "/api" + path
					}
					var info *reqinfo.Info
					inside, servedBy := "", ""
					h := outer(&info, build(pattern, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
						servedBy = r.Pattern
						inside, _ = info.RouteInside()
					})))
					r := httptest.NewRequest("CONNECT", "http://example.com/", nil)
					r.URL.Path, r.URL.RawPath = path, ""
					if strings.Contains(path, "%") {
						u, err := url.ParseRequestURI(path)
						require.NoError(t, err)
						r.URL = u
					}
					h.ServeHTTP(httptest.NewRecorder(), r)
					about := kind + ", " + name + ", " + pattern + " for " + path
					require.NotContains(t, info.Route(), "SECRET", about)
					if servedBy != "" {
						require.True(t, strings.HasSuffix(info.Route(), strings.TrimPrefix(pattern, "CONNECT ")), "%s: served by %q and called %q", about, servedBy, info.Route())
						require.Equal(t, info.Route(), inside, about)
					}
				}
			}
		}
	}
}

// A handler inside a stripped prefix is served, whatever the client's path is
// left to look like.
func TestAConnectThatIsServedKeepsItsPattern(t *testing.T) {
	var info *reqinfo.Info
	served := false
	h := mounted("/api/", http.StripPrefix("/api", layers(1, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		served = true
		_, _ = io.WriteString(w, "tunnel")
	}))))
	r := httptest.NewRequest("CONNECT", "/api/api", nil)
	spyOn(&info, h).ServeHTTP(httptest.NewRecorder(), r)
	require.True(t, served)
	require.Equal(t, "/api/", info.Route())
}

// A layer that hands on a copy of its own, as one that adds to the context does,
// hides the route from nobody inside: a stream's watcher asks while it runs.
func TestTheRouteInsideIsKnownOnALayersOwnCopy(t *testing.T) {
	for kind, outer := range outermost {
		for name, build := range map[string]func(h http.Handler) http.Handler{
			"the only layer":            copyingLayer,
			"the outer of two":          func(h http.Handler) http.Handler { return copyingLayer(layers(1, h)) },
			"the inner of two":          func(h http.Handler) http.Handler { return layers(1, copyingLayer(h)) },
			"on a foreign copy":         func(h http.Handler) http.Handler { return copier(copyingLayer(h)) },
			"outside of a foreign copy": func(h http.Handler) http.Handler { return copyingLayer(copier(layers(1, h))) },
		} {
			t.Run(name+" under "+kind, func(t *testing.T) {
				var info *reqinfo.Info
				inside := ""
				look := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside, _ = info.RouteInside() })
				outer(&info, build(mounted("GET /things/{id}", look))).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/things/7", nil))
				require.Equal(t, "GET /things/{id}", info.Route())
				require.Equal(t, "GET /things/{id}", inside)
			})
		}
	}
}

func TestWhatIsPutBackIsSegmentsOfThePatternAndNothingElse(t *testing.T) {
	one := func(h http.Handler) http.Handler { return layers(1, h) }
	users := mounted("GET /users/{id}", hello)
	tests := []struct {
		name, path, want string
		h                http.Handler
	}{
		{"nothing was stripped", "/api/users/7", "/api/users/{id}", mounted("GET /api/", copier(one(mounted("/api/users/{id}", hello))))},
		{"a value with a slash and a named rest", "/t/a%2Fb/users/7", "GET /t/{x}/users/{id}", mounted("/t/{x}/{rest...}", mountSegments(2, one(users)))},
		{"a value with a slash and the rest", "/t/a%2Fb/users/7", "GET /t/{x}/users/{id}", mounted("/t/{x}/", mountSegments(2, one(users)))},
		{"a value with a slash and the end", "/t/a%2Fb/", "GET /t/{x}/{$}", mounted("/t/{x}/{$}", mountSegments(2, one(mounted("GET /{$}", hello))))},
		{"more stripped than a pattern names", "/a/b/c/users/7", "GET /a/users/{id}", mounted("/a/", http.StripPrefix("/a/b/c", one(users)))},
	}
	for kind, outer := range outermost {
		for _, tt := range tests {
			t.Run(tt.name+" under "+kind, func(t *testing.T) {
				var info *reqinfo.Info
				outer(&info, tt.h).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", tt.path, nil))
				require.Equal(t, tt.want, info.Route())
			})
		}
	}
}

func TestARequestMadeByHandHasNoRoute(t *testing.T) {
	for kind, outer := range outermost {
		t.Run(kind, func(t *testing.T) {
			var info *reqinfo.Info
			inside := "not asked"
			h := outer(&info, copier(layers(1, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside, _ = info.RouteInside() }))))
			h.ServeHTTP(httptest.NewRecorder(), &http.Request{Method: "CONNECT"})
			require.Empty(t, info.Route())
			require.Empty(t, inside)
		})
	}
}
