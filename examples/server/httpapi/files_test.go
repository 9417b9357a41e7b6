package httpapi_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/httpapi"
)

// form builds a multipart/form-data body of "name=value" fields; "file:name=value"
// is a file of that name.
func form(t *testing.T, parts ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	mw := multipart.NewWriter(&b)
	for _, p := range parts {
		name, value, _ := strings.Cut(p, "=")
		var part io.Writer
		var err error
		if field, file, ok := strings.Cut(name, ":"); ok {
			part, err = mw.CreateFormFile(field, file)
		} else {
			part, err = mw.CreateFormField(name)
		}
		require.NoError(t, err)
		_, err = io.WriteString(part, value)
		require.NoError(t, err)
	}
	require.NoError(t, mw.Close())
	return b.String(), mw.FormDataContentType()
}

func (w *world) upload(token string, parts ...string) answer {
	w.t.Helper()
	body, contentType := form(w.t, parts...)
	return w.uploadRaw(token, strings.NewReader(body), contentType)
}

func (w *world) uploadRaw(token string, body io.Reader, contentType string) answer {
	w.t.Helper()
	req := newRequest(w.t, "POST", w.url+"/api/files", body)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Authorization", "Bearer "+token)
	return w.send(req)
}

func TestUpload(t *testing.T) {
	w := newWorld(t, func(o *httpapi.Options) { o.MaxUpload = 100_000 })
	w.do("ann POST /api/projects", `{"name":"p"}`).is(t, 201)

	t.Run("a file is stored and described", func(t *testing.T) {
		a := w.upload("ann", "project_id=1", "ticket_id=7", "file:notes.txt=some text").is(t, 201)
		require.Equal(t, "/api/files/1", a.header.Get("Location"))
		require.Equal(t, `"file-1-1"`, a.header.Get("ETag"))
		f := a.json(t)
		require.Equal(t, "notes.txt", f["name"])
		require.EqualValues(t, 9, f["size"])
		require.EqualValues(t, 2, f["uploaded_by"])
		require.EqualValues(t, 1, f["project_id"])
		require.EqualValues(t, 7, f["ticket_id"])
		require.Equal(t, "text/plain; charset=utf-8", f["file_type"])
		require.NotContains(t, f, "blob")
		require.Equal(t, a.body, w.do("GET /api/files/1", "").is(t, 200).body)
	})
	stored := w.blobs.count()
	for _, c := range []struct {
		name   string
		parts  []string
		status int
		faults []string
	}{
		{"no file is 422", []string{"project_id=1"}, 422, []string{"file"}},
		{"an empty form is 422", nil, 422, []string{"file"}},
		{"a file without a name is 422", []string{"project_id=1", "file=text"}, 422, []string{"file"}},
		{"neither project nor ticket is 422", []string{"file:a.txt=text"}, 422, []string{"project_id"}},
		{"a project that is not there is 422", []string{"project_id=99", "file:a.txt=text"}, 422, []string{"project_id"}},
		{"a name of 256 letters is 422", []string{"project_id=1", "file:" + strings.Repeat("a", 256) + "=text"}, 422, []string{"name"}},
		{"a wrong type is 415", []string{"project_id=1", "file:a.txt=\x7fELF\x02\x01\x01"}, 415, nil},
		{"an unknown field is 400", []string{"project_id=1", "colour=red", "file:a.txt=text"}, 400, []string{"colour"}},
		{"a field twice is 400", []string{"project_id=1", "project_id=1", "file:a.txt=text"}, 400, []string{"project_id"}},
		{"an id that is none is 400", []string{"project_id=one", "file:a.txt=text"}, 400, []string{"project_id"}},
		{"a long field is 400", []string{"project_id=" + strings.Repeat("1", 1000), "file:a.txt=text"}, 400, []string{"project_id"}},
		{"a field after the file is 400", []string{"project_id=1", "file:a.txt=text", "ticket_id=1"}, 400, []string{"file"}},
		{"a second file is 400", []string{"project_id=1", "file:a.txt=text", "file:b.txt=text"}, 400, []string{"file"}},
		{"a file of a byte too many is 413", []string{"project_id=1", "file:a.txt=" + strings.Repeat("x", 100_001)}, 413, nil},
		{"a form of too many bytes is 413", []string{"project_id=1", "file:a.txt=" + strings.Repeat("x", 200_000)}, 413, nil},
	} {
		t.Run(c.name+", and nothing is kept", func(t *testing.T) {
			a := w.upload("ann", c.parts...).is(t, c.status)
			require.ElementsMatch(t, c.faults, a.faults(t))
			require.Equal(t, stored, w.blobs.count())
		})
	}
	t.Run("a file of exactly the limit is accepted", func(t *testing.T) {
		w.upload("ann", "project_id=1", "file:a.txt="+strings.Repeat("x", 100_000)).is(t, 201)
	})
	t.Run("an empty file is accepted", func(t *testing.T) {
		w.upload("ann", "project_id=1", "file:empty.txt=").is(t, 201)
	})
	stored = w.blobs.count()
	body, contentType := form(t, "project_id=1", "file:a.txt="+strings.Repeat("x", 5000))
	t.Run("a form that is cut at any place is 400", func(t *testing.T) {
		for _, n := range []int{0, 10, 60, 150, 250, 3000, len(body) - 5} {
			w.uploadRaw("ann", strings.NewReader(body[:n]), contentType).is(t, 400)
			require.Equal(t, stored, w.blobs.count())
		}
	})
	t.Run("a huge preamble is 413, without a length too", func(t *testing.T) {
		flood := io.MultiReader(strings.NewReader(strings.Repeat("x\n", 35_000)), strings.NewReader(body))
		w.uploadRaw("ann", flood, contentType).is(t, 413)
	})
	t.Run("a huge part header is 413", func(t *testing.T) {
		huge := strings.Replace(body, "Content-Disposition", "X: "+strings.Repeat("x", 70_000)+"\r\nContent-Disposition", 1)
		w.uploadRaw("ann", strings.NewReader(huge), contentType).is(t, 413)
	})
	t.Run("what is no form is 415, and a form without a boundary 400", func(t *testing.T) {
		w.do("ann POST /api/files", `{"project_id":1}`).is(t, 415)
		w.uploadRaw("ann", strings.NewReader(body), "multipart/mixed; boundary=x").is(t, 415)
		w.uploadRaw("ann", strings.NewReader(body), "multipart/form-data").is(t, 400)
	})
}

func TestUploadStreams(t *testing.T) {
	t.Run("a file of 10 MiB takes a fraction of its size in memory", func(t *testing.T) {
		w := newWorld(t)
		w.do("ann POST /api/projects", `{"name":"p"}`).is(t, 201)
		const size = 10 << 20
		empty, contentType := form(t, "project_id=1", "file:big.txt=")
		end := strings.LastIndex(empty, "\r\n--")
		before := allocated()
		made := w.uploadRaw("ann", io.MultiReader(strings.NewReader(empty[:end]), &letters{size},
			strings.NewReader(empty[end:])), contentType).is(t, 201)
		require.EqualValues(t, size, made.json(t)["size"])
		require.Less(t, allocated()-before, uint64(size/4))
	})
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// letters reads as n times the letter x.
type letters struct{ n int }

func (l *letters) Read(b []byte) (int, error) {
	if l.n == 0 {
		return 0, io.EOF
	}
	n := min(l.n, len(b))
	for i := range n {
		b[i] = 'x'
	}
	l.n -= n
	return n, nil
}

func TestDownload(t *testing.T) {
	w := newWorld(t)
	w.do("ann POST /api/projects", `{"name":"p"}`).is(t, 201)
	f := w.upload("ann", "project_id=1", "file:notes.txt=0123456789").is(t, 201).json(t)
	const url = "/api/files/1/content"

	all := w.do("GET "+url, "").is(t, 200)
	t.Run("the whole file, safe to open", func(t *testing.T) {
		require.Equal(t, "0123456789", all.body)
		for name, want := range map[string]string{
			"Content-Type":            "text/plain; charset=utf-8",
			"Content-Length":          "10",
			"Content-Disposition":     "attachment; filename=notes.txt",
			"X-Content-Type-Options":  "nosniff",
			"Content-Security-Policy": "sandbox; default-src 'none'",
			"Accept-Ranges":           "bytes",
			"Etag":                    fmt.Sprintf(`"%s"`, f["sha256"]),
			"Cache-Control":           "no-cache",
		} {
			require.Equal(t, want, all.header.Get(name), name)
		}
		require.NotEmpty(t, all.header.Get("Last-Modified"))
	})
	t.Run("HEAD has the headers only", func(t *testing.T) {
		head := w.do("HEAD "+url, "").is(t, 200)
		require.Empty(t, head.body)
		require.Equal(t, "10", head.header.Get("Content-Length"))
	})
	tag, modified := all.header.Get("ETag"), all.header.Get("Last-Modified")
	for _, c := range []struct {
		name   string
		header []string
		status int
		body   string
	}{
		{"a range is 206", []string{"Range", "bytes=2-4"}, 206, "234"},
		{"a suffix is 206", []string{"Range", "bytes=-3"}, 206, "789"},
		{"If-Range with the tag is 206", []string{"Range", "bytes=2-4", "If-Range", tag}, 206, "234"},
		{"If-Range with the date is 206", []string{"Range", "bytes=2-4", "If-Range", modified}, 206, "234"},
		{"If-Range with another tag is all of it", []string{"Range", "bytes=2-4", "If-Range", `"x"`}, 200, "0123456789"},
		{"the tag is 304", []string{"If-None-Match", tag}, 304, ""},
		{"the date is 304", []string{"If-Modified-Since", modified}, 304, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.body, w.do("GET "+url, "", c.header...).is(t, c.status).body)
		})
	}
	t.Run("a range outside of the file is 416", func(t *testing.T) {
		a := w.do("GET "+url, "", "Range", "bytes=10-")
		a.is(t, 416)
		require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
		require.Equal(t, "bytes */10", a.header.Get("Content-Range"))
		require.EqualValues(t, 416, a.json(t)["status"])
	})
	t.Run("another file than the one expected is 412", func(t *testing.T) {
		a := w.do("GET "+url, "", "If-Match", `"other"`).is(t, 412)
		require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
		require.EqualValues(t, 412, a.json(t)["status"])
	})
	t.Run("a name cannot leave its header", func(t *testing.T) {
		for name, want := range map[string]string{
			`a"; x=y.txt`: `attachment; filename="a\"; x=y.txt"`,
			"größe €.txt": "attachment; filename*=utf-8''gr%C3%B6%C3%9Fe%20%E2%82%AC.txt",
		} {
			body := `{"project_id":1,"name":"` + strings.ReplaceAll(name, `"`, `\"`) + `"}`
			w.do("ann PUT /api/files/1", body, "If-Match", "*").is(t, 200)
			require.Equal(t, want, w.do("GET "+url, "").header.Get("Content-Disposition"))
		}
	})
	t.Run("only the uploader or an admin deletes it, and the bytes go too", func(t *testing.T) {
		w.do("bob DELETE /api/files/1", "").is(t, 403)
		require.Equal(t, 1, w.blobs.count())
		w.do("ann DELETE /api/files/1", "", "If-Match", `"file-1-1"`).is(t, 412)
		w.do("ann DELETE /api/files/1", "").is(t, 204)
		require.Zero(t, w.blobs.count())
		w.do("GET "+url, "").is(t, 404)
		w.upload("ann", "project_id=1", "file:b.txt=b").is(t, 201)
		w.do("root DELETE /api/files/2", "").is(t, 204)
	})
	t.Run("bytes that went between row and read are 404", func(t *testing.T) {
		w.upload("ann", "project_id=1", "file:c.txt=c").is(t, 201)
		w.blobs.bytes = map[string][]byte{}
		w.do("GET /api/files/3/content", "").is(t, 404)
	})
}
