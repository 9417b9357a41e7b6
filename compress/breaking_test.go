package compress_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/compress"
)

// Each of these was once wrong.

// Trap d.18, by another door: RFC 9110 §13.1.1 is about the representation that is
// selected, which for a range is the one without a coding.
func TestIfMatchOfAnEncodedBodyGetsNoRange(t *testing.T) {
	body := text(5000)
	h := newCompressor(t, compress.Options{}).Middleware(document(`"abc"`, body))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		a := do(get("gzip", "If-Match", `"abc-gzip"`, "Range", "bytes=50-"))
		require.Equal(t, 412, a.StatusCode)
		require.Equal(t, `"abc-gzip"`, a.Header.Get("ETag"))
		a = do(get("gzip", "If-Match", `"abc"`, "Range", "bytes=50-"))
		require.Equal(t, 206, a.StatusCode)
		require.Equal(t, body[50:], string(a.wire))
	})
}

func TestAClientThatRefusesIdentityIsBoundedToo(t *testing.T) {
	c := newCompressor(t, compress.Options{MaxStreams: 1})
	inner := ""
	h := c.Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_ = http.NewResponseController(w).Flush()
		second := httptest.NewRecorder()
		c.Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_ = http.NewResponseController(w).Flush()
		})).ServeHTTP(second, get("gzip, identity;q=0"))
		inner = second.Header().Get("Content-Encoding")
	}))
	first := httptest.NewRecorder()
	h.ServeHTTP(first, get("gzip, identity;q=0"))
	require.Equal(t, "gzip", first.Header().Get("Content-Encoding"))
	require.Empty(t, inner)
}

// Trap d.21. On net/http a handler may set trailers while another goroutine flushes: the server
// has taken a copy of the header.
func TestTrailersMayBeSetWhileSomebodyFlushes(t *testing.T) {
	h := newCompressor(t, compress.Options{}).Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Trailer", "X-Count")
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, text(1000))
		var flush sync.WaitGroup
		flush.Go(func() { w.(http.Flusher).Flush() })
		for i := range 200 {
			w.Header().Set("X-Count", strconv.Itoa(i))
		}
		flush.Wait()
		w.Header().Set(http.TrailerPrefix+"X-Late", "1")
	}))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		for range 20 {
			a := do(get("gzip"))
			require.Equal(t, http.Header{"X-Count": {"199"}, "X-Late": {"1"}}, a.Trailer)
			require.Equal(t, text(1000), a.decoded(t))
			require.Empty(t, a.Header.Get("X-Count"))
		}
	})
}

// Where the writer outside cannot flush, as that of [http.TimeoutHandler].
func TestWithoutAFlushOutsideNothingIsLost(t *testing.T) {
	c := newCompressor(t, compress.Options{})
	body := text(200_000)
	h := http.TimeoutHandler(c.Middleware(handler(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		if r.Header.Get("Ask") != "" {
			require.ErrorIs(t, http.NewResponseController(w).Flush(), http.ErrNotSupported)
			_, canFlush := w.(http.Flusher)
			require.False(t, canFlush)
			w.WriteHeader(http.StatusNotFound)
		} else {
			w.Header().Set("X-Accel-Buffering", "NO")
		}
		n, err := io.Copy(w, strings.NewReader(body))
		require.NoError(t, err)
		require.EqualValues(t, len(body), n)
	})), time.Minute, "")
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		a := do(get("gzip"))
		require.Equal(t, body, a.decoded(t))
		a = do(get("gzip", "Ask", "1"))
		require.Equal(t, 404, a.StatusCode)
		require.Equal(t, body, a.decoded(t))
	})
}

func TestBodiesOfFewLettersGetSmallerInEachCoding(t *testing.T) {
	digits := scribble(40_000)
	for i := range digits {
		digits[i] = "0123456789abcdef"[digits[i]%16]
	}
	hex := string(digits)
	h := newCompressor(t, compress.Options{}).Middleware(answers("text/plain", hex, true))
	for _, accept := range []string{"gzip", "br", "zstd"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, get(accept))
		require.Equal(t, accept, w.Header().Get("Content-Encoding"))
		require.Less(t, w.Body.Len(), 24_000)
	}
}

// scribble is n bytes that do not repeat themselves, the same each time.
func scribble(n int) []byte {
	out, state := make([]byte, n), uint64(88172645463325252)
	for i := range out {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		out[i] = byte(state >> 40)
	}
	return out
}

// A client that leaves is no fault of the handler.
func TestAClientThatLeavesIsNoPanic(t *testing.T) {
	h := newCompressor(t, compress.Options{}).Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "10000000")
		for range 1000 {
			if _, err := io.WriteString(w, text(10_000)); err != nil {
				return
			}
		}
	}))
	require.NotPanics(t, func() { h.ServeHTTP(failing{httptest.NewRecorder()}, get("gzip")) })
}

// Trap d.11: RFC 9111 §4.3.5 lets a HEAD with another tag invalidate what is cached.
func TestHeadOfALongBodyThatDoesNotGetSmaller(t *testing.T) {
	body := string(scribble(100_000))
	h := newCompressor(t, compress.Options{}).Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("ETag", `"v1"`)
		_, _ = io.WriteString(w, body)
	}))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		a, b := do(get("gzip")), do(request(http.MethodHead, "gzip"))
		require.Empty(t, a.Header.Get("Content-Encoding"))
		require.Empty(t, b.Header.Get("Content-Encoding"))
		require.Equal(t, a.Header.Get("ETag"), b.Header.Get("ETag"))
	})
}

// Trap d.31: a layer inside may take the credentials off the request.
func TestTheGuardLooksAtTheRequestAsItArrived(t *testing.T) {
	h := newCompressor(t, compress.Options{GuardCrossSite: true}).Middleware(handler(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Cookie")
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, text(1000))
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, get("gzip", "Sec-Fetch-Site", "cross-site", "Cookie", "session=1"))
	require.Empty(t, w.Header().Get("Content-Encoding"))
}

func TestBusyStreamsStayWithinWhatIsPreferred(t *testing.T) {
	c := newCompressor(t, compress.Options{MaxStreams: 1, Prefer: func(string) []compress.Coding { return []compress.Coding{compress.Gzip} }})
	var got []string
	var nest func(depth int)
	nest = func(depth int) {
		c.Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_ = http.NewResponseController(w).Flush()
			got = append(got, w.Header().Get("Content-Encoding"))
			if depth > 1 {
				nest(depth - 1)
			}
		})).ServeHTTP(httptest.NewRecorder(), get("gzip, br, zstd"))
	}
	nest(2)
	require.Equal(t, []string{"gzip", ""}, got)
}

func TestOffWaitsForNobody(t *testing.T) {
	blocked, release := make(chan struct{}), make(chan struct{})
	c := newCompressor(t, compress.Options{})
	h := c.Middleware(handler(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		var write sync.WaitGroup
		write.Go(func() { _, _ = io.WriteString(w, "x") })
		<-blocked
		compress.Off(w)
		close(release)
		write.Wait()
	}))
	h.ServeHTTP(&stalled{httptest.NewRecorder(), blocked, release}, get("gzip"))
}

// stalled is the writer of a client that takes nothing.
type stalled struct {
	http.ResponseWriter
	blocked, release chan struct{}
}

func (s *stalled) Write(p []byte) (int, error) {
	close(s.blocked)
	<-s.release
	return len(p), nil
}

func TestAnEmptyAnswerThatCouldHaveHadACodingSaysSo(t *testing.T) {
	for accept, always := range map[string]bool{"gzip": false, "identity": true} {
		w := httptest.NewRecorder()
		newCompressor(t, compress.Options{}).Middleware(answers("text/plain", "", always)).ServeHTTP(w, get(accept))
		require.Equal(t, "Accept-Encoding", w.Header().Get("Vary"), accept)
	}
}

// Trap d.9: RFC 9111 §5.2.1.6 speaks to those on the way.
func TestNoTransformInARequestIsNotForUs(t *testing.T) {
	w := httptest.NewRecorder()
	newCompressor(t, compress.Options{}).Middleware(answers("text/plain", text(1000), true)).ServeHTTP(w, get("gzip", "Cache-Control", "no-transform"))
	require.Equal(t, "gzip", w.Header().Get("Content-Encoding"))
}

// Trap d.13: since Go 1.23 these take fields of a coding away that was set before.
func TestErrorsAndFilesOfNetHTTPAreWhole(t *testing.T) {
	h := newCompressor(t, compress.Options{}).Middleware(handler(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			http.ServeContent(w, r, "a.txt", time.Time{}, strings.NewReader(text(5000)))
			return
		}
		http.Error(w, text(2000), http.StatusTeapot)
	}))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		a := do(get("gzip"))
		require.Equal(t, 418, a.StatusCode)
		require.Equal(t, "gzip", a.Header.Get("Content-Encoding"))
		require.Equal(t, text(2000)+"\n", a.decoded(t))
		a = do(get("gzip", "Range", "bytes=9000-"))
		require.Equal(t, 416, a.StatusCode)
		require.Empty(t, a.Header.Get("Content-Encoding"))
	})
}

// Trap d.8: RFC 9110 §9.3.6, RFC 8441.
func TestATunnelIsNoBody(t *testing.T) {
	w := httptest.NewRecorder()
	newCompressor(t, compress.Options{}).Middleware(answers("text/plain", text(1000), true)).ServeHTTP(w, request(http.MethodConnect, "gzip"))
	require.Empty(t, w.Header().Get("Content-Encoding"))
	require.Empty(t, w.Header().Get("Vary"))
}

// A body that was held back and does not get smaller has the length that is known
// by then.
func TestABodyThatWasHeldBackHasALength(t *testing.T) {
	h := newCompressor(t, compress.Options{}).Middleware(answers("text/plain", string(scribble(10_000)), true))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		a := do(get("gzip"))
		require.Empty(t, a.Header.Get("Content-Encoding"))
		require.EqualValues(t, len(a.wire), a.ContentLength)
	})
}
