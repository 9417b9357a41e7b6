package metrics_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/metrics"
)

// Trap 15; RFC 9110 §10.1.1. otelhttp v0.72.0 lets the client wait until it
// gives up: net/http no longer knows the body in which it would say 100.
func TestAnEarlyRefusalDoesNotWaitForTheBodyThatWasOffered(t *testing.T) {
	for _, code := range []int{401, 413} {
		for name, around := range map[string]func(http.Handler) http.Handler{
			"alone":                    func(h http.Handler) http.Handler { return h },
			"around another instance":  newMetrics(t, metrics.Options{DisableRuntime: true}).Middleware,
			"around a router":          metrics.Router,
			"around a foreign copy":    copyingOnly,
			"around a bounded body":    func(h http.Handler) http.Handler { return http.MaxBytesHandler(h, 10) },
			"around a deadline":        func(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Minute, "") },
			"around a copy and Router": func(h http.Handler) http.Handler { return copyingOnly(metrics.Router(h)) },
		} {
			t.Run(fmt.Sprint(code, " ", name), func(t *testing.T) {
				s := serve(t, around(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })))
				// The body never comes, so that whoever waits for it waits for long.
				_, r := s.dial(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")
				answer, err := r.ReadString('\n')
				require.NoError(t, err)
				require.Contains(t, answer, fmt.Sprint(code), "and no 100 before it")
				s.await(t, 1)
				s.requireCounted(t, fmt.Sprint("1 POST unrouted ", code))
				in, _ := s.sums(t)
				require.Zero(t, in)
			})
		}
	}
}

// Trap 15: who reads gets the 100, and only then the body.
func TestABodyThatIsAskedForIsAnnouncedWith100(t *testing.T) {
	s := serve(t, onRoute("/x", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n)
	}))
	c, r := s.dial(t, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
	line, err := r.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
	_, err = r.ReadString('\n')
	require.NoError(t, err)
	_, err = io.WriteString(c, "0123456789")
	require.NoError(t, err)
	res, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "10", string(body))
	s.await(t, 1)
	s.requireCounted(t, "1 POST /x 200")
	in, _ := s.sums(t)
	require.EqualValues(t, 10, in)
}

// Trap 16.
func TestWhatWasReadIsCountedAndNotWhatWasDeclared(t *testing.T) {
	tests := []struct {
		name    string
		read    func(io.Reader)
		chunked bool
		want    float64
	}{
		{"all of it", func(r io.Reader) { _, _ = io.Copy(io.Discard, r) }, false, 100_000},
		{"all of it, chunked", func(r io.Reader) { _, _ = io.Copy(io.Discard, r) }, true, 100_000},
		{"nothing", func(io.Reader) {}, false, 0},
		{"nothing, chunked", func(io.Reader) {}, true, 0},
		{"a part", func(r io.Reader) { _, _ = io.ReadFull(r, make([]byte, 1000)) }, false, 1000},
		{"a part, chunked", func(r io.Reader) { _, _ = io.ReadFull(r, make([]byte, 1000)) }, true, 1000},
		{"beyond its end", func(r io.Reader) {
			for range 3 {
				_, _ = io.Copy(io.Discard, r)
			}
		}, false, 100_000},
		{"byte by byte", func(r io.Reader) { _, _ = io.ReadFull(bufio.NewReaderSize(r, 16), make([]byte, 160)) }, false, 160},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, onRoute("/x", func(_ http.ResponseWriter, r *http.Request) {
				tt.read(r.Body)
				_ = r.Body.Close()
			}), func(t *testing.T, s *site) {
				var body io.Reader = bytes.NewReader(make([]byte, 100_000))
				if tt.chunked {
					body = struct{ io.Reader }{body}
				}
				s.do(t, "POST", "/x", body)
				s.requireCounted(t, "1 POST /x 200")
				in, _ := s.sums(t)
				require.Equal(t, tt.want, in)
			})
		})
	}
}

// Trap 16: an empty body is no body.
func TestARequestWithoutABodyHasNone(t *testing.T) {
	onBoth(t, onRoute("/x", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n, err)
	}), func(t *testing.T, s *site) {
		for _, body := range []io.Reader{nil, http.NoBody, strings.NewReader(""), struct{ io.Reader }{strings.NewReader("")}} {
			_, got := s.do(t, "POST", "/x", body)
			require.Equal(t, "0 <nil>", got)
		}
		s.requireCounted(t, "4 POST /x 200")
		in, _ := s.sums(t)
		require.Zero(t, in)
	})
}

// Trap 15: the server's own request keeps its own body.
func TestTheBodyOfTheServersRequestIsNotReplaced(t *testing.T) {
	m := newMetrics(t, metrics.Options{DisableRuntime: true})
	r := httptest.NewRequest("POST", "/", strings.NewReader("hello"))
	own := r.Body
	record(m.Middleware(m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, inner *http.Request) {
		require.NotSame(t, r, inner)
		require.Equal(t, own, r.Body)
		_, _ = io.Copy(io.Discard, inner.Body)
	}))), r)
	require.Equal(t, own, r.Body)
	n, sum := histogram(t, m, "http_request_size_bytes")
	require.EqualValues(t, 2, n)
	require.EqualValues(t, 10, sum, "counted twice, as it is applied twice")
}

// Trap 13: a late reader races with nobody.
func TestABodyMayBeReadByAGoroutineThatOutlivesItsHandler(t *testing.T) {
	var late sync.WaitGroup
	m := newMetrics(t, metrics.Options{DisableRuntime: true})
	h := m.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		begun := make(chan struct{})
		late.Go(func() {
			close(begun)
			for range 100 {
				_, _ = r.Body.Read(make([]byte, 10))
			}
		})
		<-begun
	}))
	for range 50 {
		record(h, httptest.NewRequest("POST", "/", strings.NewReader(strings.Repeat("x", 1000))))
	}
	late.Wait()
	requireCounted(t, m, "50 POST unrouted 200")
	_, sum := histogram(t, m, "http_request_size_bytes")
	require.LessOrEqual(t, sum, 50*1000.0)
}

// Trap 17.
func TestTemporaryFilesOfAnUploadAreStillRemoved(t *testing.T) {
	tmp := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} { // the last two on Windows
		t.Setenv(name, tmp)
	}
	spill := func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(0); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if files, _ := os.ReadDir(tmp); len(files) == 0 {
			http.Error(w, "nothing was spilled to a file", http.StatusInternalServerError)
		}
	}
	for name, h := range map[string]http.Handler{
		"plain":            onRoute("/up", spill),
		"on a copy":        copyingOnly(metrics.Router(onRoute("/up", spill))),
		"in two instances": newMetrics(t, metrics.Options{DisableRuntime: true}).Middleware(onRoute("/up", spill)),
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, h, func(t *testing.T, s *site) {
				var form bytes.Buffer
				w := multipart.NewWriter(&form)
				part, err := w.CreateFormFile("file", "big.bin")
				require.NoError(t, err)
				_, err = part.Write(make([]byte, 1<<20))
				require.NoError(t, err)
				require.NoError(t, w.Close())
				size := form.Len()
				r, err := http.NewRequest("POST", s.URL+"/up", &form)
				require.NoError(t, err)
				r.Header.Set("Content-Type", w.FormDataContentType())
				res, body, err := s.send(r)
				require.NoError(t, err)
				require.Equal(t, 200, res.StatusCode, body)
				s.await(t, 1)
				eventually(t, "no file is left", func() bool {
					left, err := os.ReadDir(tmp)
					return err == nil && len(left) == 0
				})
				s.requireCounted(t, "1 POST /up 200")
				in, _ := s.sums(t)
				require.EqualValues(t, size, in)
			})
		})
	}
}

// Trap 14 (golang.org/issue/73754): no wrapper can pass on the word of
// MaxBytesReader, but the connection is closed all the same.
func TestABodyThatIsTooLargeEndsTheConnection(t *testing.T) {
	s := serve(t, onRoute("/x", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 1000)); err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		}
	}))
	c, r := s.dial(t, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n")
	_, err := c.Write(make([]byte, 2000))
	require.NoError(t, err)
	go func() { _, _ = c.Write(make([]byte, 1<<20)) }()
	res, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	require.Equal(t, 413, res.StatusCode)
	require.True(t, res.Close)
	s.await(t, 1)
	s.requireCounted(t, "1 POST /x 413")
	in, _ := s.sums(t)
	require.GreaterOrEqual(t, in, 1000.0)
	require.LessOrEqual(t, in, 1001.0)
}

// HTTP/1.1 in full duplex: the answer begins before the body has ended.
func TestAnEchoInFullDuplexCountsBothWays(t *testing.T) {
	onBoth(t, onRoute("/x", func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.EnableFullDuplex()
		p := make([]byte, 4)
		for {
			if _, err := io.ReadFull(r.Body, p); err != nil {
				return
			}
			_, _ = w.Write(p)
			_ = c.Flush()
		}
	}), func(t *testing.T, s *site) {
		in, out := io.Pipe()
		r, err := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/x", in)
		require.NoError(t, err)
		go func() { _, _ = io.WriteString(out, "ping") }()
		res, err := s.Client().Do(r)
		require.NoError(t, err)
		defer res.Body.Close()
		p := make([]byte, 4)
		for i := range 3 {
			if i > 0 {
				_, err = io.WriteString(out, "ping")
				require.NoError(t, err)
			}
			_, err = io.ReadFull(res.Body, p)
			require.NoError(t, err)
			require.Equal(t, "ping", string(p))
		}
		require.NoError(t, out.Close())
		s.await(t, 1)
		s.requireCounted(t, "1 POST /x 200")
		got, sent := s.sums(t)
		require.Equal(t, []float64{12, 12}, []float64{got, sent})
	})
}
