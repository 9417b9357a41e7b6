package server_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/conformance/internal/browser"
)

const (
	patience = time.Minute
	tick     = 50 * time.Millisecond
)

// console is what the server prints.
type console struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

// build makes the reference server's program.
func build(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "server")
	cmd := exec.Command("go", "build", "-o", path, "./examples/server")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

// start runs the reference server until the test ends, and returns its two addresses.
func start(t *testing.T, program, mode string) (public, admin *url.URL) {
	t.Helper()
	cmd, out := exec.Command(program), &console{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), "APP_ENV="+mode, "ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "DATA_DIR="+t.TempDir(), "DRAIN_WAIT=0s",
		"ADMIN_PASSWORD=correct horse battery", "TRUSTED_PROXIES=127.0.0.0/8", "CHAT_ORIGINS=", "CONNECT_SRC=", "DATABASE_URL=", "REDIS_URL=", "OLLAMA_URL=")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		require.NoError(t, cmd.Wait(), out.String())
	})
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "ready") }, patience, tick, out.String())
	address := func(what string) *url.URL {
		m := regexp.MustCompile(what + ` +(http://[^/\s]+)/`).FindStringSubmatch(out.String())
		require.NotNil(t, m, out.String())
		u, err := url.Parse(m[1])
		require.NoError(t, err)
		return u
	}
	return address("page"), address("operators")
}

// front is a proxy that speaks TLS to the browser.
type front struct {
	url string

	mu     sync.Mutex
	inject string // into the page, as by a hole in the template
	pages  []*http.Response
}

func newFront(t *testing.T, server *url.URL) *front {
	f := &front{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(server)
			r.Out.Host = r.In.Host
			r.Out.Header.Set("X-Forwarded-Proto", "https")
			r.Out.Header.Set("Accept-Encoding", "identity") // inject needs to read the page
		},
		ModifyResponse: f.modify,
	}
	srv := httptest.NewTLSServer(proxy)
	t.Cleanup(srv.Close)
	f.url = "https://app.test" + srv.URL[strings.LastIndexByte(srv.URL, ':'):]
	return f
}

func (f *front) modify(res *http.Response) error {
	if res.Request.URL.Path != "/" {
		return nil
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pages = append(f.pages, res)
	if res.StatusCode == http.StatusOK {
		body = bytes.Replace(body, []byte("</head>"), []byte(f.inject+"</head>"), 1)
		res.Header.Set("Content-Length", fmt.Sprint(len(body)))
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// last is the last answer for the page.
func (f *front) last() *http.Response {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pages[len(f.pages)-1]
}

// becomes waits until an expression is true in the page.
func becomes(t *testing.T, page *browser.Page, expression string) {
	t.Helper()
	require.Eventually(t, func() bool {
		var is bool
		page.Evaluate(expression, &is)
		return is
	}, patience, tick, expression)
}

// live is true once the page's script has run, and its WebSocket to the own host is
// open: wss, as the page came over TLS.
const live = `document.getElementById("chat-state").textContent.startsWith("Live.")`

func TestThePageWorksUnderItsPolicyAndWhatIsInjectedDoesNot(t *testing.T) {
	srv := httptest.NewTLSServer(nil)
	srv.Close()
	chromium := browser.Start(t, browser.Trust(srv.Certificate()), "--host-resolver-rules=MAP *.test 127.0.0.1", "--short-reporting-delay")
	program := build(t)
	for _, mode := range []string{"production", "development"} {
		t.Run(mode, func(t *testing.T) {
			server, admin := start(t, program, mode)
			f := newFront(t, server)
			page := chromium.Open(t)

			page.Navigate(f.url + "/")
			becomes(t, page, live)
			require.Equal(t, http.StatusOK, f.last().StatusCode)
			require.Equal(t, mode == "production", f.last().Header["Strict-Transport-Security"] != nil)
			require.Empty(t, page.Errors(), "the page breaks no rule of its own")

			page.Reload()
			becomes(t, page, live)
			require.Equal(t, http.StatusNotModified, f.last().StatusCode, "the stored page goes on with its stored policy")
			require.Empty(t, page.Errors())

			f.mu.Lock()
			f.inject = `<script>window.injected = true</script>`
			f.mu.Unlock()
			another := chromium.Open(t)
			another.Navigate(f.url + "/")
			becomes(t, another, live)
			var injected bool
			another.Evaluate(`window.injected === true`, &injected)
			require.False(t, injected)
			require.NotEmpty(t, another.Errors())

			require.Eventually(t, func() bool {
				res, err := http.Get(admin.String() + "/metrics")
				if err != nil {
					return false
				}
				defer res.Body.Close()
				metrics, err := io.ReadAll(res.Body)
				return err == nil && strings.Contains(string(metrics), `csp_reports_total{directive="script-src-elem",disposition="enforce"} 1`)
			}, patience, tick, "the violation is in /metrics")
		})
	}
}
