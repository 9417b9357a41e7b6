package health

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"time"
)

// ask is one probe.
func ask(h http.Handler) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/health/readiness", nil)
	for name, values := range probe {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const patience = 10 * time.Second

// ready waits for the first results of checks in the background.
func ready(h http.Handler) error {
	for start := time.Now(); time.Since(start) < patience; time.Sleep(time.Millisecond) {
		if ask(h).Code == http.StatusOK {
			return nil
		}
	}
	return errors.New("it does not get ready")
}
