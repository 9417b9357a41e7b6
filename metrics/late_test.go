package metrics_test

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/testutil"
)

func TestAReverseProxyInsideIsCountedLikeItsAnswers(t *testing.T) {
	backend := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hints":
			w.Header().Set("Link", "</a.css>")
			w.WriteHeader(103)
			w.WriteHeader(201)
			n, _ := io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, strconv.FormatInt(n, 10))
		case "/dies":
			w.Header().Set("Content-Length", "1000000")
			_, _ = w.Write(make([]byte, 10_000))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case "/refuses":
			panic(http.ErrAbortHandler)
		}
	}))
	to, err := url.Parse(backend.URL)
	require.NoError(t, err)
	quiet := backend.Config.ErrorLog
	proxy := func(t *testing.T) *site {
		p := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, ErrorLog: quiet}
		return serve(t, onRoute("/{what}", p.ServeHTTP))
	}
	t.Run("interim answers and bodies", func(t *testing.T) {
		s := proxy(t)
		hints := 0
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(int, textproto.MIMEHeader) error { hints++; return nil },
		})
		r, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/hints", io.MultiReader(strings.NewReader("12345")))
		require.NoError(t, err)
		res, body, err := s.send(r)
		require.NoError(t, err)
		s.await(t, 1)
		require.Equal(t, 201, res.StatusCode)
		require.Equal(t, "5", body)
		require.Equal(t, 1, hints)
		s.requireCounted(t, "1 POST /{what} 201")
		in, out := s.sums(t)
		require.Equal(t, []float64{5, 1}, []float64{in, out})
	})
	t.Run("the backend dies", func(t *testing.T) {
		s := proxy(t)
		res, err := s.Client().Get(s.URL + "/dies")
		require.NoError(t, err)
		defer res.Body.Close()
		_, err = io.ReadAll(res.Body)
		require.Error(t, err)
		s.await(t, 1)
		s.requireCounted(t, "1 GET /{what} 200")
		s.requireFailures(t, "1 aborted")
		_, out := s.sums(t)
		require.EqualValues(t, 10_000, out)
	})
	t.Run("the backend refuses", func(t *testing.T) {
		s := proxy(t)
		res, _ := s.get(t, "/refuses")
		require.Equal(t, 502, res.StatusCode)
		s.requireCounted(t, "1 GET /{what} 502")
		s.requireFailures(t)
	})
}

// Trap 13. What a goroutine does while its handler returns is between it and
// net/http; what it does later must reach nobody.
func TestAGoroutineThatOutlivesItsHandlerReachesNoOtherAnswer(t *testing.T) {
	var late sync.WaitGroup
	dirt := make(chan struct{})
	onBoth(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "clean")
		if r.URL.Path == "/leak" {
			late.Go(func() {
				for range dirt {
					_, _ = io.WriteString(w, "dirt")
					_, _ = w.Write([]byte("dirt"))
					_, _ = io.Copy(w, strings.NewReader("dirt"))
					w.Header().Set("X-Dirt", "1")
					w.WriteHeader(500)
					_ = http.NewResponseController(w).Flush()
					if h, ok := w.(http.Hijacker); ok {
						_, _, _ = h.Hijack()
					}
				}
			})
		}
	}), func(t *testing.T, s *site) {
		dirt = make(chan struct{}, 100)
		for range 20 {
			s.get(t, "/leak")
			for range 5 {
				dirt <- struct{}{}
			}
			res, body := s.get(t, "/clean")
			require.Equal(t, "clean", body)
			require.Empty(t, res.Header.Get("X-Dirt"))
		}
		close(dirt)
		late.Wait()
		s.requireCounted(t, "40 GET unrouted 200")
		_, out := s.sums(t)
		require.EqualValues(t, 40*5, out)
		require.Empty(t, lines(t, s.m, "websocket_connections_total"))
	})
}

// Trap 13. net/http itself reads the header map no more once a body of declared
// length is on its way, and so a late change is harmless without a middleware.
func TestALateHeaderIsNoRaceWithTheCounting(t *testing.T) {
	var late sync.WaitGroup
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Length", "10000")
		_, _ = w.Write(make([]byte, 10_000))
		begun := make(chan struct{})
		late.Go(func() {
			close(begun)
			for i := range 200 {
				h.Set("X-Late", strconv.Itoa(i))
			}
		})
		<-begun
	}))
	for range 20 {
		s.get(t, "/")
	}
	late.Wait()
	s.requireCounted(t, "20 GET unrouted 200")
}

// Trap 13: likewise when the counting asks whether a client left too early.
func TestALateHeaderIsNoRaceWithTheCountingOfAClientThatLeft(t *testing.T) {
	var late sync.WaitGroup
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Length", "10000")
		_, _ = w.Write(make([]byte, 10_000))
		<-r.Context().Done()
		begun := make(chan struct{})
		late.Go(func() {
			close(begun)
			for i := range 200 {
				h.Set("X-Late", strconv.Itoa(i))
			}
		})
		<-begun
	}))
	for range 20 {
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL, nil)
		require.NoError(t, err)
		r.Close = true
		_, body, err := s.send(r)
		require.NoError(t, err)
		require.Len(t, body, 10_000)
		s.await(t, 1)
	}
	late.Wait()
	s.requireCounted(t, "20 GET unrouted 200")
	s.requireFailures(t)
}
