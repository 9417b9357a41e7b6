package compress_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/compress"
	"github.com/sluice-go/sluice/internal/testutil"
)

// protocols are what the streams are served over.
var protocols = map[string]func(testing.TB, http.Handler) testutil.Server{
	"HTTP/1.1": testutil.Start,
	"HTTP/2.0": testutil.StartH2,
}

// overProtocols runs f with streams that are served over each protocol. prepare may
// change them before.
func overProtocols(t *testing.T, prepare func(*live), f func(t *testing.T, srv testutil.Server, lives []*live)) {
	for name, serve := range protocols {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			lives := newLives()
			for _, l := range lives {
				prepare(l)
				l.mount(t, mux, l)
			}
			f(t, serve(t, mux), lives)
		})
	}
}

func asTheyAre(*live) {}

// shortForCurl keeps events short in brotli. curl takes no more than 16 KiB out of
// its decoder when that has used up its input, and the rest with what comes next. It
// does so whatever has encoded them.
func shortForCurl(l *live) {
	if l.coding == compress.Brotli {
		l.largest = 16_000
	}
}

// followAll follows each stream with a Go client.
func followAll(t *testing.T, client *http.Client, base string, lives []*live) {
	for _, l := range lives {
		t.Run(l.path()[1:], func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+l.path()+"/events", nil)
			require.NoError(t, err)
			r.Header.Set("Accept-Encoding", string(l.coding))
			resp, err := client.Do(r)
			require.NoError(t, err)
			defer resp.Body.Close()
			require.Equal(t, string(l.coding), resp.Header.Get("Content-Encoding"))
			body, err := decoder(string(l.coding), resp.Body)
			require.NoError(t, err)
			require.NoError(t, l.follow(body))
			l.check(t)
		})
	}
}

func TestGoSeesEventsOneByOne(t *testing.T) {
	overProtocols(t, asTheyAre, func(t *testing.T, srv testutil.Server, lives []*live) {
		followAll(t, newClient(t, ""), srv.URL, lives)
	})
}

func TestGoSeesEventsOneByOneThatItsTransportDecodes(t *testing.T) {
	overProtocols(t, asTheyAre, func(t *testing.T, srv testutil.Server, lives []*live) {
		for _, l := range lives {
			if l.coding != compress.Gzip {
				continue // it asks for gzip only
			}
			resp, err := srv.Client().Get(srv.URL + l.path() + "/events")
			require.NoError(t, err)
			defer resp.Body.Close()
			require.True(t, resp.Uncompressed)
			require.Equal(t, srv.Proto, resp.Proto)
			require.NoError(t, l.follow(resp.Body))
			l.check(t)
		}
	})
}

// curlLibraries are named by curl --version.
var curlLibraries = map[compress.Coding]string{compress.Gzip: " zlib/", compress.Brotli: " brotli/", compress.Zstd: " zstd/"}

func TestCurlSeesEventsOneByOne(t *testing.T) {
	version := string(run(t, "curl", "--version"))
	overProtocols(t, shortForCurl, func(t *testing.T, srv testutil.Server, lives []*live) {
		for _, l := range lives {
			t.Run(l.path()[1:], func(t *testing.T) {
				if !strings.Contains(version, curlLibraries[l.coding]) {
					t.Skip("this curl was built without it")
				}
				var said bytes.Buffer
				cmd := exec.CommandContext(t.Context(), "curl", "-q", "-sS", "-f", "-N", "-k", "--http2", "--compressed", srv.URL+l.path()+"/events")
				cmd.Stderr = &said
				out, err := cmd.StdoutPipe()
				require.NoError(t, err)
				require.NoError(t, cmd.Start())
				followed := l.follow(out)
				_, _ = io.Copy(io.Discard, out) // so that it can end
				require.NoError(t, cmd.Wait(), "curl said: %s", &said)
				require.NoError(t, followed)
				l.check(t)
			})
		}
	})
}

// nodeCodings are those that this Node can decode: zstd from 22.15 on.
func nodeCodings(t *testing.T) (has map[compress.Coding]bool) {
	t.Helper()
	const script = `const z = require("node:zlib"); console.log(JSON.stringify({gzip: !!z.createGunzip, br: !!z.createBrotliDecompress, zstd: !!z.createZstdDecompress}))`
	require.NoError(t, json.Unmarshal(run(t, "node", "-e", script), &has))
	require.True(t, has[compress.Gzip] && has[compress.Brotli])
	if !has[compress.Zstd] {
		t.Log("this Node has no zstd")
	}
	return has
}

func TestNodeSeesEventsOneByOne(t *testing.T) {
	has := nodeCodings(t)
	for _, how := range []string{"fetch", "http"} {
		t.Run(how, func(t *testing.T) {
			mux := http.NewServeMux()
			srv := testutil.Start(t, mux)
			args := []string{"testdata/follow.mjs", how}
			var followed []*live
			for _, l := range newLives() {
				l.mount(t, mux, l)
				if !has[l.coding] || how == "fetch" && l.coding == compress.Zstd {
					continue // its fetch is slower to learn a coding than its zlib
				}
				followed = append(followed, l)
				args = append(args, string(l.coding), srv.URL+l.path())
			}
			run(t, "node", args...)
			for _, l := range followed {
				l.check(t)
			}
		})
	}
}

//go:embed testdata/live.html
var livePage []byte

func TestChromiumSeesEventsOneByOne(t *testing.T) {
	for name, serve := range protocols {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			reports := takeReports(mux)
			lives := newLives()
			var streams []string
			for _, l := range lives {
				l.mount(t, mux, l)
				streams = append(streams, l.path())
			}
			mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(livePage) })
			srv := serve(t, mux)
			browse(t, srv.URL+"/?"+url.Values{"stream": streams}.Encode())
			require.Equal(t, "done", receive(t, reports, "the page"))
			for _, l := range lives {
				l.check(t)
			}
		})
	}
}

// takeReports takes what a page has to say.
func takeReports(mux *http.ServeMux) <-chan string {
	reports := make(chan string, 100)
	mux.HandleFunc("POST /report", func(w http.ResponseWriter, r *http.Request) {
		report, err := io.ReadAll(r.Body)
		if err == nil {
			reports <- string(report)
		}
	})
	return reports
}
