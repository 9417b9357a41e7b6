package respw_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/respw"
)

// pipes is a listener whose connections are in memory, so that a bubble of
// synctest knows when a server and its client have nothing more to do.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// arrivals counts what a client read of its connection.
type arrivals struct {
	net.Conn
	n *atomic.Int64
}

func (a arrivals) Read(p []byte) (int, error) {
	n, err := a.Conn.Read(p)
	a.n.Add(int64(n))
	return n, err
}

// socket has the ReadFrom of a TCP connection, behind which sendfile is.
type socket struct{ net.Conn }

func (s socket) ReadFrom(src io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{s.Conn}, src)
}

// inBubble serves one request in memory. arrived tells the handler whether
// anything of the response has reached the client by now. "HTTP/1.1" is as over
// TLS, "HTTP/1.1 TCP" as without.
func inBubble(t *testing.T, proto, method string, h func(w http.ResponseWriter, r *http.Request, arrived func() bool)) {
	synctest.Test(t, func(t *testing.T) {
		var read atomic.Int64 // bytes of the connection
		http1 := strings.HasPrefix(proto, "HTTP/1.1")
		var answered atomic.Bool
		arrived := func() bool {
			synctest.Wait()
			return answered.Load() || http1 && read.Load() > 0
		}
		var protocols http.Protocols
		protocols.SetHTTP1(http1)
		protocols.SetUnencryptedHTTP2(!http1)
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		done := make(chan struct{})
		srv := &http.Server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(done)
				h(w, r, arrived)
			}),
			Protocols: &protocols, ErrorLog: log.New(io.Discard, "", 0),
		}
		go srv.Serve(l)
		defer srv.Close()
		tr := &http.Transport{Protocols: &protocols, DialContext: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			if proto == "HTTP/1.1 TCP" {
				server = socket{server}
			}
			l.conns <- server
			return arrivals{client, &read}, nil
		}}
		defer tr.CloseIdleConnections()
		req, err := http.NewRequest(method, "http://example.com/", nil)
		require.NoError(t, err)
		res, err := tr.RoundTrip(req)
		require.NoError(t, err)
		answered.Store(true)
		require.Contains(t, proto, res.Proto)
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		<-done
	})
}

// What a client has seen must not be called unsent: a first-byte time is never
// late, over a real server and whatever the answer is.
func TestNothingArrivesBeforeItCountsAsTheFirstByte(t *testing.T) {
	answers := []struct {
		name, method string
		status       int
	}{
		{"a body", "GET", 200},
		{"HEAD", "HEAD", 200},
		{"204", "GET", 204},
		{"304", "GET", 304},
	}
	piece := strings.Repeat("x", 300)
	writes := map[string]func(w http.ResponseWriter) error{
		"Write":   func(w http.ResponseWriter) error { _, err := w.Write([]byte(piece)); return err },
		"strings": func(w http.ResponseWriter) error { _, err := io.WriteString(w, piece); return err },
		"io.Copy": func(w http.ResponseWriter) error {
			_, err := io.Copy(w, onlyReader{strings.NewReader(piece)})
			return err
		},
		"a big io.Copy": func(w http.ResponseWriter) error {
			_, err := io.Copy(w, onlyReader{strings.NewReader(piece + piece + piece + piece)})
			return err
		},
		"an io.Copy of two pieces": func(w http.ResponseWriter) error {
			_, err := io.Copy(w, onlyReader{strings.NewReader(strings.Repeat("x", 1024))})
			return err
		},
	}
	for _, proto := range []string{"HTTP/1.1", "HTTP/1.1 TCP", "HTTP/2.0"} {
		for _, a := range answers {
			for by, write := range writes {
				if proto == "HTTP/1.1 TCP" && a.method == "HEAD" && strings.Contains(by, "io.Copy") {
					continue // net/http flushes for sendfile, though there is nothing to send; not noticed
				}
				t.Run(proto+" "+a.name+" by "+by, func(t *testing.T) {
					inBubble(t, proto, a.method, func(w http.ResponseWriter, r *http.Request, arrived func() bool) {
						serve(w, r, func(w http.ResponseWriter, _ *http.Request) {
							rec := respw.From(w)
							w.WriteHeader(a.status)
							for range 20 {
								_ = write(w)
								_, known := rec.FirstByte()
								if arrived() && !known {
									t.Errorf("late: %d bytes, the client has read some, FirstByte says nothing left", rec.Bytes())
									return
								}
							}
						})
					})
				})
			}
		}
	}
}

// The other direction: what counts as left has, or will with the next 2 KB.
func TestTheFirstByteIsEarlyByAtMostABuffer(t *testing.T) {
	for _, proto := range []string{"HTTP/1.1", "HTTP/1.1 TCP", "HTTP/2.0"} {
		for _, method := range []string{"GET", "HEAD"} {
			t.Run(proto+" "+method, func(t *testing.T) {
				leaves := method == "GET" || proto == "HTTP/2.0" // HTTP/1.1 keeps the header of a HEAD to the end
				inBubble(t, proto, method, func(w http.ResponseWriter, r *http.Request, arrived func() bool) {
					serve(w, r, func(w http.ResponseWriter, _ *http.Request) {
						rec := respw.From(w)
						for size := 256; size <= 16<<10; size += 256 {
							_, _ = w.Write(make([]byte, 256))
							_, known := rec.FirstByte()
							assert(t, rec.Bytes() == 0 || method == "GET", "%d bytes of an answer to HEAD", rec.Bytes())
							assert(t, known == (leaves && size > 2048), "%d bytes: FirstByte known %v", size, known)
							assert(t, arrived() == (leaves && size > 4096), "%d bytes: arrived %v", size, arrived())
						}
					})
				})
			})
		}
	}
}

// assert is require for the goroutine of a handler.
func assert(t *testing.T, ok bool, format string, args ...any) {
	t.Helper()
	if !ok {
		t.Errorf(format, args...)
	}
}

// A file to a slow client: the first byte left at the start of the transfer and
// not at its end.
func TestTheFirstByteOfALongTransferIsNotItsLast(t *testing.T) {
	for _, size := range []int{2000, 2048 - 512, 3000, 1 << 20} {
		synctest.Test(t, func(t *testing.T) {
			rec := serve(fakes[1|1<<3], httptest.NewRequest("GET", "/", nil), func(w http.ResponseWriter, _ *http.Request) {
				n, err := w.(io.ReaderFrom).ReadFrom(io.MultiReader(strings.NewReader(strings.Repeat("x", 512)), strings.NewReader(strings.Repeat("x", size)), slowReader{}))
				require.NoError(t, err)
				require.EqualValues(t, 512+size, n)
			})
			at, known := rec.FirstByte()
			require.True(t, known)
			require.Less(t, at, time.Second, "a transfer of %d bytes that took 3 s", 512+size)
		})
	}
}

func TestASourceThatFailsMidwayCountsWhatLeft(t *testing.T) {
	broken := errors.New("broken source")
	for _, size := range []int{0, 1, 511, 512, 513, 1024, 1025, 2048, 2049, 100_000} {
		var log []string
		rec := serve(fakes[1<<3], httptest.NewRequest("GET", "/", nil), func(w http.ResponseWriter, _ *http.Request) {
			respw.From(w).Watch(hook{"1", &log})
			source := io.MultiReader(strings.NewReader(strings.Repeat("x", size)), readerFunc(func([]byte) (int, error) { return 0, broken }))
			n, err := w.(io.ReaderFrom).ReadFrom(source)
			require.ErrorIs(t, err, broken)
			require.EqualValues(t, size, n)
			require.Equal(t, size > 0, respw.From(w).Committed(), "nothing read leaves the header open")
		})
		require.EqualValues(t, size, rec.Bytes())
		_, known := rec.FirstByte()
		require.Equal(t, size >= 1024, known, size)
		require.Equal(t, known, len(log) == 1, "%d: %v", size, log)
	}
}
