package compress

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

// program is one kind of request and what the application answers.
type program struct {
	name   string
	accept string // the codings that the client takes, or "" for a request that says nothing of it
	answer http.HandlerFunc
	coded  bool // the answer is worth it
}

// Names of codings, as they go over the wire (RFC 9110 §8.4.1).
const (
	gzipped  = "gzip"
	brotlied = "br"
	zstded   = "zstd"
)

var sizes = []struct {
	name  string
	bytes int
}{{"2 KB", 2000}, {"10 KB", 10_000}, {"100 KB", 100_000}}

// Bodies that no client gets encoded.
const (
	silent = "no Accept-Encoding, JSON of 10 KB"
	small  = "gzip, JSON of 200 bytes"
	image  = "gzip, image/png of 10 KB"
	empty  = "gzip, status 204"
	stream = "gzip, 100 events of 286 bytes, each flushed"
)

func sized(coding, size string) string { return coding + ", JSON of " + size }

var programs = allPrograms()

func allPrograms() []program {
	all := []program{
		{silent, "", whole("application/json", tickets(10_000)), false},
		{small, gzipped, whole("application/json", tickets(200)), false},
		{image, gzipped, whole("image/png", tickets(10_000)), false},
		{empty, gzipped, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, false},
	}
	for _, coding := range []string{gzipped, brotlied, zstded} {
		for _, size := range sizes {
			all = append(all, program{sized(coding, size.name), coding, whole("application/json", tickets(size.bytes)), true})
		}
	}
	return append(all, program{stream, gzipped, eventStream(), true})
}

// whole writes a body at once.
func whole(contentType string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body)
	}
}

// eventStream fixes the status first: one peer decides about events only then.
func eventStream() http.HandlerFunc {
	all := events()
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		client := http.NewResponseController(w)
		for _, e := range all {
			if _, err := w.Write(e); err != nil {
				return
			}
			if err := client.Flush(); err != nil {
				return
			}
		}
	}
}

// target is the request's path for a program.
func target(i int) string { return fmt.Sprintf("/%d", i) }

// app answers each program under its path.
func app() http.Handler {
	answers := map[string]http.HandlerFunc{}
	for i, p := range programs {
		answers[target(i)] = p.answer
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path](w, r) })
}

// fresh starts each answer with an empty header, as the server does: the clients
// of the harness keep theirs.
func fresh(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clear(w.Header())
		h.ServeHTTP(w, r)
	})
}

func cases() (all []harness.Case) {
	for i, p := range programs {
		c := harness.Case{Name: p.name, Method: "GET", Target: target(i), Header: http.Header{"Accept-Encoding": nil}}
		if p.accept != "" {
			c.Header.Set("Accept-Encoding", p.accept)
		}
		all = append(all, c)
	}
	return all
}

// without are the programs that one has no answer to who offers these codings: it
// would be measured doing nothing.
func without(offered ...string) (names []string) {
	for _, p := range programs {
		if p.coded && !slices.Contains(offered, p.accept) {
			names = append(names, p.name)
		}
	}
	return names
}
