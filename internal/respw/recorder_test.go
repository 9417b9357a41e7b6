package respw_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/respw"
	"github.com/sluice-go/sluice/internal/testutil"
)

// serve runs h behind a recorder as the outermost layer would.
func serve(w http.ResponseWriter, r *http.Request, h http.HandlerFunc) *respw.Recorder {
	rw, rec, created := respw.Wrap(w, r, time.Now())
	returned := false
	defer func() {
		if created {
			rec.End(returned)
		}
	}()
	h(rw, r)
	returned = true
	return rec
}

func TestStatusAndBytesAreTheClients(t *testing.T) {
	tests := []struct {
		name   string
		method string
		h      http.HandlerFunc
		status int
		bytes  int64
	}{
		{"a handler that does nothing answers 200", "GET", func(http.ResponseWriter, *http.Request) {}, 200, 0},
		{"a write implies 200", "GET", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "abc") }, 200, 3},
		{"an empty write implies 200", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Write(nil)
			w.WriteHeader(500)
		}, 200, 0},
		{"a flush implies 200", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			w.WriteHeader(500)
		}, 200, 0},
		{"the first final status wins", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(201)
			w.WriteHeader(500)
		}, 201, 0},
		{"1xx is not final", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(103)
			w.WriteHeader(103)
			w.WriteHeader(404)
		}, 404, 0},
		{"1xx alone ends as 200", "GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103) }, 200, 0},
		{"an empty ReadFrom leaves the status open", "GET", func(w http.ResponseWriter, _ *http.Request) {
			n, err := io.Copy(w, onlyReader{strings.NewReader("")})
			if n != 0 || err != nil {
				panic(err)
			}
			w.WriteHeader(204)
		}, 204, 0},
		{"ReadFrom counts all bytes", "GET", func(w http.ResponseWriter, _ *http.Request) {
			io.Copy(w, onlyReader{strings.NewReader(strings.Repeat("x", 100_000))})
		}, 200, 100_000},
		{"a failing source counts what was read", "GET", func(w http.ResponseWriter, _ *http.Request) {
			io.Copy(w, io.MultiReader(strings.NewReader(strings.Repeat("x", 1000)), failingReader{}))
		}, 200, 1000},
		{"HEAD has no body on the wire", "HEAD", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "abc") }, 200, 0},
		{"304 has no body on the wire", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(304)
			io.WriteString(w, "abc")
		}, 304, 0},
		{"a write past Content-Length counts what was accepted", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3")
			io.WriteString(w, "abc")
			io.WriteString(w, "def")
		}, 200, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			recs := make(chan *respw.Recorder, 1)
			srv := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				recs <- serve(w, r, tt.h)
			}))
			req, err := http.NewRequest(tt.method, srv.URL, nil)
			require.NoError(t, err)
			res, err := srv.Client().Do(req)
			require.NoError(t, err)
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			rec := <-recs
			require.Equal(t, tt.status, res.StatusCode, "what the client saw")
			require.Equal(t, tt.status, rec.Status())
			require.EqualValues(t, tt.bytes, len(body), "what the client saw")
			require.Equal(t, tt.bytes, rec.Bytes())
		})
	}
}

type onlyReader struct{ io.Reader }

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("no more") }

func TestAnInvalidStatusPanicsAsWithoutTheRecorder(t *testing.T) {
	for _, status := range []int{-1, 0, 99, 1000} {
		var rec *respw.Recorder
		require.Panics(t, func() {
			var w http.ResponseWriter
			w, rec, _ = respw.Wrap(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), time.Now())
			w.WriteHeader(status)
		})
		require.False(t, rec.Committed())
	}
}

// hook notes the order in which hooks run.
type hook struct {
	name string
	log  *[]string
}

func (h hook) BeforeHeader(status int, header http.Header) {
	*h.log = append(*h.log, h.name+" "+http.StatusText(status)+" "+header.Get("Set-By"))
	header.Set("Set-By", h.name)
}

func (h hook) Hijacked(c net.Conn, rw *bufio.ReadWriter) (net.Conn, *bufio.ReadWriter) {
	*h.log = append(*h.log, h.name)
	return c, rw
}

func TestHeaderHooksRunOnceInnermostFirstAtTheLastMoment(t *testing.T) {
	tests := []struct {
		name string
		h    http.HandlerFunc
		want string
	}{
		{"before WriteHeader", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); w.WriteHeader(500) }, "Not Found"},
		{"before the first write", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("x")); w.Write([]byte("x")) }, "OK"},
		{"before the first string", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x") }, "OK"},
		{"before a flush", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }, "OK"},
		{"before a flush through a ResponseController", func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
		}, "OK"},
		{"before ReadFrom", func(w http.ResponseWriter, _ *http.Request) { io.Copy(w, onlyReader{strings.NewReader("x")}) }, "OK"},
		{"after 103 and before the final status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(204) }, "No Content"},
		{"when the handler wrote nothing", func(http.ResponseWriter, *http.Request) {}, "OK"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log []string
			srv := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				serve(w, r, func(w http.ResponseWriter, r *http.Request) {
					rec := respw.From(w)
					for _, name := range []string{"1", "2", "3", "4", "5", "6"} {
						require.True(t, rec.OnHeader(hook{name, &log}))
					}
					w.Header().Set("Set-By", "handler")
					tt.h(w, r)
					require.Equal(t, !rec.Committed(), rec.OnHeader(hook{"6", &log}))
				})
			}))
			res, err := srv.Client().Get(srv.URL)
			require.NoError(t, err)
			res.Body.Close()
			if tt.name == "when the handler wrote nothing" {
				log = log[1:] // the hook registered after the handler
			}
			require.Equal(t, []string{tt.want}, unique(statuses(log)))
			require.Len(t, log, 6)
			require.Equal(t, "1", res.Header.Get("Set-By"), "the outermost layer has the last word")
		})
	}
}

func statuses(log []string) (out []string) {
	for _, l := range log {
		out = append(out, strings.TrimSpace(l[2:strings.LastIndexByte(l, ' ')]))
	}
	return out
}

func unique(s []string) (out []string) {
	for i, v := range s {
		if i == 0 || v != s[i-1] {
			out = append(out, v)
		}
	}
	return out
}

func TestAnInterimResponseCarriesNothingOfTheHooks(t *testing.T) {
	srv := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serve(w, r, func(w http.ResponseWriter, r *http.Request) {
			var log []string
			respw.From(w).OnHeader(hook{"1", &log})
			w.WriteHeader(http.StatusEarlyHints)
		})
	}))
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	all, err := io.ReadAll(conn)
	require.NoError(t, err)
	interim, final, _ := strings.Cut(string(all), "\r\n\r\n")
	require.Contains(t, interim, "103 Early Hints")
	require.NotContains(t, interim, "Set-By")
	require.Contains(t, final, "Set-By: 1")
}

func TestAPanicLeavesTheHeaderOpenForTheRecoverer(t *testing.T) {
	w := httptest.NewRecorder()
	var rec *respw.Recorder
	require.PanicsWithValue(t, "boom", func() {
		serve(w, httptest.NewRequest("GET", "/", nil), func(w http.ResponseWriter, _ *http.Request) {
			rec = respw.From(w)
			panic("boom")
		})
	})
	require.False(t, rec.Committed())
	require.Zero(t, rec.Status())
}

func TestHijackIsA101AndTheConnectionPassesTheHooksOutermostFirst(t *testing.T) {
	var log []string
	recs := make(chan *respw.Recorder, 1)
	srv := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recs <- serve(w, r, func(w http.ResponseWriter, r *http.Request) {
			respw.From(w).OnHijack(hook{"outer", &log})
			respw.From(w).OnHijack(hook{"inner", &log})
			conn, rw, err := http.NewResponseController(w).Hijack()
			require.NoError(t, err)
			_, err = w.Write([]byte("x"))
			require.ErrorIs(t, err, http.ErrHijacked)
			rw.WriteString("HTTP/1.1 101 Switching Protocols\r\n\r\nhello")
			rw.Flush()
			conn.Close()
		})
	}))
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	all, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(all), "hello"))
	rec := <-recs
	require.Equal(t, 101, rec.Status())
	require.True(t, rec.Hijacked())
	require.Zero(t, rec.Bytes())
	_, known := rec.FirstByte()
	require.True(t, known)
	require.Equal(t, []string{"outer", "inner"}, log)
}

func TestFirstByteIsWhenTheClientCouldSeeOne(t *testing.T) {
	wait := func() { time.Sleep(time.Second) }
	tests := []struct {
		name  string
		h     http.HandlerFunc
		after time.Duration // 0: left as a whole at the end
	}{
		{"a small body leaves when the handler returns", func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte("x"))
			wait()
		}, 0},
		{"a flush lets it leave", func(w http.ResponseWriter, _ *http.Request) {
			wait()
			w.Write([]byte("x"))
			w.(http.Flusher).Flush()
			wait()
			w.(http.Flusher).Flush()
		}, time.Second},
		{"a body that outgrows the buffer leaves", func(w http.ResponseWriter, _ *http.Request) {
			w.Write(make([]byte, 2048))
			wait()
			wait()
			w.Write([]byte("x"))
			wait()
		}, 2 * time.Second},
		{"ReadFrom leaves when its source speaks", func(w http.ResponseWriter, _ *http.Request) {
			w.(io.ReaderFrom).ReadFrom(io.MultiReader(slowReader{}, strings.NewReader(strings.Repeat("x", 600))))
			wait()
		}, 3 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rec := serve(fakes[1|1<<3], httptest.NewRequest("GET", "/", nil), tt.h) // Flush and ReadFrom
				at, known := rec.FirstByte()
				require.Equal(t, tt.after != 0, known)
				if known {
					require.Equal(t, tt.after, at)
				}
			})
		})
	}
}

type slowReader struct{}

func (slowReader) Read([]byte) (int, error) { time.Sleep(3 * time.Second); return 0, io.EOF }

// countingListener counts the ReadFrom calls that net/http makes on its
// connections: each is a sendfile or a splice.
type countingListener struct {
	net.Listener
	handedOver chan int64
}

type countingConn struct {
	*net.TCPConn
	l *countingListener
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countingConn{c.(*net.TCPConn), l}, nil
}

func (c *countingConn) ReadFrom(src io.Reader) (int64, error) {
	n, err := c.TCPConn.ReadFrom(src)
	c.l.handedOver <- n
	return n, err
}

func TestSendfileIsKept(t *testing.T) {
	const size = 1 << 20
	file := filepath.Join(t.TempDir(), "big.bin")
	require.NoError(t, os.WriteFile(file, make([]byte, size), 0o600))
	recs := make(chan *respw.Recorder, 1)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recs <- serve(w, r, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	}))
	l := &countingListener{srv.Listener, make(chan int64, 1)}
	srv.Listener = l
	srv.Start()
	defer srv.Close()
	res, err := srv.Client().Get(srv.URL)
	require.NoError(t, err)
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.EqualValues(t, size, n)
	require.EqualValues(t, size, (<-recs).Bytes())
	require.Greater(t, <-l.handedOver, int64(size-4096), "the kernel copies all but the first pieces")
}

func TestAForeignWrapperWithUnwrapAloneHidesNothing(t *testing.T) {
	tests := []struct {
		name   string
		h      http.HandlerFunc
		status int
	}{
		{"a flush runs the hooks first", func(w http.ResponseWriter, _ *http.Request) {
			require.False(t, optional["Flusher"](w), "the foreign wrapper has no Flush")
			require.NoError(t, http.NewResponseController(w).Flush())
		}, 200},
		{"a hijack is a 101", func(w http.ResponseWriter, _ *http.Request) {
			conn, rw, err := http.NewResponseController(w).Hijack()
			require.NoError(t, err)
			rw.WriteString("HTTP/1.1 200 OK\r\nSet-By: 1\r\nContent-Length: 0\r\n\r\n")
			rw.Flush()
			conn.Close()
		}, 101},
		{"deadlines and full duplex pass", func(w http.ResponseWriter, _ *http.Request) {
			ctl := http.NewResponseController(w)
			require.NoError(t, ctl.SetReadDeadline(time.Now().Add(time.Minute)))
			require.NoError(t, ctl.SetWriteDeadline(time.Now().Add(time.Minute)))
			require.NoError(t, ctl.EnableFullDuplex())
			w.WriteHeader(202)
		}, 202},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			recs := make(chan *respw.Recorder, 1)
			srv := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				recs <- serve(unwrapOnly{w}, r, func(w http.ResponseWriter, r *http.Request) {
					var log []string
					respw.From(w).OnHeader(hook{"1", &log})
					tt.h(w, r)
				})
			}))
			res, err := srv.Client().Get(srv.URL)
			require.NoError(t, err)
			res.Body.Close()
			require.Equal(t, "1", res.Header.Get("Set-By"))
			require.Equal(t, tt.status, (<-recs).Status())
		})
	}
	t.Run("what is supported nowhere stays unsupported and fixes nothing", func(t *testing.T) {
		rec := serve(unwrapOnly{unwrapOnly{bare{httptest.NewRecorder()}}}, httptest.NewRequest("GET", "/", nil),
			func(w http.ResponseWriter, _ *http.Request) {
				ctl := http.NewResponseController(w)
				require.ErrorIs(t, ctl.Flush(), http.ErrNotSupported)
				_, _, err := ctl.Hijack()
				require.ErrorIs(t, err, http.ErrNotSupported)
				w.WriteHeader(204)
			})
		require.Equal(t, 204, rec.Status())
		require.False(t, rec.Flushed())
	})
}

type unwrapOnly struct{ http.ResponseWriter }

func (w unwrapOnly) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type bare struct{ http.ResponseWriter }

func TestALateGoroutineReachesNothing(t *testing.T) {
	inner := &guarded{ResponseRecorder: httptest.NewRecorder()}
	var late http.ResponseWriter
	rec := serve(inner, httptest.NewRequest("GET", "/", nil), func(w http.ResponseWriter, _ *http.Request) {
		late = w
		io.WriteString(w, "in time")
	})
	late.Header().Set("Late", "1")
	late.WriteHeader(500)
	_, err := late.Write([]byte("late"))
	require.ErrorIs(t, err, respw.ErrEnded)
	_, err = io.WriteString(late, "late")
	require.ErrorIs(t, err, respw.ErrEnded)
	late.(http.Flusher).Flush()
	require.ErrorIs(t, http.NewResponseController(late).SetWriteDeadline(time.Now()), http.ErrNotSupported)
	require.Equal(t, "in time", inner.Body.String())
	require.Equal(t, 200, rec.Status())
	require.EqualValues(t, 7, rec.Bytes())
	require.False(t, rec.Flushed())
	require.Empty(t, rec.Header().Get("Late"))
	require.False(t, rec.OnHeader(hook{}))
}

// guarded stands for a server whose writer bears concurrent use, so that the
// race detector sees only what the recorder does.
type guarded struct {
	*httptest.ResponseRecorder
	mu sync.Mutex
}

func (w *guarded) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ResponseRecorder.Write(p)
}

func (w *guarded) WriteString(s string) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ResponseRecorder.WriteString(s)
}

func (w *guarded) WriteHeader(s int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ResponseRecorder.WriteHeader(s)
}

func (w *guarded) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ResponseRecorder.Flush()
}

func TestLateWritesAreRaceFree(t *testing.T) {
	for range 200 {
		inner := &guarded{ResponseRecorder: httptest.NewRecorder()}
		var wg sync.WaitGroup
		rec := serve(inner, httptest.NewRequest("GET", "/", nil), func(w http.ResponseWriter, _ *http.Request) {
			for range 4 {
				wg.Go(func() {
					for range 20 {
						io.WriteString(w, "x")
						w.WriteHeader(500)
						w.(http.Flusher).Flush()
					}
				})
			}
			w.WriteHeader(200)
		})
		_, _, _, _ = rec.Status(), rec.Bytes(), rec.Flushed(), rec.Hijacked()
		rec.FirstByte()
		wg.Wait()
		inner.mu.Lock()
		require.EqualValues(t, inner.Body.Len(), rec.Bytes())
		inner.mu.Unlock()
	}
}

// A pooled writer would let the late goroutine of one request write into the
// response of another. Over a real server, with the detector on.
func TestALateWriteNeverReachesAnotherResponse(t *testing.T) {
	var late sync.WaitGroup
	srv := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ended := make(chan struct{})
		defer close(ended)
		serve(w, r, func(w http.ResponseWriter, r *http.Request) {
			late.Go(func() {
				<-ended
				for range 10 {
					io.WriteString(w, "LATE")
				}
			})
			io.WriteString(w, r.URL.Path)
		})
	}))
	var clients sync.WaitGroup
	for c := range 4 {
		clients.Go(func() {
			for range 250 {
				path := "/" + string(rune('a'+c))
				res, err := srv.Client().Get(srv.URL + path)
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || string(body) != path {
					t.Errorf("%q, %v", body, err)
				}
			}
		})
	}
	clients.Wait()
	late.Wait()
}
