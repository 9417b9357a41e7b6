package compress

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Bodies that are encoded as a whole give way, too, and wait for nobody.
func TestTooManyBodiesGetACheaperCodingOrNone(t *testing.T) {
	c, err := New(Options{MaxBusy: 1})
	require.NoError(t, err)
	h := c.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, strings.Repeat("sluice ", 200))
	}))
	coding := func(accept string) string {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept-Encoding", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Header().Get("Content-Encoding")
	}
	const all = "br, gzip;q=0.9, zstd;q=0.8"
	require.Equal(t, "br", coding(all))
	require.Equal(t, "br", coding(all), "it was given back")
	require.True(t, c.busy[brotlied].take(), "as somebody else does who is at it")
	require.Equal(t, "gzip", coding(all))
	require.Equal(t, "", coding("br"))
	require.Equal(t, "", coding("br, identity;q=0"), "bounded for all")
	require.True(t, c.busy[gzipped].take())
	require.Equal(t, "zstd", coding(all))
	require.Equal(t, "", coding("br, identity;q=0.9, zstd;q=0.8"), "the client likes identity better than that")
	require.True(t, c.busy[zstded].take())
	require.Equal(t, "", coding(all))
	c.busy[brotlied].give()
	require.Equal(t, "br", coding(all))
}

func TestNegativeBoundsAreNone(t *testing.T) {
	c, err := New(Options{MaxBusy: -1, MaxStreams: -1})
	require.NoError(t, err)
	for range 10_000 {
		require.True(t, c.busy[gzipped].take())
		require.True(t, c.streams[gzipped].take())
	}
}
