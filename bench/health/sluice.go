package health

import (
	"log/slog"
	"net/http"

	sluice "github.com/sluice-go/sluice/health"
)

func openSluice(s setting) (http.Handler, func(), error) {
	return openSluiceWith(s, sluice.Options{})
}

func openSluiceComponents(s setting) (http.Handler, func(), error) {
	return openSluiceWith(s, sluice.Options{ShowComponents: true})
}

func openSluiceOnDemand(s setting) (http.Handler, func(), error) {
	return openSluiceWith(s, sluice.Options{OnDemand: true})
}

// openSluiceRendering has no use of answers that it has given already: something
// changes before each.
func openSluiceRendering(s setting) (http.Handler, func(), error) {
	hc, h, err := newSluice(s, sluice.Options{ShowComponents: true})
	if err != nil {
		return nil, nil, err
	}
	changing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hc.SetReady(true, "")
		h.ServeHTTP(w, r)
	})
	return changing, func() { _ = hc.Close() }, nil
}

func openSluiceWith(s setting, o sluice.Options) (http.Handler, func(), error) {
	hc, h, err := newSluice(s, o)
	if err != nil {
		return nil, nil, err
	}
	return h, func() { _ = hc.Close() }, nil
}

func newSluice(s setting, o sluice.Options) (*sluice.Checker, http.Handler, error) {
	o.Logger = slog.New(slog.DiscardHandler) // it would write between the tables
	for _, c := range s.checks {
		o.Checks = append(o.Checks, sluice.Check{Name: c.name, Func: c.run, Interval: s.interval, Timeout: s.timeout})
	}
	hc, err := sluice.New(o)
	if err != nil {
		return nil, nil, err
	}
	h, err := hc.GroupHandler(sluice.Readiness)
	return hc, h, err
}
