package metrics

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A request whose series are known waits for nobody, not even for one that is
// just adding a route.
func TestAKnownRequestTakesNoLock(t *testing.T) {
	m, err := New(Options{})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /things/{id}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) })
	h := m.Middleware(mux)
	serve := func() { h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/things/7", nil)) }
	serve()

	rt := m.routes.names.lookup("/things/{id}")
	s := rt.series(m.method("GET"))
	m.routes.names.mu.Lock()
	m.routes.patterns.mu.Lock()
	s.mu.Lock()
	done := make(chan struct{})
	go func() {
		serve()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("the request waits")
	}
	s.mu.Unlock()
	m.routes.patterns.mu.Unlock()
	m.routes.names.mu.Unlock()
	<-done
}
