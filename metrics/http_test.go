package metrics_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Trap 8; RFC 9110 §15.2.
func TestTheFirstFinalStatusWinsAndInterimOnesDoNot(t *testing.T) {
	tests := []struct {
		name   string
		status []int
		want   int
	}{
		{"103 and a final status", []int{103, 201}, 201},
		{"several interim ones", []int{103, 102, 103, 404}, 404},
		{"103 and nothing", []int{103}, 200},
		{"two final ones", []int{201, 500}, 201},
		{"an interim one after the final one", []int{202, 103}, 202},
		{"an error that is taken back too late", []int{500, 200}, 500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, onRoute("/x", func(w http.ResponseWriter, _ *http.Request) {
				for _, code := range tt.status {
					w.WriteHeader(code)
				}
			}), func(t *testing.T, s *site) {
				interim := 0
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
					Got1xxResponse: func(int, textproto.MIMEHeader) error { interim++; return nil },
				})
				r, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/x", nil)
				require.NoError(t, err)
				res, _, err := s.send(r)
				require.NoError(t, err)
				s.await(t, 1)
				require.Equal(t, tt.want, res.StatusCode)
				if tt.status[0] < 200 {
					require.NotZero(t, interim, "the client sees interim answers")
				}
				s.requireCounted(t, fmt.Sprintf("1 GET /x %d", tt.want))
			})
		})
	}
}

// Trap 9; what net/http sends when nobody calls WriteHeader.
func TestWhateverBeginsABodyImplies200(t *testing.T) {
	tests := []struct {
		name string
		h    http.HandlerFunc
		size float64
	}{
		{"return", func(http.ResponseWriter, *http.Request) {}, 0},
		{"Write", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")); w.WriteHeader(500) }, 5},
		{"an empty Write", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(nil); w.WriteHeader(500) }, 0},
		{"WriteString", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello"); w.WriteHeader(500) }, 5},
		{"ReadFrom", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, strings.NewReader(strings.Repeat("x", 5000)))
			w.WriteHeader(500)
		}, 5000},
		{"Flush", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); w.WriteHeader(500) }, 0},
		{"FlushError", func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			w.WriteHeader(500)
		}, 0},
		{"all of them", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("12"))
			_, _ = io.WriteString(w, "345")
			_, _ = io.Copy(w, io.LimitReader(strings.NewReader("6789"), 4))
		}, 9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onBoth(t, onRoute("/x", tt.h), func(t *testing.T, s *site) {
				res, body := s.get(t, "/x")
				require.Equal(t, 200, res.StatusCode)
				s.requireCounted(t, "1 GET /x 200")
				_, out := s.sums(t)
				require.Equal(t, tt.size, out)
				require.Len(t, body, int(tt.size))
			})
		})
	}
}

// Trap 12; RFC 9110 §6.4.1.
func TestAnswersWithoutContentCountNoBytesWhateverAHandlerWrites(t *testing.T) {
	tests := []struct {
		method string
		status int
	}{{"HEAD", 200}, {"HEAD", 404}, {"GET", 204}, {"GET", 304}}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.method, " ", tt.status), func(t *testing.T) {
			onBoth(t, onRoute("GET /x", func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = w.Write(make([]byte, 3000))
				_, _ = io.WriteString(w, "more")
				_, _ = io.Copy(w, bytes.NewReader(make([]byte, 3000)))
			}), func(t *testing.T, s *site) {
				res, body := s.do(t, tt.method, "/x", nil)
				require.Equal(t, tt.status, res.StatusCode)
				require.Empty(t, body)
				s.requireCounted(t, fmt.Sprintf("1 %s /x %d", tt.method, tt.status))
				_, out := s.sums(t)
				require.Zero(t, out)
			})
		})
	}
}

// readFromSpy is what lies outside of the middleware; it knows what came through
// the door that leads to sendfile.
type readFromSpy struct {
	http.ResponseWriter
	handed *atomic.Int64
}

func (w readFromSpy) ReadFrom(src io.Reader) (int64, error) {
	n, err := w.ResponseWriter.(io.ReaderFrom).ReadFrom(src)
	w.handed.Add(n)
	return n, err
}

// Trap 11; 100,000 bytes are what other instrumentations count as none.
func TestAFileIsCountedAndStillLeavesBySendfile(t *testing.T) {
	const size = 100_000
	name := filepath.Join(t.TempDir(), "file.bin")
	require.NoError(t, os.WriteFile(name, make([]byte, size), 0o600))
	tests := []struct {
		name, ranges string
		status, n    int
	}{
		{"whole", "", 200, size},
		{"a range", "bytes=1000-50999", 206, 50_000},
		{"the end", "bytes=-10", 206, 10},
		{"no such range", "bytes=200000-", 416, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var handed atomic.Int64
			spy := func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(readFromSpy{w, &handed}, r) })
			}
			s := serveInside(t, spy, onRoute("/file", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) }))
			r, err := http.NewRequest("GET", s.URL+"/file", nil)
			require.NoError(t, err)
			if tt.ranges != "" {
				r.Header.Set("Range", tt.ranges)
			}
			res, body, err := s.send(r)
			require.NoError(t, err)
			s.await(t, 1)
			require.Equal(t, tt.status, res.StatusCode)
			if tt.n >= 0 {
				require.Len(t, body, tt.n)
			}
			s.requireCounted(t, fmt.Sprintf("1 GET /file %d", tt.status))
			_, out := s.sums(t)
			require.EqualValues(t, len(body), out)
			if tt.n > 1000 {
				require.GreaterOrEqual(t, handed.Load(), int64(tt.n-512), "all but the first piece is left to the kernel")
			}
		})
	}
}

// optional are the interfaces that a handler may ask its writer for.
func optional(w http.ResponseWriter) map[string]bool {
	all := map[string]bool{}
	_, all["Flush"] = w.(http.Flusher)
	_, all["FlushError"] = w.(interface{ FlushError() error })
	_, all["Hijack"] = w.(http.Hijacker)
	_, all["ReadFrom"] = w.(io.ReaderFrom)
	_, all["Push"] = w.(http.Pusher)
	_, all["WriteString"] = w.(io.StringWriter)
	//lint:ignore SA1019 some handlers still ask for it
	_, all["CloseNotify"] = w.(http.CloseNotifier)
	c := http.NewResponseController(w)
	all["deadlines"] = !errors.Is(c.SetReadDeadline(time.Time{}), http.ErrNotSupported) &&
		!errors.Is(c.SetWriteDeadline(time.Time{}), http.ErrNotSupported)
	all["full duplex"] = !errors.Is(c.EnableFullDuplex(), http.ErrNotSupported)
	return all
}

// Traps 10 and 22; HTTP/2 has no Hijacker, and none is invented.
func TestTheWriterHasExactlyTheInterfacesOfTheOneOutside(t *testing.T) {
	var outside, inside map[string]bool
	spy := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r)
			outside = optional(w)
		})
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // net/http does not drain it in full duplex
		inside = optional(w)
	})
	for _, method := range []string{"GET", "POST"} { // without and with a body
		t.Run(method, func(t *testing.T) {
			for _, proto := range []string{"HTTP/1.1", "HTTP/2"} {
				t.Run(proto, func(t *testing.T) {
					s, measured := measured(t, h)
					start := httptest.NewUnstartedServer(spy(measured))
					start.EnableHTTP2 = proto == "HTTP/2"
					start.StartTLS()
					defer start.Close()
					s.Server.Server = start
					s.do(t, method, "/", strings.NewReader("body"))
					require.Equal(t, outside, inside)
					require.True(t, inside["FlushError"])
					require.Equal(t, proto == "HTTP/1.1", inside["Hijack"])
				})
			}
		})
	}
}

// Trap 10; promhttp swallows this error.
func TestFlushTellsThatTheClientIsGone(t *testing.T) {
	gone, flushed := make(chan struct{}), make(chan error, 1)
	s := serve(t, onRoute("/x", func(w http.ResponseWriter, r *http.Request) {
		<-gone
		<-r.Context().Done()
		_, _ = w.Write(make([]byte, 1<<16))
		c := http.NewResponseController(w)
		_ = c.SetWriteDeadline(time.Unix(1, 0))
		_, _ = w.Write(make([]byte, 1<<16))
		flushed <- c.Flush()
	}))
	c, _ := s.dial(t, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
	c.Close()
	close(gone)
	require.Error(t, <-flushed)
}

// Trap 22; RFC 9110 §6.5.
func TestTrailersPassAndAreNoPartOfTheSize(t *testing.T) {
	onBoth(t, onRoute("/x", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "hello")
		w.Header().Set("X-Sum", r.Trailer.Get("X-In"))
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	}), func(t *testing.T, s *site) {
		r, err := http.NewRequest("POST", s.URL+"/x", io.MultiReader(strings.NewReader("abc")))
		require.NoError(t, err)
		r.Trailer = http.Header{"X-In": {"1"}}
		res, body, err := s.send(r)
		require.NoError(t, err)
		s.await(t, 1)
		require.Equal(t, "hello", body)
		require.Equal(t, "1", res.Trailer.Get("X-Sum"))
		require.Equal(t, "2", res.Trailer.Get("X-Late"))
		s.requireCounted(t, "1 POST /x 200")
		in, out := s.sums(t)
		require.Equal(t, []float64{3, 5}, []float64{in, out})
	})
}

// Trap 22; RFC 9110 §15.
func TestNumbersThatAreNoStatusFoldToOneCode(t *testing.T) {
	for _, code := range []int{600, 777, 990, 991, 998, 999} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			onBoth(t, onRoute("/x", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }), func(t *testing.T, s *site) {
				res, _ := s.get(t, "/x")
				require.Equal(t, code, res.StatusCode)
				s.requireCounted(t, "1 GET /x unknown")
				require.Equal(t, []string{"1 server_error"}, s.outcomes(t))
			})
		})
	}
}

// Trap 22; net/http panics for these.
func TestANumberThatCannotBeSentIsThePanicThatItCauses(t *testing.T) {
	for _, code := range []int{-1, 0, 99, 1000} {
		t.Run(strconv.Itoa(code), func(t *testing.T) {
			s := serve(t, onRoute("/x", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
			_, err := http.Get(s.URL + "/x")
			require.Error(t, err)
			s.await(t, 1)
			s.requireCounted(t, "1 GET /x 500")
			s.requireFailures(t, "1 panic")
		})
	}
}
