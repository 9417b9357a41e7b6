package dbmon_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/dbmon"
	"github.com/sluice-go/sluice/internal/reqinfo"
	"github.com/sluice-go/sluice/internal/testutil"
)

// serve answers a request by h and returns the response.
func serve(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestARequestIsAScopeThatKnowsItsRouteAndTrace(t *testing.T) {
	var told collected
	w := monitor(t, &scripted{}, dbmon.Options{OnNPlusOne: told.add})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(_ http.ResponseWriter, r *http.Request) {
		reqinfo.From(r.Context()).SetTrace(reqinfo.Trace{TraceID: "4bf92f3577b34da6a3ce929d0e0e4736"})
		_ = quickly(r.Context(), w, 6)
	})
	for range 2 {
		serve(w.mon.Middleware(mux), httptest.NewRequest("GET", "/users/7", nil))
	}
	require.Len(t, told.all, 2, "one for each request")
	for _, r := range told.all {
		require.Equal(t, "GET /users/{id}", r.Route)
		require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", r.TraceID)
		require.Equal(t, 6, r.Count)
	}
	line := w.log.lines(t, "dbmon: repeated query")[0]
	require.Equal(t, "GET /users/{id}", line["route"])
	require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", line["trace_id"])
}

func TestRequestsAreCountedApart(t *testing.T) {
	var told collected
	w := monitor(t, &scripted{}, dbmon.Options{OnNPlusOne: told.add})
	h := w.mon.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = quickly(r.Context(), w, 4) }))
	for range 10 {
		serve(h, httptest.NewRequest("GET", "/", nil))
	}
	require.Empty(t, told.all)
}

// Trap d.5: work after the response.
func TestWorkAfterTheResponseIsNotCounted(t *testing.T) {
	var told collected
	w := monitor(t, &scripted{}, dbmon.Options{OnNPlusOne: told.add})
	begin, done := make(chan bool), make(chan error)
	h := w.mon.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx := context.WithoutCancel(r.Context())
		go func() {
			<-begin
			done <- quickly(ctx, w, 20)
		}()
		_ = quickly(r.Context(), w, 4)
	}))
	serve(h, httptest.NewRequest("GET", "/", nil))
	close(begin)
	require.NoError(t, <-done)
	require.Empty(t, told.all)
}

func TestAHandlerThatPanicsHasRepeatedWhatItRepeated(t *testing.T) {
	var told collected
	w := monitor(t, &scripted{}, dbmon.Options{OnNPlusOne: told.add})
	h := w.mon.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = quickly(r.Context(), w, 6)
		panic(http.ErrAbortHandler)
	}))
	require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() { serve(h, httptest.NewRequest("GET", "/", nil)) })
	require.Len(t, told.all, 1)
}

func TestTwoMonitorsShareTheScopeOfARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mine, theirs collected
		header := dbmon.NPlusOneOptions{Header: true}
		a := monitor(t, &scripted{}, dbmon.Options{OnNPlusOne: mine.add, NPlusOne: header})
		b := monitor(t, &scripted{}, dbmon.Options{Name: `the "other"`, OnNPlusOne: theirs.add, NPlusOne: header})
		h := a.mon.Middleware(b.mon.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_ = loop(r.Context(), a.db, 6)
			_ = loop(r.Context(), b.db, 2)
		})))
		res := serve(h, httptest.NewRequest("GET", "/", nil))
		require.Len(t, mine.all, 1)
		require.Equal(t, 6, mine.all[0].Count)
		require.Empty(t, theirs.all)
		require.ElementsMatch(t, []string{
			`db;dur=120.0;desc="6 queries", n+1;desc="1 repeated"`,
			`db;dur=40.0;desc="the \"other\": 2 queries"`,
		}, res.Header.Values("Server-Timing"))
	})
}

func TestWhereAScopeComesFrom(t *testing.T) {
	scoped := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, end := dbmon.Scope(r.Context())
			defer end()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
	tracked := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, done := dbmon.Track(r.Context(), "outside")
			defer done()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
	carried := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e := reqinfo.Enter(w, r)
			defer e.Leave()
			e.Next(next)
		})
	}
	plain := func(next http.Handler) http.Handler { return next }
	for _, tt := range []struct {
		name   string
		around func(http.Handler) http.Handler
		block  string
	}{
		{"the middleware alone", plain, ""},
		{"other layers", carried, ""},
		{"a scope of the application", scoped, ""},
		{"a block of the application", tracked, "outside"},
		{"a block within other layers", func(h http.Handler) http.Handler { return carried(tracked(carried(h))) }, "outside"},
		{"a scope within other layers", func(h http.Handler) http.Handler { return carried(scoped(carried(h))) }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var told collected
			w := monitor(t, &scripted{}, dbmon.Options{OnNPlusOne: told.add})
			inner := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = quickly(r.Context(), w, 6) })
			serve(tt.around(w.mon.Middleware(carried(w.mon.Middleware(inner)))), httptest.NewRequest("GET", "/", nil))
			require.Len(t, told.all, 1)
			require.Equal(t, 6, told.all[0].Count)
			require.Equal(t, tt.block, told.all[0].Block)
		})
	}
}

func TestAScopeOfTheServerIsNotThatOfItsRequests(t *testing.T) {
	var told collected
	w := monitor(t, &scripted{}, dbmon.Options{OnNPlusOne: told.add})
	server, end := dbmon.Scope(t.Context())
	h := w.mon.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = quickly(r.Context(), w, 4) }))
	for range 5 {
		serve(h, httptest.NewRequestWithContext(server, "GET", "/", nil))
	}
	end()
	require.Empty(t, told.all)
}

// A handler may serve other requests with the context of its own.
func TestARequestWithinARequestIsAScopeOfItsOwn(t *testing.T) {
	var told collected
	w := monitor(t, &scripted{}, dbmon.Options{OnNPlusOne: told.add})
	items := w.mon.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = quickly(r.Context(), w, 4) }))
	batch := w.mon.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for range 5 {
			sub, err := http.NewRequestWithContext(r.Context(), "GET", "/item", nil)
			require.NoError(t, err)
			serve(items, sub)
		}
	}))
	serve(batch, httptest.NewRequest("GET", "/batch", nil))
	require.Empty(t, told.all)
}

func TestTheHeaderSaysHowBusyTheDatabaseWas(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    dbmon.NPlusOneOptions
		h    func(w *monitored, rw http.ResponseWriter, r *http.Request)
		want []string
	}{
		{"nothing by default", dbmon.NPlusOneOptions{}, func(w *monitored, _ http.ResponseWriter, r *http.Request) {
			_ = loop(r.Context(), w.db, 6)
		}, nil},
		{"no query", dbmon.NPlusOneOptions{Header: true}, func(*monitored, http.ResponseWriter, *http.Request) {},
			[]string{`db;dur=0.0;desc="0 queries"`}},
		{"one query", dbmon.NPlusOneOptions{Header: true}, func(w *monitored, _ http.ResponseWriter, r *http.Request) {
			_ = loop(r.Context(), w.db, 1)
		}, []string{`db;dur=20.0;desc="1 query"`}},
		{"a repeated one", dbmon.NPlusOneOptions{Header: true}, func(w *monitored, _ http.ResponseWriter, r *http.Request) {
			_ = loop(r.Context(), w.db, 6)
		}, []string{`db;dur=120.0;desc="6 queries", n+1;desc="1 repeated"`}},
		{"a duplicate", dbmon.NPlusOneOptions{Header: true}, func(w *monitored, _ http.ResponseWriter, r *http.Request) {
			_ = each(6, func(int) error { return ask(r.Context(), w.db, 1) })
		}, []string{`db;dur=120.0;desc="6 queries", duplicate;desc="1 repeated"`}},
		{"what is known when the header leaves", dbmon.NPlusOneOptions{Header: true}, func(w *monitored, rw http.ResponseWriter, r *http.Request) {
			_ = loop(r.Context(), w.db, 2)
			rw.WriteHeader(http.StatusOK)
			_ = loop(r.Context(), w.db, 20)
		}, []string{`db;dur=40.0;desc="2 queries"`}},
		{"a field of the handler's own stays", dbmon.NPlusOneOptions{Header: true}, func(w *monitored, rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Server-Timing", "cache;desc=hit")
			_ = loop(r.Context(), w.db, 1)
		}, []string{"cache;desc=hit", `db;dur=20.0;desc="1 query"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := monitor(t, &scripted{}, dbmon.Options{NPlusOne: tt.o})
				h := w.mon.Middleware(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { tt.h(w, rw, r) }))
				require.Equal(t, tt.want, serve(h, httptest.NewRequest("GET", "/", nil)).Header["Server-Timing"])
			})
		})
	}
}

// entry is a server-timing-metric (W3C Server Timing, section 3).
var entry = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+(;(dur=[0-9]+\\.[0-9]|desc=\"([^\"\\\\]|\\\\.)*\"))*$")

func TestTheHeaderIsWellFormedOnTheWire(t *testing.T) {
	w := monitor(t, &scripted{}, dbmon.Options{Name: "ünïcode", NPlusOne: dbmon.NPlusOneOptions{Header: true}})
	h := w.mon.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = quickly(r.Context(), w, 6) }))
	testutil.BothProtocols(t, h, func(t *testing.T, srv testutil.Server) {
		res, err := srv.Client().Get(srv.URL)
		require.NoError(t, err)
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		value := res.Header.Get("Server-Timing")
		require.Contains(t, value, `desc="?n?code: 6 queries"`)
		for _, e := range strings.Split(value, ", ") {
			require.Regexp(t, entry, e)
		}
		require.NotContains(t, value, "SELECT")
	})
}

func TestTheMiddlewareCostsLittle(t *testing.T) {
	mon, err := dbmon.New(dbmon.Options{})
	require.NoError(t, err)
	defer mon.Close()
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) })
	h := mon.Middleware(hello)
	w, r := &discarding{h: http.Header{}}, httptest.NewRequest("GET", "/", nil)
	count := func(h http.Handler) float64 { return testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }) }
	require.LessOrEqual(t, count(h)-count(hello), 3.0, "the carrier, the scope, and the link between them")
}

// discarding is a response that nobody reads.
type discarding struct{ h http.Header }

func (w *discarding) Header() http.Header         { return w.h }
func (w *discarding) Write(p []byte) (int, error) { return len(p), nil }
func (w *discarding) WriteHeader(int)             {}

// RFC 9110 §7.8: what another protocol does for hours is no one piece of work.
func TestARequestForAnotherProtocolIsNoScope(t *testing.T) {
	var told collected
	w := monitor(t, &scripted{}, dbmon.Options{OnNPlusOne: told.add, NPlusOne: dbmon.NPlusOneOptions{Header: true}})
	h := w.mon.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		require.NoError(t, quickly(r.Context(), w, 10))
	}))
	for upgrade, want := range map[string]int{"": 1, "websocket": 0} {
		told.all = nil
		r, answer := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.Header.Set("Upgrade", upgrade)
		h.ServeHTTP(answer, r)
		require.Len(t, told.all, want)
		require.Equal(t, want, len(answer.Header().Values("Server-Timing")))
	}
}
