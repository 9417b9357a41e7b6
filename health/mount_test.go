package health_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
	"github.com/sluice-go/sluice/internal/testutil"
)

// raw sends bytes to a server as they are and reads all that comes back.
func raw(t *testing.T, addr, text string) (status string, header http.Header, body string) {
	t.Helper()
	nc, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	defer nc.Close()
	_, err = io.WriteString(nc, text)
	require.NoError(t, err)
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(bufio.NewReader(nc), &http.Request{Method: method})
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.Proto + " " + resp.Status, resp.Header, string(b)
}

// Trap 3: the bare "option httpchk" of HAProxy sends this, without a Host field,
// and takes 2xx and 3xx for UP.
func TestAProbeInHTTP10NeedsNoHost(t *testing.T) {
	for state, want := range states {
		hc := inState(t, state, health.Options{})
		ready, err := hc.GroupHandler("readiness")
		require.NoError(t, err)
		srv := testutil.Start(t, ready)
		addr := srv.Listener.Addr().String()
		status := fmt.Sprintf("HTTP/1.0 %d %s", want.code, http.StatusText(want.code))
		for _, method := range []string{"OPTIONS", "GET", "HEAD"} {
			got, header, body := raw(t, addr, method+" / HTTP/1.0\r\n\r\n")
			require.Equal(t, status, got, "%s %s", state, method)
			require.Equal(t, "no-store", header.Get("Cache-Control"))
			require.Equal(t, method == "GET", body != "")
		}
		got, header, _ := raw(t, addr, "POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
		require.Equal(t, "HTTP/1.0 405 Method Not Allowed", got)
		require.Equal(t, "GET, HEAD, OPTIONS", header.Get("Allow"))
	}
}

// Trap 1: what the kubelet sends, to the address of the pod.
func TestTheProbeOfTheKubelet(t *testing.T) {
	for state, want := range states {
		srv := testutil.Start(t, inState(t, state, health.Options{}).Handler())
		for path, code := range map[string]int{"/health/readiness": want.code, "/readyz": want.code, "/health/liveness": 200, "/livez": 200} {
			got, header, body := raw(t, srv.Listener.Addr().String(), "GET "+path+" HTTP/1.1\r\nHost: 10.1.2.3:8080\r\n"+
				"User-Agent: kube-probe/1.37\r\nAccept: */*\r\nConnection: close\r\n\r\n")
			require.Equal(t, fmt.Sprintf("HTTP/1.1 %d %s", code, http.StatusText(code)), got, "%s %s", state, path)
			require.NotEmpty(t, body)
			require.Empty(t, header["Location"])
		}
	}
}

// Trap 28: an answer is at one path, and no path of the service below it is ours.
func TestPathsAreMatchedExactly(t *testing.T) {
	check := []health.Check{{Name: "disk", Func: passing, Groups: []string{"storage", "x-y_1"}}}
	srv := testutil.Start(t, begin(t, health.Options{Checks: check}).Handler())
	for target, code := range map[string]int{
		"/health": 200, "/health/liveness": 200, "/health/storage": 200, "/health/x-y_1": 200, "/livez": 200,
		"/health?": 200, "/health?a=b": 200, "http://example.com/health": 200, // RFC 9112 §3.2.2
		"/": 404, "//health": 404, "/health/": 404, "/health//": 404, "/health//liveness": 404, "/health/liveness/": 404,
		"/health/liveness/x": 404, "/health/storage/data": 404, "/health/detailed/": 404, "/livez/": 404, "/livez/disk": 404,
		"/health/./liveness": 404, "/health/../health": 404, "/x/../health": 404, "/./health": 404, "/health/.": 404, "/health/..": 404,
		"/Health": 404, "/health/Liveness": 404, "/HEALTH": 404, "/LIVEZ": 404, "/health ": 400,
		"/health%2fliveness": 404, "/health%2Fliveness": 404, "/health/liveness%2f": 404, "/%68ealth": 404, "/health/live%6eess": 404,
		"/health%00": 404, "/health/liveness%20": 404, "/health/liveness;v=1": 404, "/health/%2e%2e/livez": 404, `/health\liveness`: 404,
		"/healthx": 404, "/health.json": 404, "/health/disk": 404, "/health/*": 404, "/health/{group}": 404, "*": 404,
	} {
		status, header, body := raw(t, srv.Listener.Addr().String(), "GET "+target+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		require.Contains(t, status, fmt.Sprint(code), "%q: %s", target, body)
		require.Empty(t, header["Location"], target)
		if code != 400 { // by net/http
			require.Equal(t, "no-store", header.Get("Cache-Control"), target)
		}
		require.NotContains(t, body, "storage", target)
	}
}

// pattern is a caller's handler that says which one it is.
func pattern(s string) (string, http.HandlerFunc) {
	return s, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "caller: "+s) }
}

// Trap 28: what is below a path of ours belongs to the caller, with its rules.
func TestACallersRoutesStayTheirs(t *testing.T) {
	for _, catchAll := range []string{"/", "GET /", "GET /{path...}"} {
		for _, first := range []bool{true, false} {
			hc := begin(t, health.Options{})
			mux := http.NewServeMux()
			routes := []string{catchAll, "POST /", "GET /health/readiness/history", "GET /health/own", "GET /{section}/{page}", "GET /livez/x"}
			mount := func() {
				for _, r := range routes {
					mux.Handle(pattern(r))
				}
			}
			if first {
				mount()
			}
			hc.Mount(mux)
			if !first {
				mount()
			}
			for target, want := range map[string]string{
				"/": catchAll, "/a": catchAll, "/health/readiness/": catchAll, "/health/a/b": catchAll, "/health/": catchAll, "/a/b": "GET /{section}/{page}",
				"/health/readiness/history": "GET /health/readiness/history", "/health/own": "GET /health/own", "/livez/x": "GET /livez/x",
			} {
				require.Equal(t, "caller: "+want, get(mux, target).body, target)
			}
			for target, code := range map[string]int{
				"/health": 200, "/health/liveness": 200, "/health/readiness": 200, "/health/startup": 200, "/livez": 200, "/readyz": 200, "/startupz": 200, "/healthz": 200,
				"/health/detailed": 403, "/health/readyness": 404, "/health/own%2fx": 404,
			} {
				for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
					got := request(mux, method, target)
					require.Equal(t, code, got.code, "%s %s", method, target)
					require.NotContains(t, got.body, "caller")
				}
				require.Contains(t, []int{404, 405}, request(mux, "POST", target).code, target)
			}
		}
	}
}

// Trap 12: never a silent overwrite.
func TestMountPanicsWhereAPathIsTaken(t *testing.T) {
	hc := begin(t, health.Options{})
	for _, taken := range []string{
		"GET /health", "OPTIONS /health/readiness", "GET /livez", "POST /health", "GET /health/detailed", "GET /health/{name}", "GET /{tenant}/settings",
	} {
		mux := http.NewServeMux()
		mux.Handle(pattern(taken))
		require.Panics(t, func() { hc.Mount(mux) }, taken)
	}
	mux := http.NewServeMux()
	hc.Mount(mux)
	require.Panics(t, func() { hc.Mount(mux) })
}

func TestThePathCanBeChosen(t *testing.T) {
	for _, path := range []string{"/ops/v1/status-of_it", "/healthz", "/readyz", "/h", "/~x"} {
		hc := begin(t, health.Options{Path: path, Checks: []health.Check{{Name: "apart", Func: failing, Groups: []string{}}}})
		waitForResults(t, hc)
		mux := http.NewServeMux()
		hc.Mount(mux)
		for name, h := range map[string]http.Handler{"mounted": mux, "handler": hc.Handler()} {
			got := get(h, path)
			require.Equal(t, 503, got.code, "%s %s: not an alias, which would be the wrong group", name, path)
			require.Equal(t, "application/json", got.header.Get("Content-Type"), "%s %s", name, path)
			require.Equal(t, 200, get(h, path+"/readiness").code)
			require.Equal(t, 200, get(h, "/livez").code)
			require.Equal(t, 404, get(h, "/health").code)
			require.Equal(t, 404, get(h, path+"/absent").code)
		}
	}
}

func TestAliasesCanBeLeftOut(t *testing.T) {
	hc := begin(t, health.Options{DisableAliases: true})
	mux := http.NewServeMux()
	hc.Mount(mux)
	for _, alias := range []string{"/healthz", "/livez", "/readyz", "/startupz"} {
		require.Equal(t, 404, get(hc.Handler(), alias).code)
		mux.Handle(pattern(alias))
		require.Equal(t, "caller: "+alias, get(mux, alias).body)
	}
	require.Equal(t, 200, get(mux, "/health").code)
}

func TestAGroupOfOnesOwnIsAPath(t *testing.T) {
	hc := begin(t, health.Options{Checks: []health.Check{
		{Name: "disk", Func: failing, Groups: []string{"storage"}},
		{Name: "bucket", Func: passing, Groups: []string{"storage", "readiness"}},
		{Name: "other", Func: func(context.Context) error { return nil }, Groups: []string{"other"}},
	}})
	waitForResults(t, hc)
	h := hc.Handler()
	require.Equal(t, 503, get(h, "/health/storage").code)
	require.Equal(t, 200, get(h, "/health/readiness").code)
	require.Equal(t, 200, get(h, "/health/other").code)
	require.Equal(t, 503, get(h, "/health").code)

	storage, err := hc.GroupHandler("storage")
	require.NoError(t, err)
	require.Equal(t, 503, get(storage, "/anywhere?at=all").code)
	all, err := hc.GroupHandler("")
	require.NoError(t, err)
	require.Equal(t, 503, get(all, "/").code)
	for _, name := range []string{"absent", "detailed", "Storage", "disk", "storage/"} {
		_, err := hc.GroupHandler(name)
		require.ErrorContains(t, err, "health: no check is in the group")
	}
}

// Trap 36: this is how a server asks a client to leave. On HTTP/2 net/http makes
// a GOAWAY of the field.
func TestEachAnswerOfADrainAsksToLeave(t *testing.T) {
	hc := inState(t, "draining", health.Options{})
	mux := http.NewServeMux()
	hc.Mount(mux)
	for name, h := range map[string]http.Handler{"mounted": mux, "handler": hc.Handler()} {
		for _, path := range []string{"/health", "/health/liveness", "/health/detailed", "/readyz?verbose", "/health/absent"} {
			for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST"} {
				require.Equal(t, []string{"close"}, request(h, method, path).header["Connection"], "%s %s %s", name, method, path)
			}
		}
	}
	srv := testutil.StartH2(t, mux)
	require.Empty(t, over(t, srv, "GET", "/health/readiness").header["Connection"])
}
