//go:build !race

package secheaders

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// within serves a request inside of another layer, as in a stack.
func within(i *isolation, r *http.Request, next http.HandlerFunc) func() {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { i.serve(w, r, next) })
	return outside(r, inner)
}

// outside is the outermost layer, which pays for what all share.
func outside(r *http.Request, inner http.Handler) func() {
	w := &silentWriter{http.Header{}}
	return func() {
		clear(w.header)
		e := reqinfo.Enter(w, r)
		defer e.Leave()
		e.Next(inner)
	}
}

func ok(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }

var sharedVary = []string{"Accept-Encoding"}

func varied(w http.ResponseWriter, r *http.Request) {
	w.Header()["Vary"] = sharedVary
	ok(w, r)
}

func TestIsolationAllocatesNothing(t *testing.T) {
	i := quietly(IsolationOptions{Origins: []string{"https://app.example"}, Exempt: func(r *http.Request) bool { return r.URL.Path == "/public" }})
	for _, tt := range []struct {
		name string
		r    *http.Request
		next http.HandlerFunc
		most float64
	}{
		{"the same origin", asked("GET", "/", siteField, "same-origin"), ok, 0},
		{"no Fetch Metadata", asked("GET", "/"), ok, 0},
		{"a link", asked("GET", "/", siteField, "cross-site", modeField, "navigate", destField, "document"), ok, 0},
		{"an origin of the list", asked("POST", "/", siteField, "cross-site", modeField, "cors", "Origin", "https://app.example"), ok, 0},
		{"an exempt path", asked("GET", "/public", siteField, "cross-site"), ok, 0},
		{"a Vary of the handler", asked("GET", "/", siteField, "same-origin"), varied, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shared := testing.AllocsPerRun(200, outside(tt.r, tt.next))
			require.LessOrEqual(t, testing.AllocsPerRun(200, within(i, tt.r, tt.next))-shared, tt.most)
			w := &silentWriter{http.Header{}}
			require.LessOrEqual(t, testing.AllocsPerRun(200, func() {
				clear(w.header)
				i.serve(w, tt.r, tt.next)
			})-shared, tt.most, "as the only layer")
		})
	}
}

func TestOverTLSAllocatesNothing(t *testing.T) {
	for _, tt := range []struct {
		name, peer string
		h          http.Header
	}{
		{"a client", "192.0.2.1:1", nil},
		{"a client by IPv6", "[2001:db8::1%eth0]:1", nil},
		{"a Unix socket", "@", nil},
		{"X-Forwarded-Proto", "10.0.0.1:1", http.Header{"X-Forwarded-Proto": {"https, https"}}},
		{"Forwarded", "[fe80::1%eth0]:1", http.Header{"Forwarded": {`for="192.0.2.1:1";proto="https", for=unknown;by=_x`, "for=10.0.0.1;proto=http"}}},
	} {
		r := from(tt.peer, tt.h)
		require.Zero(t, testing.AllocsPerRun(100, func() { someProxies.overTLS(r) }), tt.name)
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { hstsHost("app.example.com.:8443") }))
}

// A client makes a field as long as it can: the list is given up, and its names for
// clients are no addresses to complain about.
func TestOverTLSIsBoundedForHostileFields(t *testing.T) {
	h := http.Header{"Forwarded": {longList("for=1.2.3.x;proto=https,", 1<<16)}}
	r := from("10.0.0.1:1", h)
	require.LessOrEqual(t, testing.AllocsPerRun(10, func() { someProxies.overTLS(r) }), 2.0*maxHops)
}

func longList(element string, n int) string {
	var b []byte
	for len(b) < n {
		b = append(b, element...)
	}
	return string(b)
}
