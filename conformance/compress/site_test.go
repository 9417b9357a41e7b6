package compress_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/sluice-go/sluice/compress"
)

//go:embed testdata/page.html
var page []byte

// site has bodies by their names.
var site = map[string][]byte{
	"page.html":  page,
	"small.json": tickets(2 << 10),   // encoded whole
	"large.json": tickets(100 << 10), // a stream
	"tiny.json":  tickets(200),       // not worth it
}

// tickets is JSON of at least size bytes.
func tickets(size int) []byte {
	type ticket struct {
		ID       int    `json:"id"`
		Title    string `json:"title"`
		Assignee string `json:"assignee"`
	}
	r := rand.New(rand.NewPCG(uint64(size), 0))
	var all []ticket
	for n := 0; ; n++ {
		all = append(all, ticket{n, fmt.Sprintf("Ticket №%d: %x", n, r.Uint32()), fmt.Sprintf("user%d@example.com", r.IntN(50))})
		if b, err := json.Marshal(all); err != nil || len(b) >= size {
			return b
		}
	}
}

// serveSite answers with the body that the last element of the path names, and
// takes conditional and range requests.
func serveSite(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	body, ok := site[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", strconv.Quote(name))
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
}

// variant is a way of encoding, and where the site is served in it.
type variant struct {
	coding  compress.Coding
	padding int
}

func (v variant) path() string { return fmt.Sprintf("/%s/%d/", v.coding, v.padding) }

var variants = func() (all []variant) {
	for _, c := range everyCoding {
		for _, padding := range []int{0, 1, 400} {
			all = append(all, variant{c, padding})
		}
	}
	return all
}()

// mountSite serves h in each variant.
func mountSite(t *testing.T, mux *http.ServeMux, h http.Handler) {
	t.Helper()
	for _, v := range variants {
		c := newCompressor(t, compress.Options{Codings: []compress.Coding{v.coding}, Padding: v.padding})
		mux.Handle("GET "+v.path()+"{name}", c.Middleware(h))
	}
}
