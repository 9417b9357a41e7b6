package compress_test

import (
	"bytes"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/fstest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/molecule-man/go-brrr"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/compress"
)

// precompressed is a body as a build tool leaves it beside the file.
func precompressed(t testing.TB, extension, body string) string {
	t.Helper()
	var b bytes.Buffer
	switch extension {
	case ".gz":
		w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		require.NoError(t, err)
		_, err = w.Write([]byte(body))
		require.NoError(t, err)
		require.NoError(t, w.Close())
	case ".br":
		w, err := brrr.NewWriter(&b, 9)
		require.NoError(t, err)
		_, err = w.Write([]byte(body))
		require.NoError(t, err)
		require.NoError(t, w.Close())
	case ".zst":
		w, err := zstd.NewWriter(nil)
		require.NoError(t, err)
		b.Write(w.EncodeAll([]byte(body), nil))
	}
	return b.String()
}

var builtAt = time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)

func fileWith(content string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(content), ModTime: builtAt}
}

// site is a file with all siblings, and files with some or none.
func site(t testing.TB) (files fstest.MapFS, script string) {
	script = text(5000)
	return fstest.MapFS{
		"app.js":             fileWith(script),
		"app.js.br":          fileWith(precompressed(t, ".br", script)),
		"app.js.zst":         fileWith(precompressed(t, ".zst", script)),
		"app.js.gz":          fileWith(precompressed(t, ".gz", script)),
		"old.css":            fileWith(text(900)),
		"old.css.gz":         fileWith(precompressed(t, ".gz", text(900))),
		"photo.png":          fileWith("\x89PNG\r\n\x1a\n"),
		"README":             fileWith("<!DOCTYPE html>" + text(900)),
		"README.gz":          fileWith(precompressed(t, ".gz", "<!DOCTYPE html>"+text(900))),
		"orphan.js.gz":       fileWith(precompressed(t, ".gz", script)),
		"docs/index.html":    fileWith(text(700)),
		"docs/index.html.br": fileWith(precompressed(t, ".br", text(700))),
		"bare/a.txt":         fileWith("a"),
		"tiny.txt":           fileWith("a"),
		"tiny.txt.gz":        fileWith(precompressed(t, ".gz", "a")),
		"trap.txt":           fileWith(text(600)),
		"trap.txt.gz/x":      fileWith("a directory"),
		"empty.txt":          fileWith(""),
		"empty.txt.br":       fileWith(""),
	}, script
}

func filesOf(t testing.TB, fsys fs.FS, o compress.FilesOptions) http.Handler {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	h, err := compress.Files(fsys, o)
	require.NoError(t, err)
	return h
}

func atPath(path string, r *http.Request) *http.Request {
	r.URL.Path = path
	return r
}

// askFiles is for what needs no connection.
func askFiles(h http.Handler, path, accept string, fields ...string) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, atPath(path, get(accept, fields...)))
	return w.Result()
}

func TestFilesServesTheSiblingThatTheClientLikesBest(t *testing.T) {
	files, script := site(t)
	extensions := map[string]string{"": "", "br": ".br", "zstd": ".zst", "gzip": ".gz"}
	protocols(t, filesOf(t, files, compress.FilesOptions{}), func(t *testing.T, do func(*http.Request) *answer) {
		tags := map[string]string{}
		for accept, want := range map[string]string{
			"gzip, deflate, br, zstd": "br", "gzip, zstd": "zstd", "gzip": "gzip", "*": "br",
			"br;q=0.5, gzip": "gzip", "zstd;q=0.9, br;q=0.8": "zstd", "br;q=0, gzip;q=0.1": "gzip",
			"none": "", "": "", "identity": "", "identity, br;q=0.5": "", "deflate": "", "br;q=0": "",
			"identity;q=0, gzip": "gzip",
			"identity;q=0":       "", // Trap d.4: nothing is acceptable, and as it is most can read it
		} {
			a := do(atPath("/app.js", get(accept)))
			require.Equal(t, http.StatusOK, a.StatusCode, accept)
			require.Equal(t, want, a.Header.Get("Content-Encoding"), accept)
			require.Equal(t, files["app.js"+extensions[want]].Data, a.wire)
			require.Equal(t, script, a.decoded(t))
			require.Equal(t, []string{"Accept-Encoding"}, a.Header.Values("Vary"), "trap d.14")
			require.Equal(t, "text/javascript; charset=utf-8", a.Header.Get("Content-Type"))
			require.EqualValues(t, len(a.wire), a.ContentLength)
			require.Equal(t, builtAt.Format(http.TimeFormat), a.Header.Get("Last-Modified"))
			// Trap d.19: ranges are of the file itself.
			require.Equal(t, want == "", a.Header.Get("Accept-Ranges") == "bytes")

			// Trap d.15: a strong tag for each coding, and the same one each time.
			tag := a.Header.Get("Etag")
			suffix := ""
			if want != "" {
				suffix = "-" + want
			}
			require.Regexp(t, `^"[0-9a-f]{32}`+suffix+`"$`, tag)
			if known, ok := tags[want]; ok {
				require.Equal(t, known, tag)
			}
			tags[want] = tag

			// Trap d.11: HEAD has the header of GET.
			head := do(atPath("/app.js", request(http.MethodHead, accept)))
			require.Empty(t, head.wire)
			a.Header.Del("Date")
			head.Header.Del("Date")
			require.Equal(t, a.Header, head.Header)
			require.Equal(t, a.ContentLength, head.ContentLength)
		}
		require.Len(t, tags, 4)
		unique := map[string]bool{}
		for _, tag := range tags {
			unique[tag] = true
		}
		require.Len(t, unique, 4)
	})
}

func TestFilesWithSomeSiblings(t *testing.T) {
	const all = "gzip, br, zstd"
	files, _ := site(t)
	h := filesOf(t, files, compress.FilesOptions{})
	tests := []struct {
		name, path, accept string
		status             int
		coding, vary       string
		contentType        string
	}{
		{"the only sibling is not taken", "/old.css", "br", 200, "", "Accept-Encoding", "text/css; charset=utf-8"},
		{"the only sibling is taken", "/old.css", all, 200, "gzip", "Accept-Encoding", "text/css; charset=utf-8"},
		{"without siblings nothing varies (trap d.14)", "/photo.png", all, 200, "", "", "image/png"},
		{"the type is seen from the original (trap d.22)", "/README", all, 200, "gzip", "Accept-Encoding", "text/html; charset=utf-8"},
		{"the same without a coding", "/README", "none", 200, "", "Accept-Encoding", "text/html; charset=utf-8"},
		{"a sibling by its own name is a file", "/app.js.br", all, 200, "", "", "application/octet-stream"},
		{"a sibling without an original is no file", "/orphan.js", all, 404, "", "", "text/plain; charset=utf-8"},
		{"the index of a directory", "/docs/", all, 200, "br", "Accept-Encoding", "text/html; charset=utf-8"},
		{"one that is not smaller is not worth it", "/tiny.txt", all, 200, "", "Accept-Encoding", "text/plain; charset=utf-8"},
		{"but for a client that refuses the file (trap d.5)", "/tiny.txt", "gzip, identity;q=0", 200, "gzip", "Accept-Encoding", "text/plain; charset=utf-8"},
		{"a directory is no sibling", "/trap.txt", all, 200, "", "", "text/plain; charset=utf-8"},
		{"nothing is smaller than nothing", "/empty.txt", all, 200, "", "Accept-Encoding", "text/plain; charset=utf-8"},
		{"an empty sibling is none, whoever asks", "/empty.txt", "br, identity;q=0", 200, "", "Accept-Encoding", "text/plain; charset=utf-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res := askFiles(h, tt.path, tt.accept)
			require.Equal(t, tt.status, res.StatusCode)
			require.Equal(t, tt.coding, res.Header.Get("Content-Encoding"))
			require.Equal(t, tt.vary, res.Header.Get("Vary"))
			require.Equal(t, tt.contentType, res.Header.Get("Content-Type"))
			require.Equal(t, tt.status == 200, res.Header.Get("Etag") != "")
		})
	}
	// Trap d.9: what a client tells proxies is not for us.
	require.Equal(t, "br", askFiles(h, "/app.js", "br", "Cache-Control", "no-transform").Header.Get("Content-Encoding"))
}

func TestFilesHasTheCodingsAndTheOrderThatItIsGiven(t *testing.T) {
	files, _ := site(t)
	for accept, want := range map[string]string{"br, gzip, zstd": "gzip", "br, zstd": "zstd", "br": ""} {
		h := filesOf(t, files, compress.FilesOptions{Codings: []compress.Coding{compress.Gzip, compress.Zstd}})
		require.Equal(t, want, askFiles(h, "/app.js", accept).Header.Get("Content-Encoding"))
	}
	res := askFiles(filesOf(t, files, compress.FilesOptions{Codings: []compress.Coding{}}), "/app.js", "br")
	require.Empty(t, res.Header.Get("Content-Encoding"))
	require.Empty(t, res.Header.Get("Vary"))
	require.NotEmpty(t, res.Header.Get("Etag"))
}

func TestFaultsOfFilesAreNamedAtOnce(t *testing.T) {
	_, err := compress.Files(nil, compress.FilesOptions{Codings: []compress.Coding{"lz4", compress.Gzip, compress.Gzip}})
	require.EqualError(t, err, "compress: fsys: must not be nil\n"+
		"compress: Codings: \"lz4\" is none of gzip, br and zstd\n"+
		"compress: Codings: \"gzip\" is listed twice")
}

// All that is not a regular file is as the standard library has it.
func TestFilesIsLikeTheFileServerOfNetHTTP(t *testing.T) {
	files, _ := site(t)
	ours, theirs := filesOf(t, files, compress.FilesOptions{}), http.FileServerFS(files)
	for _, path := range []string{
		"", "/", "/docs", "/docs/", "/docs/index.html", "/index.html", "index.html", "/bare", "/bare/", "/bare/a.txt", "bare/a.txt",
		"/bare/a.txt/", "/app.js/", "/app.js/x", "/app.js.br/x", "/../app.js", "/bare/../app.js", "/bare/../../app.js", "//app.js", "/docs//", "/./app.js",
		"/app.js/.", "/docs/.", "/docs/..", "/nothing", "/nothing/", "/app.js\x00", "/app.js.br\x00", "/\xff", "/a\\b", "/C:", "/.", "/..", "/trap.txt.gz", "/trap.txt.gz/",
		"/empty.txt", "/README", "/docs/index.html/", "/photo.png",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS"} {
			t.Run(method+" "+strconv.Quote(path), func(t *testing.T) {
				var got [2]*httptest.ResponseRecorder
				for i, h := range []http.Handler{ours, theirs} {
					got[i] = httptest.NewRecorder()
					h.ServeHTTP(got[i], atPath(path, request(method, "none")))
					got[i].Header().Del("Etag") // they have none
					got[i].Header().Del("Vary")
				}
				require.Equal(t, got[1].Code, got[0].Code)
				require.Equal(t, got[1].Header(), got[0].Header())
				require.Equal(t, got[1].Body.String(), got[0].Body.String())
			})
		}
	}
}

func TestFieldsThatAreSetOutsideStay(t *testing.T) {
	files, _ := site(t)
	h := filesOf(t, files, compress.FilesOptions{})
	for _, accept := range []string{"none", "br"} {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "Origin, accept-encoding")
		h.ServeHTTP(w, atPath("/app.js", get(accept)))
		require.Equal(t, "text/plain", w.Header().Get("Content-Type"))
		require.Equal(t, "max-age=60", w.Header().Get("Cache-Control"))
		require.Equal(t, []string{"Origin, accept-encoding"}, w.Header().Values("Vary"), "trap d.14")

		w = httptest.NewRecorder()
		w.Header()["Content-Type"] = nil
		h.ServeHTTP(w, atPath("/app.js", get(accept)))
		require.Empty(t, w.Header()["Content-Type"], "trap d.22: nil is to have none")
	}
}
