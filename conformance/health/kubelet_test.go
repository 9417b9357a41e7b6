package health_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/kubernetes/pkg/probe"
	kubelet "k8s.io/kubernetes/pkg/probe/http"

	"github.com/sluice-go/sluice/health"
)

// second is the timeoutSeconds of a probe that says nothing about it.
const second = time.Second

// scheme is a way in which a kubelet can reach a container.
type scheme struct {
	name string
	uri  v1.URIScheme
	h2c  bool
}

var schemes = []scheme{{"HTTP", v1.URISchemeHTTP, false}, {"HTTPS", v1.URISchemeHTTPS, false}, {"h2c", v1.URISchemeHTTP, true}}

// pod is a served handler that a kubelet can probe.
type pod struct {
	scheme
	ip   string
	port int
}

func runPod(t *testing.T, s scheme, h http.Handler) pod {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetHTTP2(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	if s.uri == v1.URISchemeHTTPS {
		srv.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	require.NoError(t, err)
	port, err := strconv.Atoi(u.Port())
	require.NoError(t, err)
	return pod{s, u.Hostname(), port}
}

// probe is one probe as the kubelet makes it of a container's httpGet.
func (p pod) probe(t *testing.T, path string, timeout time.Duration, headers ...v1.HTTPHeader) (probe.Result, string) {
	t.Helper()
	get := &v1.HTTPGetAction{Path: path, Port: intstr.FromInt32(int32(p.port)), Scheme: p.uri, HTTPHeaders: headers}
	r, err := kubelet.NewRequestForHTTPGetAction(get, &v1.Container{}, p.ip, "probe")
	require.NoError(t, err)
	prober := kubelet.New(false) // as the kubelet does: it stays with the pod
	ask := prober.Probe
	if p.h2c {
		ask = prober.ProbeH2C
	}
	result, output, err := ask(r, timeout)
	require.NoError(t, err)
	return result, output
}

// agrees says what a kubelet makes of a status code.
func (p pod) agrees(t *testing.T, code int, path string, headers ...v1.HTTPHeader) {
	t.Helper()
	result, output := p.probe(t, path, second, headers...)
	if code == http.StatusOK {
		require.Equal(t, probe.Success, result, "%s: %s", path, output)
		return
	}
	require.Equal(t, probe.Failure, result, "%s: %s", path, output)
	// A probe that timed out fails too, with another text.
	require.Equal(t, fmt.Sprintf("HTTP probe failed with statuscode: %d", code), output, path)
}

var probed = []string{"/health/liveness", "/health/readiness", "/health/startup", "/livez", "/readyz", "/startupz"}

// Traps 1, 5 and 9: whatever the state of the service, a kubelet concludes what
// the table says, and readiness goes on being asked while a pod is terminated.
func TestTheKubeletConcludesWhatTheTableSays(t *testing.T) {
	for _, show := range []bool{false, true} {
		for _, s := range states {
			t.Run(fmt.Sprintf("%s, components shown: %t", s.name, show), func(t *testing.T) {
				h := routes(t, s.enter(t, health.Options{ShowComponents: show}))
				for _, way := range schemes {
					p := runPod(t, way, h)
					for _, path := range probed {
						p.agrees(t, s.code(path), path)
					}
				}
			})
		}
	}
}

// Trap 1: a probe brings no more than an address. Whatever header it is told to
// send, the answer is the same.
func TestTheKubeletNeedsNoHeader(t *testing.T) {
	headers := map[string]v1.HTTPHeader{
		"a Host that is not ours":   {Name: "Host", Value: "no.such.host.example"},
		"no Accept":                 {Name: "Accept", Value: ""},
		"an Accept we cannot serve": {Name: "Accept", Value: "image/png"},
		"an Accept of ours":         {Name: "Accept", Value: "application/health+json"},
		"another agent":             {Name: "User-Agent", Value: "curl/8.0"},
		"credentials":               {Name: "Authorization", Value: "Bearer none"},
	}
	for _, s := range states {
		t.Run(s.name, func(t *testing.T) {
			h := routes(t, s.enter(t, health.Options{}))
			for _, way := range schemes {
				p := runPod(t, way, h)
				for name, header := range headers {
					t.Run(name, func(t *testing.T) { p.agrees(t, s.ready, "/health/readiness", header) })
				}
			}
		})
	}
}

// Trap 1: a body of more than 10 KiB is cut, which is no failure; and without
// components no number of checks makes one.
func TestTheKubeletReadsTheAnswerOfAThousandChecks(t *testing.T) {
	const limit = 10 << 10
	for _, tt := range []struct {
		name   string
		last   health.Func
		status string
		code   int
	}{
		{"all pass", pass, health.StatusHealthy, 200},
		{"the last fails", fail, health.StatusUnhealthy, 503},
	} {
		for _, show := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, components shown: %t", tt.name, show), func(t *testing.T) {
				hc := open(t, health.Options{ShowComponents: show}, thousand(tt.last)...)
				settle(t, hc, health.Readiness, tt.status)
				h := routes(t, hc)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/health/readiness", nil))
				require.Equal(t, show, w.Body.Len() > limit)
				for _, way := range schemes {
					p := runPod(t, way, h)
					for _, path := range []string{"/health/readiness", "/readyz"} {
						p.agrees(t, tt.code, path)
					}
					if _, output := p.probe(t, "/health/readiness", second); show && tt.code == http.StatusOK {
						require.Len(t, output, limit)
					}
				}
			})
		}
	}
}

func thousand(last health.Func) (checks []health.Check) {
	for i := range 1000 {
		c := dependency(pass)
		c.Name = fmt.Sprintf("check-%04d", i)
		if i == 999 {
			c.Func = last
		}
		checks = append(checks, c)
	}
	return checks
}

// Trap 2: what a kubelet takes for a success is more than 200. None of it may
// come from a path that is slightly wrong.
func TestTheKubeletIsNotFooledByAWrongPath(t *testing.T) {
	hc := with(health.StatusUnhealthy, dependency(fail))(t, health.Options{})
	elsewhere := http.RedirectHandler("https://login.example.com/", http.StatusFound)
	for _, way := range schemes {
		t.Run(way.name, func(t *testing.T) {
			result, _ := runPod(t, way, elsewhere).probe(t, "/", second)
			require.Equal(t, probe.Warning, result, "a redirect passes: this is what the test is about")

			p := runPod(t, way, hc.Handler())
			for _, path := range append(unclean, "/", "/health/", "/health/readines", "/health/readiness/", "/health/readiness/x", "/readyz/", "/Readyz", "/health/%72eadiness") {
				p.agrees(t, http.StatusNotFound, path)
			}
			// A mux of net/http cleans such a path by a redirect to the same host,
			// which a kubelet follows.
			p = runPod(t, way, routes(t, hc))
			for _, path := range unclean {
				p.agrees(t, http.StatusServiceUnavailable, path)
			}
		})
	}
}

// unclean paths are those that a mux of net/http redirects.
var unclean = []string{"/health//readiness", "/./readyz", "/health/../readyz"}

// Trap 1: a dependency that hangs costs a probe no time; nor does one that has
// been found to, in a run that does not return.
func TestTheKubeletDoesNotWaitForACheck(t *testing.T) {
	never := make(chan struct{})
	stuck := dependency(func(context.Context) error { <-never; return nil })
	stuck.Interval, stuck.Timeout = 100*time.Millisecond, 50*time.Millisecond
	hc := open(t, health.Options{}, stuck)
	t.Cleanup(func() { close(never) })
	settle(t, hc, health.Readiness, health.StatusUnhealthy)
	for _, way := range schemes {
		p := runPod(t, way, hc.Handler())
		p.agrees(t, 503, "/health/readiness")
		p.agrees(t, 200, "/health/liveness")
	}
}

// Trap 15: with checks on demand the kubelet that gives up does not take the
// result with it. The next probe finds it.
func TestAKubeletThatGivesUpLeavesTheResultToTheNext(t *testing.T) {
	var runs atomic.Int32
	slow := make(chan struct{})
	c := dependency(func(ctx context.Context) error {
		runs.Add(1)
		select {
		case <-slow:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	p := runPod(t, schemes[0], open(t, health.Options{OnDemand: true}, c).Handler())
	for range 3 {
		result, output := p.probe(t, "/health/readiness", 20*time.Millisecond)
		require.Equal(t, probe.Failure, result)
		require.NotContains(t, output, "statuscode")
	}
	close(slow)
	p.agrees(t, 200, "/health/readiness")
	require.EqualValues(t, 1, runs.Load())
}
