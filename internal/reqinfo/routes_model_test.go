package reqinfo_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// tree is a random nest of muxes, and by construction what its route is called.
type tree struct {
	rnd          *rand.Rand
	value        func(*rand.Rand) string // of a wildcard, as in a path
	method, host string                  // of the composed pattern
	template     string
	path         string // escaped
	levels       int
	look         http.Handler
}

// mountSegments strips whole segments, as routers do that mount another one
// below a wildcard: [http.StripPrefix] has to be told the value.
func mountSegments(n int, h http.Handler) http.Handler {
	cut := func(p string) string {
		parts := strings.SplitN(p, "/", n+2)
		if len(parts) < n+2 {
			return ""
		}
		return "/" + parts[n+1]
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r2 := *r
		rest := cut(r.URL.EscapedPath())
		path, err := url.PathUnescape(rest)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		r2.URL = &url.URL{Path: path, RawPath: rest}
		h.ServeHTTP(w, &r2)
	})
}

func (tr *tree) segments(n int) (template, path string, wild bool) {
	for range n {
		name := fmt.Sprintf("s%d", tr.rnd.IntN(1000))
		if tr.rnd.IntN(2) == 0 {
			wild = true
			template += fmt.Sprintf("/{w%d}", len(tr.template)+len(template))
			path += "/" + tr.value(tr.rnd)
		} else {
			template += "/" + name
			path += "/" + name
		}
	}
	return template, path, wild
}

func pick(rnd *rand.Rand, from ...string) string { return from[rnd.IntN(len(from))] }

// build returns the handler for what is left of the path, which begins with what
// the mux outside has matched and not stripped.
func (tr *tree) build(level int, kept string) http.Handler {
	mux := http.NewServeMux()
	method := pick(tr.rnd, "", "", "GET ")
	host := ""
	if level == 0 {
		host = pick(tr.rnd, "", "example.com")
		tr.host = host
	}
	if method != "" {
		tr.method = method
	}
	if level == tr.levels {
		template, path, _ := tr.segments(tr.rnd.IntN(3))
		template, path = kept+template, kept+path
		last := pick(tr.rnd, "/end", "/{$}", "/", "/{rest...}")
		tr.template += template + last
		tr.path += path + map[string]string{"/end": "/end", "/{$}": "/", "/": "/" + tr.value(tr.rnd), "/{rest...}": "/" + tr.value(tr.rnd) + "/" + tr.value(tr.rnd)}[last]
		mux.Handle(method+host+template+last, tr.look)
		return mux
	}
	template, path, wild := tr.segments(1 + tr.rnd.IntN(2))
	template, path = kept+template, kept+path
	keep := pick(tr.rnd, "", "/kept", "/kept/more")
	stripped := strings.Count(template, "/")
	rest := pick(tr.rnd, "/", "/{rest...}")
	tr.template += template
	tr.path += path
	inner := layers(1, tr.build(level+1, keep))
	for range tr.rnd.IntN(3) {
		inner = copier(inner)
	}
	if wild || tr.rnd.IntN(2) == 0 {
		inner = mountSegments(stripped, inner)
	} else {
		inner = http.StripPrefix(path, inner)
	}
	if tr.rnd.IntN(3) == 0 {
		inner = layers(1, inner)
	}
	if tr.rnd.IntN(3) == 0 {
		inner = copier(inner)
	}
	mux.Handle(method+host+template+keep+rest, inner)
	return mux
}

func plainValue(rnd *rand.Rand) string { return fmt.Sprintf("V%dV", rnd.IntN(1000)) }

func oddValue(rnd *rand.Rand) string {
	return pick(rnd, "V%20V", "V.V", "V+V", "V%25V", "VüV", "V:V", "V%3FV", "V{V}", "V$V") + fmt.Sprint(rnd.IntN(9))
}

// A segment whose value has a slash: one segment for the mux, two in URL.Path.
func slashValue(rnd *rand.Rand) string { return pick(rnd, "V%2FV", "V%2fV%2FV", "%2FV", "V%2F") }

func routesAsComposed(t *testing.T, value func(*rand.Rand) string) {
	for seed := range uint64(400) {
		for kind, outer := range outermost {
			var info *reqinfo.Info
			inside, served := "", false
			tr := &tree{rnd: rand.New(rand.NewPCG(seed, 1)), value: value}
			tr.levels = 1 + tr.rnd.IntN(3)
			tr.look = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				served = true
				inside, _ = info.RouteInside()
			})
			h := outer(&info, tr.build(0, ""))
			r := httptest.NewRequest("GET", "http://example.com/", nil)
			u, err := url.ParseRequestURI(tr.path)
			require.NoError(t, err)
			r.URL, r.RequestURI = u, tr.path
			h.ServeHTTP(httptest.NewRecorder(), r)
			want := tr.method + tr.host + tr.template
			require.True(t, served, "seed %d: %s for %s was not served", seed, want, tr.path)
			require.Equal(t, want, info.Route(), "seed %d under %s: %s", seed, kind, tr.path)
			require.Equal(t, want, inside, "seed %d under %s: %s, inside", seed, kind, tr.path)
			require.Equal(t, want, r.Pattern, "seed %d under %s: %s, on the request", seed, kind, tr.path)
			require.NotContains(t, info.Route(), "V", "no value of a client's")
		}
	}
}

func TestRoutesAreWhatWasComposed(t *testing.T) { routesAsComposed(t, plainValue) }

func TestRoutesOfEscapedValuesAreWhatWasComposed(t *testing.T) { routesAsComposed(t, oddValue) }

func TestRoutesOfValuesWithASlashAreWhatWasComposed(t *testing.T) { routesAsComposed(t, slashValue) }
