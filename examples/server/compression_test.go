package main

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

func TestAnswersAreEncodedAsTheClientLikes(t *testing.T) {
	s := start(t, nil)
	ask := func(path, accept string, header ...string) (*http.Response, []byte) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
		require.NoError(t, err)
		req.Header.Set("Accept-Encoding", accept) // with a value of one's own, the client leaves the body alone
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer http.DefaultClient.CloseIdleConnections()
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res, body
	}
	for _, path := range []string{"/static/style.css", "/static/app.js", "/api/messages?limit=100"} {
		plain, want := ask(path, "identity")
		require.Empty(t, plain.Header.Get("Content-Encoding"))
		for coding, reader := range map[string]func(io.Reader) (io.Reader, error){
			"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
			"br":   func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
			"zstd": func(r io.Reader) (io.Reader, error) {
				z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
				t.Cleanup(z.Close)
				return z, err
			},
		} {
			res, body := ask(path, coding)
			require.Equal(t, coding, res.Header.Get("Content-Encoding"), path)
			require.Less(t, len(body), len(want))
			r, err := reader(bytes.NewReader(body))
			require.NoError(t, err)
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
			if tag := res.Header.Get("ETag"); tag != "" {
				require.NotEqual(t, plain.Header.Get("ETag"), tag)
				again, _ := ask(path, coding, "If-None-Match", tag)
				require.Equal(t, 304, again.StatusCode)
				require.Equal(t, tag, again.Header.Get("ETag"))
			}
		}
	}
}
