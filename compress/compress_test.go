package compress_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/compress"
)

// text is a body of n bytes that gets smaller.
func text(n int) string {
	return strings.Repeat("The flow at the gate is measured every hour. ", n/45+1)[:n]
}

func newCompressor(t testing.TB, o compress.Options) *compress.Compressor {
	t.Helper()
	c, err := compress.New(o)
	require.NoError(t, err)
	return c
}

// protocols runs f against a server of each version of HTTP.
func protocols(t *testing.T, h http.Handler, f func(t *testing.T, do func(*http.Request) *answer)) {
	for _, name := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewUnstartedServer(h)
			s.Config.ErrorLog = quiet
			s.EnableHTTP2 = name == "HTTP/2"
			if s.EnableHTTP2 {
				s.StartTLS()
			} else {
				s.Start()
			}
			defer s.Close()
			client := s.Client()
			client.Transport.(*http.Transport).DisableCompression = true
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			f(t, func(r *http.Request) *answer {
				t.Helper()
				u := *r.URL
				u.Scheme, u.Host, _ = strings.Cut(s.URL, "://")
				r = r.Clone(r.Context())
				r.URL = &u
				res, err := client.Do(r)
				if err != nil {
					return &answer{Response: &http.Response{Status: err.Error()}, err: err}
				}
				defer res.Body.Close()
				require.Equal(t, name, res.Proto[:len(name)])
				body, err := io.ReadAll(res.Body)
				return &answer{res, body, err}
			})
		})
	}
}

// answer is a response with its body as it was on the wire.
type answer struct {
	*http.Response
	wire []byte
	err  error
}

// decodeLive reads a body as it comes.
func decodeLive(t *testing.T, res *http.Response) io.Reader {
	t.Helper()
	switch res.Header.Get("Content-Encoding") {
	case "gzip":
		z, err := gzip.NewReader(res.Body)
		require.NoError(t, err)
		return z
	case "br":
		return brotli.NewReader(res.Body)
	case "zstd":
		z, err := zstd.NewReader(res.Body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
		require.NoError(t, err)
		t.Cleanup(z.Close)
		return z
	}
	return res.Body
}

// decoded is the body without its coding.
func (a *answer) decoded(t *testing.T) string {
	t.Helper()
	body, err := decode(a.Header.Get("Content-Encoding"), a.wire)
	require.NoError(t, err)
	return body
}

func decode(coding string, wire []byte) (string, error) {
	var r io.Reader = bytes.NewReader(wire)
	switch coding {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return "", err
		}
		r = z
	case "br":
		r = brotli.NewReader(r)
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return "", err
		}
		defer z.Close()
		r = z
	}
	body, err := io.ReadAll(r)
	return string(body), err
}

func get(accept string, fields ...string) *http.Request {
	return request(http.MethodGet, accept, fields...)
}

func request(method, accept string, fields ...string) *http.Request {
	r, _ := http.NewRequestWithContext(context.Background(), method, "/", nil)
	if accept != "none" {
		r.Header.Set("Accept-Encoding", accept)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

func TestEachCodingReachesTheClient(t *testing.T) {
	for _, size := range []int{500, 2048, 10_000, 64 << 10, 64<<10 + 1, 300_000} {
		body := text(size)
		h := newCompressor(t, compress.Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, err := io.WriteString(w, body)
			require.NoError(t, err)
		}))
		protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
			for accept, want := range map[string]string{
				"gzip": "gzip", "br": "br", "zstd": "zstd", "gzip, deflate, br, zstd": "zstd", "gzip, br;q=0.9": "gzip",
				"identity": "", "none": "", "*": "zstd", "gzip;q=0": "", "x-gzip": "gzip", "deflate": "",
			} {
				a := do(get(accept))
				require.Equal(t, want, a.Header.Get("Content-Encoding"), accept)
				require.Equal(t, body, a.decoded(t))
				require.Equal(t, []string{"Accept-Encoding"}, a.Header.Values("Vary"))
				if want != "" {
					require.Less(t, len(a.wire), size)
				}
				if want != "" && size <= 64<<10 {
					require.EqualValues(t, len(a.wire), a.ContentLength, "%s %d", accept, size)
				}
			}
		})
	}
}

// Trap d.8: what must not be encoded.
func TestWhatMustNotBeEncodedIsLeftAlone(t *testing.T) {
	body := text(4000)
	tests := []struct {
		name   string
		status int
		header http.Header
		vary   bool
	}{
		{"a part", 206, http.Header{"Content-Range": {"bytes 0-3999/9000"}}, true},
		{"a range that cannot be had", 416, http.Header{"Content-Range": {"bytes */9000"}}, true},
		{"a range with another status", 200, http.Header{"Content-Range": {"bytes 0-3999/9000"}}, true},
		{"several ranges", 206, http.Header{"Content-Type": {"multipart/byteranges; boundary=x"}}, true},
		{"a coding", 200, http.Header{"Content-Encoding": {"compress"}}, false},
		{"a coding on the second line", 200, http.Header{"Content-Encoding": {"", "compress"}}, false},
		{"no-transform", 200, http.Header{"Cache-Control": {"public", "max-age=60, No-Transform"}}, false},
		{"a type that has a compression", 200, http.Header{"Content-Type": {"image/png"}}, false},
		{"gRPC", 200, http.Header{"Content-Type": {"application/grpc+json"}}, false},
		{"no content type on purpose", 200, http.Header{"Content-Type": nil}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newCompressor(t, compress.Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				w.Header().Set("ETag", `"v1"`)
				w.Header().Set("Accept-Ranges", "bytes")
				for name, values := range tt.header {
					w.Header()[name] = values
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, body)
			}))
			protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
				a := do(get("gzip, br, zstd"))
				require.Equal(t, tt.status, a.StatusCode)
				require.Equal(t, body, string(a.wire))
				require.Equal(t, `"v1"`, a.Header.Get("ETag"))
				require.Equal(t, "bytes", a.Header.Get("Accept-Ranges"))
				require.Equal(t, tt.vary, a.Header.Get("Vary") != "")
				for name, values := range tt.header {
					require.Equal(t, len(values), len(a.Header[name]), name)
				}
			})
		})
	}
}

// Trap d.8, d.12: answers without content have no coding; errors are encoded.
func TestTheStatusDecidesOnlyWhereThereIsNoContent(t *testing.T) {
	h := newCompressor(t, compress.Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var status int
		_, _ = fmt.Sscan(r.Header.Get("Want"), &status)
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text(3000))
	}))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		for _, status := range []int{204, 205, 304} {
			a := do(get("gzip", "Want", fmt.Sprint(status)))
			require.Empty(t, a.Header.Get("Content-Encoding"))
			require.Equal(t, status == 304, a.Header.Get("Vary") != "", status)
			if status != 205 { // whose content is the handler's fault
				require.Empty(t, a.wire)
			}
		}
		for _, status := range []int{200, 201, 400, 404, 429, 500, 503} {
			a := do(get("gzip", "Want", fmt.Sprint(status)))
			require.Equal(t, "gzip", a.Header.Get("Content-Encoding"), status)
			require.Equal(t, status, a.StatusCode)
			require.Equal(t, text(3000), a.decoded(t))
		}
	})
}

func TestABodyIsEncodedOnlyIfItGetsSmaller(t *testing.T) {
	random := func(n int) string {
		b := make([]byte, n)
		state := uint64(88172645463325252)
		for i := range b {
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
			b[i] = byte(state >> 32)
		}
		return string(b)
	}
	for name, body := range map[string]string{"short": text(499), "random": random(5000), "random and long": random(200_000)} {
		t.Run(name, func(t *testing.T) {
			c := newCompressor(t, compress.Options{})
			h := c.Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				w.Header().Set("ETag", `"v1"`)
				_, _ = io.WriteString(w, body)
			}))
			protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
				for _, accept := range []string{"gzip", "br", "zstd"} {
					a := do(get(accept))
					require.Empty(t, a.Header.Get("Content-Encoding"))
					require.Equal(t, body, string(a.wire))
					require.Equal(t, `"v1"`, a.Header.Get("ETag"))
					require.Equal(t, "Accept-Encoding", a.Header.Get("Vary"))
				}
			})
		})
	}
}

// Trap d.5: a client that refuses identity gets a coding, however short the body
// and whatever its type.
func TestAClientThatRefusesIdentityGetsACoding(t *testing.T) {
	h := newCompressor(t, compress.Options{}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		_, _ = io.WriteString(w, "png")
	}))
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		for _, accept := range []string{"gzip, identity;q=0", "gzip, *;q=0"} {
			a := do(get(accept))
			require.Equal(t, "gzip", a.Header.Get("Content-Encoding"))
			require.Equal(t, "png", a.decoded(t))
			require.Equal(t, "Accept-Encoding", a.Header.Get("Vary"))
		}
	})
}

// Trap d.4: nothing acceptable.
func TestNothingAcceptableIsIdentityOr406BeforeTheHandler(t *testing.T) {
	ran := 0
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { ran++; _, _ = io.WriteString(w, "done") })
	for _, strict := range []bool{false, true} {
		h := newCompressor(t, compress.Options{NotAcceptable: strict}).Middleware(next)
		w := httptest.NewRecorder()
		ran = 0
		h.ServeHTTP(w, get("identity;q=0, deflate"))
		if !strict {
			require.Equal(t, "done", w.Body.String())
			continue
		}
		require.Equal(t, 406, w.Code)
		require.Zero(t, ran)
		require.Equal(t, "zstd, br, gzip", w.Header().Get("Accept-Encoding"))
		require.Contains(t, w.Header().Values("Vary"), "Accept-Encoding")
	}
}

func TestFaultyOptionsAreNamedAtOnce(t *testing.T) {
	_, err := compress.New(compress.Options{
		Codings: []compress.Coding{"deflate", compress.Gzip, compress.Gzip}, GzipLevel: 10, BrotliQuality: 12, ZstdLevel: -1,
		BufferSize: 100, Window: 3000, Padding: 5000, MinSize: 1 << 20, ETags: 7, ContentTypes: []string{"text", "*/html", "text/a b"},
	})
	for _, want := range []string{
		`compress: Codings: "deflate"`, `compress: Codings: "gzip" is listed twice`, "compress: GzipLevel: 10", "compress: BrotliQuality: 12",
		"compress: ZstdLevel: -1", "compress: BufferSize: 100", "compress: Window: 3000", "compress: Padding: 5000",
		"compress: MinSize: 1048576", "compress: ETags: 7", `compress: ContentTypes: ["text" "*/html" "text/a b"]`,
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = compress.New(compress.Options{Codings: []compress.Coding{}})
	require.ErrorContains(t, err, "compress: Codings: there is none")
}
