package diskstore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/diskstore"
)

func open(t *testing.T, o diskstore.Options) *diskstore.Store {
	t.Helper()
	s, err := diskstore.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func requireCode(t *testing.T, code app.Code, err error) *app.Error {
	t.Helper()
	var e *app.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.Code, "%v", err)
	return e
}

// stored returns the paths of all files below a directory.
func stored(t *testing.T, dir string) []string {
	t.Helper()
	var paths []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, path)
		}
		return err
	}))
	return paths
}

func TestWhatIsPutCanBeReadUntilItIsDeleted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	s := open(t, diskstore.Options{Dir: dir})
	for name, content := range map[string]string{
		"text":                 "hello\n",
		"nothing at all":       "",
		"one sniff":            strings.Repeat("a", 512),
		"one byte more":        strings.Repeat("a", 513),
		"more than one buffer": strings.Repeat("all work and no play\n", 10_000),
	} {
		t.Run(name, func(t *testing.T) {
			blob, err := s.Put(t.Context(), strings.NewReader(content))
			require.NoError(t, err)
			sum := sha256.Sum256([]byte(content))
			require.Equal(t, app.Blob{Key: blob.Key, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), Type: "text/plain"}, blob)

			f, err := s.Open(t.Context(), blob.Key)
			require.NoError(t, err)
			require.NoError(t, iotest.TestReader(f, []byte(content)), "reads and seeks")
			require.NoError(t, f.Close())
			paths := stored(t, dir)
			require.Len(t, paths, 1)
			info, err := os.Stat(paths[0])
			require.NoError(t, err)
			if runtime.GOOS != "windows" {
				require.Zero(t, info.Mode().Perm()&0o077, "closed to others")
			}

			require.NoError(t, s.Delete(t.Context(), blob.Key))
			_, err = s.Open(t.Context(), blob.Key)
			requireCode(t, app.CodeNotFound, err)
			require.NoError(t, s.Delete(t.Context(), blob.Key), "a missing key is no error")
			require.Empty(t, stored(t, dir))
		})
	}
}

func TestAStoreFindsWhatAnotherPut(t *testing.T) {
	dir := t.TempDir()
	blob, err := open(t, diskstore.Options{Dir: dir}).Put(t.Context(), strings.NewReader("hello"))
	require.NoError(t, err)
	f, err := open(t, diskstore.Options{Dir: dir}).Open(t.Context(), blob.Key)
	require.NoError(t, err)
	defer f.Close()
	got, err := io.ReadAll(f)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
}

func TestTheLimitHoldsToTheByte(t *testing.T) {
	for _, limit := range []int64{1, 511, 512, 513, 40_000} {
		dir := t.TempDir()
		s := open(t, diskstore.Options{Dir: dir, MaxSize: limit})
		for _, wrap := range []func(io.Reader) io.Reader{
			func(r io.Reader) io.Reader { return r }, iotest.DataErrReader, iotest.HalfReader,
		} {
			blob, err := s.Put(t.Context(), wrap(io.LimitReader(letters{}, limit)))
			require.NoError(t, err)
			require.Equal(t, limit, blob.Size)
			require.NoError(t, s.Delete(t.Context(), blob.Key))

			endless := &counter{r: wrap(letters{})}
			_, err = s.Put(t.Context(), endless)
			requireCode(t, app.CodeTooLarge, err)
			require.Equal(t, limit+1, endless.n, "not a byte more is asked for")
			_, err = s.Put(t.Context(), wrap(io.LimitReader(letters{}, limit+1)))
			requireCode(t, app.CodeTooLarge, err)
			require.Empty(t, stored(t, dir))
		}
	}
	t.Run("the largest limit there is", func(t *testing.T) {
		s := open(t, diskstore.Options{Dir: t.TempDir(), MaxSize: math.MaxInt64})
		blob, err := s.Put(t.Context(), strings.NewReader("hello"))
		require.NoError(t, err)
		require.EqualValues(t, 5, blob.Size)
	})
	t.Run("10 MiB by default", func(t *testing.T) {
		s := open(t, diskstore.Options{Dir: t.TempDir()})
		_, err := s.Put(t.Context(), io.LimitReader(letters{}, 10<<20))
		require.NoError(t, err)
		_, err = s.Put(t.Context(), letters{})
		requireCode(t, app.CodeTooLarge, err)
	})
}

func TestTypes(t *testing.T) {
	png := "\x89PNG\r\n\x1a\n" + strings.Repeat("\x00", 20)
	utf16 := func(s string) string { return "\xff\xfe" + strings.Join(strings.Split(s, ""), "\x00") + "\x00" }
	for _, c := range []struct {
		name, content, mediaType string
		accepted                 bool
	}{
		{"text", "hello", "text/plain", true},
		{"text in UTF-16", utf16("hello"), "text/plain", true},
		{"text with a smaller sign", "a < b <script>", "text/plain", true},
		{"text that begins with a heart", "<3", "text/plain", true},
		{"JSON", `{"a": "<svg>"}`, "text/plain", true},
		{"PNG", png, "image/png", true},
		{"JPEG", "\xff\xd8\xff\xe0", "image/jpeg", true},
		{"GIF", "GIF89a<script>", "image/gif", true},
		{"WebP", "RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp", true},
		{"PDF", "%PDF-1.7", "application/pdf", true},
		{"ZIP", "PK\x03\x04", "application/zip", true},
		{"gzip", "\x1f\x8b\x08", "application/x-gzip", true},
		{"HTML", "<!DOCTYPE html><p>", "text/html", false},
		{"HTML after white space", " \r\n\t<SCRIPT>alert(1)</SCRIPT>", "text/html", false},
		{"HTML after a byte order mark", "\xef\xbb\xbf<script>", "text/html", false},
		{"HTML in UTF-16", utf16("<script>"), "text/html", false},
		{"a tag that no signature knows", "<img src=x onerror=alert(1)>", "text/html", false},
		{"a tag of one's own", "<x-y>", "text/html", false},
		{"an end tag", "</p>", "text/html", false},
		{"a tag cut off", "<", "text/html", false},
		{"SVG", `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`, "text/html", false},
		{"SVG as XML", `<?xml version="1.0"?><svg/>`, "text/xml", false},
		{"a program", "\x7fELF\x02\x01\x01\x00", "application/octet-stream", false},
		{"PostScript", "%!PS-Adobe-", "application/postscript", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			blob, err := open(t, diskstore.Options{Dir: dir}).Put(t.Context(), strings.NewReader(c.content))
			if c.accepted {
				require.NoError(t, err)
				require.Equal(t, c.mediaType, blob.Type)
				return
			}
			require.Contains(t, requireCode(t, app.CodeUnsupportedType, err).Message, c.mediaType)
			require.Empty(t, stored(t, dir))
		})
	}
	t.Run("a list of one's own is the whole list", func(t *testing.T) {
		s := open(t, diskstore.Options{Dir: t.TempDir(), Types: []string{"image/png"}})
		_, err := s.Put(t.Context(), strings.NewReader(png))
		require.NoError(t, err)
		_, err = s.Put(t.Context(), strings.NewReader("hello"))
		requireCode(t, app.CodeUnsupportedType, err)
	})
	t.Run("a refused type is not read to its end", func(t *testing.T) {
		r := &counter{r: io.MultiReader(strings.NewReader("<html>"), letters{})}
		_, err := open(t, diskstore.Options{Dir: t.TempDir()}).Put(t.Context(), r)
		requireCode(t, app.CodeUnsupportedType, err)
		require.LessOrEqual(t, r.n, int64(512))
	})
}

func TestASenderThatFailsLeavesNothing(t *testing.T) {
	gone := errors.New("connection reset")
	for _, at := range []int64{0, 1, 511, 512, 513, 100_000} {
		dir := t.TempDir()
		s := open(t, diskstore.Options{Dir: dir})
		put := func(err error) error {
			_, err = s.Put(t.Context(), io.MultiReader(io.LimitReader(letters{}, at), iotest.ErrReader(err)))
			require.Error(t, err)
			require.Empty(t, stored(t, dir))
			return err
		}
		e := requireCode(t, app.CodeMalformed, put(gone))
		require.ErrorIs(t, e, gone)
		require.NotContains(t, e.Message, "reset")
		// A truncated form ends like this, which io.ReadFull also says of a short file.
		requireCode(t, app.CodeMalformed, put(io.ErrUnexpectedEOF))
		requireCode(t, app.CodeUnsupportedType, put(app.Errorf(app.CodeUnsupportedType, "said by the sender")))
	}
}

func TestAContextThatEndsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, diskstore.Options{Dir: dir})
	for _, after := range []int64{0, 100, 100_000} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := &counter{r: letters{}}
		r.each = func() {
			if r.n >= after {
				cancel()
			}
		}
		_, err := s.Put(ctx, r)
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, stored(t, dir))
		_, err = s.Open(ctx, strings.Repeat("a", 26))
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, s.Delete(ctx, strings.Repeat("a", 26)), context.Canceled)
	}
}

func TestABodyThatItsCanceledRequestClosedIsNoFaultOfTheSender(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := &counter{r: iotest.ErrReader(errors.New("body closed")), each: cancel}
	_, err := open(t, diskstore.Options{Dir: t.TempDir()}).Put(ctx, r)
	require.ErrorIs(t, err, context.Canceled)
}

func TestHostileKeysLeadNowhere(t *testing.T) {
	outside := t.TempDir()
	dir := filepath.Join(outside, "files")
	secret := filepath.Join(outside, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	s := open(t, diskstore.Options{Dir: dir})
	blob, err := s.Put(t.Context(), strings.NewReader("hello"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600))
	before := stored(t, outside)
	for _, key := range []string{
		"", ".", "..", "/", "a", "../secret", "..\\secret", secret, "mine", "incoming", blob.Key[:2],
		blob.Key + "\x00", blob.Key + "/", blob.Key + "\n", blob.Key + "a", strings.ToUpper(blob.Key), "../" + blob.Key[:23],
		"incoming/" + blob.Key, blob.Key[:2] + "/" + blob.Key, strings.Repeat("a", 1<<20),
		strings.Repeat("a", 26), // well-formed, but never given
	} {
		_, err := s.Open(t.Context(), key)
		requireCode(t, app.CodeNotFound, err)
		require.NoError(t, s.Delete(t.Context(), key))
	}
	require.Equal(t, before, stored(t, outside))
}

func TestManyPutsAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, diskstore.Options{Dir: dir})
	var wg sync.WaitGroup
	blobs, errs := make([]app.Blob, 32), make([]error, 32)
	content := func(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, 10_000+rand.IntN(50_000)) }
	contents := make([][]byte, len(blobs))
	for i := range blobs {
		contents[i] = content(i % 26)
		wg.Go(func() { blobs[i], errs[i] = s.Put(t.Context(), iotest.HalfReader(bytes.NewReader(contents[i]))) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Len(t, stored(t, dir), len(blobs))
	for i, blob := range blobs {
		f, err := s.Open(t.Context(), blob.Key)
		require.NoError(t, err)
		got, err := io.ReadAll(f)
		require.NoError(t, errors.Join(err, f.Close()))
		require.True(t, bytes.Equal(contents[i], got))
	}
}

func TestADiskThatFailsIsUnavailable(t *testing.T) {
	dir := t.TempDir()
	s := open(t, diskstore.Options{Dir: dir})
	require.NoError(t, os.Remove(filepath.Join(dir, "incoming")))
	_, err := s.Put(t.Context(), strings.NewReader("hello"))
	e := requireCode(t, app.CodeUnavailable, err)
	require.ErrorIs(t, e, fs.ErrNotExist, "the log learns the cause")
	require.NotContains(t, e.Message, "incoming")
}

func TestAFolderThatCannotBeMadeLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := open(t, diskstore.Options{Dir: dir})
	const letters = "abcdefghijklmnopqrstuvwxyz234567"
	for _, a := range letters { // a file where each folder should be
		for _, b := range letters {
			require.NoError(t, os.WriteFile(filepath.Join(dir, string(a)+string(b)), nil, 0o600))
		}
	}
	_, err := s.Put(t.Context(), strings.NewReader("hello"))
	requireCode(t, app.CodeUnavailable, err)
	require.Empty(t, stored(t, filepath.Join(dir, "incoming")))
}

func TestNewReportsAllFaultsAtOnce(t *testing.T) {
	_, err := diskstore.New(diskstore.Options{MaxSize: -1, Types: []string{"text/plain", "Image/PNG", "text/plain; charset=utf-8", "png", ""}})
	require.EqualError(t, err, strings.Join([]string{
		"diskstore: Dir: is needed",
		"diskstore: MaxSize: must not be negative",
		`diskstore: Types: "Image/PNG" is not a lower-case media type without parameters`,
		`diskstore: Types: "text/plain; charset=utf-8" is not a lower-case media type without parameters`,
		`diskstore: Types: "png" is not a lower-case media type without parameters`,
		`diskstore: Types: "" is not a lower-case media type without parameters`,
	}, "\n"))
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = diskstore.New(diskstore.Options{Dir: file})
	require.ErrorContains(t, err, "diskstore: Dir: ")
}

// letters is an endless text.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// counter counts what is read, and calls each before every read.
type counter struct {
	r    io.Reader
	n    int64
	each func()
}

func (c *counter) Read(p []byte) (int, error) {
	if c.each != nil {
		c.each()
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
