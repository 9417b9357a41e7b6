package sluice_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice"
)

// mark is a layer that notes its name on the way in and on the way out.
func mark(log *[]string, name string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			*log = append(*log, name)
			next.ServeHTTP(w, r)
			*log = append(*log, "/"+name)
		})
	}
}

func TestTheFirstLayerIsTheOutermost(t *testing.T) {
	var log []string
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { log = append(log, "handler") })
	layers := []func(http.Handler) http.Handler{mark(&log, "a"), nil, mark(&log, "b")}
	chain := sluice.Chain(layers...)
	layers[0] = nil // a chain keeps what it was given
	chain(h).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	require.Equal(t, []string{"a", "b", "handler", "/b", "/a"}, log)
}

func TestAnEmptyChainIsTheHandlerItself(t *testing.T) {
	h := http.NewServeMux()
	require.Same(t, h, sluice.Chain()(h))
	require.Same(t, h, sluice.Chain(nil, nil)(h))
}

func TestMust(t *testing.T) {
	require.Equal(t, 7, sluice.Must(7, nil))
	fault := errors.New("metrics: Buckets: not ascending")
	require.PanicsWithError(t, fault.Error(), func() { sluice.Must(7, fault) })
}
