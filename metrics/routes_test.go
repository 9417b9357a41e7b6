package metrics_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/testutil"
	"github.com/sluice-go/sluice/metrics"
)

var answer = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })

// at is h at a pattern of a mux.
func at(pattern string, h http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle(pattern, h)
	return mux
}

// copying is a foreign middleware of the usual kind: it hands on a copy of the
// request and copies nothing back.
func copying(h http.Handler) http.Handler {
	type key struct{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, 1)))
	})
}

// counted lists "METHOD route code" of all requests that were counted.
func counted(t testing.TB, m *metrics.Metrics) []string {
	t.Helper()
	all := []string{}
	for _, s := range readingOf(t, m)["http_requests_total"].GetMetric() {
		l := labelsOf(s)
		for range int(s.GetCounter().GetValue()) {
			all = append(all, l["method"]+" "+l["route"]+" "+l["code"])
		}
	}
	slices.Sort(all)
	return all
}

func ask(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

type routeCase struct {
	name           string
	o              metrics.Options
	h              http.Handler
	method, target string
	want           string
}

func runRouteCases(t *testing.T, cases []routeCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			m := newMetrics(t, tt.o)
			ask(m.Middleware(tt.h), tt.method, tt.target)
			require.Equal(t, []string{tt.want}, counted(t, m))
			for _, name := range []string{"http_request_duration_seconds", "http_request_size_bytes", "http_response_size_bytes"} {
				require.Equal(t, []string{strings.Fields(tt.want)[1]}, readingOf(t, m).values(name, "route"), name)
			}
		})
	}
}

// Trap 1: RFC 9110 §9.1, CVE-2022-21698, CVE-2023-45142.
func TestAMethodIsOneOfAKnownSetOrOther(t *testing.T) {
	all := at("/x", answer)
	list := func(methods ...string) metrics.Options { return metrics.Options{Methods: methods} }
	cases := []routeCase{
		{"lower case is another method", metrics.Options{}, all, "get", "/x", "_OTHER /x 200"},
		{"mixed case is another method", metrics.Options{}, all, "Post", "/x", "_OTHER /x 200"},
		{"one that nobody knows", metrics.Options{}, all, "BREW", "/x", "_OTHER /x 200"},
		{"one that starts like a known one", metrics.Options{}, all, "GETX", "/x", "_OTHER /x 200"},
		{"the name of the rest itself", metrics.Options{}, all, "_OTHER", "/x", "_OTHER /x 200"},
		{"one of WebDAV by default", metrics.Options{}, all, "PROPFIND", "/x", "_OTHER /x 200"},
		{"one of WebDAV in the list", list("GET", "PROPFIND"), all, "PROPFIND", "/x", "PROPFIND /x 200"},
		{"the list replaces the default", list("PROPFIND"), all, "GET", "/x", "_OTHER /x 200"},
		{"the list is case-sensitive too", list("get"), all, "get", "/x", "get /x 200"},
		{"and what differs in case is not in it", list("get"), all, "GET", "/x", "_OTHER /x 200"},
		{"an empty list knows none", metrics.Options{Methods: []string{}}, all, "GET", "/x", "_OTHER /x 200"},
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "QUERY"} {
		cases = append(cases, routeCase{"the known " + method, metrics.Options{}, all, method, "/x", method + " /x 200"})
	}
	runRouteCases(t, cases)
}

// Trap 3: what ServeMux leaves in Request.Pattern.
func TestARouteIsTheTemplateOfTheMux(t *testing.T) {
	host := metrics.Options{KeepHost: true}
	runRouteCases(t, []routeCase{
		{"a wildcard", metrics.Options{}, at("/things/{id}", answer), "GET", "/things/7", "GET /things/{id} 200"},
		{"a rest", metrics.Options{}, at("/files/{path...}", answer), "GET", "/files/a/b", "GET /files/{path...} 200"},
		{"an exact end", metrics.Options{}, at("/{$}", answer), "GET", "/", "GET /{$} 200"},
		{"a method prefix goes", metrics.Options{}, at("POST /things", answer), "POST", "/things", "POST /things 200"},
		{"a method prefix with blanks goes", metrics.Options{}, at("POST \t /things", answer), "POST", "/things", "POST /things 200"},
		{"a HEAD on a GET pattern", metrics.Options{}, at("GET /things/{id}", answer), "HEAD", "/things/7", "HEAD /things/{id} 200"},
		{"a host goes", metrics.Options{}, at("example.com/things", answer), "GET", "/things", "GET /things 200"},
		{"a method and a host go", metrics.Options{}, at("GET example.com/things", answer), "GET", "/things", "GET /things 200"},
		{"a host that is wanted stays", host, at("GET example.com/things", answer), "GET", "/things", "GET example.com/things 200"},
		{"where a pattern has none there is none", host, at("GET /things", answer), "GET", "/things", "GET /things 200"},
		{"nothing matches", metrics.Options{}, at("/things", answer), "GET", "/secret/7", "GET unmatched 404"},
		{"the method does not match", metrics.Options{}, at("GET /things", answer), "POST", "/things", "POST unmatched 405"},
		{"a redirect to a trailing slash", metrics.Options{}, at("/tree/{id}/", answer), "GET", "/tree/x", "GET /tree/{id}/ 307"},
		{"a redirect to a clean path", metrics.Options{}, at("/things/{id}", answer), "GET", "/a/..//things/7", "GET /things/{id} 307"},
		{"a 404 of the handler keeps its route", metrics.Options{}, at("/things/{id}", http.NotFoundHandler()), "GET", "/things/7", "GET /things/{id} 404"},
		{"a plain handler", metrics.Options{}, answer, "GET", "/anything", "GET unrouted 200"},
		{"a plain handler that knows nothing", metrics.Options{}, http.NotFoundHandler(), "GET", "/anything", "GET unmatched 404"},
		{"a redirect of the Go 1.21 sort, without a mux", metrics.Options{}, http.RedirectHandler("/x", http.StatusMovedPermanently), "GET", "/y", "GET unrouted 301"},
	})
}

// Trap 3: StripPrefix, nested muxes, copies.
func TestARouteIsTheFullTemplateThroughRouters(t *testing.T) {
	strip, o := http.StripPrefix, metrics.Options{}
	users := func() http.Handler { return at("GET /users/{id}", answer) }
	tenant := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			strip("/t/"+r.PathValue("tenant"), h).ServeHTTP(w, r)
		})
	}
	runRouteCases(t, []routeCase{
		{"a stripped prefix", o, at("/api/", strip("/api", metrics.Router(users()))), "GET", "/api/users/7", "GET /api/users/{id} 200"},
		{"two stripped prefixes, a Router at each", o, at("/api/", strip("/api", metrics.Router(at("/v1/", strip("/v1", metrics.Router(users())))))), "GET", "/api/v1/users/7", "GET /api/v1/users/{id} 200"},
		{"a prefix with a wildcard", o, at("/t/{tenant}/", tenant(metrics.Router(users()))), "GET", "/t/acme/users/7", "GET /t/{tenant}/users/{id} 200"},
		{"a prefix on a host that is wanted", metrics.Options{KeepHost: true}, at("example.com/api/", strip("/api", metrics.Router(users()))), "GET", "/api/users/7", "GET example.com/api/users/{id} 200"},
		{"nothing matches behind a stripped prefix", o, at("/api/", strip("/api", metrics.Router(users()))), "GET", "/api/secret", "GET unmatched 404"},
		{"the method does not match behind a stripped prefix", o, at("/api/", strip("/api", metrics.Router(users()))), "POST", "/api/users/7", "POST unmatched 405"},
		{"a stripped prefix without Router keeps the outer pattern", o, at("/api/", strip("/api", users())), "GET", "/api/users/7", "GET /api/ 200"},
		{"a nested mux", o, at("/api/", at("GET /api/users/{id}", answer)), "GET", "/api/users/7", "GET /api/users/{id} 200"},
		{"a nested mux in a Router", o, at("/api/", metrics.Router(at("GET /api/users/{id}", answer))), "GET", "/api/users/7", "GET /api/users/{id} 200"},
		{"nothing matches in a nested mux", o, at("/api/", at("GET /api/users/{id}", answer)), "GET", "/api/secret", "GET unmatched 404"},
		{"a copy and a Router", o, copying(metrics.Router(users())), "GET", "/users/7", "GET /users/{id} 200"},
		{"two copies and a Router", o, copying(copying(metrics.Router(users()))), "GET", "/users/7", "GET /users/{id} 200"},
		{"a copy without Router hides the pattern", o, copying(users()), "GET", "/users/7", "GET unrouted 200"},
		{"a copy without Router and nothing matches", o, copying(users()), "GET", "/secret", "GET unmatched 404"},
		{"a Router around what is no router", o, at("/x/{y}", metrics.Router(answer)), "GET", "/x/7", "GET /x/{y} 200"},
		{"another layer of sluice does what Router does", o, copying(newMetrics(t, o).Middleware(users())), "GET", "/users/7", "GET /users/{id} 200"},
		{"a body is no obstacle", o, at("/api/", strip("/api", metrics.Router(at("POST /users/{id}", answer)))), "POST", "/api/users/7", "POST /api/users/{id} 200"},
	})
}

// foreign is a router of the kind that routes by itself, copies the request and
// leaves no Pattern.
type foreign map[string]http.Handler

type foreignKey struct{}

func (f foreign) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for template, h := range f {
		prefix, _, _ := strings.Cut(template, "{")
		if rest, ok := strings.CutPrefix(r.URL.Path, prefix); ok && !strings.Contains(rest, "/") {
			h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), foreignKey{}, template)))
			return
		}
	}
	http.NotFound(w, r)
}

func TestARouteOfAForeignRouterIsTheOneItIsGiven(t *testing.T) {
	o := metrics.Options{}
	named := foreign{"/users/{id}": metrics.Route("GET /users/{id}", answer)}
	fixed := func(name string) metrics.Options {
		return metrics.Options{RoutePattern: func(*http.Request) string { return name }}
	}
	runRouteCases(t, []routeCase{
		{"Route", o, named, "GET", "/users/7", "GET /users/{id} 200"},
		{"Route with a host", o, metrics.Route("example.com/x", answer), "GET", "/x", "GET /x 200"},
		{"Route with a host that is wanted", metrics.Options{KeepHost: true}, metrics.Route("GET example.com/x", answer), "GET", "/x", "GET example.com/x 200"},
		{"Route without a slash", o, metrics.Route("sign-in", answer), "GET", "/x", "GET sign-in 200"},
		{"a foreign router that matches nothing", o, named, "GET", "/secret", "GET unmatched 404"},
		{"a foreign router without Route", o, foreign{"/users/{id}": answer}, "GET", "/users/7", "GET unrouted 200"},
		{"Route wins over the mux outside", o, at("/users/{id}", metrics.Route("/by/name", answer)), "GET", "/users/7", "GET /by/name 200"},
		{"Route wins over the mux inside", o, metrics.Route("/by/name", at("/users/{id}", answer)), "GET", "/users/7", "GET /by/name 200"},
		{"Route wins over RoutePattern", fixed("/by/func"), metrics.Route("/by/name", answer), "GET", "/users/7", "GET /by/name 200"},
		{"the inner Route wins", o, metrics.Route("/outer", copying(metrics.Route("/inner", answer))), "GET", "/users/7", "GET /inner 200"},
		{"RoutePattern", fixed("GET /users/{id}"), foreign{"/users/{id}": answer}, "GET", "/users/7", "GET /users/{id} 200"},
		{"RoutePattern wins over the mux", fixed("/by/func"), at("/users/{id}", answer), "GET", "/users/7", "GET /by/func 200"},
		{"an empty RoutePattern asks the mux", fixed(""), at("/users/{id}", answer), "GET", "/users/7", "GET /users/{id} 200"},
		{"an empty RoutePattern and no mux", fixed(""), answer, "GET", "/users/7", "GET unrouted 200"},
		{"an empty Route asks the mux", o, at("/users/{id}", metrics.Route("", answer)), "GET", "/users/7", "GET /users/{id} 200"},
		{"Route for a CONNECT is trusted", o, metrics.Route("/tunnel", answer), "CONNECT", "/tunnel", "CONNECT /tunnel 200"},
		{"a Route that is not UTF-8 is mended", o, metrics.Route("/\xff", answer), "GET", "/x", "GET /\uFFFD 200"},
	})
}

func TestTheMethodIsTheOneThatArrived(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	override := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Method = "PUT"
		at("PUT /x", answer).ServeHTTP(w, r)
	})
	ask(m.Middleware(override), "POST", "/x")
	require.Equal(t, []string{"POST /x 200"}, counted(t, m))
}

func TestExcludedRequestsAreCountedNowhereButInFlight(t *testing.T) {
	m := newMetrics(t, metrics.Options{RoutePattern: func(*http.Request) string { return "/by/func" }})
	during := -1.0
	probe := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		during = readingOf(t, m).value("http_requests_in_flight")
	})
	for _, h := range []http.Handler{
		metrics.Exclude(probe),
		at("/x", metrics.Exclude(probe)),
		copying(metrics.Exclude(probe)),
		metrics.Route("/named", metrics.Exclude(probe)),
	} {
		during = -1
		ask(m.Middleware(h), "GET", "/x")
		require.Equal(t, 1.0, during)
	}
	ask(m.Middleware(m.Handler()), "GET", "/metrics")
	require.Empty(t, counted(t, m))
	require.Equal(t, 0.0, readingOf(t, m).value("http_requests_in_flight"))
	require.Nil(t, readingOf(t, m)["http_request_duration_seconds"])
}

func TestWithoutTheMiddlewareNamesDoNoHarm(t *testing.T) {
	for want, wrap := range map[string]func(http.Handler) http.Handler{
		"/by/name": func(h http.Handler) http.Handler { return metrics.Route("/by/name", h) },
		"":         metrics.Exclude,
		"/x/{id}":  func(h http.Handler) http.Handler { return metrics.Router(at("/x/{id}", h)) },
	} {
		r := httptest.NewRequest("GET", "/x/7", nil)
		w := httptest.NewRecorder()
		wrap(answer).ServeHTTP(w, r)
		require.Equal(t, want, r.Pattern, "for whoever shares the request")
		require.Equal(t, "ok", w.Body.String())
	}
}

func TestOneRouteOfSeveralPatternsIsOneSeries(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	mux := http.NewServeMux()
	for _, p := range []string{"GET /x", "POST /x", "a.example/x", "GET b.example/x"} {
		mux.Handle(p, answer)
	}
	h := m.Middleware(mux)
	ask(h, "GET", "http://a.example/x")
	ask(h, "GET", "http://b.example/x")
	ask(h, "GET", "/x")
	ask(h, "POST", "/x")
	require.Equal(t, []string{"GET /x 200", "GET /x 200", "GET /x 200", "POST /x 200"}, counted(t, m))
}

// connect sends a CONNECT as it is, over TCP, and returns the status.
func connect(t testing.TB, srv testutil.Server, target string) int {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: attacker.example\r\nConnection: close\r\n\r\n", target)
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	res.Body.Close()
	return res.StatusCode
}

// Trap 2: golang.org/issue/73688, still there for CONNECT.
func TestTheRouteOfAConnectIsNeverItsPath(t *testing.T) {
	strip := http.StripPrefix
	tree := func() *http.ServeMux { return at("/tree/{id}/", answer) }
	tests := []struct {
		name   string
		h      http.Handler
		prefix string
	}{
		{"on a mux", tree(), ""},
		{"on a mux with a host", at("attacker.example/tree/{id}/", answer), "attacker.example"},
		{"on a mux inside a copy", copying(metrics.Router(tree())), ""},
		{"on a nested mux", at("/", tree()), ""},
		{"behind a stripped prefix", at("/api/", strip("/api", metrics.Router(tree()))), "/api"},
		{"behind a stripped prefix for CONNECT only", at("CONNECT /api/", strip("/api", metrics.Router(tree()))), "/api"},
		{"behind a stripped prefix of a host for CONNECT only", at("CONNECT attacker.example/api/", strip("/api", metrics.Router(tree()))), "/api"},
		{"on a mux with a pattern for CONNECT", at("CONNECT /tree/{id}/", answer), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMetrics(t, metrics.Options{})
			srv := testutil.Start(t, m.Middleware(tt.h))
			for i := range 20 {
				require.Equal(t, http.StatusTemporaryRedirect, connect(t, srv, fmt.Sprintf("%s/tree/%d", tt.prefix, i)))
			}
			for _, c := range counted(t, m) {
				require.Equal(t, "CONNECT unrouted 307", c)
			}
			require.Len(t, counted(t, m), 20)
			require.Equal(t, []string{"unrouted"}, readingOf(t, m).values("http_request_duration_seconds", "route"))
		})
	}
}

// instead is a middleware that answers 400 where h redirects.
func instead(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		draft := httptest.NewRecorder()
		h.ServeHTTP(draft, r)
		if draft.Code/100 == 3 {
			http.Error(w, "no redirects here", http.StatusBadRequest)
			return
		}
		w.WriteHeader(draft.Code)
	})
}

// The status that the client saw may be another layer's.
func TestTheRouteOfAConnectIsNotItsPathWhateverTheAnswer(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	srv := testutil.Start(t, m.Middleware(instead(at("/tree/{id}/", answer))))
	for i := range 5 {
		require.Equal(t, http.StatusBadRequest, connect(t, srv, fmt.Sprintf("/tree/%d", i)))
	}
	require.NotRegexp(t, `/tree/\d`, readingOf(t, m).values("http_requests_total", "route"))
}

// Trap 2: "accept Pattern only if it is a registered/known one".
func TestAConnectToAPatternIsCountedUnderIt(t *testing.T) {
	tests := []struct {
		name, pattern, target, want string
		added                       bool
	}{
		{"the pattern names the method", "CONNECT /tunnel/{id}", "/tunnel/7", "CONNECT /tunnel/{id} 200", false},
		{"the pattern was added", "/tunnel/{id}", "/tunnel/7", "CONNECT /tunnel/{id} 200", true},
		{"the pattern was never seen before", "/tunnel/{id}", "/tunnel/7", "CONNECT /tunnel/{id} 200", false},
		{"nothing matches", "/tunnel/{id}", "/secret", "CONNECT unmatched 404", false},
		{"the target is an authority", "/tunnel/{id}", "db.example:5432", "CONNECT unmatched 404", false},
		{"the target looks like a pattern", "/tree/{id}/", "/tree/{id}", "CONNECT unrouted 307", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMetrics(t, metrics.Options{})
			if tt.added {
				require.NoError(t, m.AddRoutes(tt.pattern))
			}
			connect(t, testutil.Start(t, m.Middleware(at(tt.pattern, answer))), tt.target)
			require.Equal(t, []string{tt.want}, counted(t, m))
		})
	}
}

// Trap 29: a ratio needs both sides, and rate() does not see a series' birth.
func TestAddedRoutesAreThereBeforeTheFirstRequest(t *testing.T) {
	m := newMetrics(t, metrics.Options{})
	require.NoError(t, m.AddRoutes("GET /things/{id}", "POST example.com/things", "/files/{path...}", "BREW /pot"))
	page := ask(m.Handler(), "GET", "/metrics").Body.String()
	for _, line := range []string{
		`http_requests_total{code="200",method="GET",route="/things/{id}"} 0`,
		`http_requests_total{code="500",method="GET",route="/things/{id}"} 0`,
		`http_requests_total{code="200",method="POST",route="/things"} 0`,
		`http_requests_total{code="200",method="GET",route="/files/{path...}"} 0`,
		`http_requests_total{code="500",method="_OTHER",route="/pot"} 0`,
		`http_request_duration_seconds_count{method="GET",outcome="success",route="/things/{id}"} 0`,
		`http_request_duration_seconds_bucket{method="GET",outcome="success",route="/things/{id}",le="0.1"} 0`,
	} {
		require.Contains(t, page, line+"\n")
	}
	before := len(readingOf(t, m)["http_requests_total"].GetMetric())
	require.NoError(t, m.AddRoutes("GET /things/{id}"), "a second time does no harm")
	ask(m.Middleware(at("GET /things/{id}", answer)), "GET", "/things/7")
	require.Len(t, readingOf(t, m)["http_requests_total"].GetMetric(), before)
	require.Equal(t, []string{"GET /things/{id} 200"}, counted(t, m))
}

func TestAddRoutesTellsAllFaultsAndAddsTheRest(t *testing.T) {
	m := newMetrics(t, metrics.Options{MaxRoutes: 2})
	err := m.AddRoutes("", "GET", "GET /a", "things", "/"+strings.Repeat("x", 128), "/\xff", "POST /b", "/c", "PUT /a")
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 6)
	for i, bad := range []string{`""`, `"GET"`, `"things"`, `"/xxx`, `"/\xff"`, `"/c"`} {
		require.True(t, strings.HasPrefix(lines[i], "metrics: AddRoutes: "+bad), lines[i])
	}
	require.Contains(t, lines[5], "MaxRoutes (2)")
	require.Equal(t, []string{"/a", "/b"}, readingOf(t, m).values("http_requests_total", "route"))
	require.Zero(t, readingOf(t, m).value("sluice_label_overflow_total", "recorder", "route"), "a route too many is an error, and no request")
}
