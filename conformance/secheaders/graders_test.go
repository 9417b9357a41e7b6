package secheaders_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dunglas/httpsfv"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/secheaders"
)

// grades are what graders say of a site. The most that headers alone can have from
// this version of the Observatory is 130.
type grades struct {
	Score int
	Grade string
	Tests map[string]struct {
		Result string
		Pass   bool
		Points int

		MaxAge                     int // of Strict-Transport-Security, as it was read
		IncludeSubDomains, Preload bool
	}
	// Findings are those of csp_evaluator: severity, type, directive, value.
	Findings []string
	// Advice is what it has to say with its checks for older browsers.
	Advice []string
}

func TestGraders(t *testing.T) {
	document := secheaders.Document()
	sites := map[string]gradedSite{
		"Document":    visit(t, secheaders.Options{}, nil, "text/html"),
		"QuickStart":  visit(t, secheaders.Options{Document: secheaders.QuickStart()}, nil, "text/html"),
		"Dev":         visit(t, secheaders.Options{Development: true}, nil, "text/html"),
		"API":         visit(t, secheaders.Options{}, nil, "application/json"),
		"API route":   visit(t, secheaders.Options{}, new(secheaders.API()), "text/html"),
		"UserContent": visit(t, secheaders.Options{}, new(secheaders.UserContent()), "text/html"),
		"Preload":     visit(t, secheaders.Options{HSTS: secheaders.HSTS{Preload: true}}, nil, "text/html"),
		// Or nobody would know that graders look at what they are given.
		"weak": visit(t, secheaders.Options{Document: secheaders.Headers{
			CSP:      document.CSP.Replace(secheaders.ScriptSrc("https:", secheaders.UnsafeInline)),
			Resource: secheaders.Omit,
		}}, nil, "text/html"),
	}
	all := grade(t, sites)
	for name, want := range map[string]struct {
		score    int
		findings []string
	}{
		"Document":    {score: 130},
		"QuickStart":  {score: 120}, // inline styles and images of everywhere
		"Dev":         {score: 60, findings: []string{"MEDIUM_MAYBE SCRIPT_UNSAFE_EVAL script-src 'unsafe-eval'"}},
		"API":         {score: 130},
		"API route":   {score: 130},
		"UserContent": {score: 130},
		"Preload":     {score: 130},
	} {
		g := all[name]
		require.GreaterOrEqual(t, g.Score, want.score, "%s: %+v", name, g.Tests)
		require.ElementsMatch(t, want.findings, g.Findings, name)
		for test, result := range g.Tests {
			require.True(t, result.Pass || name == "Dev", "%s: %s: %s", name, test, result.Result)
		}
		require.NotContains(t, sites[name].Plain.Header, "strict-transport-security") // RFC 6797 §7.2
	}
	require.Equal(t, []string{"STRICT_CSP UNSAFE_INLINE_FALLBACK script-src", "STRICT_CSP ALLOWLIST_FALLBACK script-src"}, all["Document"].Advice)
	require.Less(t, all["weak"].Score, 100)
	require.Contains(t, all["weak"].Findings, "HIGH SCRIPT_UNSAFE_INLINE script-src 'unsafe-inline'")

	// Later versions give ten points each for these.
	for field, want := range map[string]string{
		"cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "credentialless",
	} {
		item, err := httpsfv.UnmarshalItem(sites["Document"].Secure.Header[field])
		require.NoError(t, err)
		require.Equal(t, httpsfv.Token(want), item.Value)
	}
	// What hstspreload.org wants: a year, with subdomains.
	hsts := all["Preload"].Tests["strict-transport-security"]
	require.GreaterOrEqual(t, hsts.MaxAge, 31536000)
	require.True(t, hsts.IncludeSubDomains && hsts.Preload)
	require.False(t, all["Document"].Tests["strict-transport-security"].Preload)
}

const gradedHost = "app.example"

// gradedSite is what graders look at.
type gradedSite struct {
	Host   string `json:"host"`
	Secure answer `json:"secure"` // over TLS
	Plain  answer `json:"plain"`  // a redirect
}

// answer is a response, with the names of its fields in lower case.
type answer struct {
	Status int                 `json:"status"`
	Header map[string][]string `json:"headers"`
	Body   string              `json:"body"`
}

// visit serves a page of a type, and gets it. route is an override.
func visit(t *testing.T, opts secheaders.Options, route *secheaders.Headers, contentType string) gradedSite {
	t.Helper()
	opts.Logger = slog.New(slog.DiscardHandler)
	opts.Reports.URL = reportPath
	sec, err := secheaders.New(opts)
	require.NoError(t, err)
	middleware := sec.Middleware
	if route != nil {
		middleware, err = sec.Override(*route)
		require.NoError(t, err)
	}
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, `<!doctype html><html><script nonce="`+secheaders.Nonce(r.Context())+`" src="/script.js"></script></html>`)
	})
	redirect := http.RedirectHandler("https://"+gradedHost+"/", http.StatusMovedPermanently)
	secure, plain := httptest.NewTLSServer(middleware(page)), httptest.NewServer(middleware(redirect))
	t.Cleanup(secure.Close)
	t.Cleanup(plain.Close)
	return gradedSite{gradedHost, ask(t, secure, "https://"+gradedHost+"/"), ask(t, plain, "http://"+gradedHost+"/")}
}

// ask gets a URL from a server, whatever the host of the URL is.
func ask(t *testing.T, srv *httptest.Server, url string) answer {
	t.Helper()
	transport := srv.Client().Transport.(*http.Transport)
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", srv.Listener.Addr().String())
	}
	if transport.TLSClientConfig != nil {
		transport.TLSClientConfig.ServerName = "example.com" // of its certificate
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := transport.RoundTrip(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	header := map[string][]string{}
	for name, values := range resp.Header {
		header[strings.ToLower(name)] = values
	}
	return answer{resp.StatusCode, header, string(body)}
}

// grade installs the graders, and asks them.
func grade(t *testing.T, sites map[string]gradedSite) (all map[string]grades) {
	t.Helper()
	if os.Getenv("SLUICE_TEST_CLIENTS") != "1" {
		t.Skip("SLUICE_TEST_CLIENTS is not 1, and the graders have to be downloaded")
	}
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/graders")))
	run(t, dir, nil, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	// A script of the package would fetch the list of preloaded hosts. None of ours is
	// on it.
	list := filepath.Join(dir, "node_modules/@mdn/mdn-http-observatory/conf/hsts-preload.json")
	require.NoError(t, os.WriteFile(list, []byte("{}"), 0o600))
	in, err := json.Marshal(sites)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(run(t, dir, in, "node", "grade.mjs"), &all))
	require.ElementsMatch(t, slices.Collect(maps.Keys(sites)), slices.Collect(maps.Keys(all)))
	return all
}

// run lets a program come to its end and returns what it wrote.
func run(t *testing.T, dir string, in []byte, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*eventually) // a registry may be far away
	defer cancel()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, bytes.NewReader(in), &out, &said
	cmd.WaitDelay = eventually
	require.NoError(t, cmd.Run(), "%s %q said:\n%s%s", name, args, &out, &said)
	return out.Bytes()
}
