package metrics_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/metrics"
)

// uncomparable panics when it is compared with one of its kind.
type uncomparable []func()

func boom() { panic(errors.New("boom")) }

// Trap 18.
func TestEveryWayToEndHasItsCodeAndFailure(t *testing.T) {
	tests := []struct {
		name     string
		h        http.HandlerFunc
		code     string
		failures []string
		outcome  string
	}{
		{"panic before a status", func(http.ResponseWriter, *http.Request) { boom() }, "500", []string{"1 panic"}, "1 server_error"},
		{"panic after a status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); boom() }, "500", []string{"1 panic"}, "1 server_error"},
		{"panic after a body", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x"); boom() }, "500", []string{"1 panic"}, "1 server_error"},
		{"panic in the middle of a body", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 10_000)); boom() }, "200", []string{"1 panic"}, "1 server_error"},
		{"an answer that is shorter than declared", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "20000")
			_, _ = w.Write(make([]byte, 10_000))
		}, "200", []string{"1 aborted"}, "1 aborted"},
		{"panic after 103", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); boom() }, "500", []string{"1 panic"}, "1 server_error"},
		{"panic with an uncomparable value", func(http.ResponseWriter, *http.Request) { panic(uncomparable{}) }, "500", []string{"1 panic"}, "1 server_error"},
		{"panic with nil", func(http.ResponseWriter, *http.Request) { panic(nil) }, "500", []string{"1 panic"}, "1 server_error"},
		{"abort before a status", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "aborted", []string{"1 aborted"}, "1 aborted"},
		{"abort after a status", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(202)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "202", []string{"1 aborted"}, "1 success"}, // a stream is timed by how it began
		{"abort in the middle of a body", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, 10_000))
			panic(http.ErrAbortHandler)
		}, "200", []string{"1 aborted"}, "1 aborted"},
		{"abort after an error", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(503)
			_, _ = w.Write(make([]byte, 10_000))
			panic(http.ErrAbortHandler)
		}, "503", []string{"1 aborted"}, "1 aborted"},
		{"Goexit before a status", func(http.ResponseWriter, *http.Request) { runtime.Goexit() }, "aborted", []string{"1 aborted"}, "1 aborted"},
		{"Goexit after a status", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(204)
			_ = http.NewResponseController(w).Flush()
			runtime.Goexit()
		}, "204", []string{"1 aborted"}, "1 success"},
		{"an answer", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, "404", nil, "1 client_error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, method := range []string{"GET", "POST"} { // without and with a body
				t.Run(method, func(t *testing.T) {
					s := serve(t, onRoute("/x", tt.h))
					r, err := http.NewRequestWithContext(t.Context(), method, s.URL+"/x", strings.NewReader("x"))
					require.NoError(t, err)
					_, _, _ = s.send(r)
					s.await(t, 1)
					s.requireCounted(t, "1 "+method+" /x "+tt.code)
					s.requireFailures(t, tt.failures...)
					require.Equal(t, []string{tt.outcome}, s.outcomes(t))
				})
			}
		})
	}
}

// Trap 18 on HTTP/2. The goroutine of a stream that calls Goexit is its own.
func TestPanicsAreCountedOnHTTP2(t *testing.T) {
	s := serveH2(t, onRoute("/{how}", func(_ http.ResponseWriter, r *http.Request) {
		switch r.PathValue("how") {
		case "panic":
			boom()
		case "abort":
			panic(http.ErrAbortHandler)
		}
	}))
	for _, how := range []string{"panic", "abort", "not"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/"+how, nil)
		require.NoError(t, err)
		_, _, _ = s.send(r)
		s.await(t, 1)
	}
	s.requireCounted(t, "1 GET /{how} 500", "1 GET /{how} aborted", "1 GET /{how} 200")
}

// Trap 18.
func TestTheSamePanicValueReachesTheOutsideWithTheHandlersStack(t *testing.T) {
	value := &uncomparable{boom}
	for _, v := range []any{value, uncomparable{}, http.ErrAbortHandler, "text", fmt.Errorf("wrapped: %w", http.ErrAbortHandler)} {
		t.Run(fmt.Sprintf("%T", v), func(t *testing.T) {
			m := newMetrics(t, metrics.Options{DisableRuntime: true})
			var got any
			var stack string
			func() {
				defer func() {
					got = recover()
					stack = string(debug.Stack())
				}()
				m.Middleware(m.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { frameOfTheHandler(v) }))).
					ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
			}()
			require.Equal(t, fmt.Sprintf("%#v", v), fmt.Sprintf("%#v", got))
			if v == any(value) {
				require.Same(t, value, got)
			}
			require.Contains(t, stack, "frameOfTheHandler")
			requireIdle(t, m)
		})
	}
}

//go:noinline
func frameOfTheHandler(v any) { panic(v) }

// What the server still held back when the handler broke off has never been
// seen: net/http sends nothing of it.
func TestAnAnswerThatNeverLeftIsAborted(t *testing.T) {
	onBoth(t, onRoute("/x", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(201)
		_, _ = io.WriteString(w, "held back")
		panic(http.ErrAbortHandler)
	}), func(t *testing.T, s *site) {
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/x", nil)
		require.NoError(t, err)
		_, _, err = s.send(r)
		require.Error(t, err, "the client sees no status")
		s.await(t, 1)
		s.requireCounted(t, "1 GET /x aborted")
		s.requireFailures(t, "1 aborted")
	})
}

// A recoverer inside makes an answer of a panic; one outside leaves it one.
func TestARecovererInsideLeavesAnAnswer(t *testing.T) {
	recovering := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() != nil {
					w.WriteHeader(http.StatusInternalServerError)
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
	h := onRoute("/x", func(http.ResponseWriter, *http.Request) { boom() })
	t.Run("inside", func(t *testing.T) {
		s := serve(t, recovering(h))
		res, _ := s.get(t, "/x")
		require.Equal(t, 500, res.StatusCode)
		s.requireCounted(t, "1 GET /x 500")
		s.requireFailures(t)
	})
	t.Run("outside", func(t *testing.T) {
		s := serveInside(t, recovering, h)
		res, _ := s.get(t, "/x")
		require.Equal(t, 500, res.StatusCode)
		s.requireCounted(t, "1 GET /x 500")
		s.requireFailures(t, "1 panic")
	})
}
