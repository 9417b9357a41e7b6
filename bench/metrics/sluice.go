package metrics

import (
	"net/http"

	sluice "github.com/sluice-go/sluice/metrics"

	"github.com/sluice-go/sluice/bench/internal/harness"
)

func openSluice(get http.HandlerFunc) (subject, error) {
	return openSluiceWith(get, "sluice", sluice.Options{})
}

// openSluiceClassic is for the peers that have classic histograms only.
func openSluiceClassic(get http.HandlerFunc) (subject, error) {
	return openSluiceWith(get, "sluice, classic only", sluice.Options{DisableNativeHistograms: true})
}

func openSluiceWith(get http.HandlerFunc, name string, o sluice.Options) (subject, error) {
	m, err := sluice.New(o)
	if err != nil {
		return subject{}, err
	}
	return subject{harness.Subject{Name: name, Handler: m.Middleware(routes(get, nil)), Over: overMux}, m.Handler()}, nil
}
