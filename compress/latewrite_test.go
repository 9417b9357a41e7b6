package compress_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/compress"
)

// straggler is a goroutine that a handler has left behind: it writes on when it is
// woken up, in the middle of a later response.
type straggler struct {
	wake, done chan struct{}
	wrote      int // bytes that were accepted while another response was under way
}

// lateWriters serves lines with the number of each request. Each handler leaves
// goroutines: some go on writing until they are refused, the other one is woken up
// by a later handler.
type lateWriters struct {
	inside  http.Handler // the middleware, and handle
	streams bool
	left    chan *straggler
	loose   sync.WaitGroup
	wrote   atomic.Int64
}

func (l *lateWriters) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := &straggler{wake: make(chan struct{}), done: make(chan struct{})}
	l.inside.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), stragglerKey{}, s)))
	l.left <- s // from now on it is late
}

type stragglerKey struct{}

func (l *lateWriters) handle(w http.ResponseWriter, r *http.Request) {
	line := bytes.Repeat([]byte("response "+r.Header.Get("Number")+"\n"), 100)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(line)
	if l.streams {
		w.(http.Flusher).Flush()
	}
	l.wakeOne()
	l.leave(w, line, r.Context().Value(stragglerKey{}).(*straggler))
	_, _ = w.Write(line)
}

// wakeOne lets a goroutine of an earlier handler write, while this handler waits.
func (l *lateWriters) wakeOne() {
	select {
	case s := <-l.left:
		close(s.wake)
		<-s.done
		l.wrote.Add(int64(s.wrote))
	default: // the first ones
	}
}

func (l *lateWriters) leave(w http.ResponseWriter, line []byte, s *straggler) {
	for range 3 { // they wait for each other, and one of them for the end
		l.loose.Go(func() {
			for range 1000 {
				if _, err := w.Write(line); err != nil {
					return
				}
				runtime.Gosched()
			}
		})
	}
	l.loose.Go(func() {
		defer close(s.done)
		<-s.wake
		for range 3 {
			n, _ := w.Write(line)
			m, _ := w.(io.StringWriter).WriteString(string(line))
			s.wrote += n + m
			w.(http.Flusher).Flush()
			k, _ := io.Copy(w, struct{ io.Reader }{bytes.NewReader(line)})
			s.wrote += int(k)
			w.Header().Set("Content-Type", "text/late")
			w.WriteHeader(http.StatusTeapot)
		}
	})
}

// end wakes up those that nobody has woken.
func (l *lateWriters) end() {
	for len(l.left) > 0 {
		l.wakeOne()
	}
	l.loose.Wait()
}

// Trap d.25: a goroutine that outlives its handler cannot reach another response,
// neither through the writer nor through an encoder or a buffer that has an owner
// again.
func TestALateWriteNeverReachesAnotherResponse(t *testing.T) {
	const requests = 10_000
	kinds := []struct {
		coding  string
		streams bool
	}{{"gzip", false}, {"gzip", true}, {"br", false}, {"br", true}, {"zstd", false}, {"zstd", true}}
	for _, k := range kinds {
		t.Run(fmt.Sprintf("%s, streams %t", k.coding, k.streams), func(t *testing.T) {
			l := &lateWriters{streams: k.streams, left: make(chan *straggler, 64)}
			l.ask(t, k.coding, requests/len(kinds)+1)
			require.Zero(t, l.wrote.Load(), "a writer took bytes after its handler had returned")
		})
	}
}

func (l *lateWriters) ask(t *testing.T, coding string, requests int) {
	c, err := compress.New(compress.Options{})
	require.NoError(t, err)
	l.inside = c.Middleware(http.HandlerFunc(l.handle))
	s := httptest.NewServer(l)
	defer l.end()
	defer s.Close() // first: it waits for the handlers
	var clients sync.WaitGroup
	var next atomic.Int64
	faults := make(chan error, 4)
	for range cap(faults) {
		clients.Go(func() {
			for n := next.Add(1); n <= int64(requests); n = next.Add(1) {
				if err := askNumber(s, coding, n); err != nil {
					faults <- err
					return
				}
			}
		})
	}
	clients.Wait()
	close(faults)
	for err := range faults {
		require.NoError(t, err)
	}
}

// askNumber looks for bytes of others in a response.
func askNumber(s *httptest.Server, coding string, n int64) error {
	req, err := http.NewRequest(http.MethodGet, s.URL, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept-Encoding", coding)
	req.Header.Set("Number", fmt.Sprint(n))
	res, err := s.Client().Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("response %d: %w", n, err)
	}
	got := res.Header.Get("Content-Encoding")
	body, err := decodeAll(got, got != "", raw)
	line := fmt.Sprintf("response %d\n", n)
	rest := strings.ReplaceAll(string(body), line, "")
	switch {
	case err != nil:
		return fmt.Errorf("response %d: %w", n, err)
	case got != coding || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/plain; charset=utf-8":
		return fmt.Errorf("response %d: %d, %v", n, res.StatusCode, res.Header)
	case rest != "" || len(body) < 200*len(line):
		return fmt.Errorf("response %d has %d bytes, and of others %.100q", n, len(body), rest)
	}
	return nil
}

// endless is a reader that gives something, and then nothing until it is closed.
type endless struct {
	first   io.Reader
	blocked chan struct{}
	closed  chan struct{}
	once    sync.Once
}

func (e *endless) Read(p []byte) (int, error) {
	if n, _ := e.first.Read(p); n > 0 {
		return n, nil
	}
	e.once.Do(func() { close(e.blocked) })
	<-e.closed
	return copy(p, "too late"), nil
}

// A goroutine that copies from a reader which never ends holds no lock: its handler
// returns, and the response ends.
func TestACopyThatNeverEndsDoesNotHoldUpTheResponse(t *testing.T) {
	for _, streams := range []bool{false, true} {
		for _, coding := range []string{"gzip", "br", "zstd"} {
			t.Run(fmt.Sprintf("%s, streams %t", coding, streams), func(t *testing.T) {
				src := &endless{first: strings.NewReader(strings.Repeat("response 1\n", 200)), blocked: make(chan struct{}), closed: make(chan struct{})}
				copied := make(chan error, 1)
				c, err := compress.New(compress.Options{})
				require.NoError(t, err)
				s := httptest.NewServer(c.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "text/plain; charset=utf-8")
					if streams {
						w.(http.Flusher).Flush()
					}
					go func() {
						_, err := io.Copy(w, src)
						copied <- err
					}()
					<-src.blocked
				})))
				defer s.Close()
				require.NoError(t, askNumber(s, coding, 1))
				close(src.closed)
				require.Error(t, <-copied, "a copy goes on after its response")
			})
		}
	}
}
