package respw_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/respw"
	"github.com/sluice-go/sluice/internal/testutil"
)

func TestAForeignWrapperWithUnwrapAloneHidesNothing(t *testing.T) {
	tests := []struct {
		name   string
		h      http.HandlerFunc
		status int
	}{
		{"a flush runs the hooks first", func(w http.ResponseWriter, _ *http.Request) {
			require.False(t, optional["Flusher"](w), "the foreign wrapper has no Flush")
			require.NoError(t, http.NewResponseController(w).Flush())
		}, 200},
		{"a hijack is a 101", func(w http.ResponseWriter, _ *http.Request) {
			conn, rw, err := http.NewResponseController(w).Hijack()
			require.NoError(t, err)
			rw.WriteString("HTTP/1.1 200 OK\r\nSet-By: 1\r\nContent-Length: 0\r\n\r\n")
			rw.Flush()
			conn.Close()
		}, 101},
		{"deadlines and full duplex pass", func(w http.ResponseWriter, _ *http.Request) {
			ctl := http.NewResponseController(w)
			require.NoError(t, ctl.SetReadDeadline(time.Now().Add(time.Minute)))
			require.NoError(t, ctl.SetWriteDeadline(time.Now().Add(time.Minute)))
			require.NoError(t, ctl.EnableFullDuplex())
			w.WriteHeader(202)
		}, 202},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			recs := make(chan *respw.Recorder, 1)
			srv := testutil.Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				recs <- serve(unwrapOnly{w}, r, func(w http.ResponseWriter, r *http.Request) {
					var log []string
					respw.From(w).OnHeader(hook{"1", &log})
					tt.h(w, r)
				})
			}))
			res, err := srv.Client().Get(srv.URL)
			require.NoError(t, err)
			res.Body.Close()
			require.Equal(t, "1", res.Header.Get("Set-By"))
			require.Equal(t, tt.status, (<-recs).Status())
		})
	}
	t.Run("whatever the foreign wrapper itself has", func(t *testing.T) {
		for _, bits := range []int{1, 2, 4, 1 | 4, 2 | 4} { // Flush, FlushError, Hijack
			for _, below := range []int{1, 2} { // what flushes, further down
				w, rec, _ := respw.Wrap(over{fakes[bits], fakes[below|4]}.shaped(bits), httptest.NewRequest("GET", "/", nil), respw.Now())
				_ = http.NewResponseController(w).Flush()
				require.True(t, rec.Flushed(), "%b over %b", bits, below)
			}
		}
	})
	t.Run("a detour that was kept is closed too", func(t *testing.T) {
		w, rec, _ := respw.Wrap(unwrapOnly{fakes[7]}, httptest.NewRequest("GET", "/", nil), respw.Now())
		detour := w.(interface{ Unwrap() http.ResponseWriter }).Unwrap()
		noted(fakes[7])
		rec.End(true)
		require.ErrorIs(t, detour.(interface{ FlushError() error }).FlushError(), respw.ErrEnded)
		require.Empty(t, noted(fakes[7]))
	})
	t.Run("what is supported nowhere stays unsupported and fixes nothing", func(t *testing.T) {
		rec := serve(unwrapOnly{unwrapOnly{bare{httptest.NewRecorder()}}}, httptest.NewRequest("GET", "/", nil),
			func(w http.ResponseWriter, _ *http.Request) {
				ctl := http.NewResponseController(w)
				require.ErrorIs(t, ctl.Flush(), http.ErrNotSupported)
				_, _, err := ctl.Hijack()
				require.ErrorIs(t, err, http.ErrNotSupported)
				w.WriteHeader(204)
			})
		require.Equal(t, 204, rec.Status())
		require.False(t, rec.Flushed())
	})
}

type unwrapOnly struct{ http.ResponseWriter }

func (w unwrapOnly) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type bare struct{ http.ResponseWriter }

// over is a foreign wrapper with methods of its own and a writer underneath.
type over struct {
	http.ResponseWriter
	below http.ResponseWriter
}

func (o over) Unwrap() http.ResponseWriter { return o.below }

// shaped gives the wrapper the methods of the fake that it embeds.
func (o over) shaped(bits int) http.ResponseWriter {
	f, _ := o.ResponseWriter.(http.Flusher)
	e, _ := o.ResponseWriter.(interface{ FlushError() error })
	h, _ := o.ResponseWriter.(http.Hijacker)
	switch bits {
	case 1:
		return struct {
			over
			http.Flusher
		}{o, f}
	case 2:
		return struct {
			over
			flushErrorer
		}{o, e}
	case 4:
		return struct {
			over
			http.Hijacker
		}{o, h}
	case 1 | 4:
		return struct {
			over
			http.Flusher
			http.Hijacker
		}{o, f, h}
	default:
		return struct {
			over
			flushErrorer
			http.Hijacker
		}{o, e, h}
	}
}

type flushErrorer interface{ FlushError() error }
