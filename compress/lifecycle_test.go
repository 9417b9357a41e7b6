package compress_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/compress"
)

func handler(f func(w http.ResponseWriter, r *http.Request)) http.Handler { return http.HandlerFunc(f) }

// Trap d.24: RFC 9110 §15.6.1 needs a response that has not begun.
func TestAPanicBeforeAnythingLeftIsACleanError(t *testing.T) {
	recoverer := func(next http.Handler) http.Handler {
		return handler(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() != nil {
					http.Error(w, "sorry", 500)
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
	for _, size := range []int{0, 10, 5000, 60_000} {
		h := recoverer(newCompressor(t, compress.Options{}).Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(201)
			_, _ = io.WriteString(w, text(size))
			panic("lost")
		})))
		protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
			a := do(get("gzip"))
			require.Equal(t, 500, a.StatusCode)
			require.Equal(t, "sorry\n", string(a.wire))
			require.Empty(t, a.Header.Get("Content-Encoding"))
			require.Empty(t, a.Header.Get("Vary"))
		})
	}
}

// Trap d.24: after that the client sees that the body is cut, though an outer layer
// recovers.
func TestAPanicInTheMiddleOfAStreamIsSeen(t *testing.T) {
	h := newCompressor(t, compress.Options{}).Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, text(100_000))
		panic("lost")
	}))
	swallow := handler(func(w http.ResponseWriter, r *http.Request) {
		defer func() { _ = recover() }()
		h.ServeHTTP(w, r)
	})
	protocols(t, swallow, func(t *testing.T, do func(*http.Request) *answer) {
		for _, accept := range []string{"gzip", "br", "zstd"} {
			a := do(get(accept))
			require.Equal(t, accept, a.Header.Get("Content-Encoding"))
			_, err := decode(accept, a.wire)
			require.Error(t, err, accept)
		}
	})
}

// Trap d.10: RFC 9110 §15.2, RFC 8297.
func TestInterimResponsesPassWithoutFieldsOfOurs(t *testing.T) {
	h := newCompressor(t, compress.Options{}).Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(103)
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(404)
		_, _ = io.WriteString(w, text(1000))
	}))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		var interim textproto.MIMEHeader
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				require.Equal(t, 103, code)
				interim = h
				return nil
			},
		})
		a := do(get("gzip").WithContext(ctx))
		require.Equal(t, textproto.MIMEHeader{"Link": {"</a.css>; rel=preload"}}, interim)
		require.Equal(t, 404, a.StatusCode)
		require.Equal(t, text(1000), a.decoded(t))
	})
}

// Trap d.23: Flush commits at any size, and reports errors.
func TestAFlushSendsWhatThereIs(t *testing.T) {
	for _, accept := range []string{"gzip", "br", "zstd", "identity"} {
		t.Run(accept, func(t *testing.T) {
			step := make(chan struct{}, 1)
			h := newCompressor(t, compress.Options{}).Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				ctl := http.NewResponseController(w)
				require.NoError(t, ctl.Flush()) // before the first byte
				for i := range 5 {
					<-step
					_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
					require.NoError(t, ctl.Flush())
				}
				<-step
			}))
			s := httptest.NewServer(h)
			defer s.Close()
			r := get(accept)
			r.URL.Scheme, r.URL.Host, _ = strings.Cut(s.URL, "://")
			res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
			require.NoError(t, err, "the header came before the first byte")
			defer res.Body.Close()
			require.Equal(t, map[bool]string{true: "", false: accept}[accept == "identity"], res.Header.Get("Content-Encoding"))
			step <- struct{}{}
			lines := bufio.NewScanner(decodeLive(t, res))
			for i := range 5 {
				if i > 0 {
					step <- struct{}{}
				}
				require.True(t, lines.Scan())
				require.Equal(t, fmt.Sprintf("data: %d", i), lines.Text())
				require.True(t, lines.Scan())
			}
			step <- struct{}{}
			require.False(t, lines.Scan())
			require.NoError(t, lines.Err())
		})
	}
}

// Trap d.22: RFC 10036.
func TestIncrementalAnswersAreFlushedAtEveryWrite(t *testing.T) {
	for _, field := range []string{"Incremental: ?1", "X-Accel-Buffering: no"} {
		name, value, _ := strings.Cut(field, ": ")
		step := make(chan struct{})
		h := newCompressor(t, compress.Options{}).Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-ndjson")
			w.Header().Set(name, value)
			for range 3 {
				_, _ = io.WriteString(w, "{}\n")
				<-step
			}
		}))
		s := httptest.NewServer(h)
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(get2(s.URL, "gzip"))
		require.NoError(t, err)
		lines := bufio.NewScanner(decodeLive(t, res))
		for range 3 {
			require.True(t, lines.Scan())
			step <- struct{}{}
		}
		require.False(t, lines.Scan())
		res.Body.Close()
		s.Close()
	}
}

func get2(url, accept string) *http.Request {
	r := get(accept)
	r.URL.Scheme, r.URL.Host, _ = strings.Cut(url, "://")
	return r
}

// Trap d.27.
func TestAConnectionCanBeTakenOverBeforeTheAnswerBegan(t *testing.T) {
	h := newCompressor(t, compress.Options{}).Middleware(handler(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Late") != "" {
			w.Header().Set("Content-Type", "text/plain")
			w.(http.Flusher).Flush()
			_, _, err := w.(http.Hijacker).Hijack()
			require.Error(t, err)
			return
		}
		conn, rw, err := w.(http.Hijacker).Hijack()
		require.NoError(t, err)
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhello")
		require.NoError(t, rw.Flush())
		require.NoError(t, conn.Close())
		_, err = w.Write([]byte("more"))
		require.ErrorIs(t, err, http.ErrHijacked)
	}))
	s := httptest.NewServer(h)
	defer s.Close()
	for _, late := range []string{"", "Late: 1\r\n"} {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		require.NoError(t, err)
		_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n"+late+"Connection: close\r\n\r\n")
		require.NoError(t, err)
		raw, err := io.ReadAll(conn)
		require.NoError(t, err)
		if late == "" {
			require.True(t, bytes.HasSuffix(raw, []byte("\r\n\r\nhello")), "%q", raw)
		} else {
			require.Contains(t, string(raw), "Content-Encoding: gzip")
		}
		require.NoError(t, conn.Close())
	}
}

// Trap d.27: what is not there is not claimed, and what is there works.
func TestTheWriterHasTheInterfacesOfTheServers(t *testing.T) {
	h := newCompressor(t, compress.Options{}).Middleware(handler(func(w http.ResponseWriter, r *http.Request) {
		_, hijacks := w.(http.Hijacker)
		_, pushes := w.(http.Pusher)
		_, reads := w.(io.ReaderFrom)
		require.Equal(t, r.ProtoMajor == 1, hijacks)
		require.Equal(t, r.ProtoMajor == 2, pushes)
		require.Equal(t, r.ProtoMajor == 1, reads)
		ctl := http.NewResponseController(w)
		require.NoError(t, ctl.SetReadDeadline(time.Now().Add(time.Hour)))
		require.NoError(t, ctl.SetWriteDeadline(time.Now().Add(time.Hour)))
		require.NoError(t, ctl.EnableFullDuplex())
	}))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) { require.Equal(t, 200, do(get("gzip")).StatusCode) })
}

// reads counts what reaches the ReaderFrom of a writer.
type reads struct {
	*httptest.ResponseRecorder
	n int64
}

func (r *reads) ReadFrom(src io.Reader) (int64, error) {
	n, err := io.Copy(r.ResponseRecorder, src)
	r.n += n
	return n, err
}

func TestAFileThatIsNotEncodedReachesSendfile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "photo.png")
	require.NoError(t, os.WriteFile(path, []byte(text(100_000)), 0o600))
	h := newCompressor(t, compress.Options{}).Middleware(handler(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, path) }))
	w := &reads{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(w, get("gzip"))
	require.Equal(t, text(100_000), w.Body.String())
	require.Greater(t, w.n, int64(99_000), "but for the first piece, which tells that there is one")
}

// Trap d.28.
func TestALengthThatIsNotKeptIsTheErrorOfTheServer(t *testing.T) {
	h := newCompressor(t, compress.Options{}).Middleware(handler(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", r.Header.Get("Say"))
		var size int
		_, _ = fmt.Sscan(r.Header.Get("Write"), &size)
		for size > 0 {
			n, err := io.WriteString(w, text(min(size, 1000)))
			if err != nil {
				require.ErrorContains(t, err, "declared Content-Length")
				return
			}
			size -= n
		}
	}))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		for _, accept := range []string{"gzip", "identity"} {
			require.Error(t, do(get(accept, "Say", "5000", "Write", "4000")).err, "short")
			require.Error(t, do(get(accept, "Say", "500000", "Write", "400000")).err, "short, of a stream")
			a := do(get(accept, "Say", "5000", "Write", "6000"))
			if a.err == nil { // HTTP/2 may cut it
				require.Len(t, a.decoded(t), 5000, "long")
			}
		}
	})
}

func TestOffLeavesTheAnswerAsItIs(t *testing.T) {
	c := newCompressor(t, compress.Options{Skip: func(r *http.Request) bool { return r.Header.Get("Skip") != "" }})
	h := c.Middleware(handler(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		if r.Header.Get("Off") == "early" {
			compress.Off(w)
		}
		_, _ = io.WriteString(w, text(1000))
		if r.Header.Get("Off") == "late" {
			compress.Off(w)
		}
	}))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		for _, r := range []*http.Request{get("gzip", "Off", "early"), get("gzip", "Off", "late"), get("gzip", "Skip", "1")} {
			a := do(r)
			require.Equal(t, text(1000), string(a.wire))
			require.Empty(t, a.Header.Get("Vary"))
		}
		require.Equal(t, "gzip", do(get("gzip")).Header.Get("Content-Encoding"))
	})
	compress.Off(httptest.NewRecorder()) // no Compressor, no harm
}

// Trap d.31.
func TestRequestsOfOtherSitesWithCredentialsAreGuarded(t *testing.T) {
	h := newCompressor(t, compress.Options{GuardCrossSite: true}).Middleware(answers("text/html", text(1000), true))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		for _, tt := range []struct {
			coding string
			fields []string
		}{
			{"", []string{"Sec-Fetch-Site", "cross-site", "Cookie", "session=1"}},
			{"", []string{"Sec-Fetch-Site", "cross-site", "Authorization", "Basic eA=="}},
			{"gzip", []string{"Sec-Fetch-Site", "cross-site"}},
			{"gzip", []string{"Sec-Fetch-Site", "same-origin", "Cookie", "session=1"}},
			{"gzip", []string{"Cookie", "session=1"}},
		} {
			a := do(get("gzip", tt.fields...))
			require.Equal(t, tt.coding, a.Header.Get("Content-Encoding"), tt.fields)
			require.Equal(t, "Accept-Encoding, Sec-Fetch-Site", strings.Join(a.Header.Values("Vary"), ", "))
		}
	})
}

// Trap d.31: were a padded body left as it is where the padding is too much, then the
// coding would tell how long it was without.
func TestPaddingDoesNotDecideAboutTheCoding(t *testing.T) {
	h := newCompressor(t, compress.Options{Padding: 4096}).Middleware(answers("text/plain", text(600), true))
	lengths := map[int]bool{}
	for range 50 {
		for _, accept := range []string{"gzip", "br", "zstd"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, get(accept))
			require.Equal(t, accept, w.Header().Get("Content-Encoding"))
			body, err := decode(accept, w.Body.Bytes())
			require.NoError(t, err)
			require.Equal(t, text(600), body)
			lengths[w.Body.Len()] = true
		}
	}
	require.Greater(t, len(lengths), 50)
}

func TestTheHookIsToldOfEachBody(t *testing.T) {
	type result struct {
		coding  string
		in, out int64
		took    bool
	}
	var got []result
	c := newCompressor(t, compress.Options{OnResult: func(coding string, in, out int64, d time.Duration) {
		got = append(got, result{coding, in, out, d > 0})
	}})
	for _, size := range []int{2000, 200_000} {
		w := httptest.NewRecorder()
		c.Middleware(answers("text/plain", text(size), true)).ServeHTTP(w, get("br"))
		require.Equal(t, result{"br", int64(size), int64(w.Body.Len()), true}, got[len(got)-1])
	}
	require.Len(t, got, 2)
}

// failing is the writer of a client that has left.
type failing struct{ http.ResponseWriter }

var errGone = errors.New("gone")

func (failing) Write([]byte) (int, error) { return 0, errGone }

func TestAHandlerLearnsThatItsClientIsGone(t *testing.T) {
	c := newCompressor(t, compress.Options{})
	var err error
	h := c.Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		for i := 0; err == nil && i < 10_000; i++ {
			_, err = io.WriteString(w, text(10_000))
		}
	}))
	h.ServeHTTP(failing{httptest.NewRecorder()}, get("gzip"))
	require.ErrorIs(t, err, errGone)
}

func TestTooManyStreamsGetACheaperCodingOrNone(t *testing.T) {
	c := newCompressor(t, compress.Options{MaxStreams: 1})
	var codings []string
	var nest func(depth int) http.Handler
	nest = func(depth int) http.Handler {
		return c.Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.(http.Flusher).Flush()
			codings = append(codings, w.Header().Get("Content-Encoding"))
			if depth > 1 {
				nest(depth-1).ServeHTTP(httptest.NewRecorder(), get("br, gzip;q=0.9, zstd;q=0.8"))
			}
		}))
	}
	for range 2 { // what was taken is given back
		codings = nil
		nest(5).ServeHTTP(httptest.NewRecorder(), get("br, gzip;q=0.9, zstd;q=0.8"))
		require.Equal(t, []string{"br", "gzip", "zstd", "", ""}, codings)
	}
}
