package compress_test

import (
	"archive/zip"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/compress"
)

func TestCurlDecodesWhatFilesServes(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	files, script := site(t)
	s := httptest.NewServer(filesOf(t, files, compress.FilesOptions{}))
	defer s.Close()
	for _, args := range [][]string{
		{"--compressed"}, {"--compressed", "-H", "Accept-Encoding: gzip"}, {"-H", "Accept-Encoding:"},
		{"--compressed", "--raw", "-H", "Accept-Encoding: identity"},
	} {
		out, err := exec.CommandContext(t.Context(), curl, append(args, "-sSf", s.URL+"/app.js")...).Output()
		require.NoError(t, err, "%v", args)
		require.Equal(t, script, string(out), "%v", args)
	}

	// A download that was cut off goes on, and one of brotli begins again.
	dir := t.TempDir()
	part := filepath.Join(dir, "part")
	require.NoError(t, os.WriteFile(part, []byte(script[:1000]), 0o600))
	_, err = exec.CommandContext(t.Context(), curl, "-sSf", "-C", "-", "-o", part, s.URL+"/app.js").Output()
	require.NoError(t, err)
	got, err := os.ReadFile(part)
	require.NoError(t, err)
	require.Equal(t, script, string(got))
}

// filePicker is a writer that knows what the server can send without reading.
type filePicker struct {
	*httptest.ResponseRecorder
	files int
}

func (w *filePicker) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if _, ok := limited.R.(*os.File); ok {
			w.files++
		}
	}
	return io.Copy(w.ResponseRecorder, r)
}

func TestFilesOnDiskCanBeSentByTheKernel(t *testing.T) {
	dir := t.TempDir()
	body := text(5000)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "app.js"), []byte(body), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "app.js.br"), []byte(precompressed(t, ".br", body)), 0o600))
	h := filesOf(t, os.DirFS(dir), compress.FilesOptions{})
	for _, accept := range []string{"identity", "br"} {
		w := &filePicker{ResponseRecorder: httptest.NewRecorder()}
		h.ServeHTTP(w, atPath("/app.js", get(accept)))
		require.Equal(t, 1, w.files)
		got, err := decode(w.Header().Get("Content-Encoding"), w.Body.Bytes())
		require.NoError(t, err)
		require.Equal(t, body, got)
	}
}

// The files of a zip have no Seek: they are served as net/http serves them, and
// their siblings are not.
func TestFilesOfAZip(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range map[string]string{"app.js": text(5000), "app.js.gz": precompressed(t, ".gz", text(5000))} {
		f, err := w.Create(name)
		require.NoError(t, err)
		_, err = f.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	require.NoError(t, err)
	var log logbook
	h := filesOf(t, z, compress.FilesOptions{Logger: log.logger()})
	for range 2 {
		res := askFiles(h, "/app.js", "gzip")
		require.Equal(t, 200, res.StatusCode)
		require.Empty(t, res.Header.Get("Content-Encoding"))
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, text(5000), string(body))
	}
	require.Len(t, log.lines(), 1)
	require.Contains(t, log.lines()[0], "no Seek")
}

func BenchmarkFiles(b *testing.B) {
	dir := b.TempDir()
	files, _ := site(b)
	for _, name := range []string{"app.js", "app.js.br", "app.js.zst", "app.js.gz", "photo.png"} {
		require.NoError(b, os.WriteFile(filepath.Join(dir, name), files[name].Data, 0o600))
	}
	for name, h := range map[string]http.Handler{"net/http": http.FileServerFS(os.DirFS(dir)), "sluice": filesOf(b, os.DirFS(dir), compress.FilesOptions{})} {
		for _, path := range []string{"/app.js", "/photo.png"} {
			b.Run(name+path, func(b *testing.B) {
				r := atPath(path, get("gzip, br, zstd"))
				b.ReportAllocs()
				for b.Loop() {
					h.ServeHTTP(httptest.NewRecorder(), r)
				}
			})
		}
	}
}
