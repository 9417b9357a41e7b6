package compress_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/compress"
)

// tagsOf are the tags of one file by coding.
func tagsOf(t *testing.T, h http.Handler, path string) map[string]string {
	t.Helper()
	tags := map[string]string{}
	for _, coding := range []string{"", "br", "zstd", "gzip"} {
		res := askFiles(h, path, coding)
		require.Equal(t, coding, res.Header.Get("Content-Encoding"))
		tags[coding] = res.Header.Get("Etag")
		require.NotEmpty(t, tags[coding])
	}
	return tags
}

func TestConditionsAreAboutTheCodingThatIsSent(t *testing.T) {
	files, _ := site(t)
	h := filesOf(t, files, compress.FilesOptions{})
	tag := tagsOf(t, h, "/app.js")
	const early, late = "Mon, 02 Nov 2026 09:59:59 GMT", "Mon, 02 Nov 2026 10:00:00 GMT"
	tests := []struct {
		name, accept string
		fields       []string
		status       int
		coding       string // of the tag
	}{
		{"the tag of the coding", "br", []string{"If-None-Match", tag["br"]}, 304, "br"},
		{"weakly", "br", []string{"If-None-Match", "W/" + tag["br"]}, 304, "br"},
		{"in a list", "br", []string{"If-None-Match", `"a,b", ` + tag["br"] + `, "c"`}, 304, "br"},
		{"on a second line (trap d.16)", "br", []string{"If-None-Match", `"a"`, "If-None-Match", tag["br"]}, 304, "br"},
		{"any tag", "br", []string{"If-None-Match", "*"}, 304, "br"},
		{"the tag of the file", "", []string{"If-None-Match", tag[""]}, 304, ""},
		{"the tag of the file for a coding", "br", []string{"If-None-Match", tag[""]}, 200, "br"},
		{"the tag of another coding", "gzip", []string{"If-None-Match", tag["br"]}, 200, "gzip"},
		{"the tag of a coding for the file", "", []string{"If-None-Match", tag["br"]}, 200, ""},
		{"not changed since", "br", []string{"If-Modified-Since", late}, 304, "br"},
		{"changed since", "br", []string{"If-Modified-Since", early}, 200, "br"},
		{"a tag goes before a date", "br", []string{"If-Modified-Since", late, "If-None-Match", `"a"`}, 200, "br"},
		{"if it is that", "br", []string{"If-Match", tag["br"]}, 200, "br"},
		{"if it is that, on a second line", "br", []string{"If-Match", `"a"`, "If-Match", tag["br"]}, 200, "br"},
		{"if it is there", "br", []string{"If-Match", "*"}, 200, "br"},
		{"if it is another (trap d.17)", "br", []string{"If-Match", tag["gzip"]}, 412, "br"},
		{"if it is the file", "br", []string{"If-Match", tag[""]}, 412, "br"},
		{"a weak tag is never that", "br", []string{"If-Match", "W/" + tag["br"]}, 412, "br"},
		{"not older than that", "br", []string{"If-Unmodified-Since", early}, 412, "br"},
		{"the file, if it is another", "", []string{"If-Match", tag["br"]}, 412, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
				a := do(atPath("/app.js", get(tt.accept, tt.fields...)))
				require.NoError(t, a.err)
				require.Equal(t, tt.status, a.StatusCode)
				require.Equal(t, tag[tt.coding], a.Header.Get("Etag"), "traps d.15, d.17")
				require.Equal(t, []string{"Accept-Encoding"}, a.Header.Values("Vary"), "trap d.14")
				if tt.status == 200 {
					require.Equal(t, tt.coding, a.Header.Get("Content-Encoding"))
					require.EqualValues(t, len(a.wire), a.ContentLength)
				} else {
					require.Empty(t, a.wire)
					require.Empty(t, a.Header.Get("Content-Encoding"), "there is no content with a coding (trap d.11)")
				}
				head := do(atPath("/app.js", request(http.MethodHead, tt.accept, tt.fields...)))
				require.Equal(t, tt.status, head.StatusCode)
				require.Equal(t, tag[tt.coding], head.Header.Get("Etag"))
			})
		})
	}
}

// Trap d.18: bytes of two codings must never be put together.
func TestRangesAreOfTheFileItself(t *testing.T) {
	files, script := site(t)
	h := filesOf(t, files, compress.FilesOptions{})
	tag := tagsOf(t, h, "/app.js")
	modified := builtAt.Format(http.TimeFormat)
	const all = "gzip, br, zstd"
	tests := []struct {
		name, accept string
		fields       []string
		status       int
		coding       string
		part         string
	}{
		{"a range", all, nil, 206, "", script[100:200]},
		{"a range for who takes no coding", "none", nil, 206, "", script[100:200]},
		{"more of the file", all, []string{"If-Range", tag[""]}, 206, "", script[100:200]},
		{"more of the file without a coding", "identity", []string{"If-Range", tag[""]}, 206, "", script[100:200]},
		{"more of the brotli", all, []string{"If-Range", tag["br"]}, 200, "", script},
		{"more of the brotli, which is still liked best", "br", []string{"If-Range", tag["br"]}, 200, "", script},
		{"more of the gzip", "identity", []string{"If-Range", tag["gzip"]}, 200, "", script},
		{"more of whatever had that date", all, []string{"If-Range", modified}, 200, "", script},
		{"a weak tag", all, []string{"If-Range", "W/" + tag[""]}, 200, "", script},
		{"only of the brotli", all, []string{"If-Match", tag["br"]}, 412, "", ""},
		{"only of the file", all, []string{"If-Match", tag[""]}, 206, "", script[100:200]},
		{"unless it is the brotli", all, []string{"If-None-Match", tag["br"]}, 206, "", script[100:200]},
		{"unless it is the file", all, []string{"If-None-Match", tag[""]}, 304, "", ""},
		{"the file is refused (trap d.5)", "br, identity;q=0", nil, 200, "br", script},
		{"the file is refused, more of the brotli", "br, identity;q=0", []string{"If-Range", tag["br"]}, 200, "br", script},
		{"the file is refused, more of the file", "br, *;q=0", []string{"If-Range", tag[""]}, 200, "br", script},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			protocols(t, h, func(t *testing.T, do func(*http.Request) *answer) {
				a := do(atPath("/app.js", get(tt.accept, append(tt.fields, "Range", "bytes=100-199")...)))
				require.NoError(t, a.err)
				require.Equal(t, tt.status, a.StatusCode)
				require.Equal(t, tt.coding, a.Header.Get("Content-Encoding"))
				require.Equal(t, tag[tt.coding], a.Header.Get("Etag"))
				require.Equal(t, tt.part, a.decoded(t))
				require.Equal(t, []string{"Accept-Encoding"}, a.Header.Values("Vary"))
				require.Equal(t, tt.status == 206, a.Header.Get("Content-Range") != "")
			})
		})
	}
	a := askFiles(h, "/app.js", all, "Range", "bytes=9999-")
	require.Equal(t, http.StatusRequestedRangeNotSatisfiable, a.StatusCode)
	require.Equal(t, "Accept-Encoding", a.Header.Get("Vary"))
	require.Equal(t, "bytes */5000", a.Header.Get("Content-Range"))
	require.Empty(t, a.Header.Get("Content-Encoding"))

	many := askFiles(h, "/app.js", all, "Range", "bytes=0-0,2-2")
	require.Equal(t, http.StatusPartialContent, many.StatusCode)
	require.True(t, strings.HasPrefix(many.Header.Get("Content-Type"), "multipart/byteranges"))
	require.Empty(t, many.Header.Get("Content-Encoding"))
}

// A date is good for a file that nobody can hold a part of in another coding.
func TestARangeByDateIsSentWhereNothingIsMixed(t *testing.T) {
	files, _ := site(t)
	h := filesOf(t, files, compress.FilesOptions{})
	fields := []string{"Range", "bytes=0-3", "If-Range", builtAt.Format(http.TimeFormat)}
	require.Equal(t, 206, askFiles(h, "/photo.png", "br", fields...).StatusCode)
	require.Equal(t, 200, askFiles(h, "/old.css", "br", fields...).StatusCode)
}

func TestTagsAreOfTheBytesAlone(t *testing.T) {
	files, _ := site(t)
	h := filesOf(t, files, compress.FilesOptions{})
	before := tagsOf(t, h, "/app.js")
	for name := range files { // as embed.FS has them
		files[name].ModTime = time.Time{}
	}
	require.Equal(t, before, tagsOf(t, h, "/app.js"), "another time")
	require.Equal(t, before, tagsOf(t, filesOf(t, files, compress.FilesOptions{}), "/app.js"), "another process")
	require.Empty(t, askFiles(h, "/app.js", "br").Header.Get("Last-Modified"))
	require.Equal(t, 304, askFiles(h, "/app.js", "br", "If-None-Match", before["br"]).StatusCode)

	// Trap d.15: who compresses anew sends other bytes, and says so.
	files["app.js.br"] = fileWith(precompressed(t, ".br", text(5000)) + " ")
	require.NotEqual(t, before["br"], askFiles(h, "/app.js", "br").Header.Get("Etag"))
	files["app.js"] = fileWith(strings.ToUpper(text(5000)))
	require.NotEqual(t, before[""], askFiles(h, "/app.js", "").Header.Get("Etag"))
	require.Equal(t, before["gzip"], askFiles(h, "/app.js", "gzip").Header.Get("Etag"))

	// Of another length, the file is another: the gzip that was right is not now,
	// which shows without any times.
	files["app.js"] = &fstest.MapFile{Data: []byte(text(5001))}
	require.Equal(t, "", askFiles(h, "/app.js", "gzip").Header.Get("Content-Encoding"))
}
