package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sluice-go/sluice/examples/server/app"
)

// handlerFunc is a handler that leaves its errors to one place. It must not
// return an error once it has begun to answer.
type handlerFunc func(w http.ResponseWriter, r *http.Request) error

type route struct {
	method, path string
	handle       handlerFunc
}

func (a *API) routes() []route {
	return slices.Concat(
		a.messages().routes(),
		a.projects().routes(),
		a.tickets().routes(),
		a.files().routes(),
		a.users().routes(),
		[]route{
			{"POST", "/api/files", a.upload},
			{"GET", "/api/files/{id}/content", a.download},
			{"POST", "/api/login", a.login},
			{"POST", "/api/logout", a.logout},
			{"GET", "/api/me", a.me},
			{"POST", "/api/ask", a.ask},
		},
	)
}

// Patterns are those of all routes that do something.
func (a *API) Patterns() []string {
	var all []string
	for _, rt := range a.routes() {
		all = append(all, rt.method+" "+rt.path)
	}
	return all
}

// Mount registers everything under /api/ at mux, so that r.Pattern names the
// full route, e.g. "GET /api/messages/{id}". Wrap mux in [API.Authenticate].
func (a *API) Mount(mux *http.ServeMux) {
	methods := map[string][]string{}
	for _, rt := range a.routes() {
		mux.Handle(rt.method+" "+rt.path, a.serve(rt.handle))
		methods[rt.path] = append(methods[rt.path], rt.method)
		if rt.method == "GET" {
			methods[rt.path] = append(methods[rt.path], "HEAD") // ServeMux routes it to GET
		}
	}
	// The catch-all below would turn ServeMux's own 405 into a 404, so every
	// path also gets a pattern for the methods it does not have.
	for path, allowed := range methods {
		mux.Handle(path, otherMethods(append(allowed, "OPTIONS")))
	}
	mux.Handle("/api/", a.serve(func(http.ResponseWriter, *http.Request) error {
		return app.Errorf(app.CodeNotFound, "there is nothing at this path")
	}))
}

// otherMethods answers OPTIONS, and refuses the rest as RFC 9110 §15.5.6 asks.
func otherMethods(allowed []string) http.HandlerFunc {
	slices.Sort(allowed)
	allow := strings.Join(allowed, ", ")
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		writeProblem(w, newProblem(http.StatusMethodNotAllowed, "allowed here: "+allow, nil))
	}
}

func (a *API) serve(handle handlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := handle(w, r); err != nil {
			a.fail(w, r, err)
		}
	})
}
