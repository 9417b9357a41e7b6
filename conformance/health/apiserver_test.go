package health_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apiserver/pkg/server/healthz"

	"github.com/sluice-go/sluice/health"
)

// caller is who asks for the text.
type caller int

const (
	stranger caller = iota // sees the status only
	public                 // sees components: Options.ShowComponents
	operator               // sees details: Options.Details
)

// errRefused has the class "refused".
var errRefused = health.WithReason(errors.New("dial tcp 192.0.2.1:6379: connection refused"), health.ReasonRefused)

// texts are questions that the API server and we are asked alike. Checks are in
// the order of their names: ours always are, theirs are as they were given.
var texts = []struct {
	name    string
	checks  []check
	query   string
	callers []caller // whose answer from us is the API server's
}{
	{"all pass", three(nil, nil, nil), "", []caller{stranger, public, operator}},
	{"all pass, in full", three(nil, nil, nil), "?verbose", []caller{operator}},
	{"all pass, in full with a value", three(nil, nil, nil), "?verbose=false", []caller{operator}},
	{"all pass, another question", three(nil, nil, nil), "?timeout=32s", []caller{stranger, public, operator}},
	{"one check", []check{{"ping", nil}}, "?verbose", []caller{operator}},
	{"one fails", three(nil, errRefused, nil), "", []caller{public}},
	{"one fails, in full", three(nil, errRefused, nil), "?verbose", []caller{public, operator}},
	{"all fail", three(errRefused, errRefused, errRefused), "", []caller{public}},
	{"all fail, in full", three(errRefused, errRefused, errRefused), "?verbose", []caller{public, operator}},
	{"one is excluded", three(nil, nil, nil), "?verbose&exclude=database", []caller{operator}},
	{"the one that fails is excluded", three(nil, errRefused, nil), "?exclude=database", []caller{operator}},
	{"the one that fails is excluded, in full", three(nil, errRefused, nil), "?verbose&exclude=database", []caller{operator}},
	{"another one is excluded", three(nil, errRefused, nil), "?exclude=cache", []caller{operator}},
	{"two are excluded", three(nil, nil, nil), "?verbose&exclude=cache&exclude=queue", []caller{operator}},
	{"all are excluded", three(errRefused, errRefused, errRefused), "?verbose&exclude=cache&exclude=database&exclude=queue", []caller{operator}},
	{"one is excluded twice", three(nil, nil, nil), "?verbose&exclude=cache&exclude=cache", []caller{operator}},
	{"one that is not there is excluded", three(nil, nil, nil), "?verbose&exclude=etcd", []caller{operator}},
	{"one that is not there is excluded, in short", three(nil, nil, nil), "?exclude=etcd", []caller{operator}},
	{"some that are not there are excluded", three(nil, errRefused, nil), "?exclude=zeta&exclude=alpha&exclude=alpha", []caller{operator}},
	{"nothing is excluded by name", three(nil, nil, nil), "?verbose&exclude=", []caller{operator}},
	{"an odd name is excluded", three(nil, nil, nil), "?verbose&exclude=%22%0a%5B%2B%5D%E2%82%AC%07", []caller{operator}},
}

type check struct {
	name string
	err  error
}

func three(cache, database, queue error) []check {
	return []check{{"cache", cache}, {"database", database}, {"queue", queue}}
}

// The text of the aliases is that of the API server, byte by byte. Where it says
// "reason withheld", an operator is told the class of the reason; and our status
// code for a failure is 503, where theirs is 500.
func TestTheTextIsThatOfTheAPIServer(t *testing.T) {
	for _, tt := range texts {
		for _, path := range []string{"/livez", "/readyz"} {
			t.Run(tt.name+path, func(t *testing.T) {
				theirs := ask(t, apiServer(path, tt.checks), path+tt.query)
				for _, who := range tt.callers {
					ours := ask(t, sluice(t, who, path, tt.checks), path+tt.query)
					want := theirs.Body.String()
					if who == operator {
						want = strings.ReplaceAll(want, "reason withheld", health.ReasonRefused)
					}
					require.Equal(t, want, ours.Body.String())
					require.Equal(t, theirs.Header().Get("Content-Type"), ours.Header().Get("Content-Type"))
					if theirs.Code == http.StatusInternalServerError {
						require.Equal(t, http.StatusServiceUnavailable, ours.Code)
					} else {
						require.Equal(t, theirs.Code, ours.Code)
					}
				}
			})
		}
	}
}

// Trap 26: what the API server tells everybody, we tell operators. A stranger
// learns no name, and can turn nothing green.
func TestAStrangerIsToldLessThanByTheAPIServer(t *testing.T) {
	checks := three(nil, errRefused, nil)
	for _, query := range []string{"", "?verbose", "?exclude=database", "?verbose&exclude=database&exclude=etcd"} {
		w := ask(t, sluice(t, stranger, "/readyz", checks), "/readyz"+query)
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Equal(t, "readyz check failed\n", w.Body.String())
		w = ask(t, sluice(t, public, "/readyz", checks), "/readyz"+query)
		require.Equal(t, http.StatusServiceUnavailable, w.Code)
		require.Equal(t, ask(t, apiServer("/readyz", checks), "/readyz").Body.String(), w.Body.String())
	}
}

// A drain stands in the text like a check of the API server's, after the others.
func TestADrainIsACheckInTheText(t *testing.T) {
	theirs := ask(t, apiServer("/readyz", []check{{"database", nil}, {"draining", errRefused}}), "/readyz")
	hc := drains(false)(t, health.Options{ShowComponents: true, Details: nobody})
	require.Equal(t, theirs.Body.String(), ask(t, hc.Handler(), "/readyz").Body.String())
}

func nobody(*http.Request) bool { return false }

func apiServer(path string, checks []check) http.Handler {
	var all []healthz.HealthChecker
	for _, c := range checks {
		all = append(all, healthz.NamedCheck(c.name, func(*http.Request) error { return c.err }))
	}
	mux := http.NewServeMux()
	healthz.InstallPathHandler(mux, path, all...)
	return mux
}

func sluice(t *testing.T, who caller, path string, checks []check) http.Handler {
	t.Helper()
	group := map[string]string{"/livez": health.Liveness, "/readyz": health.Readiness}[path]
	o := health.Options{ShowComponents: who == public, Details: func(*http.Request) bool { return who == operator }}
	status := health.StatusHealthy
	for _, c := range slices.Backward(checks) { // the order is ours to make
		own := health.Internal(func(context.Context) error { return c.err })
		o.Checks = append(o.Checks, health.Check{Name: c.name, Internal: own, Groups: []string{group}})
		if c.err != nil {
			status = health.StatusUnhealthy
		}
	}
	hc := open(t, o)
	settle(t, hc, group, status)
	require.Eventually(t, func() bool { // all of them
		r, _ := hc.Report(group)
		return !slices.ContainsFunc(r.Components, func(c health.Component) bool { return c.CheckedAt.IsZero() })
	}, eventually, tick)
	return hc.Handler()
}

func ask(t *testing.T, h http.Handler, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}
