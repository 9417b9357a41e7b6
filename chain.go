package sluice

import (
	"net/http"
	"slices"
)

// Chain returns one middleware out of many. The first is the outermost: it sees
// a request first and its answer last. Nil entries are skipped, so that a layer
// can be left out by configuration. An empty chain hands the handler back.
func Chain(middlewares ...func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	layers := slices.Clone(middlewares)
	return func(h http.Handler) http.Handler {
		for _, layer := range slices.Backward(layers) {
			if layer != nil {
				h = layer(h)
			}
		}
		return h
	}
}

// Must returns v, or panics if err is not nil. It is for main functions, where a
// faulty configuration is the end of the program.
func Must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
