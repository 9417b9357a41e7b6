package compress_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/compress"
	"github.com/sluice-go/sluice/internal/problem"
	"github.com/sluice-go/sluice/internal/respw"
)

// program is what a handler does, and how it is asked.
type program struct {
	h2       bool
	method   string
	accept   int // of accepts
	options  int // of worldOptions
	recovers bool
	ops      []op
}

func (p program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, HTTP/2 %t, Accept-Encoding %q, options %s, recoverer %t", p.method, p.h2, accepts[p.accept].field, worldOptions[p.options].name, p.recovers)
	for _, o := range p.ops {
		b.WriteString("\n\t" + o.text)
	}
	return b.String()
}

const noField = "(none)"

// accepts are values of Accept-Encoding with the codings that they allow.
var accepts = []struct {
	field   string
	codings []string
	forced  bool // identity is refused
}{
	{"gzip", []string{"gzip"}, false},
	{"br", []string{"br"}, false},
	{"zstd", []string{"zstd"}, false},
	{"", nil, false},
	{noField, nil, false},
	{"gzip;q=0, identity", nil, false},
	{"identity;q=0, gzip", []string{"gzip"}, true},
	{"*", []string{"gzip", "br", "zstd"}, false},
}

var worldOptions = []struct {
	name string
	compress.Options
}{
	{"default", compress.Options{}},
	{"MinSize -1", compress.Options{MinSize: -1}},
	{"BufferSize 512", compress.Options{BufferSize: 512}},
	{"Padding 64", compress.Options{Padding: 64}},
	{"MaxStreams 1", compress.Options{MaxStreams: 1, BufferSize: 4096}},
}

func (p program) minSize() int {
	if worldOptions[p.options].MinSize < 0 {
		return 0
	}
	return 500
}

func (p program) bufferSize() int {
	if n := worldOptions[p.options].BufferSize; n != 0 {
		return n
	}
	return 64 << 10
}

// world has a server for each protocol, that runs programs behind a Compressor or
// without one.
type world struct {
	urls        [2]string
	clients     [2]*http.Client
	compressors []*compress.Compressor
	runs        sync.Map // run by its number
	last        atomic.Int64
}

// run is a program on its way.
type run struct {
	program
	c         *compress.Compressor // nil: plain
	actor     actor
	committed bool // when the recoverer had to act
	done      chan struct{}
}

func newWorld(t testing.TB) *world {
	w := &world{}
	for _, o := range worldOptions {
		c, err := compress.New(o.Options)
		require.NoError(t, err)
		w.compressors = append(w.compressors, c)
	}
	for i := range w.urls {
		s := httptest.NewUnstartedServer(w)
		s.Config.ErrorLog = quiet
		if i == 1 {
			s.EnableHTTP2 = true
			s.StartTLS()
		} else {
			s.Start()
		}
		t.Cleanup(s.Close)
		w.urls[i], w.clients[i] = s.URL, s.Client()
		transport := s.Client().Transport.(*http.Transport)
		transport.DisableCompression = true
		transport.DisableKeepAlives = i == 0 // a client repeats a request whose old connection broke
	}
	return w
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	v, ok := w.runs.Load(r.Header.Get("Run"))
	if !ok {
		panic("there is no such run")
	}
	run := v.(*run)
	defer close(run.done)
	var h http.Handler = http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		run.actor.w = rw
		run.actor.play(run.ops)
	})
	if run.c != nil {
		h = run.c.Middleware(h)
	}
	if run.recovers {
		h = run.recoverer(h)
	}
	h.ServeHTTP(rw, r)
}

// recoverer is the layer further out that answers for a handler that panicked.
func (run *run) recoverer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w, rec, _ := respw.Wrap(w, r, respw.Now())
		returned := false
		defer func() {
			if returned {
				rec.End(true)
				return
			}
			run.committed = rec.Committed()
			cause := recover()
			if cause == nil { // Goexit
				rec.End(false)
				return
			}
			if cause == http.ErrAbortHandler || run.committed {
				rec.End(false)
				panic(http.ErrAbortHandler)
			}
			cleanAnswer(w, r)
			rec.End(true)
		}()
		next.ServeHTTP(w, r)
		returned = true
	})
}

func cleanAnswer(w http.ResponseWriter, r *http.Request) {
	problem.Write(w, r, problem.Problem{Status: http.StatusInternalServerError, Detail: "It broke."})
}

// sight is what a client saw of a run.
type sight struct {
	*run
	interim []string
	err     error // there is no response
	status  int
	header  http.Header
	length  int64 // Content-Length, or -1
	raw     []byte
	bodyErr error
	trailer http.Header
}

// cut tells whether a client saw that it has not got everything.
func (a *sight) cut() bool { return a.err != nil || a.bodyErr != nil }

// ask runs p, behind a Compressor or plain.
func (w *world) ask(t testing.TB, p program, compressed bool) *sight {
	r := &run{program: p, done: make(chan struct{})}
	if compressed {
		r.c = w.compressors[p.options]
	}
	id := strconv.FormatInt(w.last.Add(1), 10)
	w.runs.Store(id, r)
	defer w.runs.Delete(id)
	a := &sight{run: r}
	protocol := 0
	if p.h2 {
		protocol = 1
	}
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		a.interim = append(a.interim, fmt.Sprint(code, h))
		return nil
	}}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), p.method, w.urls[protocol], nil)
	require.NoError(t, err)
	req.Header.Set("Run", id)
	if field := accepts[p.accept].field; field != noField {
		req.Header["Accept-Encoding"] = []string{field}
	}
	a.read(w.clients[protocol].Do(req))
	select {
	case <-r.done: // a client may be done before the handler
	case <-time.After(time.Minute):
		require.Fail(t, "the handler does not end", p.String())
	}
	return a
}

func (a *sight) read(res *http.Response, err error) {
	if a.err = err; err != nil {
		return
	}
	a.raw, a.bodyErr = io.ReadAll(res.Body)
	res.Body.Close()
	a.status, a.header, a.length = res.StatusCode, res.Header, -1
	if v := res.Header["Content-Length"]; len(v) > 0 {
		a.length = res.ContentLength
	}
	a.trailer = http.Header{}
	for name, values := range res.Trailer {
		if values != nil { // announced only
			a.trailer[name] = values
		}
	}
}

// cleanHeader is the header of a clean answer to a handler that had left h.
func cleanHeader(h http.Header, r *http.Request) (http.Header, []byte) {
	rec := httptest.NewRecorder()
	for name, values := range h {
		if !strings.HasPrefix(name, http.TrailerPrefix) {
			rec.Header()[name] = values
		}
	}
	cleanAnswer(rec, r)
	return rec.Header(), rec.Body.Bytes()
}
