package compress_test

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/compress"
	"github.com/sluice-go/sluice/internal/testutil"
)

// intervals are those at which a proxy flushes: at once, and by its own judgement.
var intervals = map[string]time.Duration{"FlushInterval -1": -1, "FlushInterval 0": 0}

// proxyTo returns a proxy that leaves bodies as they come.
func proxyTo(t *testing.T, target string, interval time.Duration) *httputil.ReverseProxy {
	t.Helper()
	to, err := url.Parse(target)
	require.NoError(t, err)
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport:     newClient(t, "").Transport,
		FlushInterval: interval,
		ErrorLog:      log.New(io.Discard, "", 0),
	}
}

// throughProxies runs f for proxies of each kind over each protocol.
func throughProxies(t *testing.T, f func(t *testing.T, serve func(testing.TB, http.Handler) testutil.Server, interval time.Duration)) {
	for proto, serve := range protocols {
		for name, interval := range intervals {
			t.Run(proto+", "+name, func(t *testing.T) { f(t, serve, interval) })
		}
	}
}

func TestEventsPassAProxyInFront(t *testing.T) {
	throughProxies(t, func(t *testing.T, serve func(testing.TB, http.Handler) testutil.Server, interval time.Duration) {
		mux := http.NewServeMux()
		lives := newLives()
		for _, l := range lives {
			l.mount(t, mux, l)
		}
		front := serve(t, proxyTo(t, serve(t, mux).URL, interval))
		followAll(t, newClient(t, ""), front.URL, lives)
	})
}

func TestEventsPassAProxyBehind(t *testing.T) {
	throughProxies(t, func(t *testing.T, serve func(testing.TB, http.Handler) testutil.Server, interval time.Duration) {
		origin, mux := http.NewServeMux(), http.NewServeMux()
		proxy := proxyTo(t, serve(t, origin).URL, interval)
		lives := newLives()
		for _, l := range lives {
			l.mode.flushes = true // a plain server knows no other way
			origin.Handle("GET "+l.path()+"/events", l)
			l.mount(t, mux, proxy)
		}
		followAll(t, newClient(t, ""), serve(t, mux).URL, lives)
	})
}

// arrangements are ways to put together a handler, its compression and a proxy.
var arrangements = map[string]func(*testing.T, *compress.Compressor, http.Handler, func(testing.TB, http.Handler) testutil.Server, time.Duration) http.Handler{
	"a proxy in front": func(t *testing.T, c *compress.Compressor, h http.Handler, serve func(testing.TB, http.Handler) testutil.Server, interval time.Duration) http.Handler {
		return proxyTo(t, serve(t, c.Middleware(h)).URL, interval)
	},
	"a proxy behind": func(t *testing.T, c *compress.Compressor, h http.Handler, serve func(testing.TB, http.Handler) testutil.Server, interval time.Duration) http.Handler {
		return c.Middleware(proxyTo(t, serve(t, h).URL, interval))
	},
}

// arrange runs f for each coding and arrangement of h.
func arrange(t *testing.T, h http.Handler, f func(t *testing.T, url string, coding compress.Coding)) {
	throughProxies(t, func(t *testing.T, serve func(testing.TB, http.Handler) testutil.Server, interval time.Duration) {
		for name, arrangement := range arrangements {
			for _, coding := range everyCoding {
				t.Run(name+", "+string(coding), func(t *testing.T) {
					c := newCompressor(t, compress.Options{Codings: []compress.Coding{coding}})
					f(t, serve(t, arrangement(t, c, h, serve, interval)).URL, coding)
				})
			}
		}
	})
}

// Trap d.24: a body that was cut must not look whole behind any number of hops.
func TestABodyThatIsCutIsCutBehindAProxy(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/{how}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(site["large.json"])
		_ = http.NewResponseController(w).Flush()
		if r.PathValue("how") == "cut" {
			panic(http.ErrAbortHandler)
		}
	})
	arrange(t, mux, func(t *testing.T, url string, coding compress.Coding) {
		client := newClient(t, "")
		whole, err := try(t.Context(), client, url+"/whole", "Accept-Encoding", string(coding))
		require.NoError(t, err)
		require.Equal(t, site["large.json"], whole.body)
		require.Equal(t, string(coding), whole.Header.Get("Content-Encoding"))
		cut, err := try(t.Context(), client, url+"/cut", "Accept-Encoding", string(coding))
		require.Error(t, err)
		if cut.Response != nil {
			require.True(t, bytes.HasPrefix(site["large.json"], cut.body))
			require.Equal(t, string(coding), cut.Header.Get("Content-Encoding"))
			// An encoding without its end is a fault, too, as where HTTP/1.0 ends a body
			// with the connection.
			d, err := decoder(string(coding), bytes.NewReader(cut.encoded))
			if err == nil {
				_, err = io.ReadAll(d)
			}
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}
	})
}

// Trap d.16, d.17 and d.18 with a hop in between.
func TestConditionsPassAProxy(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/{name}", serveSite)
	arrange(t, mux, func(t *testing.T, url string, coding compress.Coding) {
		client := newClient(t, "")
		for _, name := range []string{"small.json", "large.json"} {
			ask := func(fields ...string) answer {
				return get(t, client, url+"/"+name, append(fields, "Accept-Encoding", string(coding))...)
			}
			first := ask()
			tag := `"` + name + `-` + string(coding) + `"`
			require.Equal(t, tag, first.Header.Get("Etag"))
			require.Equal(t, site[name], first.body)

			again := ask("If-None-Match", tag)
			require.Equal(t, http.StatusNotModified, again.StatusCode)
			require.Equal(t, tag, again.Header.Get("Etag"))
			require.Equal(t, "Accept-Encoding", again.Header.Get("Vary"))

			require.Equal(t, http.StatusOK, ask("If-Match", tag).StatusCode)
			require.Equal(t, http.StatusPreconditionFailed, ask("If-Match", `"other-`+string(coding)+`"`).StatusCode)

			resumed := ask("Range", "bytes=100-", "If-Range", tag)
			require.Equal(t, http.StatusOK, resumed.StatusCode, "a range would be of other bytes")
			require.Equal(t, site[name], resumed.body)
			part := ask("Range", "bytes=100-", "If-Range", `"`+name+`"`)
			require.Equal(t, http.StatusPartialContent, part.StatusCode)
			require.Equal(t, site[name][100:], part.body)
		}
	})
}

// timeouts are ways to put together compression and http.TimeoutHandler.
var timeouts = map[string]func(c *compress.Compressor, h http.Handler, limit time.Duration) http.Handler{
	"TimeoutHandler outside": func(c *compress.Compressor, h http.Handler, limit time.Duration) http.Handler {
		return http.TimeoutHandler(c.Middleware(h), limit, tooLate)
	},
	"TimeoutHandler inside": func(c *compress.Compressor, h http.Handler, limit time.Duration) http.Handler {
		return c.Middleware(http.TimeoutHandler(h, limit, tooLate))
	},
}

var tooLate = "<html>" + strings.Repeat("It took too long. ", 100) + "</html>"

// withTimeouts runs f for each coding, protocol and order.
func withTimeouts(t *testing.T, h http.Handler, limit time.Duration, f func(t *testing.T, order, url, coding string)) {
	for proto, serve := range protocols {
		for order, arrangement := range timeouts {
			for _, coding := range everyCoding {
				t.Run(proto+", "+order+", "+string(coding), func(t *testing.T) {
					c := newCompressor(t, compress.Options{Codings: []compress.Coding{coding}})
					f(t, order, serve(t, arrangement(c, h, limit)).URL, string(coding))
				})
			}
		}
	}
}

// Trap d.27: TimeoutHandler keeps everything back and has no Flush.
func TestBodiesPassATimeoutHandler(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/{name}", serveSite)
	mux.HandleFunc("/flushed/{name}", func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).Flush(); err == nil {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, "it says that it has flushed")
			return
		}
		serveInPieces(w, r)
	})
	mux.HandleFunc("/incremental/{name}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Incremental", "?1")
		body := site[r.PathValue("name")]
		for _, piece := range [][]byte{body[:1], body[1 : len(body)/2], body[len(body)/2:]} {
			if _, err := w.Write(piece); err != nil {
				return // the rest is missing
			}
		}
	})
	withTimeouts(t, mux, time.Hour, func(t *testing.T, _, url, coding string) {
		client := newClient(t, "")
		for _, name := range []string{"small.json", "large.json", "flushed/small.json", "flushed/large.json", "incremental/small.json", "incremental/large.json"} {
			resp := get(t, client, url+"/"+name, "Accept-Encoding", coding)
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Equal(t, coding, resp.Header.Get("Content-Encoding"), name)
			require.Equal(t, site[path.Base(name)], resp.body, name)
		}
	})
}

// Trap d.25: what a handler writes when its time is over goes nowhere.
func TestNothingOfAHandlerFollowsItsTimeout(t *testing.T) {
	release, late := make(chan struct{}), make(chan error)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(site["small.json"])
		<-release
		_, err := w.Write(bytes.Repeat(site["large.json"], 3)) // more than is kept back
		late <- err
	})
	withTimeouts(t, h, time.Millisecond, func(t *testing.T, order, url, coding string) {
		client := newClient(t, "")
		resp := get(t, client, url, "Accept-Encoding", coding)
		release <- struct{}{}
		require.ErrorIs(t, <-late, http.ErrHandlerTimeout)
		require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
		require.Equal(t, tooLate, string(resp.body))
		if order == "TimeoutHandler outside" {
			require.Empty(t, resp.Header["Content-Encoding"])
			require.Empty(t, resp.Header["Vary"])
		} else {
			require.Equal(t, coding, resp.Header.Get("Content-Encoding"))
			require.Equal(t, "Accept-Encoding", resp.Header.Get("Vary"))
		}
	})
}
