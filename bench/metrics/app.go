package metrics

import (
	"io"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

// routes is the application: a GET with a path value that writes 5 bytes, and a
// POST that reads its body first. Metrics that know a route only from the place
// where they are put are wrapped around each handler.
func routes(get http.HandlerFunc, each func(route string, h http.Handler) http.Handler) http.Handler {
	mux := http.NewServeMux()
	for route, h := range map[string]http.Handler{"GET /things/{id}": get, "POST /things": http.HandlerFunc(post)} {
		if each != nil {
			h = each(route, h)
		}
		mux.Handle(route, h)
	}
	return mux
}

func chiRoutes(get http.HandlerFunc, middlewares ...func(http.Handler) http.Handler) http.Handler {
	mux := chi.NewRouter()
	mux.Use(middlewares...)
	mux.Get("/things/{id}", get)
	mux.Post("/things", post)
	return mux
}

var hello = []byte("hello")

func write(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write(hello)
}

func post(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = w.Write(hello)
}

var cases = []harness.Case{
	{Name: "GET, one client", Method: "GET", Target: "/things/42"},
	{Name: "GET, 16 clients at the same time", Method: "GET", Target: "/things/42", Clients: 16},
	{Name: "POST of 1 KiB, one client", Method: "POST", Target: "/things", Body: make([]byte, 1024)},
}
