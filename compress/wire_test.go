package compress_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/compress"
)

// HTTP/1.0 has neither chunks nor interim responses: what has no length ends with the
// connection (RFC 9112 §6.3).
func TestAClientOfHTTP10IsServed(t *testing.T) {
	for _, size := range []int{2000, 200_000} {
		s := httptest.NewServer(newCompressor(t, compress.Options{}).Middleware(answers("text/plain", text(size), true)))
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		require.NoError(t, err)
		_, err = io.WriteString(conn, "GET / HTTP/1.0\r\nHost: x\r\nAccept-Encoding: x-gzip\r\n\r\n")
		require.NoError(t, err)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		wire, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		body, err := decode(res.Header.Get("Content-Encoding"), wire)
		require.NoError(t, err)
		require.Equal(t, "gzip", res.Header.Get("Content-Encoding"))
		require.Equal(t, text(size), body)
		require.Empty(t, res.TransferEncoding)
		require.NoError(t, conn.Close())
		s.Close()
	}
}

// HTTP/2 without TLS, as behind a proxy.
func TestAClientOfH2CIsServed(t *testing.T) {
	var both http.Protocols
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	s := httptest.NewUnstartedServer(newCompressor(t, compress.Options{}).Middleware(answers("text/plain", text(100_000), true)))
	s.Config.Protocols = &both
	s.Start()
	defer s.Close()
	var only http.Protocols
	only.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &only, DisableCompression: true}
	defer transport.CloseIdleConnections()
	for _, accept := range []string{"gzip", "br", "zstd"} {
		res, err := transport.RoundTrip(get2(s.URL, accept))
		require.NoError(t, err)
		require.Equal(t, 2, res.ProtoMajor)
		wire, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		body, err := decode(res.Header.Get("Content-Encoding"), wire)
		require.NoError(t, err)
		require.Equal(t, text(100_000), body)
	}
}

// A compressor inside another one: the inner one has decided.
func TestTwoCompressorsEncodeOnce(t *testing.T) {
	outer, inner := newCompressor(t, compress.Options{}), newCompressor(t, compress.Options{Codings: []compress.Coding{compress.Gzip}})
	h := outer.Middleware(inner.Middleware(document(`"v1"`, text(5000))))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		a := do(get("gzip, br, zstd"))
		require.Equal(t, []string{"gzip"}, a.Header.Values("Content-Encoding"))
		require.Equal(t, []string{"Accept-Encoding"}, a.Header.Values("Vary"))
		require.Equal(t, text(5000), a.decoded(t))
		again := do(get("gzip, br, zstd", "If-None-Match", a.Header.Get("ETag")))
		require.Equal(t, 304, again.StatusCode)
		require.Equal(t, a.Header.Get("ETag"), again.Header.Get("ETag"))
	})
}
