package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
	"github.com/sluice-go/sluice/internal/testutil"
)

// What must not leave the house, each a text that is found wherever it is.
const (
	secretName  = "crown-jewels"
	secretError = "lost 10.9.8.7"
	secretURL   = "postgres://robin:batcave@db.internal/x"
	secretKey   = "vault_size"
	secretFact  = "nine-tons"
	secretWhy   = "moving the gold"
	secretFatal = "the floor gave way"
)

// vault has a checker with secrets in each place that an answer could be made of.
func vault(t *testing.T, o health.Options) *health.Checker {
	failed := func(ctx context.Context) error {
		health.Set(ctx, secretKey, 7)
		health.Set(ctx, "what", secretFact)
		return fmt.Errorf("%s: %s", secretError, secretURL)
	}
	o.Checks = []health.Check{
		{Name: secretName, Func: failed, Groups: []string{"readiness", "startup", "own"}},
		{Name: "twin of " + secretName, Func: func(ctx context.Context) error { return health.Degraded(failed(ctx)) }, Groups: []string{"own"}},
		{Name: "loop", Internal: func(ctx context.Context) error { return health.WithReason(failed(ctx), "missed") }, Groups: []string{"liveness"}},
	}
	hc := begin(t, o)
	waitForResults(t, hc)
	hc.SetReady(false, secretWhy)
	hc.Fail(errors.New(secretFatal))
	return hc
}

var (
	publicPaths = []string{
		"/health", "/health/liveness", "/health/readiness", "/health/startup", "/health/own", "/healthz", "/livez", "/readyz", "/startupz",
		"/health/detailed", "/health/" + "absent", "/",
	}
	queries = []string{
		"", "verbose", "verbose=true", "verbose=1&verbose", "Verbose", "%76erbose", "verbose=%00", "a=b&verbose", ";verbose", "verbose;exclude=loop",
		"exclude=" + secretName, "exclude=" + secretName + "&exclude=loop&verbose", "exclude=%63rown-jewels", "exclude=crown%2Djewels&exclude=loop",
		"exclude[]=" + secretName, "exclude=*", "exclude", "exclude=", "details=true", "show-details=always", "format=json", "verbose&exclude=absent",
	}
	accepts = []string{"", "*/*", "application/json", "application/health+json", "text/plain", "text/html", "application/problem+json"}
)

// Trap 27: the public learns a class, never a text, an address or a number.
// Trap 26: ?verbose widens nothing. Neither does a query do so in another spelling.
func TestThePublicSeesNoDetail(t *testing.T) {
	for _, components := range []bool{false, true} {
		h := vault(t, health.Options{ShowComponents: components, Details: nobody}).Handler()
		for _, path := range publicPaths {
			plain := map[string]answer{}
			for _, accept := range accepts {
				plain[accept] = get(h, path, "Accept", accept)
			}
			for _, query := range queries {
				for _, accept := range accepts {
					for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST"} {
						got := request(h, method, path+"?"+query, "Accept", accept)
						at := fmt.Sprintf("%s %s?%s as %s", method, path, query, accept)
						requireNoDetail(t, got, components, at)
						if method != "POST" {
							require.Equal(t, plain[accept].code, got.code, at)
						}
						if method == "GET" {
							requireSameAnswer(t, plain[accept].body, got.body, at)
						}
					}
				}
			}
		}
	}
}

// requireSameAnswer compares all but the time.
func requireSameAnswer(t *testing.T, want, got, at string) {
	t.Helper()
	without := func(s string) string {
		before, after, _ := strings.Cut(s, `"timestamp":`)
		_, after, _ = strings.Cut(after, ",")
		return before + after
	}
	require.Equal(t, without(want), without(got), at)
}

func requireNoDetail(t *testing.T, got answer, components bool, at string) {
	t.Helper()
	all := fmt.Sprint(got.header) + got.body
	for _, secret := range []string{
		secretError, "10.9.8.7", "robin", "batcave", "db.internal", secretKey, secretFact, secretWhy, secretFatal,
		"duration", "observedValue", "checked_at", "since", "consecutive", "critical\"", "metrics", `"error"`, "time\"",
	} {
		require.NotContains(t, all, secret, at)
	}
	if !components {
		require.NotContains(t, all, secretName, at)
		require.NotContains(t, all, "loop", at)
		return
	}
	var body struct {
		Components map[string]map[string]string
		Checks     map[string][]map[string]string
	}
	if json.Unmarshal([]byte(got.body), &body) != nil {
		return // no JSON, or none with other values than text
	}
	for name, c := range body.Components {
		delete(c, "status")
		delete(c, "reason")
		require.Empty(t, c, "%s: %s", at, name)
	}
	for name, list := range body.Checks {
		for _, key := range []string{"status", "output", "componentType"} {
			delete(list[0], key)
		}
		require.Empty(t, list[0], "%s: %s", at, name)
	}
}

// What is checked above would pass on empty answers.
func TestWhoMaySeeDetailsDoes(t *testing.T) {
	h := vault(t, health.Options{Details: everybody}).Handler()
	got := get(h, "/health/detailed").body
	for _, text := range []string{
		secretName, secretError, "postgres://db.internal/x", secretKey, secretFact, secretWhy, secretFatal, "duration_ms", `"reason":"missed"`,
	} {
		require.Contains(t, got, text)
	}
	require.NotContains(t, got, "batcave", "the userinfo of a URL is for nobody")
	require.NotContains(t, got, "robin")
	for _, accept := range []string{"application/health+json", "text/plain"} {
		got := get(h, "/health/detailed", "Accept", accept).body
		require.Contains(t, got, secretName)
		require.NotContains(t, got, "batcave")
	}
	require.Contains(t, get(h, "/readyz?verbose").body, secretName)
	require.NotContains(t, get(h, "/health").body, secretName, "a public path shows the same to everybody")

	detailed := vault(t, health.Options{Details: nobody}).DetailedHandler()
	require.Contains(t, get(detailed, "/anywhere").body, secretError, "for a listener that only operators reach")
}

// Otherwise anybody could turn a probe green.
func TestOnlyWhoMaySeeDetailsExcludes(t *testing.T) {
	options := health.Options{Checks: []health.Check{{Name: "a b/ü", Func: failing}, {Name: "fine", Func: passing}}}
	all := "?exclude=a+b%2F%C3%BC"
	for _, tt := range []struct {
		name   string
		policy health.DetailsPolicy
		target string
		code   int
	}{
		{"without rights it is as if it were not there", nobody, "/readyz" + all, 503},
		{"by default for this host only", nil, "/readyz" + all, 503},
		{"with rights", everybody, "/readyz" + all, 200},
		{"in another group", everybody, "/healthz" + all, 200},
		{"one that is not there", everybody, "/readyz?exclude=other", 503},
		{"a part of a name", everybody, "/readyz?exclude=a", 503},
		{"nothing", everybody, "/readyz?exclude=", 503},
		{"two", everybody, "/readyz?exclude=fine&exclude=a%20b/%C3%BC", 200},
		{"a list is no name", everybody, "/readyz?exclude=fine,a%20b/%C3%BC", 503},
		{"a query that is broken", everybody, "/readyz" + all + ";x", 503},
		{"what is not an alias has no query", everybody, "/health/readiness" + all, 503},
		{"nor has the detailed answer", everybody, "/health/detailed" + all, 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := options
			o.Details = tt.policy
			hc := begin(t, o)
			waitForResults(t, hc)
			for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
				require.Equal(t, tt.code, request(hc.Handler(), method, tt.target).code)
			}
			require.Equal(t, 503, get(hc.Handler(), "/readyz").code, "the next probe knows nothing of it")
			hc.SetReady(false, "by hand")
			if strings.HasPrefix(tt.target, "/readyz") {
				require.Equal(t, 503, get(hc.Handler(), tt.target).code, "the word of the process itself is no check")
			}
		})
	}
}

// Trap 26: who counts as sitting at this host.
func TestOnlyThisHostSeesDetailsByDefault(t *testing.T) {
	h := vault(t, health.Options{}).Handler()
	for _, tt := range []struct {
		name, peer, host string
		field            string
		code             int // 403, or that of the checks
	}{
		{"IPv4", "127.0.0.1:4711", "127.0.0.1:8080", "", 503},
		{"another loopback address", "127.8.9.10:4711", "127.0.0.1", "", 503},
		{"IPv6", "[::1]:4711", "[::1]:8080", "", 503},
		{"IPv6 without a port", "[::1]:4711", "[::1]", "", 503},
		{"IPv4 in IPv6", "[::ffff:127.0.0.1]:4711", "localhost:8080", "", 503},
		{"a name in any case", "127.0.0.1:4711", "LocalHost", "", 503},
		{"far away", "192.0.2.1:4711", "localhost", "", 403},
		{"far away, in IPv6", "[2001:db8::1]:4711", "[::1]", "", 403},
		{"far away, in IPv4 in IPv6", "[::ffff:192.0.2.1]:4711", "localhost", "", 403},
		{"a private address", "10.0.0.1:4711", "localhost", "", 403},
		{"link-local", "[fe80::1%lo]:4711", "localhost", "", 403},
		{"an unspecified address", "0.0.0.0:4711", "localhost", "", 403},
		{"a Unix socket", "@", "localhost", "", 403},
		{"a Unix socket with a name", "/run/x.sock", "localhost", "", 403},
		{"nobody", "", "localhost", "", 403},
		{"an address without a port, as some layers leave it", "127.0.0.1", "localhost", "", 403},
		{"a name for a peer", "localhost:80", "localhost", "", 403},
		{"DNS rebinding, or a proxy that keeps the name", "127.0.0.1:4711", "example.com", "", 403},
		{"a name below localhost", "127.0.0.1:4711", "evil.localhost", "", 403},
		{"a name that begins like an address", "127.0.0.1:4711", "127.0.0.1.nip.io", "", 403},
		{"a name with localhost in it", "127.0.0.1:4711", "localhost.example.com:80", "", 403},
		{"an address for any", "127.0.0.1:4711", "0.0.0.0:8080", "", 403},
		{"the address of this machine in its network", "127.0.0.1:4711", "192.168.1.2", "", 403},
		{"an address as a number", "127.0.0.1:4711", "2130706433", "", 403},
		{"no name", "127.0.0.1:4711", "", "", 403},
		{"RFC 7239", "127.0.0.1:4711", "localhost", "Forwarded", 403},
		{"RFC 9110", "127.0.0.1:4711", "localhost", "Via", 403},
		{"RFC 8586", "127.0.0.1:4711", "localhost", "CDN-Loop", 403},
		{"the client", "127.0.0.1:4711", "localhost", "X-Forwarded-For", 403},
		{"the name", "127.0.0.1:4711", "localhost", "X-Forwarded-Host", 403},
		{"the scheme", "127.0.0.1:4711", "localhost", "X-Forwarded-Proto", 403},
		{"something else", "127.0.0.1:4711", "localhost", "X-Forwarded-Client-Cert", 403},
		{"the old one", "127.0.0.1:4711", "localhost", "X-Forwarded", 403},
		{"nginx, by custom", "127.0.0.1:4711", "localhost", "X-Real-IP", 403},
		{"a field of no proxy", "127.0.0.1:4711", "localhost", "X-Request-Id", 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, name := range []string{tt.field, http.CanonicalHeaderKey(tt.field), strings.ToLower(tt.field), strings.ToUpper(tt.field)} {
				for _, path := range []string{"/health/detailed", "/readyz?verbose"} {
					r := httptest.NewRequest("GET", path, nil)
					r.RemoteAddr, r.Host = tt.peer, tt.host
					if name != "" {
						r.Header[name] = []string{""} // its presence is enough
					}
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					if path == "/health/detailed" {
						require.Equal(t, tt.code, w.Code, name)
					}
					require.Equal(t, tt.code != 403, strings.Contains(w.Body.String(), secretName), "%s %s", path, name)
				}
			}
		})
	}
}

// The same with real peers: what net/http makes of them is a part of the policy.
func TestOnlyThisHostSeesDetailsOfARealServer(t *testing.T) {
	h := vault(t, health.Options{}).Handler()
	testutil.BothProtocols(t, h, func(t *testing.T, srv testutil.Server) {
		require.Contains(t, over(t, srv, "GET", "/health/detailed").body, secretName)
		for _, field := range []string{"x-forwarded-for", "FORWARDED", "vIa"} {
			got := over(t, srv, "GET", "/health/detailed", field, "192.0.2.1")
			require.Equal(t, 403, got.code, field)
			require.NotContains(t, got.body, secretName)
		}
	})
	addr := testutil.Start(t, h).Listener.Addr().String()
	for fields, code := range map[string]string{
		"HTTP/1.1\r\nHost: " + addr + "\r\n":                          "503",
		"HTTP/1.1\r\nHost: localhost\r\n":                             "503",
		"HTTP/1.1\r\nHost: localhost\r\nx-forwarded-for:\r\n":         "403",
		"HTTP/1.1\r\nHost: localhost\r\nX-FORWARDED-PROTO: https\r\n": "403",
		"HTTP/1.1\r\nHost: localhost\r\nforwarded: for=_x\r\n":        "403",
		"HTTP/1.1\r\nHost: example.com\r\n":                           "403",
		"HTTP/1.1\r\nHost: localhost\r\nVia: 1.0 a\r\nVia: 1.1 b\r\n": "403",
		"HTTP/1.0\r\n": "403", // no Host, and not needed for what is public
		// This is nginx with "proxy_pass http://127.0.0.1:8080" alone, for any caller.
		"HTTP/1.0\r\nHost: " + addr + "\r\n": "403",
	} {
		status, _, body := raw(t, addr, "GET /health/detailed "+fields+"Connection: close\r\n\r\n")
		require.Contains(t, status, " "+code+" ", fields)
		require.Equal(t, code != "403", strings.Contains(body, secretName), fields)
	}
}

func TestAUnixSocketIsNobodyInParticular(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no Unix sockets to rely on")
	}
	path := filepath.Join(t.TempDir(), "s")
	ln, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	require.NoError(t, err)
	srv := &http.Server{Handler: vault(t, health.Options{}).Handler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true,
	}}
	for target, code := range map[string]int{"/health/detailed": 403, "/readyz?verbose": 503, "/health/liveness": 503} {
		resp, err := client.Get("http://localhost" + target)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, code, resp.StatusCode, target)
		require.NotContains(t, string(body), secretName)
	}
}
