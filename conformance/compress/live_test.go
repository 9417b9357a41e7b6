package compress_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/compress"
)

var everyCoding = []compress.Coding{compress.Gzip, compress.Brotli, compress.Zstd}

const (
	events   = 10
	patience = 20 * time.Second // with a client that does not see an event
	lastData = "end"
)

// mode is what makes a body flow event by event.
type mode struct {
	name    string
	header  http.Header
	flushes bool // the handler flushes after each event
	padding int
}

var modes = []mode{
	{"flush", http.Header{"Content-Type": {"text/event-stream"}}, true, 0},
	{"padded", http.Header{"Content-Type": {"text/event-stream"}}, true, 4096},
	{"incremental", http.Header{"Content-Type": {"text/plain"}, "Incremental": {"?1"}}, false, 0},
	{"accel", http.Header{"Content-Type": {"text/event-stream"}, "X-Accel-Buffering": {"no"}}, false, 0},
}

// live is a stream that goes on only as its reader keeps up: event n+1 leaves when
// the client has sent back what it found in event n.
type live struct {
	mode    mode
	coding  compress.Coding
	largest int // event, in bytes
	acks    chan string
	ended   chan error
	marked  chan string // the Content-Encoding that left
}

// path is where the stream is mounted.
func (l *live) path() string { return "/" + l.mode.name + "/" + string(l.coding) }

// data is one byte, or longer than what is kept back and than a window, of words
// and of what has no repetition.
func (l *live) data(n int) string {
	size := min([]int{1, 40, 700, 9000, 140_000}[n%5], l.largest)
	r := rand.New(rand.NewPCG(uint64(n), 0))
	var b strings.Builder
	for b.Len() < size {
		if n%2 == 0 {
			fmt.Fprintf(&b, "%x", r.Uint64())
		} else {
			fmt.Fprintf(&b, "ticket %d is open; ", r.IntN(100))
		}
	}
	return b.String()[:size]
}

func (l *live) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := l.send(w, r)
	select {
	case l.ended <- err:
	default: // a client that came again
	}
}

func (l *live) send(w http.ResponseWriter, r *http.Request) error {
	for name, values := range l.mode.header {
		w.Header()[name] = values
	}
	for n := range events {
		data := l.data(n)
		if err := l.event(w, data); err != nil {
			return err
		}
		select {
		case got := <-l.acks:
			if got != data {
				return fmt.Errorf("event %d of %d bytes came as %d: %.40q", n, len(data), len(got), got)
			}
		case <-r.Context().Done():
			return fmt.Errorf("event %d: the client has left", n)
		case <-time.After(patience):
			return fmt.Errorf("event %d was not seen", n)
		}
	}
	return l.event(w, lastData)
}

func (l *live) event(w http.ResponseWriter, data string) error {
	if _, err := io.WriteString(w, "data: "+data+"\n\n"); err != nil || !l.mode.flushes {
		return err
	}
	return http.NewResponseController(w).Flush()
}

// ack is for clients in this process.
func (l *live) ack(data string) error {
	select {
	case l.acks <- data:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("nobody waits for %.40q", data)
	}
}

// follow reads a stream to its end.
func (l *live) follow(body io.Reader) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	last := ""
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if last = data; data == lastData {
			continue
		}
		if err := l.ack(data); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if last != lastData {
		return fmt.Errorf("the stream ended with %.40q", last)
	}
	return nil
}

// check is called when the client is done.
func (l *live) check(t *testing.T) {
	t.Helper()
	require.NoError(t, receive(t, l.ended, "the end of the stream"))
	require.Equal(t, string(l.coding), receive(t, l.marked, "the header of the stream"))
}

// newLives returns a stream for each mode and coding.
func newLives() (all []*live) {
	for _, m := range modes {
		for _, c := range everyCoding {
			all = append(all, &live{m, c, 1 << 20, make(chan string), make(chan error, 1), make(chan string, 1)})
		}
	}
	return all
}

// mount serves a stream as behind makes it, and takes what clients send back.
func (l *live) mount(t *testing.T, mux *http.ServeMux, behind http.Handler) {
	t.Helper()
	c := newCompressor(t, compress.Options{Codings: []compress.Coding{l.coding}, Padding: l.mode.padding})
	encoded := c.Middleware(behind)
	mux.HandleFunc("GET "+l.path()+"/events", func(w http.ResponseWriter, r *http.Request) {
		encoded.ServeHTTP(w, r)
		select {
		case l.marked <- w.Header().Get("Content-Encoding"):
		default:
		}
	})
	mux.HandleFunc("POST "+l.path()+"/ack", func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err == nil {
			err = l.ack(string(data))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
}

func newCompressor(t *testing.T, o compress.Options) *compress.Compressor {
	t.Helper()
	c, err := compress.New(o)
	require.NoError(t, err)
	return c
}
