package metrics_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/metrics"
)

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

// sendfile learns of a client that left before net/http does.
func TestAFileThatItsClientDoesNotWaitForIsNoSuccess(t *testing.T) {
	name := filepath.Join(t.TempDir(), "large")
	require.NoError(t, os.WriteFile(name, nil, 0o600))
	require.NoError(t, os.Truncate(name, 64<<20))
	s := serve(t, onRoute("/x", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) }))
	for range 10 {
		conn, r := s.dial(t, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
		_, err := io.ReadFull(r, make([]byte, 1000))
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).SetLinger(0)) // a reset
		require.NoError(t, conn.Close())
	}
	s.await(t, 10)
	s.requireCounted(t, "10 GET /x 200")
	s.requireFailures(t, "10 client_closed")
	require.Equal(t, []string{"10 client_closed"}, s.outcomes(t))
}

// net/http cancels the context of a request whose body does not arrive in time,
// and sends the answer all the same.
func TestABodyThatTakesTooLongIsATimeout(t *testing.T) {
	m := newMetrics(t, metrics.Options{DisableRuntime: true})
	srv := httptest.NewUnstartedServer(m.Middleware(onRoute("/x", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			w.WriteHeader(http.StatusRequestTimeout)
		}
	})))
	srv.Config.ReadTimeout = 50 * time.Millisecond
	srv.Start()
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusRequestTimeout, res.StatusCode)
	require.Equal(t, []string{"POST /x 408"}, counted(t, m))
	require.Equal(t, []string{"1 error_type=timeout method=POST route=/x"}, lines(t, m, "http_request_errors_total"))
}
