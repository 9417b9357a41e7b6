package compress_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/compress"
)

// tagOf is the tag of an answer that must have that coding.
func tagOf(t *testing.T, h http.Handler, path, accept, coding string) string {
	t.Helper()
	res := askFiles(h, path, accept)
	require.Equal(t, coding, res.Header.Get("Content-Encoding"))
	require.NotEmpty(t, res.Header.Get("Etag"))
	return res.Header.Get("Etag")
}

// A Compressor around Files leaves siblings alone, and encodes what has none.
func TestFilesUnderTheMiddleware(t *testing.T) {
	files, script := site(t)
	plain := filesOf(t, files, compress.FilesOptions{})
	h := newCompressor(t, compress.Options{}).Middleware(plain)
	br, gz, file := tagOf(t, plain, "/app.js", "br", "br"), tagOf(t, plain, "/app.js", "gzip", "gzip"), tagOf(t, plain, "/app.js", "", "")
	css := tagOf(t, h, "/old.css", "zstd", "zstd") // made by the Compressor
	const part = "bytes=100-199"
	tests := []struct {
		name, path, accept string
		fields             []string
		status             int
		coding, tag        string
	}{
		{"a sibling", "/app.js", "br", nil, 200, "br", br},
		{"again", "/app.js", "br", []string{"If-None-Match", br}, 304, "", br},
		{"another sibling than the client has (trap d.16)", "/app.js", "gzip", []string{"If-None-Match", br}, 200, "gzip", gz},
		{"and it takes both", "/app.js", "gzip, br;q=0.1", []string{"If-None-Match", br}, 200, "gzip", gz},
		{"the file", "/app.js", "identity", []string{"If-None-Match", br}, 200, "", file},
		{"the sibling under a condition", "/app.js", "br", []string{"If-Match", br}, 200, "br", br},
		{"the other one under a condition (trap d.17)", "/app.js", "gzip, br;q=0.1", []string{"If-Match", br}, 412, "", gz},
		{"encoded here", "/old.css", "zstd", nil, 200, "zstd", css},
		{"encoded here, again", "/old.css", "zstd", []string{"If-None-Match", css}, 304, "", css},
		{"encoded here, under a condition", "/old.css", "zstd", []string{"If-Match", css}, 200, "zstd", css},
		{"a part of the file", "/app.js", "br", []string{"Range", part}, 206, "", file},
		{"more of the file", "/app.js", "br", []string{"Range", part, "If-Range", file}, 206, "", file},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
				a := do(atPath(tt.path, get(tt.accept, tt.fields...)))
				require.NoError(t, a.err)
				require.Equal(t, tt.status, a.StatusCode)
				require.Equal(t, tt.coding, a.Header.Get("Content-Encoding"))
				require.Equal(t, tt.tag, a.Header.Get("Etag"), "not with a second suffix")
				require.Equal(t, []string{"Accept-Encoding"}, a.Header.Values("Vary"))
				switch tt.status {
				case 200:
					require.Equal(t, string(files[tt.path[1:]].Data), a.decoded(t))
					require.EqualValues(t, len(a.wire), a.ContentLength)
				case 206:
					require.Equal(t, script[100:200], string(a.wire))
				}
			})
		})
	}
	// Trap d.18: what continues an encoded file is whole, in whatever coding.
	protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
		for _, tag := range []string{br, gz, tagOf(t, newCompressor(t, compress.Options{}).Middleware(filesOf(t, files, compress.FilesOptions{Codings: []compress.Coding{}})), "/app.js", "br", "br")} {
			a := do(atPath("/app.js", get("br", "Range", part, "If-Range", tag)))
			require.Equal(t, 200, a.StatusCode)
			require.Equal(t, script, a.decoded(t))
		}
	})
}

// The bytes of a sibling are not those that a Compressor makes, and their tags
// never stand for one another: the sibling may come and go.
func TestASiblingHasAnotherTagThanWhatIsEncodedHere(t *testing.T) {
	files, _ := site(t)
	c := newCompressor(t, compress.Options{})
	with := c.Middleware(filesOf(t, files, compress.FilesOptions{}))
	without := c.Middleware(filesOf(t, files, compress.FilesOptions{Codings: []compress.Coding{}}))
	for _, coding := range []string{"br", "zstd", "gzip"} {
		made, here := tagOf(t, with, "/app.js", coding, coding), tagOf(t, without, "/app.js", coding, coding)
		require.NotEqual(t, made, here)
		require.Equal(t, 200, askFiles(with, "/app.js", coding, "If-None-Match", here).StatusCode)
		require.Equal(t, 200, askFiles(without, "/app.js", coding, "If-None-Match", made).StatusCode)
		require.Equal(t, 304, askFiles(with, "/app.js", coding, "If-None-Match", here+", "+made).StatusCode)
	}
}
