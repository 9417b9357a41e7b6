package reqinfo_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/reqinfo"
	"github.com/sluice-go/sluice/internal/respw"
	"github.com/sluice-go/sluice/internal/testutil"
)

// opaque is a foreign writer without Unwrap.
type opaque struct{ http.ResponseWriter }

func opaquely(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(opaque{w}, r) })
}

func unwrappably(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(unwrapper{w}, r) })
}

func recordedAlready(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rw, rec, _ := respw.Wrap(w, r, respw.Now())
		h.ServeHTTP(rw, r)
		rec.End(true)
	})
}

func timed(h http.Handler) http.Handler { return http.TimeoutHandler(h, time.Minute, "") }

// What a layer inside learns and the pattern reach the watcher, whatever foreign
// middleware is in between.
func TestAWatcherHearsThroughForeignMiddlewares(t *testing.T) {
	one := func(h http.Handler) http.Handler { return layers(1, h) }
	same := func(h http.Handler) http.Handler { return h }
	betweens := map[string]func(http.Handler) http.Handler{
		"nothing":                                 same,
		"a copy":                                  copier,
		"a writer with Unwrap":                    unwrappably,
		"writers with Unwrap and copies":          func(h http.Handler) http.Handler { return copier(unwrappably(copier(unwrappably(h)))) },
		"a writer without Unwrap":                 opaquely,
		"a writer without Unwrap, and a copy":     func(h http.Handler) http.Handler { return opaquely(copier(h)) },
		"a TimeoutHandler":                        timed,
		"a layer and a TimeoutHandler":            func(h http.Handler) http.Handler { return one(timed(h)) },
		"a layer and a copy":                      func(h http.Handler) http.Handler { return one(copier(h)) },
		"another watcher":                         watching,
		"a copying watcher":                       copyWatching,
		"a layer and a watcher":                   func(h http.Handler) http.Handler { return one(watching(h)) },
		"a layer, a copy and a watcher":           func(h http.Handler) http.Handler { return one(copier(watching(h))) },
		"a watcher, a copy and another watcher":   func(h http.Handler) http.Handler { return watching(copier(watching(h))) },
		"a layer, a TimeoutHandler and a layer":   func(h http.Handler) http.Handler { return one(timed(one(h))) },
		"a layer, a writer and a copying watcher": func(h http.Handler) http.Handler { return one(opaquely(copyWatching(h))) },
	}
	// A watcher is found along the writers alone. doc.go says so.
	hidden := map[string]bool{"a writer without Unwrap": true, "a writer without Unwrap, and a copy": true, "a TimeoutHandler": true}
	outsides := map[string]func(http.Handler) http.Handler{
		"": same, " inside a TimeoutHandler": timed, " inside a recorder without a carrier": recordedAlready,
	}
	for kind, outer := range outermost {
		for outside, out := range outsides {
			for name, between := range betweens {
				if kind == "a watching layer" && hidden[name] || outside != "" && name != "nothing" && name != "a copy" {
					continue
				}
				t.Run(name+" under "+kind+outside, func(t *testing.T) {
					var info *reqinfo.Info
					learn := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						reqinfo.From(r.Context()).SetCache("hit")
						w.WriteHeader(202)
					})
					h := out(outer(&info, between(one(mounted("GET /things/{id}", learn)))))
					w := httptest.NewRecorder()
					h.ServeHTTP(w, httptest.NewRequest("GET", "/things/7", nil))
					require.Equal(t, 202, w.Code)
					require.Equal(t, 202, info.Recorder().Status())
					require.Equal(t, "GET /things/{id}", info.Route())
					require.Equal(t, "hit", info.Cache())
				})
			}
		}
	}
}

// A timeout middleware whose writer has Unwrap and guards itself: what it leaves
// behind enters a layer while the watcher leaves.
func TestALayerThatIsEnteredAfterTheWatcherLeftIsRaceFree(t *testing.T) {
	for kind, outer := range outermost {
		t.Run(kind, func(t *testing.T) {
			var info *reqinfo.Info
			var late sync.WaitGroup
			leaving := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				late.Go(func() { copier(layers(2, things())).ServeHTTP(unwrapper{w}, r) })
			})
			r := httptest.NewRequest("GET", "/things/7", nil)
			outer(&info, leaving).ServeHTTP(httptest.NewRecorder(), r)
			_ = info.Cache()
			_ = r.Pattern
			late.Wait()
		})
	}
}

// As the package promises of every method but two.
func TestTheCarrierOfAWatcherMayBeAskedFromAnyGoroutine(t *testing.T) {
	for kind, outer := range outermost {
		t.Run(kind, func(t *testing.T) {
			var info *reqinfo.Info
			var asking sync.WaitGroup
			h := outer(&info, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asking.Go(func() {
					info.SetCache("hit")
					_, _, _, _ = info.Cache(), info.Limit(), info.NonceRead(), info.ClientIP()
					info.AddQuery(1)
					_, _ = info.Queries()
					info.CommitNonce(func() (string, reqinfo.Draft) { return "n", reqinfo.Draft{} })
				})
				layers(1, hello).ServeHTTP(w, r)
			}))
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
			asking.Wait()
		})
	}
}

func TestSubRequestsOfAWatchersHandlerHaveCarriersOfTheirOwn(t *testing.T) {
	subs := map[string]func(w http.ResponseWriter, r *http.Request, h http.Handler){
		"the same writer": func(w http.ResponseWriter, r *http.Request, h http.Handler) {
			h.ServeHTTP(w, httptest.NewRequest("GET", "/things/8", nil))
		},
		"the same context": func(_ http.ResponseWriter, r *http.Request, h http.Handler) {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(r.Context(), "GET", "/things/8", nil))
		},
		"the same writer and context": func(w http.ResponseWriter, r *http.Request, h http.Handler) {
			h.ServeHTTP(w, httptest.NewRequestWithContext(r.Context(), "GET", "/things/8", nil))
		},
		"the same path, nothing else": func(_ http.ResponseWriter, r *http.Request, h http.Handler) {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/batch", nil))
		},
	}
	for kind, outer := range outermost {
		for name, sub := range subs {
			for _, n := range []int{0, 2} { // layers of the outer request
				t.Run(name+" under "+kind, func(t *testing.T) {
					var info, inner *reqinfo.Info
					h := outer(&info, layers(n, mounted("GET /batch", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						sub(w, r, spyOn(&inner, layers(2, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
							reqinfo.From(r.Context()).SetCache("hit")
						}))))
						w.WriteHeader(202)
					}))))
					r := httptest.NewRequest("GET", "/batch", nil)
					h.ServeHTTP(httptest.NewRecorder(), r)
					require.NotSame(t, info, inner)
					require.Equal(t, "hit", inner.Cache())
					require.Empty(t, info.Cache())
					require.Equal(t, "GET /batch", info.Route())
					require.Equal(t, "GET /batch", r.Pattern)
					require.Equal(t, 202, info.Recorder().Status(), "a sub-request ends no response but its own")
				})
			}
		}
	}
}

// tell is a watcher that notes what it hears.
type tell struct {
	respw.Watcher
	name string
	log  *[]string
}

func (t tell) Outgrew() { *t.log = append(*t.log, t.name+" outgrew") }
func (t tell) Flushed() { *t.log = append(*t.log, t.name+" flushed") }

func TestWatchersOfLayersAndOfWatchersAllHearOutermostFirst(t *testing.T) {
	var log []string
	watcher := func(name string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var room reqinfo.Space
			var e reqinfo.Entry
			room.Watch(&e, w, r, tell{name: name, log: &log})
			defer e.Leave()
			e.Next(next)
		})
	}
	layer := func(name string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e := reqinfo.Enter(w, r)
			e.Rec.Watch(tell{name: name, log: &log})
			defer e.Leave()
			e.Next(next)
		})
	}
	stream := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 5000))
		_ = http.NewResponseController(w).Flush()
	})
	for name, h := range map[string]http.Handler{
		"watcher, watcher, layer": watcher("1", watcher("2", layer("3", stream))),
		"watcher, layer, layer":   watcher("1", layer("2", layer("3", stream))),
		"layer, watcher, layer":   layer("1", watcher("2", layer("3", stream))),
		"on a recorded writer":    recordedAlready(watcher("1", watcher("2", layer("3", stream)))),
		"through a copy":          watcher("1", copier(watcher("2", copier(layer("3", stream))))),
	} {
		t.Run(name, func(t *testing.T) {
			log = nil
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
			require.Equal(t, []string{"1 outgrew", "2 outgrew", "3 outgrew", "1 flushed", "2 flushed", "3 flushed"}, log)
		})
	}
}

func TestACopyingWatcherMayChangeItsRequest(t *testing.T) {
	r := httptest.NewRequest("POST", "/things/7", http.NoBody)
	body := r.Body
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		room := new(reqinfo.CopySpace)
		var e reqinfo.Entry
		room.Watch(&e, w, r, nil)
		defer e.Leave()
		e.R.Body = io.NopCloser(nil)
		e.R.Method = "PUT"
		e.Next(layers(2, mounted("PUT /things/{id}", hello)))
	})
	h.ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, body, r.Body)
	require.Equal(t, "POST", r.Method)
	require.Equal(t, "PUT /things/{id}", r.Pattern)
}

func TestAProxyInsideAWatcher(t *testing.T) {
	backend := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "from the backend")
	}))
	target, err := url.Parse(backend.URL)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) }}
	for kind, outer := range outermost {
		for _, n := range []int{0, 1, 3} {
			t.Run(kind, func(t *testing.T) {
				var info *reqinfo.Info
				srv := testutil.Start(t, outer(&info, mounted("/proxy/", http.StripPrefix("/proxy", layers(n, mounted("/{rest...}", proxy))))))
				res, body := get(t, srv, "/proxy/x")
				srv.Close() // the layers have left
				require.Equal(t, 202, res.StatusCode)
				require.Equal(t, "from the backend", body)
				require.Equal(t, 202, info.Recorder().Status())
				require.EqualValues(t, len(body), info.Recorder().Bytes())
				if n > 0 {
					require.Equal(t, "/proxy/{rest...}", info.Route())
				}
			})
		}
	}
}

func TestTheStartInABubbleIsTheBubblesTime(t *testing.T) {
	for kind, outer := range outermost {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var info *reqinfo.Info
				time.Sleep(time.Hour)
				before := time.Now()
				outer(&info, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Second) })).
					ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(context.Background(), "GET", "/", nil))
				require.True(t, info.Start().Equal(before))
				require.Equal(t, before.Unix(), info.Start().Unix())
				require.Equal(t, time.Second, info.Recorder().Start().Elapsed())
			})
		})
	}
}

func TestEnteringCostsWhatIsPromised(t *testing.T) {
	bare := allocs(t, hello)
	copying := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole := new(struct {
			own  [3]int
			room reqinfo.CopySpace
		})
		var e reqinfo.Entry
		whole.room.Watch(&e, w, r, nil)
		defer e.Leave()
		e.Next(hello)
	})
	require.InDelta(t, 1, allocs(t, watching(hello))-bare, 0.01)
	require.InDelta(t, 1, allocs(t, copying)-bare, 0.01)
	require.InDelta(t, 1, allocs(t, layers(1, hello))-bare, 0.01)
	require.InDelta(t, 2, allocs(t, watching(layers(7, hello)))-bare, 0.01)
}

// A foreign writer in between makes the first layer inside it keep a recorder of
// its own: it counts from the same start, and ends with the layer.
func TestALayerOnAForeignWriterEndsItsRecorder(t *testing.T) {
	for kind, outer := range outermost {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var info *reqinfo.Info
				var own *respw.Recorder
				var kept http.ResponseWriter
				layer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					e := reqinfo.Enter(w, r)
					defer e.Leave()
					own, kept = e.Rec, e.W
					e.Next(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
				})
				between := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(time.Second)
					layer.ServeHTTP(unwrapper{w}, r)
				})
				outer(&info, between).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
				require.NotSame(t, info.Recorder(), own)
				require.Equal(t, info.Recorder().Start(), own.Start())
				require.Equal(t, 200, own.Status())
				_, err := kept.Write([]byte("late"))
				require.ErrorIs(t, err, respw.ErrEnded)
			})
		})
	}
}

type nothing struct{}

func (*nothing) BeforeHeader(int, http.Header) {}

func TestHeaderHooksOfAUsualStackCostNothing(t *testing.T) {
	hooked := func(n int) http.Handler {
		h := http.Handler(hello)
		for range n {
			next := h
			h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				e := reqinfo.Enter(w, r)
				defer e.Leave()
				if !e.Rec.OnHeader((*nothing)(nil)) {
					panic("too late")
				}
				e.Next(next)
			})
		}
		return h
	}
	bare := allocs(t, hello)
	require.InDelta(t, 1, allocs(t, hooked(4))-bare, 0.01)
	require.InDelta(t, 2, allocs(t, watching(hooked(4)))-bare, 0.01)
}

// RFC 9112 §7.1.2. The server learns of undeclared trailers after the copy.
func TestRequestTrailersReachTheCopyOfAWatcher(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, r.Trailer.Get("X-Sum"))
	})
	for name, outer := range map[string]http.Handler{
		"a watcher": watching(h), "a copying watcher": copyWatching(h), "both and layers": watching(layers(2, copyWatching(layers(1, h)))),
	} {
		t.Run(name, func(t *testing.T) {
			srv := testutil.Start(t, outer)
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+
				"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n")
			require.NoError(t, err)
			res, err := io.ReadAll(conn)
			require.NoError(t, err)
			require.True(t, strings.HasSuffix(string(res), "\r\n\r\n42"), string(res))
		})
	}
}
