package reqinfo_test

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/reqinfo"
	"github.com/sluice-go/sluice/internal/testutil"
)

// copier is a foreign middleware of the usual kind: it hands on a copy of the
// request and copies nothing back.
func copier(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		type foreign struct{}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), foreign{}, 1)))
	})
}

func TestAllLayersShareOneCarrierOneRecorderAndOneCopy(t *testing.T) {
	var infos []*reqinfo.Info
	var requests []*http.Request
	var recorders []any
	layer := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e := reqinfo.Enter(w, r)
			defer e.Leave()
			infos, requests, recorders = append(infos, e.Info), append(requests, e.R), append(recorders, e.Rec)
			e.Next(next)
		})
	}
	r := httptest.NewRequest("GET", "/", nil)
	layer(layer(layer(hello))).ServeHTTP(httptest.NewRecorder(), r)
	require.Len(t, infos, 3)
	for i := range infos {
		require.Same(t, infos[0], infos[i])
		require.Same(t, requests[0], requests[i])
		require.Same(t, recorders[0], recorders[i])
	}
	require.NotSame(t, r, requests[0], "the server's own request is not changed under its feet")
	require.Same(t, infos[0], reqinfo.From(requests[0].Context()))
	require.Same(t, recorders[0], any(infos[0].Recorder()))
}

func TestTheContextIsTheRequests(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "v"), time.Hour)
	want, _ := ctx.Deadline()
	var inside context.Context
	layers(3, copier(layers(1, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { inside = r.Context() })))).
		ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil))
	require.Equal(t, "v", inside.Value(key{}))
	got, ok := inside.Deadline()
	require.True(t, ok)
	require.Equal(t, want, got)
	require.NotNil(t, reqinfo.From(inside))
	require.NotNil(t, reqinfo.From(context.WithoutCancel(inside)))
	cancel()
	<-inside.Done()
	require.ErrorIs(t, inside.Err(), context.Canceled)
}

func TestAReplacedContextStartsANewCarrier(t *testing.T) {
	replacer := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.Background()))
		})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /x/{id}", func(_ http.ResponseWriter, r *http.Request) { require.NotNil(t, reqinfo.From(r.Context())) })
	r := httptest.NewRequest("GET", "/x/1", nil)
	layers(1, replacer(layers(1, mux))).ServeHTTP(httptest.NewRecorder(), r)
}

func TestThePatternReachesTheOutside(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /things/{id}", func(http.ResponseWriter, *http.Request) {})
	named := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		reqinfo.From(r.Context()).SetRoute(new("/by/name"))
		mux.ServeHTTP(httptest.NewRecorder(), r)
	})
	outerMux := func(h http.Handler) http.Handler {
		m := http.NewServeMux()
		m.Handle("/", h)
		return m
	}
	tests := []struct {
		name           string
		h              http.Handler
		path           string
		pattern, route string
	}{
		{"through one layer", layers(1, mux), "/things/7", "GET /things/{id}", "GET /things/{id}"},
		{"through seven layers", layers(7, mux), "/things/7", "GET /things/{id}", "GET /things/{id}"},
		{"from a foreign copy with a layer inside", layers(2, copierOf(t, layers(1, mux))), "/things/7", "GET /things/{id}", "GET /things/{id}"},
		{"from inside an outer mux", outerMux(layers(2, mux)), "/things/7", "GET /things/{id}", "GET /things/{id}"},
		{"from a foreign copy inside an outer mux", outerMux(layers(1, copierOf(t, layers(1, mux)))), "/things/7", "GET /things/{id}", "GET /things/{id}"},
		{"nothing matched", layers(2, mux), "/nothing", "", ""},
		{"nothing matched on a copy inside an outer mux", outerMux(layers(1, copierOf(t, layers(1, mux)))), "/nothing", "", ""},
		{"a mux that is tried on a copy after another one", layers(1, eitherOf(layers(1, http.NewServeMux()), layers(1, mux))), "/things/7", "GET /things/{id}", "GET /things/{id}"},
		{"nested copies with different patterns", layers(1, copier(layers(1, prefixMux(copier(layers(1, mux)))))), "/things/7", "GET /things/{id}", "GET /things/{id}"},
		{"a copy that a layer itself hands on", copyingLayer(mux), "/things/7", "GET /things/{id}", "GET /things/{id}"},
		{"a given name wins", layers(2, named), "/things/7", "GET /things/{id}", "/by/name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var info *reqinfo.Info
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tt.h.ServeHTTP(w, r)
			})
			spy := spyOn(&info, h)
			r := httptest.NewRequest("GET", tt.path, nil)
			spy.ServeHTTP(httptest.NewRecorder(), r)
			require.Equal(t, tt.pattern, r.Pattern, "as net/http and outer middlewares see it")
			require.Equal(t, tt.route, info.Route())
		})
	}
}

func TestTheRouteIsKnownWhileTheHandlerRuns(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /things/{id}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, reqinfo.From(r.Context()).Route())
	})
	w := httptest.NewRecorder()
	layers(3, mux).ServeHTTP(w, httptest.NewRequest("GET", "/things/7", nil))
	require.Equal(t, "GET /things/{id}", w.Body.String())
}

// eitherOf tries two handlers, each on a copy of the request.
func eitherOf(first, second http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		copier(first).ServeHTTP(httptest.NewRecorder(), r)
		copier(second).ServeHTTP(w, r)
	})
}

func prefixMux(h http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/things/", h)
	return mux
}

// copyingLayer adds something to the context of the request that it hands on.
func copyingLayer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		type own struct{}
		e := reqinfo.Enter(w, r)
		defer e.Leave()
		e.R = e.R.WithContext(context.WithValue(e.R.Context(), own{}, 1))
		e.Next(next)
	})
}

func TestTheOutermostLayerMayHandOnACopyOfItsOwn(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /things/{id}", func(http.ResponseWriter, *http.Request) {})
	r := httptest.NewRequest("GET", "/things/7", nil)
	copyingLayer(mux).ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, "GET /things/{id}", r.Pattern)
}

// A handler may serve other requests with the context of its own.
func TestARequestWithinARequestHasItsOwnCarrier(t *testing.T) {
	items := http.NewServeMux()
	items.HandleFunc("GET /item/{id}", func(_ http.ResponseWriter, r *http.Request) {
		i := reqinfo.From(r.Context())
		i.SetCache("hit")
		i.UseNonce(func() (string, reqinfo.Draft) { return "inner", reqinfo.Draft{} })
		require.Equal(t, "GET /item/{id}", i.Route())
	})
	stack := layers(2, items)
	batch := http.NewServeMux()
	batch.HandleFunc("GET /batch", func(_ http.ResponseWriter, r *http.Request) {
		sub, err := http.NewRequestWithContext(r.Context(), "GET", "/item/7", nil)
		require.NoError(t, err)
		stack.ServeHTTP(httptest.NewRecorder(), sub)
		require.Equal(t, "GET /item/{id}", sub.Pattern)
	})
	var info *reqinfo.Info
	r := httptest.NewRequest("GET", "/batch", nil)
	spyOn(&info, layers(1, batch)).ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, "GET /batch", r.Pattern)
	require.Equal(t, "GET /batch", info.Route())
	require.Empty(t, info.Cache())
	require.False(t, info.NonceRead())
}

// spyOn is a layer that hands out the carrier.
func spyOn(info **reqinfo.Info, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := reqinfo.Enter(w, r)
		defer e.Leave()
		*info = e.Info
		e.Next(next)
	})
}

// copierOf asserts that the naming copier does hide the pattern by itself.
func copierOf(t *testing.T, h http.Handler) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{x}", func(http.ResponseWriter, *http.Request) {})
	r := httptest.NewRequest("GET", "/x", nil)
	copier(mux).ServeHTTP(httptest.NewRecorder(), r)
	require.Empty(t, r.Pattern)
	return copier(h)
}

// upload is a request whose file is too large for memory.
func upload(t *testing.T, url string) *http.Request {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "big.bin")
	require.NoError(t, err)
	part.Write(make([]byte, 1<<20))
	require.NoError(t, form.Close())
	r, err := http.NewRequest("POST", url, &body)
	require.NoError(t, err)
	r.Header.Set("Content-Type", form.FormDataContentType())
	return r
}

func TestTemporaryFilesOfUploadsAreRemoved(t *testing.T) {
	spill := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(0); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		names, err := os.ReadDir(os.TempDir())
		if err != nil || len(names) == 0 {
			http.Error(w, "the upload was not spilled to a file", http.StatusInternalServerError)
		}
	})
	boom := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		spill(w, r)
		panic(http.ErrAbortHandler)
	})
	release := make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		spill(w, r) // while the body is still there
		<-release
	})
	// retried serves two copies of an upload, as a middleware that tries again
	// does; twin parses another form on the outer copy.
	retried := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			whole, err := io.ReadAll(r.Body)
			if err != nil {
				panic(err)
			}
			for range 2 {
				again := r.WithContext(r.Context())
				again.Body = io.NopCloser(bytes.NewReader(whole))
				h.ServeHTTP(w, again)
			}
		})
	}
	twin := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			whole, err := io.ReadAll(r.Body)
			if err != nil {
				panic(err)
			}
			inner := r.WithContext(r.Context())
			inner.Body = io.NopCloser(bytes.NewReader(whole))
			h.ServeHTTP(w, inner)
			r.Body = io.NopCloser(bytes.NewReader(whole))
			spill(w, r)
		})
	}
	tests := []struct {
		name   string
		h      http.Handler
		status int // 0: the connection is cut
	}{
		{"through layers", layers(3, spill), 200},
		{"from a foreign copy", layers(1, copier(layers(1, spill))), 200},
		{"of two attempts on foreign copies", layers(1, retried(layers(1, spill))), 200},
		{"of two forms on a copy and on its original", layers(1, twin(layers(1, spill))), 200},
		{"after a panic that a layer recovers", recoverer(layers(2, boom)), 500},
		{"after a panic that reaches the server", layers(2, boom), 0},
		{"after a panic on a foreign copy", layers(2, copier(layers(2, boom))), 0},
		{"from a handler that outlived its time", layers(1, http.TimeoutHandler(layers(1, slow), 20*time.Millisecond, "")), 503},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tmp := t.TempDir()
			for _, name := range []string{"TMPDIR", "TMP", "TEMP"} { // the last two on Windows
				t.Setenv(name, tmp)
			}
			testutil.BothProtocols(t, tt.h, func(t *testing.T, srv testutil.Server) {
				res, err := srv.Client().Do(upload(t, srv.URL))
				if tt.status == 0 {
					require.Error(t, err)
				} else {
					require.NoError(t, err)
					body, _ := io.ReadAll(res.Body)
					res.Body.Close()
					require.Equal(t, tt.status, res.StatusCode, string(body))
				}
				if tt.status == 503 {
					release <- struct{}{}
				}
				require.Eventually(t, func() bool {
					left, err := os.ReadDir(tmp)
					return err == nil && len(left) == 0
				}, 5*time.Second, time.Millisecond, "temporary files are left")
			})
		})
	}
}

func TestTheFormIsWholeForOuterMiddlewares(t *testing.T) {
	h := layers(2, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = r.ParseMultipartForm(0) }))
	srv := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r)
		f, err := r.MultipartForm.File["file"][0].Open()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		f.Close()
	}))
	res, err := srv.Client().Do(upload(t, srv.URL))
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, 200, res.StatusCode)
}

func TestFactsAreSharedAndRaceFree(t *testing.T) {
	var info *reqinfo.Info
	h := spyOn(&info, layers(1, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var wg sync.WaitGroup
		i := reqinfo.From(r.Context())
		for range 8 {
			wg.Go(func() {
				i.SetClientIP(netip.MustParseAddr("192.0.2.1"))
				i.SetCache("hit")
				i.SetLimit(reqinfo.Limit{Policy: "public", Refused: true})
				i.SetTrace(reqinfo.Trace{TraceID: "a", SpanID: "b", Sampled: true})
				i.AddQuery(time.Second)
				_ = i.ClientIP()
				_, _ = i.Queries()
			})
		}
		wg.Wait()
	})))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	require.Equal(t, "192.0.2.1", info.ClientIP().String())
	require.Equal(t, "hit", info.Cache())
	require.Equal(t, reqinfo.Limit{Policy: "public", Refused: true}, info.Limit())
	require.Equal(t, reqinfo.Trace{TraceID: "a", SpanID: "b", Sampled: true}, info.Trace())
	n, total := info.Queries()
	require.EqualValues(t, 8, n)
	require.Equal(t, 8*time.Second, total)
	require.False(t, info.Start().IsZero())
}

func TestTheNonceIsMadeOnceAndOnlyABodyMarksIt(t *testing.T) {
	made := 0
	generate := func() (string, reqinfo.Draft) { made++; return "n", reqinfo.Draft{} }
	var info *reqinfo.Info
	committed := func() string { nonce, _ := info.CommitNonce(generate); return nonce }
	spyOn(&info, hello).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	require.Equal(t, "n", committed())
	require.False(t, info.NonceRead())
	require.Equal(t, "n", info.UseNonce(generate))
	require.True(t, info.NonceRead())
	require.Equal(t, "n", committed())
	require.True(t, info.NonceRead(), "once read is read")
	require.Equal(t, 1, made)
}

func TestWithoutACarrierEverythingReadsAsZero(t *testing.T) {
	i := reqinfo.From(context.Background())
	require.Nil(t, i)
	i.SetRoute(new("r"))
	i.SetCache("hit")
	i.AddQuery(time.Second)
	require.Empty(t, i.UseNonce(func() (string, reqinfo.Draft) { return "n", reqinfo.Draft{} }))
	require.False(t, i.ClientIP().IsValid())
	require.Empty(t, i.Route())
	require.Empty(t, i.Cache())
	require.Zero(t, i.Limit())
	require.Zero(t, i.Trace())
	require.False(t, i.NonceRead())
	require.Nil(t, i.Recorder())
	require.True(t, i.Start().IsZero())
	n, total := i.Queries()
	require.Zero(t, n)
	require.Zero(t, total)
}
