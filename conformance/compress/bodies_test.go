package compress_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/compress"
	"github.com/sluice-go/sluice/internal/testutil"
)

func TestChromiumGetsEachBody(t *testing.T) {
	for name, serve := range protocols {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			reports := takeReports(mux)
			mountSite(t, mux, http.HandlerFunc(serveSite))
			mux.HandleFunc("POST /same/{name}", compareWithSite)
			var frames strings.Builder
			wanted := map[string]bool{}
			for _, v := range variants {
				fmt.Fprintf(&frames, "<iframe src=%spage.html></iframe>", v.path())
				wanted[v.path()+"page.html: done"] = true
			}
			mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				_, _ = io.WriteString(w, frames.String())
			})
			var asked statuses
			srv := serve(t, asked.of(mux))
			browse(t, srv.URL)
			for range variants {
				report := receive(t, reports, "a page")
				require.True(t, wanted[report], report)
				delete(wanted, report)
			}
			if name == "HTTP/1.1" { // Chromium keeps nothing of a server without a valid certificate
				asked.requireNotModified(t)
			}
		})
	}
}

func compareWithSite(w http.ResponseWriter, r *http.Request) {
	got, err := io.ReadAll(r.Body)
	if err != nil || !bytes.Equal(got, site[r.PathValue("name")]) {
		http.Error(w, fmt.Sprintf("%v, or %d bytes that are others", err, len(got)), http.StatusConflict)
	}
}

// statuses are those of conditional requests, by path.
type statuses struct {
	mu  sync.Mutex
	all map[string]int
}

func (s *statuses) of(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &statusWriter{ResponseWriter: w}
		h.ServeHTTP(rec, r)
		if r.Header["If-None-Match"] == nil {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.all == nil {
			s.all = map[string]int{}
		}
		s.all[r.URL.Path+" "+r.Header.Get("If-None-Match")] = rec.status
	})
}

// requireNotModified wants a 304 for each body of the site, for the tag of its coding.
func (s *statuses) requireNotModified(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := map[string]int{}
	for _, v := range variants {
		wanted[v.path()+`small.json "small.json-`+string(v.coding)+`"`] = http.StatusNotModified
		wanted[v.path()+`large.json "large.json-`+string(v.coding)+`"`] = http.StatusNotModified
		wanted[v.path()+`tiny.json "tiny.json"`] = http.StatusNotModified
	}
	require.Equal(t, wanted, s.all)
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// decoding is a command-line tool.
type decoding struct{ program, ending string }

var tools = map[compress.Coding]decoding{
	compress.Gzip:   {"gzip", ".gz"},
	compress.Brotli: {"brotli", ".br"},
	compress.Zstd:   {"zstd", ".zst"},
}

// serveEncoded serves the site, and as flushed/NAME in pieces that are flushed.
func serveEncoded(t *testing.T) testutil.Server {
	t.Helper()
	mux := http.NewServeMux()
	mountSite(t, mux, http.HandlerFunc(serveSite))
	for _, v := range variants {
		// More, as nothing is left as it is here because it gets longer.
		c := newCompressor(t, compress.Options{Codings: []compress.Coding{v.coding}, Padding: 10 * v.padding})
		mux.Handle("GET "+v.path()+"flushed/{name}", c.Middleware(http.HandlerFunc(serveInPieces)))
	}
	return testutil.Start(t, mux)
}

func serveInPieces(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	body := site[r.PathValue("name")]
	for _, piece := range [][]byte{nil, body[:1], body[1 : len(body)/2], body[len(body)/2:]} {
		_, _ = w.Write(piece)
		_ = http.NewResponseController(w).Flush()
	}
}

// encodedNames are the bodies that serveEncoded has in a coding.
var encodedNames = []string{"small.json", "large.json", "page.html", "flushed/small.json", "flushed/large.json", "flushed/tiny.json"}

func TestTheToolOfEachCodingFindsNoFault(t *testing.T) {
	srv := serveEncoded(t)
	client := newClient(t, "")
	for _, v := range variants {
		t.Run(v.path(), func(t *testing.T) {
			tool := tools[v.coding]
			requireProgram(t, tool.program)
			for _, name := range encodedNames {
				for range 3 { // lengths of the padding
					resp := get(t, client, srv.URL+v.path()+name, "Accept-Encoding", string(v.coding))
					require.Equal(t, string(v.coding), resp.Header.Get("Content-Encoding"))
					require.Equal(t, site[filepath.Base(name)], resp.body)
					file := filepath.Join(t.TempDir(), "body"+tool.ending)
					require.NoError(t, os.WriteFile(file, resp.encoded, 0o600))
					run(t, tool.program, "-t", file)
					require.Equal(t, site[filepath.Base(name)], run(t, tool.program, "-d", "-c", file))
				}
			}
		})
	}
}

func TestCurlGetsEachBody(t *testing.T) {
	srv := serveEncoded(t)
	for _, v := range variants {
		t.Run(v.path(), func(t *testing.T) {
			for _, name := range encodedNames {
				header := filepath.Join(t.TempDir(), "header")
				body := run(t, "curl", "-q", "-sS", "-f", "--compressed", "-D", header, srv.URL+v.path()+name)
				require.Equal(t, site[filepath.Base(name)], body)
				fields, err := os.ReadFile(header)
				require.NoError(t, err)
				require.Contains(t, string(fields), "Content-Encoding: "+string(v.coding)+"\r\n")
			}
		})
	}
}

func TestNodeGetsEachBody(t *testing.T) {
	has := nodeCodings(t)
	srv := serveEncoded(t)
	for _, how := range []string{"fetch", "http"} {
		t.Run(how, func(t *testing.T) {
			args := []string{"testdata/digest.mjs", how}
			var wanted []string
			for _, v := range variants {
				if !has[v.coding] || how == "fetch" && v.coding == compress.Zstd {
					continue
				}
				for _, name := range encodedNames {
					args = append(args, string(v.coding), srv.URL+v.path()+name)
					sum := sha256.Sum256(site[filepath.Base(name)])
					wanted = append(wanted, hex.EncodeToString(sum[:]))
				}
			}
			require.Equal(t, wanted, strings.Fields(string(run(t, "node", args...))))
		})
	}
}
