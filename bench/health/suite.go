// Package health compares the probe endpoints of sluice's health with those of
// other libraries. README.md says what each does; the tests check it.
package health

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

// check is a check, in the form that most libraries take.
type check struct {
	name string
	run  func(context.Context) error
}

// setting is what every subject is made of.
type setting struct {
	checks   []check
	interval time.Duration // of the subjects that run checks in the background
	timeout  time.Duration // of a check
}

// subject is a contender.
type subject struct {
	name       string
	background bool // it runs checks when nobody asks
	open       func(setting) (h http.Handler, end func(), err error)
}

// subjects are all, sluice first.
var subjects = []subject{
	{"sluice", true, openSluice},
	{"sluice, components shown", true, openSluiceComponents},
	{"sluice, components shown, rendered for each probe", true, openSluiceRendering},
	{"sluice, on demand", false, openSluiceOnDemand},
	{"alexliesenfeld/health, periodic checks", true, openAlexPeriodic},
	{"alexliesenfeld/health, cached for 1 s", false, openAlexCached},
	{"alexliesenfeld/health, no cache", false, openAlexUncached},
	{"hellofresh/health-go", false, openHellofresh},
	{"AppsFlyer/go-sundheit", true, openSundheit},
	{"heptiolabs/healthcheck", false, openHeptio},
	{"heptiolabs/healthcheck, full", false, openHeptioFull},
	{"heptiolabs/healthcheck, async, full", true, openHeptioAsync},
}

// probe is what a kubelet sends.
var probe = http.Header{"User-Agent": {"kube-probe/1.37"}, "Accept": {"*/*"}}

var cases = []harness.Case{
	{Name: "probe, one client", Method: "GET", Target: "/health/readiness", Header: probe},
	{Name: "probe, 16 clients at the same time", Method: "GET", Target: "/health/readiness", Header: probe, Clients: 16},
}

const bare = "a handler that writes ok"

// passing are five checks that cost nothing: what is left is the library.
func passing() setting {
	s := setting{interval: 10 * time.Second, timeout: 2 * time.Second}
	for _, name := range []string{"cache", "database", "model", "queue", "search"} {
		s.checks = append(s.checks, check{name, func(context.Context) error { return nil }})
	}
	return s
}

// Suite is what the command measures. The subjects run on until the process ends.
func Suite() (harness.Suite, error) {
	suite := harness.Suite{Package: "health", Cases: cases, Bare: []harness.Bare{{Name: bare, Handler: http.HandlerFunc(ok)}}}
	for _, s := range subjects {
		h, _, err := s.open(passing())
		if err == nil {
			err = ready(h)
		}
		if err != nil {
			return suite, fmt.Errorf("%s: %w", s.name, err)
		}
		suite.Subjects = append(suite.Subjects, harness.Subject{Name: s.name, Handler: h, Over: bare})
	}
	suite.Subjects = append(suite.Subjects, harness.Subject{Name: "the same header fields and body, constant", Handler: http.HandlerFunc(constant), Over: bare})
	return suite, nil
}

var okBody = []byte("ok")

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(okBody) }

// Values that are made once are the least that an answer can cost.
var (
	noStore    = []string{"no-store"}
	jsonType   = []string{"application/json"}
	varyAccept = []string{"Accept"}
	jsonBody   = []byte(`{"status":"healthy","timestamp":1795450000.123}` + "\n")
	jsonLength = []string{fmt.Sprint(len(jsonBody))}
)

func constant(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h["Cache-Control"], h["Content-Type"], h["Vary"], h["Content-Length"] = noStore, jsonType, varyAccept, jsonLength
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(jsonBody)
}
