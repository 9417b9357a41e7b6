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
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/respw"
	"github.com/sluice-go/sluice/internal/testutil"
)

// serve runs h behind a recorder as the outermost layer would.
func serve(w http.ResponseWriter, r *http.Request, h http.HandlerFunc) *respw.Recorder {
	rw, rec, created := respw.Wrap(w, r, respw.Now())
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
			w, rec, _ = respw.Wrap(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), respw.Now())
			w.WriteHeader(status)
		})
		require.False(t, rec.Committed())
	}
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
			respw.From(w).Watch(hook{"outer", &log})
			respw.From(w).Watch(hook{"inner", &log})
			respw.From(w).Watch(replacer{})
			respw.From(w).OnHeader(hook{"header", &log})
			conn, rw, err := http.NewResponseController(w).Hijack()
			require.NoError(t, err)
			require.IsType(t, replaced{}, conn)
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
	require.Equal(t, []string{"outer", "inner"}, log, "and no header hook ran")
}

type replaced struct{ net.Conn }

type replacer struct{}

func (replacer) Outgrew() {}
func (replacer) Flushed() {}

func (replacer) Hijacked(c net.Conn, rw *bufio.ReadWriter) (net.Conn, *bufio.ReadWriter) {
	return replaced{c}, rw
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
			w.(io.ReaderFrom).ReadFrom(io.MultiReader(slowReader{}, strings.NewReader(strings.Repeat("x", 2000))))
			wait()
		}, 3 * time.Second},
		{"a small ReadFrom leaves when the handler returns", func(w http.ResponseWriter, _ *http.Request) {
			w.(io.ReaderFrom).ReadFrom(strings.NewReader(strings.Repeat("x", 1023)))
			wait()
		}, 0},
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

// RFC 9113 §8.6: there is no 101 on HTTP/2; net/http takes it for interim.
func TestSwitchingProtocolsIsFinalOnHTTP1Alone(t *testing.T) {
	for major, want := range map[int]int{1: 101, 2: 404} {
		r := httptest.NewRequest("GET", "/", nil)
		r.ProtoMajor = major
		rec := serve(fakes[0], r, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(101)
			w.WriteHeader(404)
		})
		require.Equal(t, want, rec.Status())
	}
}

// An in-process writer may accept what net/http refuses.
func TestABodyThatCannotBeIsNotCounted(t *testing.T) {
	for status, want := range map[int]int64{101: 0, 200: 5, 204: 0, 304: 0} {
		rec := serve(fakes[0], httptest.NewRequest("GET", "/", nil), func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write(body)
		})
		require.Equal(t, want, rec.Bytes(), status)
	}
}

func TestAWriterThatFailsOddlyIsNotCounted(t *testing.T) {
	rec := serve(miscounting{fakes[0]}, httptest.NewRequest("GET", "/", nil), func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(body)
	})
	require.Zero(t, rec.Bytes())
}

type miscounting struct{ http.ResponseWriter }

func (miscounting) Write([]byte) (int, error) { return -1, errFake }

func TestReadFromBearsOddReadersAndWriters(t *testing.T) {
	inner := fakes[1<<3]
	wrap := func() io.ReaderFrom {
		noted(inner)
		w, _, _ := respw.Wrap(inner, httptest.NewRequest("GET", "/", nil), respw.Now())
		return w.(io.ReaderFrom)
	}
	t.Run("a reader that returns nothing for long", func(t *testing.T) {
		empty := 200
		n, err := wrap().ReadFrom(readerFunc(func(p []byte) (int, error) {
			if empty--; empty >= 0 {
				return 0, nil
			}
			return copy(p, "x"), io.EOF
		}))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	})
	t.Run("a reader that fails once", func(t *testing.T) {
		calls := 0
		n, err := wrap().ReadFrom(readerFunc(func(p []byte) (int, error) {
			if calls++; calls == 1 {
				return copy(p, "x"), errFake
			}
			return 0, io.EOF
		}))
		require.ErrorIs(t, err, errFake)
		require.EqualValues(t, 1, n)
		require.Equal(t, 1, calls)
		require.Equal(t, "Write", noted(inner))
	})
	t.Run("a writer that fails at the first piece", func(t *testing.T) {
		w, _, _ := respw.Wrap(refusing{inner.(refusable)}, httptest.NewRequest("GET", "/", nil), respw.Now())
		source := strings.NewReader(strings.Repeat("x", 1000))
		_, err := w.(io.ReaderFrom).ReadFrom(source)
		require.ErrorIs(t, err, errFake)
		require.Equal(t, 488, source.Len())
	})
}

type refusable interface {
	http.ResponseWriter
	io.ReaderFrom
}

type refusing struct{ refusable }

func (refusing) Write([]byte) (int, error) { return 0, errFake }
