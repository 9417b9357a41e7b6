package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/testutil"
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
		{"panic after a status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); boom() }, "201", []string{"1 panic"}, "1 server_error"},
		{"panic after a body", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x"); boom() }, "200", []string{"1 panic"}, "1 server_error"},
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

// Trap 19.
func TestAClientThatLeavesIsNoErrorOfTheServer(t *testing.T) {
	begun := make(chan struct{})
	gone := func(r *http.Request) { begun <- struct{}{}; <-r.Context().Done() }
	tests := []struct {
		name     string
		h        http.HandlerFunc
		code     string
		failures []string
		outcome  string
	}{
		{"before a status", func(_ http.ResponseWriter, r *http.Request) { gone(r) }, "499", []string{"1 client_closed"}, "1 client_closed"},
		{"and the handler answers into the void", func(w http.ResponseWriter, r *http.Request) { gone(r); w.WriteHeader(500) },
			"499", []string{"1 client_closed"}, "1 client_closed"},
		{"in the middle of a body", func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(make([]byte, 10_000))
			gone(r)
		}, "200", []string{"1 client_closed"}, "1 client_closed"},
		{"in the middle of a declared body", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "20000")
			_, _ = w.Write(make([]byte, 10_000))
			gone(r)
		}, "200", []string{"1 client_closed"}, "1 client_closed"},
		{"after a complete answer", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "10000")
			_, _ = w.Write(make([]byte, 10_000))
			gone(r)
		}, "200", nil, "1 success"},
		{"in the middle of a stream, which is how most of them end", func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			gone(r)
		}, "200", nil, "1 success"},
		{"after a complete answer without a body", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(204)
			_ = http.NewResponseController(w).Flush()
			gone(r)
		}, "204", nil, "1 success"},
		{"and the handler panics for it", func(_ http.ResponseWriter, r *http.Request) { gone(r); boom() },
			"500", []string{"1 panic"}, "1 server_error"},
		{"and the handler aborts for it", func(_ http.ResponseWriter, r *http.Request) { gone(r); panic(http.ErrAbortHandler) },
			"499", []string{"1 client_closed"}, "1 client_closed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, onRoute("/x", tt.h), func(t *testing.T, s *site) {
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				r, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/x", nil)
				require.NoError(t, err)
				r.Close = true // when it has got everything
				var client sync.WaitGroup
				client.Go(func() { _, _, _ = s.send(r) })
				<-begun
				leave()
				client.Wait()
				s.await(t, 1)
				s.requireCounted(t, "1 GET /x "+tt.code)
				s.requireFailures(t, tt.failures...)
				require.Equal(t, []string{tt.outcome}, s.outcomes(t))
			})
		})
	}
}

// Trap 19: complete is what the client can have got, and nothing of this has
// left the server when the client was gone.
func TestAnAnswerThatComesAfterItsClientLeftIsNotComplete(t *testing.T) {
	tests := []struct {
		name   string
		method string
		h      http.HandlerFunc
	}{
		{"with a declared length", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2")
			_, _ = io.WriteString(w, "ok")
		}},
		{"by ServeContent", "GET", func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader("ok"))
		}},
		{"without content", "GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }},
		{"to a HEAD", "HEAD", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			begun := make(chan struct{})
			onBoth(t, onRoute("/x", func(w http.ResponseWriter, r *http.Request) {
				begun <- struct{}{}
				<-r.Context().Done()
				tt.h(w, r)
			}), func(t *testing.T, s *site) {
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				r, err := http.NewRequestWithContext(ctx, tt.method, s.URL+"/x", nil)
				require.NoError(t, err)
				var client sync.WaitGroup
				client.Go(func() {
					_, _, err := s.send(r)
					if err == nil {
						t.Error("the client got an answer")
					}
				})
				<-begun
				leave()
				client.Wait()
				s.await(t, 1)
				s.requireFailures(t, "1 client_closed")
				s.requireCounted(t, "1 "+tt.method+" /x 499")
			})
		})
	}
}

// Traps 12 and 19: on HTTP/2 the header of a HEAD leaves when what the handler
// writes for nobody outgrows the server's buffer. That ends the stream, and with
// it the context, while the handler still runs.
func TestAHeadThatIsAnsweredInFullIsComplete(t *testing.T) {
	s := serveH2(t, onRoute("/x", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 10_000))
		<-r.Context().Done()
	}))
	res, _ := s.do(t, "HEAD", "/x", nil)
	require.Equal(t, 200, res.StatusCode)
	s.requireCounted(t, "1 HEAD /x 200")
	s.requireFailures(t)
}

// Trap 2: what the mux leaves on a redirected CONNECT is the client's path
// (golang.org/issue/73688), whether or not the client, or a deadline, lets the
// redirect through.
func TestAConnectThatNobodyWaitsForNamesNoRoute(t *testing.T) {
	for name, in := range map[string]func(*http.Request) (*http.Request, func(http.Handler) http.Handler){
		"as the client left": func(r *http.Request) (*http.Request, func(http.Handler) http.Handler) {
			ctx, leave := context.WithCancel(r.Context())
			leave()
			return r.WithContext(ctx), func(h http.Handler) http.Handler { return h }
		},
		"as the time is over": func(r *http.Request) (*http.Request, func(http.Handler) http.Handler) {
			return r, func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Nanosecond, "") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, h := measured(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
				onRoute("/tree/{id}/", func(http.ResponseWriter, *http.Request) {}).ServeHTTP(w, r)
			}))
			for i := range 5 {
				r, outer := in(httptest.NewRequest("CONNECT", fmt.Sprintf("/tree/%d", i), nil))
				record(outer(h), r)
			}
			s.await(t, 5)
			for _, l := range lines(t, s.m, "http_requests_total") {
				require.NotContains(t, l, "route=/tree/", "as many series as paths")
			}
			require.EqualValues(t, 5, value(t, s.m, "http_requests_total"))
		})
	}
}

// A context that somebody inside put on the request says nothing about the
// client: it is canceled when its maker is done.
func TestAContextFromInsideIsNoClientThatLeft(t *testing.T) {
	inPlace := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
			defer cancel()
			*r = *r.WithContext(ctx) // an old habit
			next.ServeHTTP(w, r)
		})
	}
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			onBoth(t, inPlace(onRoute("/x", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201) })), func(t *testing.T, s *site) {
				res, _ := s.do(t, method, "/x", strings.NewReader("x"))
				require.Equal(t, 201, res.StatusCode)
				s.requireCounted(t, "1 "+method+" /x 201")
				s.requireFailures(t)
			})
		})
	}
}

// Trap 19; a deadline is the service's own doing.
func TestATimeoutHandlerAnswers503OnBothSides(t *testing.T) {
	release := make(chan struct{})
	late := map[string]http.HandlerFunc{
		"silent": func(http.ResponseWriter, *http.Request) { <-release },
		"writing": func(w http.ResponseWriter, _ *http.Request) {
			<-release
			w.Header().Set("Content-Length", "4")
			w.WriteHeader(200)
			_, _ = io.WriteString(w, "late")
		},
		"written": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(200)
			_, _ = io.WriteString(w, "held back")
			<-release
		},
		"panicking": func(http.ResponseWriter, *http.Request) { <-release; panic(http.ErrAbortHandler) },
	}
	timeout := func(h http.Handler) http.Handler { return http.TimeoutHandler(h, 20*time.Millisecond, "too late") }
	for name, h := range late {
		for _, method := range []string{"GET", "POST"} {
			t.Run(name+" "+method+" inside", func(t *testing.T) {
				s := serve(t, timeout(metrics.Router(onRoute("/x", h))))
				res, body := s.do(t, method, "/x", strings.NewReader("x"))
				require.Equal(t, 503, res.StatusCode)
				require.Equal(t, "too late", body)
				require.EqualValues(t, 1, value(t, s.m, "http_requests_total", "code=503", "method="+method))
				requireIdle(t, s.m)
				release <- struct{}{}
			})
			t.Run(name+" "+method+" outside", func(t *testing.T) {
				s := serveInside(t, timeout, onRoute("/x", h))
				r, err := http.NewRequest(method, s.URL+"/x", strings.NewReader("x"))
				require.NoError(t, err)
				res, body, err := s.send(r)
				require.NoError(t, err)
				require.Equal(t, 503, res.StatusCode)
				require.Equal(t, "too late", body)
				release <- struct{}{}
				s.await(t, 1)
				if name == "panicking" {
					return // nobody is left to tell
				}
				s.requireCounted(t, "1 "+method+" /x 503")
				s.requireFailures(t, "1 timeout")
			})
		}
	}
}

// Trap 19: nobody has answered in the place of the handler here.
func TestADeadlineThatAnswersNothingChangesNoCode(t *testing.T) {
	deadline := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), time.Millisecond)
			defer cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
	for _, code := range []int{0, 200, 504} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			s := serveInside(t, deadline, onRoute("/x", func(w http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
				if code != 0 {
					w.WriteHeader(code)
				}
			}))
			res, _ := s.get(t, "/x")
			s.requireCounted(t, fmt.Sprintf("1 GET /x %d", res.StatusCode))
		})
	}
}

func TestAReverseProxyInsideIsCountedLikeItsAnswers(t *testing.T) {
	backend := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hints":
			w.Header().Set("Link", "</a.css>")
			w.WriteHeader(103)
			w.WriteHeader(201)
			n, _ := io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, strconv.FormatInt(n, 10))
		case "/dies":
			w.Header().Set("Content-Length", "1000000")
			_, _ = w.Write(make([]byte, 10_000))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case "/refuses":
			panic(http.ErrAbortHandler)
		}
	}))
	to, err := url.Parse(backend.URL)
	require.NoError(t, err)
	quiet := backend.Config.ErrorLog
	proxy := func(t *testing.T) *site {
		p := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, ErrorLog: quiet}
		return serve(t, onRoute("/{what}", p.ServeHTTP))
	}
	t.Run("interim answers and bodies", func(t *testing.T) {
		s := proxy(t)
		hints := 0
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(int, textproto.MIMEHeader) error { hints++; return nil },
		})
		r, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/hints", io.MultiReader(strings.NewReader("12345")))
		require.NoError(t, err)
		res, body, err := s.send(r)
		require.NoError(t, err)
		s.await(t, 1)
		require.Equal(t, 201, res.StatusCode)
		require.Equal(t, "5", body)
		require.Equal(t, 1, hints)
		s.requireCounted(t, "1 POST /{what} 201")
		in, out := s.sums(t)
		require.Equal(t, []float64{5, 1}, []float64{in, out})
	})
	t.Run("the backend dies", func(t *testing.T) {
		s := proxy(t)
		res, err := s.Client().Get(s.URL + "/dies")
		require.NoError(t, err)
		defer res.Body.Close()
		_, err = io.ReadAll(res.Body)
		require.Error(t, err)
		s.await(t, 1)
		s.requireCounted(t, "1 GET /{what} 200")
		s.requireFailures(t, "1 aborted")
		_, out := s.sums(t)
		require.EqualValues(t, 10_000, out)
	})
	t.Run("the backend refuses", func(t *testing.T) {
		s := proxy(t)
		res, _ := s.get(t, "/refuses")
		require.Equal(t, 502, res.StatusCode)
		s.requireCounted(t, "1 GET /{what} 502")
		s.requireFailures(t)
	})
}

// Trap 13. What a goroutine does while its handler returns is between it and
// net/http; what it does later must reach nobody.
func TestAGoroutineThatOutlivesItsHandlerReachesNoOtherAnswer(t *testing.T) {
	var late sync.WaitGroup
	dirt := make(chan struct{})
	onBoth(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "clean")
		if r.URL.Path == "/leak" {
			late.Go(func() {
				for range dirt {
					_, _ = io.WriteString(w, "dirt")
					_, _ = w.Write([]byte("dirt"))
					_, _ = io.Copy(w, strings.NewReader("dirt"))
					w.Header().Set("X-Dirt", "1")
					w.WriteHeader(500)
					_ = http.NewResponseController(w).Flush()
					if h, ok := w.(http.Hijacker); ok {
						_, _, _ = h.Hijack()
					}
				}
			})
		}
	}), func(t *testing.T, s *site) {
		dirt = make(chan struct{}, 100)
		for range 20 {
			s.get(t, "/leak")
			for range 5 {
				dirt <- struct{}{}
			}
			res, body := s.get(t, "/clean")
			require.Equal(t, "clean", body)
			require.Empty(t, res.Header.Get("X-Dirt"))
		}
		close(dirt)
		late.Wait()
		s.requireCounted(t, "40 GET unrouted 200")
		_, out := s.sums(t)
		require.EqualValues(t, 40*5, out)
		require.Empty(t, lines(t, s.m, "websocket_connections_total"))
	})
}

// Trap 13. net/http itself reads the header map no more once a body of declared
// length is on its way, and so a late change is harmless without a middleware.
func TestALateHeaderIsNoRaceWithTheCounting(t *testing.T) {
	var late sync.WaitGroup
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Length", "10000")
		_, _ = w.Write(make([]byte, 10_000))
		begun := make(chan struct{})
		late.Go(func() {
			close(begun)
			for i := range 200 {
				h.Set("X-Late", strconv.Itoa(i))
			}
		})
		<-begun
	}))
	for range 20 {
		s.get(t, "/")
	}
	late.Wait()
	s.requireCounted(t, "20 GET unrouted 200")
}

// Trap 13: likewise when the counting asks whether a client left too early.
func TestALateHeaderIsNoRaceWithTheCountingOfAClientThatLeft(t *testing.T) {
	var late sync.WaitGroup
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Length", "10000")
		_, _ = w.Write(make([]byte, 10_000))
		<-r.Context().Done()
		begun := make(chan struct{})
		late.Go(func() {
			close(begun)
			for i := range 200 {
				h.Set("X-Late", strconv.Itoa(i))
			}
		})
		<-begun
	}))
	for range 20 {
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL, nil)
		require.NoError(t, err)
		r.Close = true
		_, body, err := s.send(r)
		require.NoError(t, err)
		require.Len(t, body, 10_000)
		s.await(t, 1)
	}
	late.Wait()
	s.requireCounted(t, "20 GET unrouted 200")
	s.requireFailures(t)
}
