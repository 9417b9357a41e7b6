package health_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/health"
)

func httpCheck(t *testing.T, url string, o health.HTTPOptions) health.Func {
	t.Helper()
	check, err := health.HTTP(url, o)
	require.NoError(t, err)
	return check
}

// serve is a server that answers with h until the test ends.
func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // provoked on purpose
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

// Trap 24: 5xx and 429 are degraded or unhealthy, by option.
func TestAStatusIsJudged(t *testing.T) {
	for status, reason := range map[int]string{
		200: "", 204: "", 299: "",
		304: health.ReasonStatus, 400: health.ReasonStatus, 404: health.ReasonStatus, 408: health.ReasonStatus,
		401: health.ReasonAuth, 403: health.ReasonAuth, 407: health.ReasonAuth,
		429: health.ReasonOverloaded, 503: health.ReasonOverloaded,
		500: health.ReasonStatus, 502: health.ReasonStatus, 504: health.ReasonStatus, 507: health.ReasonFull,
	} {
		srv := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
		for _, degrade := range []bool{false, true} {
			facts, err := health.Run(t.Context(), httpCheck(t, srv.URL, health.HTTPOptions{DegradeOverload: degrade}))
			want := health.StatusUnhealthy
			switch {
			case reason == "":
				want = health.StatusHealthy
			case degrade && (status == 429 || status >= 500):
				want = health.StatusDegraded
			}
			requireVerdict(t, err, want, reason)
			require.Equal(t, map[string]any{"status_code": status}, facts)
		}
		own := httpCheck(t, srv.URL, health.HTTPOptions{Healthy: func(s int) bool { return s == 404 }})
		require.Equal(t, status == 404, timed(t, own, 5*time.Second) == nil)
	}
}

func TestAnUpgradeIsNoSuccess(t *testing.T) {
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
			conn.Close()
		}
	})
	err := timed(t, httpCheck(t, srv.URL, health.HTTPOptions{}), 5*time.Second)
	requireVerdict(t, err, health.StatusUnhealthy, health.ReasonStatus)
}

// Trap 24: a cheap request that changes nothing.
func TestARequestIsPlain(t *testing.T) {
	var seen atomic.Pointer[http.Request]
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) { seen.Store(r) })
	header := http.Header{"X-Api-Version": {"2"}}
	check := httpCheck(t, srv.URL+"/api/version?verbose=0", health.HTTPOptions{Header: header})
	header.Set("X-Api-Version", "3") // what it keeps, it copies
	requireHealthy(t, timed(t, check, 5*time.Second))
	r := seen.Load()
	require.Equal(t, []string{"GET", "/api/version?verbose=0", "sluice-health", "2", ""},
		[]string{r.Method, r.URL.String(), r.UserAgent(), r.Header.Get("X-Api-Version"), r.Header.Get("Accept-Encoding")})
	require.Zero(t, r.ContentLength)
	require.True(t, r.Close, "no connection is kept")

	check = httpCheck(t, srv.URL, health.HTTPOptions{Method: "HEAD", Header: http.Header{"User-Agent": {"me"}, "Host": {"shop.test"}}})
	requireHealthy(t, timed(t, check, 5*time.Second))
	r = seen.Load()
	require.Equal(t, []string{"HEAD", "me", "shop.test"}, []string{r.Method, r.UserAgent(), r.Host})
}

// Trap 24: no redirects to other hosts.
func TestARedirectLeavesNeitherHostNorTLS(t *testing.T) {
	var strangers atomic.Int32
	other := serve(t, func(http.ResponseWriter, *http.Request) { strangers.Add(1) })
	target := ""
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, target, http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/3", "/2", "/1":
			http.Redirect(w, r, "/"+string(r.URL.Path[1]-1), http.StatusTemporaryRedirect)
		case "/4":
			http.Redirect(w, r, "/3", http.StatusTemporaryRedirect)
		}
	})
	for path, ok := range map[string]bool{"/0": true, "/1": true, "/3": true, "/4": false, "/loop": false} {
		err := timed(t, httpCheck(t, srv.URL+path, health.HTTPOptions{}), 5*time.Second)
		require.Equal(t, ok, err == nil, "%s: %v", path, err)
	}
	for _, target = range []string{other.URL, "http://localhost:1/", "//" + other.Listener.Addr().String(), "ftp://127.0.0.1/"} {
		err := timed(t, httpCheck(t, srv.URL+"/away", health.HTTPOptions{}), 5*time.Second)
		requireVerdict(t, err, health.StatusUnhealthy, health.ReasonStatus)
	}
	require.Zero(t, strangers.Load())

	refuse := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("not by me") }}
	err := timed(t, httpCheck(t, srv.URL+"/1", health.HTTPOptions{Client: refuse}), 5*time.Second)
	require.ErrorContains(t, err, "not by me")
}

// hosts is a network where each host answers with a redirect or with 200.
type hosts map[string]string

func (h hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.User != nil {
		return nil, errors.New("userinfo where logs would show it")
	}
	rec := httptest.NewRecorder()
	if to := h[r.URL.String()]; to != "" {
		rec.Header().Set("Location", to)
		rec.WriteHeader(http.StatusMovedPermanently)
	}
	return rec.Result(), nil
}

func TestARedirectToHTTPSIsFollowed(t *testing.T) {
	for _, c := range []struct {
		from, to, then string
		ok             bool
	}{
		{"http://shop.test/", "https://shop.test/", "", true},
		{"http://shop.test:80/", "http://SHOP.test/", "", true},
		{"https://shop.test:443/", "https://shop.test/", "", true},
		{"http://me:s3cret@shop.test/", "http://shop.test/a", "", true},
		{"https://shop.test/", "http://shop.test/", "", false},
		{"http://shop.test/", "https://shop.test/", "http://shop.test/a", false},
		{"http://shop.test/", "https://shop.test:8443/", "", false},
		{"http://shop.test:8080/", "https://shop.test/", "", false},
		{"http://shop.test/", "http://shop.test:8080/", "", false},
		{"http://shop.test/", "https://www.shop.test/", "", false},
	} {
		network := hosts{strings.Replace(c.from, "me:s3cret@", "", 1): c.to, c.to: c.then}
		err := timed(t, httpCheck(t, c.from, health.HTTPOptions{Client: &http.Client{Transport: network}}), 5*time.Second)
		require.Equal(t, c.ok, err == nil, "%s to %s: %v", c.from, c.to, err)
	}
}

// Trap 24: the body is capped.
func TestABodyIsReadUpToItsLimit(t *testing.T) {
	endless := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	})
	requireHealthy(t, timed(t, httpCheck(t, endless.URL, health.HTTPOptions{}), 5*time.Second))

	cut := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "a part")
	})
	err := timed(t, httpCheck(t, cut.URL, health.HTTPOptions{}), 5*time.Second)
	requireVerdict(t, err, health.StatusUnhealthy, health.ReasonRefused)
	requireHealthy(t, timed(t, httpCheck(t, cut.URL, health.HTTPOptions{MaxBody: 6}), 5*time.Second))
	requireHealthy(t, timed(t, httpCheck(t, cut.URL, health.HTTPOptions{MaxBody: -1}), 5*time.Second))

	hangs := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	err = timed(t, httpCheck(t, hangs.URL, health.HTTPOptions{}), 100*time.Millisecond)
	requireVerdict(t, err, health.StatusUnhealthy, health.ReasonTimeout)
}

// Trap 27: no userinfo and no key of a query in errors.
func TestCredentialsAreSentButNotShown(t *testing.T) {
	var user, password string
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ = r.BasicAuth()
		if r.URL.Path == "/next" {
			http.Redirect(w, r, "http://127.0.0.1:1/?key=s3cret", http.StatusFound)
		}
	})
	address := srv.Listener.Addr().String()
	requireHealthy(t, timed(t, httpCheck(t, "http://me:s3cr%40t@"+address, health.HTTPOptions{}), 5*time.Second))
	require.Equal(t, []string{"me", "s3cr@t"}, []string{user, password})

	for _, url := range []string{
		"http://me:s3cret@" + address + "/next?key=s3cret",
		"http://me:s3cret@" + closedAddress(t) + "/a?key=s3cret",
		"https://me:s3cret@" + address + "/a?key=s3cret",
	} {
		err := timed(t, httpCheck(t, url, health.HTTPOptions{}), 5*time.Second)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "s3cret")
		require.NotContains(t, err.Error(), "me:")
		require.Contains(t, err.Error(), "GET http")
	}
}

func TestAServiceThatCannotBeReachedHasAClass(t *testing.T) {
	err := timed(t, httpCheck(t, "http://"+closedAddress(t), health.HTTPOptions{}), 5*time.Second)
	requireVerdict(t, err, health.StatusUnhealthy, health.ReasonRefused)
	err = timed(t, httpCheck(t, "http://name.invalid.", health.HTTPOptions{}), 5*time.Second) // RFC 6761 §6.4
	requireVerdict(t, err, health.StatusUnhealthy, health.ReasonDNS)

	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	err = timed(t, httpCheck(t, secure.URL, health.HTTPOptions{}), 5*time.Second)
	requireVerdict(t, err, health.StatusUnhealthy, health.ReasonTLS)
	err = timed(t, httpCheck(t, secure.URL, health.HTTPOptions{Client: secure.Client()}), 5*time.Second)
	requireVerdict(t, err, health.StatusUnhealthy, health.ReasonStatus)
	plain := serve(t, func(http.ResponseWriter, *http.Request) {})
	err = timed(t, httpCheck(t, strings.Replace(plain.URL, "http:", "https:", 1), health.HTTPOptions{}), 5*time.Second)
	requireVerdict(t, err, health.StatusUnhealthy, health.ReasonTLS)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	requireVerdict(t, httpCheck(t, plain.URL, health.HTTPOptions{})(ctx), health.StatusUnhealthy, health.ReasonCanceled)
	slow := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	limited := &http.Client{Timeout: 50 * time.Millisecond}
	err = timed(t, httpCheck(t, slow.URL, health.HTTPOptions{Client: limited}), 5*time.Second)
	requireVerdict(t, err, health.StatusUnhealthy, health.ReasonTimeout)
}

func TestAllFaultsOfAnHTTPCheckAreToldAtOnce(t *testing.T) {
	for _, url := range []string{"", "/path", "shop.test", "ftp://shop.test", "http://", "http://:80", "http://me:s3cret@[", "http://me:s3 cret@shop.test"} {
		_, err := health.HTTP(url, health.HTTPOptions{Method: "POST"})
		require.EqualError(t, err, "health: URL: must be an absolute http or https URL\nhealth: Method: \"POST\" is not GET, HEAD or OPTIONS", url)
	}
	_, err := health.HTTP("http://shop.test", health.HTTPOptions{Method: "get"})
	require.ErrorContains(t, err, "health: Method:")
}
