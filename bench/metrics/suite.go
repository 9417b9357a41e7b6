// Package metrics compares sluice's metrics with other instrumentations of
// net/http. README.md says what each records; the test checks it.
package metrics

import (
	"net/http"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

const (
	overMux = "bare ServeMux"
	overChi = "bare chi"
)

// subject is a contender and the endpoint that Prometheus would scrape.
type subject struct {
	harness.Subject
	scrape http.Handler
}

// subjects are new instances, except for that of go-chi/metrics: its metrics
// are global. get is the handler of their GET route.
func subjects(get http.HandlerFunc) ([]subject, error) {
	var all []subject
	for _, open := range []func(http.HandlerFunc) (subject, error){
		openSluice,
		openSluiceClassic,
		openPromhttpNative,
		openPromhttpClassic,
		openPromhttpPerRoute,
		openPromhttpPerRouteClassic,
		openOtelhttp,
		openSlok,
		openChi,
	} {
		s, err := open(get)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// Suite is what the command measures.
func Suite() (harness.Suite, error) {
	suite := harness.Suite{
		Package: "metrics",
		Cases:   cases,
		Bare:    []harness.Bare{{Name: overMux, Handler: routes(write, nil)}, {Name: overChi, Handler: chiRoutes(write)}},
	}
	all, err := subjects(write)
	for _, s := range all {
		suite.Subjects = append(suite.Subjects, s.Subject)
	}
	return suite, err
}
