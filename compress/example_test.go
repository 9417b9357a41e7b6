package compress_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing/fstest"
	"time"

	"github.com/sluice-go/sluice/compress"
)

// ask prints what a client gets.
func ask(h http.Handler, path, accept string) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept-Encoding", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Printf("%d coding=%q vary=%q\n", w.Code, w.Header().Get("Content-Encoding"), w.Header().Get("Vary"))
}

func Example() {
	c, err := compress.New(compress.Options{})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tickets", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `[`+strings.Repeat(`{"status":"open","priority":"high"},`, 99)+`{}]`)
	})
	h := c.Middleware(mux)
	ask(h, "/tickets", "gzip, deflate, br, zstd") // a browser
	ask(h, "/tickets", "gzip;q=0.5, br")
	ask(h, "/tickets", "")
	// Output:
	// 200 coding="zstd" vary="Accept-Encoding"
	// 200 coding="br" vary="Accept-Encoding"
	// 200 coding="" vary="Accept-Encoding"
}

// Event streams get gzip, which proxies on the way know best.
func ExampleOptions_prefer() {
	c, err := compress.New(compress.Options{
		Prefer: func(contentType string) []compress.Coding {
			if contentType == "text/event-stream" {
				return []compress.Coding{compress.Gzip}
			}
			return nil // the order of Codings
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	h := c.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: hello\n\n")
		_ = http.NewResponseController(w).Flush()
	}))
	ask(h, "/", "gzip, deflate, br, zstd")
	// Output: 200 coding="gzip" vary="Accept-Encoding"
}

// A page that shows a token beside what the user searched for stays as it is.
func ExampleOff() {
	c, err := compress.New(compress.Options{})
	if err != nil {
		log.Fatal(err)
	}
	h := c.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		compress.Off(w)
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, strings.Repeat("token and "+r.FormValue("q"), 100))
	}))
	ask(h, "/?q=guess", "gzip")
	// Output: 200 coding="" vary=""
}

func ExampleOptions_onResult() {
	c, err := compress.New(compress.Options{
		OnResult: func(coding string, in, out int64, _ time.Duration) { fmt.Println(coding, in, out < in) },
	})
	if err != nil {
		log.Fatal(err)
	}
	h := c.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, strings.Repeat("sluice ", 1000))
	}))
	ask(h, "/", "br")
	// Output:
	// br 7000 true
	// 200 coding="br" vary="Accept-Encoding"
}

func ExampleFiles() {
	files, err := compress.Files(fstest.MapFS{
		"app.js":    {Data: []byte(strings.Repeat("let sluice = 'gate'\n", 100))},
		"app.js.br": {Data: []byte("as a build step made it")},
	}, compress.FilesOptions{})
	if err != nil {
		log.Fatal(err)
	}
	ask(files, "/app.js", "gzip, br")
	ask(files, "/app.js", "gzip")
	// Output:
	// 200 coding="br" vary="Accept-Encoding"
	// 200 coding="" vary="Accept-Encoding"
}
