package compress_test

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/compress"
	"github.com/sluice-go/sluice/internal/testutil"
)

// startNginx runs it with what a configuration has in its http block, in which
// $socket is where it listens, and returns that.
func startNginx(t *testing.T, config string) (socket string) {
	t.Helper()
	requireProgram(t, "nginx")
	dir := tempDir(t)
	socket = filepath.Join(dir, "socket")
	user := ""
	if os.Getuid() == 0 {
		user = "user root;" // or its workers could not write to dir
	}
	var temp string
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temp += fmt.Sprintf("%s_temp_path %s;\n", kind, filepath.Join(dir, kind))
	}
	vars := map[string]string{"socket": "unix:" + socket, "dir": dir}
	whole := fmt.Sprintf("daemon off; worker_processes 1; pid %s/pid; error_log stderr; %s\nevents {}\nhttp {\naccess_log off;\n%s%s\n}\n",
		dir, user, temp, os.Expand(config, func(name string) string {
			if value, ok := vars[name]; ok {
				return value
			}
			return "$" + name // nginx's own
		}))
	file := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(file, []byte(whole), 0o600))
	start(t, "nginx", "-e", "stderr", "-p", dir, "-c", file)
	require.Eventually(t, func() bool {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, eventually, tick, "nginx does not start with\n%s", whole)
	return socket
}

// Trap d.22: nginx keeps bodies back unless it is told otherwise, by the response
// or by its configuration. Over HTTP/1.0 a stream has no chunks.
func TestEventsPassNginx(t *testing.T) {
	for _, version := range []string{"1.0", "1.1"} {
		t.Run("HTTP/"+version, func(t *testing.T) {
			mux := http.NewServeMux()
			lives := newLives()
			for _, l := range lives {
				l.mount(t, mux, l)
			}
			socket := startNginx(t, fmt.Sprintf(`
				proxy_http_version %s;
				proxy_set_header Connection "";
				server {
					listen $socket;
					location / { proxy_pass %[2]s; proxy_buffering off; }
					location /accel/ { proxy_pass %[2]s; }
				}`, version, testutil.Start(t, mux).URL))
			followAll(t, newClient(t, socket), "http://nginx", lives)
		})
	}
}

// What has a coding gets no other one, and nginx may encode what has none.
func TestNginxEncodesNothingTwice(t *testing.T) {
	mux := http.NewServeMux()
	mountSite(t, mux, http.HandlerFunc(serveSite))
	for name, config := range map[string]string{"off": "gzip off;", "on": "gzip on; gzip_proxied any; gzip_types *; gzip_min_length 1;"} {
		t.Run("gzip "+name, func(t *testing.T) {
			socket := startNginx(t, fmt.Sprintf("%s server { listen $socket; location / { proxy_pass %s; } }", config, testutil.Start(t, mux).URL))
			client := newClient(t, socket)
			for _, v := range variants {
				for _, name := range []string{"small.json", "large.json"} {
					resp := get(t, client, "http://nginx"+v.path()+name, "Accept-Encoding", string(v.coding)+", gzip;q=0.5")
					require.Equal(t, []string{string(v.coding)}, resp.Header["Content-Encoding"])
					require.Equal(t, site[name], resp.body)
				}
				left := get(t, client, "http://nginx"+v.path()+"tiny.json", "Accept-Encoding", "gzip")
				require.Equal(t, name == "on", left.Header.Get("Content-Encoding") == "gzip")
				require.Equal(t, site["tiny.json"], left.body)
			}
		})
	}
}

// source is what nginx has a cache of.
type source struct {
	version atomic.Int64
	maxAge  int

	mu   sync.Mutex
	seen []string // the coding, condition, status and tag of each request
}

func (s *source) tag() string { return "v" + strconv.FormatInt(s.version.Load(), 10) }

func (s *source) body() []byte { return append([]byte(s.tag()+": "), site["small.json"]...) }

func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", strconv.Quote(s.tag()))
	w.Header().Set("Cache-Control", "max-age="+strconv.Itoa(s.maxAge))
	http.ServeContent(w, r, "body.txt", time.Time{}, bytes.NewReader(s.body()))
}

// noting notes what was asked and answered outside of h.
func (s *source) noting(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock() // nobody reads what was seen while one request is under way
		defer s.mu.Unlock()
		rec := &statusWriter{w, http.StatusOK}
		h.ServeHTTP(rec, r)
		s.seen = append(s.seen, fmt.Sprintf("%s %s: %d %s", r.Header.Get("Accept-Encoding"), r.Header.Get("If-None-Match"), rec.status, w.Header().Get("Etag")))
	})
}

// requests are those since the last time.
func (s *source) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

// startCache runs nginx as a cache of s, behind compression.
func startCache(t *testing.T, s *source, o compress.Options) *http.Client {
	t.Helper()
	s.version.Store(1)
	origin := testutil.Start(t, s.noting(newCompressor(t, o).Middleware(s)))
	return newClient(t, startNginx(t, fmt.Sprintf(`
		proxy_cache_path $dir/cache keys_zone=cache:1m use_temp_path=off;
		server {
			listen $socket;
			location / {
				proxy_pass %s;
				proxy_cache cache;
				proxy_cache_revalidate on;
				add_header X-Cache $upstream_cache_status always;
			}
		}`, origin.URL)))
}

// wait asks until the cache takes the way that state names: until then what it has
// is fresh.
func (s *source) wait(t *testing.T, client *http.Client, accept, state string) answer {
	t.Helper()
	late := time.After(eventually)
	for {
		resp := get(t, client, "http://nginx/", "Accept-Encoding", accept)
		if resp.Header.Get("X-Cache") == state {
			return resp
		}
		require.Equal(t, "HIT", resp.Header.Get("X-Cache"))
		select {
		case <-late:
			require.Fail(t, "it stays fresh", accept)
		case <-time.After(tick):
		}
	}
}

// asked are the clients of a cache: what they accept, and what they get.
var asked = []struct{ accept, coding string }{
	{"gzip", "gzip"},
	{"br", "br"},
	{"zstd", "zstd"},
	{"identity", ""},
	{"gzip, deflate, br, zstd", "zstd"},
	{"gzip;q=0.5, br", "br"},
}

// tagOf is the entity tag of a version in a coding.
func tagOf(version, coding string) string {
	if coding != "" {
		version += "-" + coding
	}
	return strconv.Quote(version)
}

// Trap d.14 and d.15: a cache keeps the variants apart.
func TestNginxKeepsVariantsApart(t *testing.T) {
	s := &source{maxAge: 3600}
	client := startCache(t, s, compress.Options{})
	for _, state := range []string{"MISS", "HIT"} {
		for _, a := range asked {
			resp := get(t, client, "http://nginx/", "Accept-Encoding", a.accept)
			require.Equal(t, state, resp.Header.Get("X-Cache"), a.accept)
			require.Equal(t, a.coding, resp.Header.Get("Content-Encoding"), a.accept)
			require.Equal(t, tagOf("v1", a.coding), resp.Header.Get("Etag"))
			require.Equal(t, "Accept-Encoding", resp.Header.Get("Vary"))
			require.Equal(t, s.body(), resp.body)
		}
	}
	require.Len(t, s.requests(), len(asked))

	for _, a := range asked { // the cache answers by itself
		same := get(t, client, "http://nginx/", "Accept-Encoding", a.accept, "If-None-Match", tagOf("v1", a.coding))
		require.Equal(t, http.StatusNotModified, same.StatusCode)
		require.Equal(t, tagOf("v1", a.coding), same.Header.Get("Etag"))
		other := get(t, client, "http://nginx/", "Accept-Encoding", a.accept, "If-None-Match", tagOf("v1", "other"))
		require.Equal(t, http.StatusOK, other.StatusCode)
		require.Equal(t, s.body(), other.body)
		// A cache may give a part of the encoded bytes, for the tag of just those.
		whole := get(t, client, "http://nginx/", "Accept-Encoding", a.accept)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://nginx/", nil)
		require.NoError(t, err)
		r.Header = http.Header{"Accept-Encoding": {a.accept}, "Range": {"bytes=10-"}, "If-Range": {tagOf("v1", a.coding)}}
		part, err := client.Do(r)
		require.NoError(t, err)
		defer part.Body.Close()
		var rest bytes.Buffer
		_, err = rest.ReadFrom(part.Body)
		require.NoError(t, err)
		if part.StatusCode == http.StatusPartialContent {
			require.Equal(t, whole.encoded[10:], rest.Bytes())
		} else {
			require.Equal(t, whole.encoded, rest.Bytes())
		}
	}
	require.Empty(t, s.requests())
}

// Trap d.16 and d.17: what a cache has kept stays good as long as the handler says.
func TestNginxRevalidatesByOurTags(t *testing.T) {
	for name, mode := range map[string]compress.ETagMode{"suffix": compress.ETagSuffix, "weak": compress.ETagWeaken} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &source{maxAge: 1}
			client := startCache(t, s, compress.Options{ETags: mode})
			tag := func(version, coding string) string {
				switch {
				case mode == compress.ETagSuffix:
					return tagOf(version, coding)
				case coding == "":
					return tagOf(version, "")
				default:
					return "W/" + tagOf(version, "")
				}
			}
			requireAll := func(state string) {
				for _, a := range asked {
					resp := s.wait(t, client, a.accept, state)
					require.Equal(t, a.coding, resp.Header.Get("Content-Encoding"))
					require.Equal(t, tag(s.tag(), a.coding), resp.Header.Get("Etag"))
					require.Equal(t, s.body(), resp.body)
				}
			}
			requireAll("MISS")
			_ = s.requests()
			requireAll("REVALIDATED")
			seen := s.requests()
			for _, a := range asked {
				known := tag("v1", a.coding)
				require.Contains(t, seen, fmt.Sprintf("%s %s: 304 %[2]s", a.accept, known))
			}
			s.version.Store(2)
			requireAll("EXPIRED")
			seen = s.requests()
			for _, a := range asked {
				require.Contains(t, seen, fmt.Sprintf("%s %s: 200 %s", a.accept, tag("v1", a.coding), tag("v2", a.coding)))
			}
		})
	}
}
