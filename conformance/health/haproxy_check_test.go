package health_test

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

// forms are ways to ask for health in a configuration of HAProxy, and the path
// whose answer decides.
var forms = []struct {
	name, lines, path string
}{
	{"bare", "option httpchk", "/health/readiness"}, // OPTIONS / HTTP/1.0, without a Host
	{"options", "option httpchk OPTIONS /health/readiness", "/health/readiness"},
	{"get", "option httpchk GET /readyz", "/readyz"},
	{"path", "option httpchk /health/readiness", "/health/readiness"},
	{"head", "option httpchk HEAD /health/readiness", "/health/readiness"},
	{"host", "option httpchk\nhttp-check send meth GET uri /health/readiness ver HTTP/1.1 hdr Host shop.example.com", "/health/readiness"},
	{"expect", "option httpchk GET /health/readiness\nhttp-check expect status 200", "/health/readiness"},
	{"words", "option httpchk GET /readyz\nhttp-check expect rstring ^ok$", "/readyz"},
	{"status", "option httpchk GET /health/readiness\nhttp-check expect rstring '\"status\":\"(healthy|degraded)\"'", "/health/readiness"},
	{"liveness", "option httpchk GET /health/liveness", "/health/liveness"},
	{"startup", "option httpchk HEAD /startupz", "/startupz"},
}

const checkDefaults = `defaults
	mode http
	timeout connect 5s
	timeout check 5s
	timeout client 5s
	timeout server 5s
`

// Trap 3: every way to ask for health finds a server up or down as the table
// says, be it OPTIONS, HEAD or GET, of HTTP/1.0 without a Host or of HTTP/1.1.
func TestHAProxyFindsServersUpAndDownAsTheTableSays(t *testing.T) {
	requireHAProxy(t)
	var addresses []*net.TCPAddr
	for _, s := range states {
		addresses = append(addresses, serve(t, &http.Server{Handler: routes(t, s.enter(t, health.Options{}))}))
	}
	var config strings.Builder
	config.WriteString(checkDefaults)
	for _, f := range forms {
		fmt.Fprintf(&config, "backend %s\n\t%s\n", f.name, strings.ReplaceAll(f.lines, "\n", "\n\t"))
		for i, address := range addresses {
			fmt.Fprintf(&config, "\tserver %d %s check inter 1s fall 1 rise 1\n", i, address)
		}
	}
	seen := startHAProxy(t, config.String()).checked(t, len(forms)*len(states))
	for _, f := range forms {
		for i, s := range states {
			got := seen[f.name+"/"+strconv.Itoa(i)]
			want, code := "UP", s.code(f.path)
			if code != http.StatusOK {
				want = "DOWN"
			}
			require.Equal(t, want, got["status"], "%s: %s: %v", f.name, s.name, got)
			if !strings.Contains(f.lines, "rstring") { // which looks at the body alone
				require.Equal(t, strconv.Itoa(code), got["check_code"], "%s: %s: %v", f.name, s.name, got)
			}
		}
	}
}

// What the test above would see if we answered as most do.
func TestHAProxyTellsAHandlerThatKnowsOnlyGET(t *testing.T) {
	requireHAProxy(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) {})
	address := serve(t, &http.Server{Handler: mux})
	p := startHAProxy(t, checkDefaults+fmt.Sprintf("backend bare\n\toption httpchk\n\tserver only %s check inter 1s fall 1 rise 1\n", address))
	got := p.checked(t, 1)["bare/only"]
	require.Equal(t, "DOWN", got["status"])
	require.Equal(t, "405", got["check_code"])
}

// Trap 2: HAProxy takes a redirect for a success. Handler has none, whatever path
// is asked for.
func TestHAProxyIsNotFooledByAWrongPath(t *testing.T) {
	requireHAProxy(t)
	address := serve(t, &http.Server{Handler: with(health.StatusHealthy, dependency(pass))(t, health.Options{}).Handler()})
	elsewhere := serve(t, &http.Server{Handler: http.RedirectHandler("https://login.example.com/", http.StatusFound)})
	paths := append([]string{"/health/readiness", "/", "//health/readiness", "/health/readiness/", "/health/", "/readyz/"}, unclean...)
	var config strings.Builder
	config.WriteString(checkDefaults)
	for i, path := range paths {
		fmt.Fprintf(&config, "backend %d\n\toption httpchk GET %s\n\tserver ours %s check inter 1s fall 1 rise 1\n", i, path, address)
	}
	fmt.Fprintf(&config, "backend redirected\n\toption httpchk GET /\n\tserver elsewhere %s check inter 1s fall 1 rise 1\n", elsewhere)
	seen := startHAProxy(t, config.String()).checked(t, len(paths)+1)
	require.Equal(t, "UP", seen["redirected/elsewhere"]["status"], "this is what the test is about")
	for i, path := range paths {
		got, want := seen[strconv.Itoa(i)+"/ours"], "DOWN"
		if i == 0 {
			want = "UP"
		}
		require.Equal(t, want, got["status"], "%s: %v", path, got)
	}
}

// checked waits until n servers have been checked, and returns them.
func (p *haproxy) checked(t *testing.T, n int) map[string]server {
	t.Helper()
	all := map[string]server{}
	require.Eventually(t, func() bool {
		for name, s := range p.servers(t) {
			if s.checked() {
				all[name] = s
			}
		}
		return len(all) == n
	}, 3*eventually, 10*tick)
	return all
}
