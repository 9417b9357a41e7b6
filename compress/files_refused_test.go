package compress_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/compress"
)

// logbook keeps lines of a log.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.b.Len() == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(l.b.String(), "\n"), "\n")
}

func (l *logbook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// zstdWith is a frame with a window.
func zstdWith(t *testing.T, window int, body string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1))
	require.NoError(t, err)
	for rest := []byte(body); len(rest) > 0; rest = rest[len(rest)/2+1:] { // as a stream, without a length
		_, err = w.Write(rest[:len(rest)/2+1])
		require.NoError(t, err)
		require.NoError(t, w.Flush())
	}
	require.NoError(t, w.Close())
	return b.String()
}

// Traps d.29 and d.30, and what else browsers do not decode.
func TestSiblingsThatBrowsersDoNotDecodeAreRefused(t *testing.T) {
	body := text(5000)
	gz, br, zst := precompressed(t, ".gz", body), precompressed(t, ".br", body), precompressed(t, ".zst", body)
	skip := "\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
	tests := []struct {
		name, extension, sibling string
		reason                   string // "" if it is served
	}{
		{"zstd", ".zst", zst, ""},
		{"zstd, 8 MiB", ".zst", zstdWith(t, 8<<20, body), ""},
		{"zstd, 16 MiB", ".zst", zstdWith(t, 16<<20, body), "needs a window of 16777216 bytes"},
		{"zstd, 16 MiB after a skippable frame", ".zst", skip + zstdWith(t, 16<<20, body), "needs a window of 16777216 bytes"},
		{"zstd, 16 MiB in its second frame", ".zst", precompressed(t, ".zst", body[:9]) + zstdWith(t, 16<<20, body[9:]), "needs a window of 16777216 bytes"},
		{"zstd in frames, skippable ones between", ".zst", skip + precompressed(t, ".zst", body[:9]) + skip + precompressed(t, ".zst", body[9:]), ""},
		{"zstd of something else", ".zst", precompressed(t, ".zst", body[1:]), "not as long"},
		{"zstd that is cut off", ".zst", zst[:len(zst)-1], "not whole frames"},
		{"zstd with something after it", ".zst", zst + "x", "not whole frames"},
		{"brotli", ".br", br, ""},
		{"brotli with a large window", ".br", "\x11" + br, "large window"},
		{"gzip", ".gz", gz, ""},
		{"gzip in two members", ".gz", precompressed(t, ".gz", body[:2500]) + precompressed(t, ".gz", body[2500:]), "not one member"},
		{"gzip with an empty member before it", ".gz", precompressed(t, ".gz", "") + gz, "not one member"},
		{"gzip with an empty member after it", ".gz", gz + precompressed(t, ".gz", ""), "not one member"},
		{"gzip with something after it", ".gz", gz + "\x00\x00\x00\x00", "not one member"},
		{"gzip of something else", ".gz", precompressed(t, ".gz", body[1:]), "not one member"},
		{"gzip that is cut off", ".gz", gz[:len(gz)-5], "not one member"},
		{"gzip that is none", ".gz", body[:50], "not gzip"},
		{"gzip that is nearly nothing", ".gz", "\x1f", "not gzip"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log logbook
			files := fstest.MapFS{"app.js": fileWith(body), "app.js" + tt.extension: fileWith(tt.sibling)}
			h := filesOf(t, files, compress.FilesOptions{Logger: log.logger()})
			for range 3 {
				res := askFiles(h, "/app.js", "gzip, br, zstd")
				require.Equal(t, 200, res.StatusCode)
				require.Equal(t, "Accept-Encoding", res.Header.Get("Vary"), "it may be mended")
				var wire bytes.Buffer
				_, err := wire.ReadFrom(res.Body)
				require.NoError(t, err)
				require.Equal(t, tt.reason == "", res.Header.Get("Content-Encoding") != "")
				got, err := decode(res.Header.Get("Content-Encoding"), wire.Bytes())
				require.NoError(t, err)
				require.Equal(t, body, got)
			}
			if tt.reason == "" {
				require.Empty(t, log.lines())
				return
			}
			require.Len(t, log.lines(), 1)
			require.Contains(t, log.lines()[0], "file=app.js"+tt.extension)
			require.Contains(t, log.lines()[0], tt.reason)

			files["app.js"+tt.extension] = &fstest.MapFile{Data: []byte(precompressed(t, tt.extension, body)), ModTime: builtAt.Add(time.Second)} // mended
			require.NotEmpty(t, askFiles(h, "/app.js", "gzip, br, zstd").Header.Get("Content-Encoding"))
		})
	}
}

func TestTheNextSiblingStandsInForARefusedOne(t *testing.T) {
	files, script := site(t)
	var log logbook
	h := filesOf(t, files, compress.FilesOptions{Logger: log.logger()})
	files["app.js.br"] = fileWith("\x11" + precompressed(t, ".br", script))
	require.Equal(t, "zstd", askFiles(h, "/app.js", "gzip, br, zstd").Header.Get("Content-Encoding"))
	files["app.js.zst"] = fileWith(zstdWith(t, 16<<20, script))
	require.Equal(t, "gzip", askFiles(h, "/app.js", "gzip, br, zstd").Header.Get("Content-Encoding"))
	require.Equal(t, "", askFiles(h, "/app.js", "br, zstd").Header.Get("Content-Encoding"))
	require.Len(t, log.lines(), 2)
}

func TestStaleSiblings(t *testing.T) {
	body := text(5000)
	tests := []struct {
		name              string
		original, sibling time.Time
		served            bool
	}{
		{"of the same time", builtAt, builtAt, true},
		{"made later", builtAt, builtAt.Add(time.Hour), true},
		{"older", builtAt.Add(time.Millisecond), builtAt.Add(time.Microsecond), false},
		{"older by a second", builtAt.Add(time.Second), builtAt, false},
		{"of the same time, cut to whole seconds", builtAt.Add(time.Second - 1), builtAt, true},
		{"the file has no time", time.Time{}, builtAt, true},
		{"the sibling has no time", builtAt, time.Time{}, true},
		{"the sibling has the time of no clock", builtAt, time.Unix(0, 0), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log logbook
			files := fstest.MapFS{"app.js": {Data: []byte(body), ModTime: tt.original}, "app.js.gz": {Data: []byte(precompressed(t, ".gz", body)), ModTime: tt.sibling}}
			h := filesOf(t, files, compress.FilesOptions{Logger: log.logger()})
			for range 3 {
				res := askFiles(h, "/app.js", "gzip")
				require.Equal(t, tt.served, res.Header.Get("Content-Encoding") == "gzip")
				require.Equal(t, "Accept-Encoding", res.Header.Get("Vary"))
			}
			require.Equal(t, tt.served, len(log.lines()) == 0)
			require.LessOrEqual(t, len(log.lines()), 1)
		})
	}
}

func TestTheLogNamesEachFileByItsPath(t *testing.T) {
	var log logbook
	stale := &fstest.MapFile{Data: []byte(precompressed(t, ".gz", text(700))), ModTime: builtAt.Add(-time.Hour)}
	files := fstest.MapFS{"a/x.js": fileWith(text(700)), "b/x.js": fileWith(text(700)), "a/x.js.gz": stale, "b/x.js.gz": stale, "a/y.js": fileWith(text(700)), "a/y.js.gz": fileWith("no gzip")}
	h := filesOf(t, files, compress.FilesOptions{Logger: log.logger()})
	for _, path := range []string{"/a/x.js", "/b/x.js", "/a/y.js", "/a/x.js", "/a/y.js"} {
		require.Empty(t, askFiles(h, path, "gzip").Header.Get("Content-Encoding"))
	}
	require.Len(t, log.lines(), 3)
	for i, name := range []string{"a/x.js.gz", "b/x.js.gz", "a/y.js.gz"} {
		require.Contains(t, log.lines()[i], "file="+name)
	}
}

func TestFilesOnDisk(t *testing.T) {
	dir := t.TempDir()
	body := text(5000)
	write := func(name, content string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		require.NoError(t, os.Chtimes(filepath.Join(dir, name), builtAt, builtAt))
	}
	h := filesOf(t, os.DirFS(dir), compress.FilesOptions{})
	write("app.js", body)
	require.Empty(t, askFiles(h, "/app.js", "br, gzip, zstd").Header.Get("Vary"))

	if os.Symlink("app.js.gz", filepath.Join(dir, "app.js.gz")) == nil {
		require.Empty(t, askFiles(h, "/app.js", "gzip").Header.Get("Vary"), "a link to itself")
		require.NoError(t, os.Remove(filepath.Join(dir, "app.js.gz")))
	}
	write("app.js.gz", precompressed(t, ".gz", body))
	first := askFiles(h, "/app.js", "gzip")
	require.Equal(t, "gzip", first.Header.Get("Content-Encoding"))

	// A new build, while the server runs.
	write("app.js", strings.ToUpper(body)+"x")
	require.NoError(t, os.Chtimes(filepath.Join(dir, "app.js"), builtAt.Add(time.Hour), builtAt.Add(time.Hour)))
	require.Empty(t, askFiles(h, "/app.js", "gzip", "If-None-Match", first.Header.Get("Etag")).Header.Get("Content-Encoding"))
	require.NoError(t, os.Remove(filepath.Join(dir, "app.js.gz")))
	require.Empty(t, askFiles(h, "/app.js", "gzip").Header.Get("Vary"))
}

// What the tools leave is served.
func TestSiblingsOfCommandLineTools(t *testing.T) {
	tools := []struct {
		coding string
		args   []string
	}{
		{"gzip", []string{"gzip", "-k9"}},
		{"zstd", []string{"zstd", "-q", "-k19"}},
		{"zstd", []string{"zstd", "-q", "-k3", "--long=23"}},
		{"br", []string{"brotli", "-k"}},
	}
	for _, tool := range tools {
		t.Run(strings.Join(tool.args, " "), func(t *testing.T) {
			if _, err := exec.LookPath(tool.args[0]); err != nil {
				t.Skip("not installed: " + tool.args[0])
			}
			dir := t.TempDir()
			body := text(100_000)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "app.js"), []byte(body), 0o600))
			out, err := exec.CommandContext(t.Context(), tool.args[0], append(tool.args[1:], filepath.Join(dir, "app.js"))...).CombinedOutput()
			require.NoError(t, err, string(out))
			var log logbook
			h := filesOf(t, os.DirFS(dir), compress.FilesOptions{Logger: log.logger()})
			require.Equal(t, tool.coding, askFiles(h, "/app.js", tool.coding).Header.Get("Content-Encoding"))
			require.Empty(t, log.lines())
		})
	}
}

// Many first requests at once read a file once for each version, and log once.
func TestManyRequestsAtOnce(t *testing.T) {
	files, script := site(t)
	files["app.js.br"] = fileWith("\x11" + precompressed(t, ".br", script))
	var log logbook
	h := filesOf(t, files, compress.FilesOptions{Logger: log.logger()})
	var group sync.WaitGroup
	var faults [32]error
	for i := range faults {
		group.Go(func() {
			for range 20 {
				if res := askFiles(h, "/app.js", "br, zstd"); res.Header.Get("Content-Encoding") != "zstd" || res.StatusCode != http.StatusOK {
					faults[i] = fmt.Errorf("%v", res.Header)
				}
			}
		})
	}
	group.Wait()
	for _, err := range faults {
		require.NoError(t, err)
	}
	require.Len(t, log.lines(), 1)
}

// A frame declares its window in its header, whatever else is in the file: this
// one is 13 bytes and wants 128 MiB.
func TestASmallFileMayWantMuchMemory(t *testing.T) {
	frame := binary.LittleEndian.AppendUint32(nil, 0xFD2FB528)
	frame = append(frame, 0, 17<<3, 8<<3|1, 0, 0)
	frame = append(frame, "abcdefgh"...)
	files := fstest.MapFS{"a.txt": fileWith(text(600)), "a.txt.zst": fileWith(string(frame))}
	var log logbook
	require.Empty(t, askFiles(filesOf(t, files, compress.FilesOptions{Logger: log.logger()}), "/a.txt", "zstd").Header.Get("Content-Encoding"))
	require.Contains(t, log.lines()[0], "134217728")
}
