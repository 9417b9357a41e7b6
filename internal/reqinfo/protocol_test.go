package reqinfo_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/reqinfo"
	"github.com/sluice-go/sluice/internal/respw"
	"github.com/sluice-go/sluice/internal/testutil"
)

// watched returns h inside five layers, and what the outermost one recorded of
// each request.
func watched(h http.Handler) (http.Handler, <-chan *respw.Recorder) {
	recs := make(chan *respw.Recorder, 16)
	inner := layers(4, h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := reqinfo.Enter(w, r)
		defer func() { recs <- e.Rec }()
		defer e.Leave()
		e.Next(inner)
	}), recs
}

func get(t *testing.T, srv testutil.Server, path string) (*http.Response, string) {
	t.Helper()
	res, err := srv.Client().Get(srv.URL + path)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, srv.Proto, res.Proto)
	return res, string(body)
}

func TestEventsArriveOneByOne(t *testing.T) {
	next := make(chan struct{})
	h, recs := watched(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			<-next
			io.WriteString(w, "data: x\n\n")
			w.(http.Flusher).Flush()
		}
	}))
	testutil.BothProtocols(t, h, func(t *testing.T, srv testutil.Server) {
		go func() { next <- struct{}{} }()
		res, err := srv.Client().Get(srv.URL)
		require.NoError(t, err)
		defer res.Body.Close()
		lines := bufio.NewReader(res.Body)
		for i := range 3 {
			line, err := lines.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "data: x\n", line, "seen while the handler waits")
			lines.ReadString('\n')
			if i < 2 {
				next <- struct{}{}
			}
		}
		rec := <-recs
		require.True(t, rec.Flushed())
		require.EqualValues(t, 27, rec.Bytes())
		_, known := rec.FirstByte()
		require.True(t, known)
	})
}

func TestWebSocketsUpgradeThroughFiveLayers(t *testing.T) {
	upgrader := gorilla.Upgrader{}
	servers := map[string]http.HandlerFunc{
		"gorilla": func(w http.ResponseWriter, r *http.Request) {
			c, err := upgrader.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer c.Close()
			kind, msg, err := c.ReadMessage()
			if err == nil {
				c.WriteMessage(kind, msg)
			}
		},
		"coder": func(w http.ResponseWriter, r *http.Request) {
			c, err := coder.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer c.CloseNow()
			kind, msg, err := c.Read(r.Context())
			if err == nil {
				c.Write(r.Context(), kind, msg)
			}
		},
	}
	for name, server := range servers {
		h, recs := watched(server)
		srv := testutil.Start(t, h)
		t.Run(name+" server, gorilla client", func(t *testing.T) {
			c, _, err := gorilla.DefaultDialer.Dial("ws"+strings.TrimPrefix(srv.URL, "http"), nil)
			require.NoError(t, err)
			defer c.Close()
			require.NoError(t, c.WriteMessage(gorilla.TextMessage, []byte("hello")))
			_, msg, err := c.ReadMessage()
			require.NoError(t, err)
			require.Equal(t, "hello", string(msg))
			rec := <-recs
			require.True(t, rec.Hijacked())
			require.Equal(t, 101, rec.Status())
		})
		t.Run(name+" server, coder client", func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			c, _, err := coder.Dial(ctx, srv.URL, nil)
			require.NoError(t, err)
			defer c.CloseNow()
			require.NoError(t, c.Write(ctx, coder.MessageText, []byte("hello")))
			_, msg, err := c.Read(ctx)
			require.NoError(t, err)
			require.Equal(t, "hello", string(msg))
			require.Equal(t, 101, (<-recs).Status())
		})
	}
}

func TestFilesAndRanges(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 10_000)
	file := filepath.Join(t.TempDir(), "f.bin")
	require.NoError(t, os.WriteFile(file, content, 0o600))
	h, recs := watched(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) }))
	tests := []struct {
		name, method, rng string
		status            int
		body              []byte
		wire              int64
	}{
		{"whole", "GET", "", 200, content, 100_000},
		{"a range", "GET", "bytes=10-29", 206, content[10:30], 20},
		{"an open range", "GET", "bytes=99990-", 206, content[99990:], 10},
		{"HEAD", "HEAD", "", 200, nil, 0},
		{"outside", "GET", "bytes=200000-", 416, []byte("invalid range: failed to overlap\n"), 33},
	}
	testutil.BothProtocols(t, h, func(t *testing.T, srv testutil.Server) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				req, _ := http.NewRequest(tt.method, srv.URL, nil)
				if tt.rng != "" {
					req.Header.Set("Range", tt.rng)
				}
				res, err := srv.Client().Do(req)
				require.NoError(t, err)
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				require.Equal(t, tt.status, res.StatusCode)
				require.Equal(t, string(tt.body), string(body))
				rec := <-recs
				require.Equal(t, tt.status, rec.Status())
				require.Equal(t, tt.wire, rec.Bytes())
			})
		}
	})
}

// RFC 9110 §10.1.1: an early final status must reach a client that still waits
// for its 100.
func TestExpectContinue(t *testing.T) {
	h, recs := watched(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refuse" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		if n != 5 {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	srv := testutil.Start(t, h)
	tests := []struct {
		name, path, want string
		status           int
	}{
		{"the body is asked for when it is read", "/accept", "HTTP/1.1 100 Continue", 200},
		{"an early refusal arrives at once", "/refuse", "HTTP/1.1 401 Unauthorized", 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
			io.WriteString(conn, "POST "+tt.path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
			line, err := bufio.NewReader(conn).ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, tt.want+"\r\n", line)
			io.WriteString(conn, "hello")
			require.Equal(t, tt.status, (<-recs).Status())
		})
	}
}

// RFC 8297.
func TestEarlyHintsPassThrough(t *testing.T) {
	h, recs := watched(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Link", "</b.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusAccepted)
	}))
	testutil.BothProtocols(t, h, func(t *testing.T, srv testutil.Server) {
		var hints []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				require.Equal(t, 103, code)
				hints = append(hints, h.Get("Link"))
				return nil
			},
		})
		req, _ := http.NewRequestWithContext(ctx, "GET", srv.URL, nil)
		res, err := srv.Client().Do(req)
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, 202, res.StatusCode)
		require.Equal(t, []string{"</a.css>; rel=preload", "</b.css>; rel=preload"}, hints)
		require.Equal(t, 202, (<-recs).Status())
	})
}

func TestTrailersArrive(t *testing.T) {
	h, _ := watched(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Declared")
		io.WriteString(w, "body")
		w.Header().Set("Declared", "1")
		w.Header().Set(http.TrailerPrefix+"Undeclared", "2")
	}))
	testutil.BothProtocols(t, h, func(t *testing.T, srv testutil.Server) {
		res, _ := get(t, srv, "/")
		require.Equal(t, "1", res.Trailer.Get("Declared"))
		require.Equal(t, "2", res.Trailer.Get("Undeclared"))
	})
}

// RFC 9112 §7.1.2. The server learns of undeclared trailers after it has made
// the request.
func TestRequestTrailersArrive(t *testing.T) {
	h, _ := watched(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, r.Trailer.Get("X-Sum"))
	}))
	srv := testutil.Start(t, h)
	for _, declared := range []string{"", "Trailer: X-Sum\r\n"} {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		require.NoError(t, err)
		io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+declared+
			"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n")
		res, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(string(res), "\r\n\r\n42"), string(res))
		conn.Close()
	}
}

func TestAHandlerThatPanicsTheSecondTimeReturnedNot(t *testing.T) {
	calls := 0
	twice := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls == 2 {
			panic("boom")
		}
	})
	var rec *respw.Recorder
	require.Panics(t, func() {
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e := reqinfo.Enter(w, r)
			rec = e.Rec
			defer e.Leave()
			e.Next(twice)
			e.Next(twice)
		}).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	})
	require.Zero(t, rec.Status())
}

func TestResponseControllerReachesTheConnection(t *testing.T) {
	h, _ := watched(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctl := http.NewResponseController(w)
		switch r.URL.Path {
		case "/read-deadline":
			if err := ctl.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
				panic(err)
			}
			_, err := io.ReadAll(r.Body)
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				panic(err)
			}
			w.WriteHeader(http.StatusRequestTimeout)
		case "/write-deadline":
			if err := ctl.SetWriteDeadline(time.Now().Add(-time.Second)); err != nil {
				panic(err)
			}
			for range 100 {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
			panic("no write failed")
		case "/full-duplex":
			if err := ctl.EnableFullDuplex(); err != nil {
				panic(err)
			}
			lines := bufio.NewReader(r.Body)
			for range 3 {
				line, err := lines.ReadString('\n')
				if err != nil {
					return
				}
				io.WriteString(w, "echo "+line)
				_ = ctl.Flush()
			}
		}
	}))
	testutil.BothProtocols(t, h, func(t *testing.T, srv testutil.Server) {
		t.Run("read deadline", func(t *testing.T) {
			pr, pw := io.Pipe()
			defer pw.Close()
			res, err := srv.Client().Post(srv.URL+"/read-deadline", "text/plain", pr)
			require.NoError(t, err)
			res.Body.Close()
			require.Equal(t, http.StatusRequestTimeout, res.StatusCode)
		})
		t.Run("write deadline", func(t *testing.T) {
			res, err := srv.Client().Get(srv.URL + "/write-deadline")
			if err == nil {
				_, err = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			require.Error(t, err)
		})
		t.Run("full duplex", func(t *testing.T) {
			pr, pw := io.Pipe()
			go io.WriteString(pw, "0\n")
			res, err := srv.Client().Post(srv.URL+"/full-duplex", "text/plain", pr)
			require.NoError(t, err)
			defer res.Body.Close()
			lines := bufio.NewReader(res.Body)
			for _, n := range []string{"0\n", "1\n", "2\n"} {
				if n != "0\n" {
					go io.WriteString(pw, n)
				}
				line, err := lines.ReadString('\n')
				require.NoError(t, err)
				require.Equal(t, "echo "+n, line)
			}
			pw.Close()
		})
	})
}

func TestAPanicCutsTheConnectionAsWithoutLayers(t *testing.T) {
	h, recs := watched(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/after" {
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
		}
		panic(http.ErrAbortHandler)
	}))
	testutil.BothProtocols(t, h, func(t *testing.T, srv testutil.Server) {
		_, err := srv.Client().Get(srv.URL + "/before")
		require.Error(t, err)
		require.Zero(t, (<-recs).Status(), "nothing was sent")
		if srv.Proto == "HTTP/1.1" { // the client tries a cut GET again on HTTP/1.1
			for len(recs) > 0 {
				<-recs
			}
		}
		res, err := srv.Client().Get(srv.URL + "/after")
		require.NoError(t, err)
		defer res.Body.Close()
		_, err = io.ReadAll(res.Body)
		require.Error(t, err)
		rec := <-recs
		require.Equal(t, 200, rec.Status())
		require.EqualValues(t, 4, rec.Bytes())
	})
}

// recoverer is a layer that answers for a handler that panicked.
func recoverer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := reqinfo.Enter(w, r)
		defer e.Leave()
		defer func() {
			if v := recover(); v != nil && !e.Rec.Committed() {
				http.Error(e.W, "sorry", http.StatusInternalServerError)
			} else if v != nil {
				panic(http.ErrAbortHandler)
			}
		}()
		e.Next(next)
	})
}

func TestARecoveringLayerAnswersWhereverItStands(t *testing.T) {
	boom := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })
	for name, h := range map[string]http.Handler{
		"outermost": recoverer(layers(4, boom)),
		"innermost": layers(4, recoverer(boom)),
		"between":   layers(2, recoverer(layers(2, boom))),
	} {
		t.Run(name, func(t *testing.T) {
			watch, recs := watched(h)
			testutil.BothProtocols(t, watch, func(t *testing.T, srv testutil.Server) {
				res, body := get(t, srv, "/")
				require.Equal(t, 500, res.StatusCode)
				require.Equal(t, "sorry\n", body)
				require.Equal(t, 500, (<-recs).Status())
			})
		})
	}
}

func TestTimeoutHandlerInside(t *testing.T) {
	release := make(chan struct{})
	lateErr := make(chan error, 1)
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fast" {
			w.WriteHeader(201)
			io.WriteString(w, "fast")
			return
		}
		<-release
		reqinfo.From(r.Context()).AddQuery(time.Millisecond)
		_, err := io.WriteString(w, "late")
		lateErr <- err
	})
	h, recs := watched(http.TimeoutHandler(layers(2, slow), 30*time.Millisecond, "timed out"))
	testutil.BothProtocols(t, h, func(t *testing.T, srv testutil.Server) {
		res, body := get(t, srv, "/slow")
		require.Equal(t, 503, res.StatusCode)
		require.Equal(t, "timed out", body)
		require.Equal(t, 503, (<-recs).Status())
		release <- struct{}{}
		require.ErrorIs(t, <-lateErr, http.ErrHandlerTimeout)
		res, body = get(t, srv, "/fast")
		require.Equal(t, 201, res.StatusCode)
		require.Equal(t, "fast", body)
		require.Equal(t, 201, (<-recs).Status())
	})
}

func TestTimeoutHandlerOutside(t *testing.T) {
	release := make(chan struct{})
	inner, recs := watched(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-release
		_, _ = io.WriteString(w, "late")
	}))
	testutil.BothProtocols(t, http.TimeoutHandler(inner, 30*time.Millisecond, "timed out"),
		func(t *testing.T, srv testutil.Server) {
			res, body := get(t, srv, "/")
			require.Equal(t, 503, res.StatusCode)
			require.Equal(t, "timed out", body)
			release <- struct{}{}
			require.Equal(t, 200, (<-recs).Status(), "what the handler tried; the layer cannot know better")
		})
}

func TestReverseProxy(t *testing.T) {
	gone := make(chan struct{}, 1)
	backend := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hints":
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusTeapot)
		case "/cut":
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case "/endless":
			for r.Context().Err() == nil {
				io.WriteString(w, "data\n")
				w.(http.Flusher).Flush()
				time.Sleep(time.Millisecond)
			}
			gone <- struct{}{}
		}
	}))
	target, err := url.Parse(backend.URL)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(pr *httputil.ProxyRequest) { pr.SetURL(target) },
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	h, recs := watched(proxy)
	testutil.BothProtocols(t, h, func(t *testing.T, srv testutil.Server) {
		t.Run("an interim response is no final one", func(t *testing.T) {
			res, _ := get(t, srv, "/hints")
			require.Equal(t, http.StatusTeapot, res.StatusCode)
			require.Equal(t, http.StatusTeapot, (<-recs).Status())
		})
		t.Run("a backend that breaks off breaks the client's body off", func(t *testing.T) {
			res, err := srv.Client().Get(srv.URL + "/cut")
			require.NoError(t, err)
			defer res.Body.Close()
			_, err = io.ReadAll(res.Body)
			require.Error(t, err)
			rec := <-recs
			require.Equal(t, 200, rec.Status())
			require.EqualValues(t, 4, rec.Bytes())
		})
		t.Run("a client that leaves ends the backend's work", func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			req, _ := http.NewRequestWithContext(ctx, "GET", srv.URL+"/endless", nil)
			res, err := srv.Client().Do(req)
			require.NoError(t, err)
			_, err = res.Body.Read(make([]byte, 5))
			require.NoError(t, err)
			leave()
			<-gone
			require.Equal(t, 200, (<-recs).Status())
		})
	})
}
