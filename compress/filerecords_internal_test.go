package compress

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRecordsAreBounded(t *testing.T) {
	lines := 0
	s := fileRecords{logger: slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) { lines++; return len(p), nil }), nil))}
	files := fstest.MapFS{"a": {Data: []byte("abc")}}
	f, err := files.Open("a")
	require.NoError(t, err)
	for i := range maxRecords + 1000 {
		name := fmt.Sprint(i)
		_, rec := s.of(f, name, identity, 0)
		require.NotEmpty(t, rec.tag)
		s.of(f, name, identity, 0)
		_, rec = s.of(f, name, zstded, 9)
		require.True(t, rec.refused)
	}
	require.Len(t, s.known, maxRecords)
	require.Len(t, s.refused, maxRefused)
	require.Equal(t, maxRefused, lines)
}

type writerFunc func(p []byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }

// badFile fails to be read, or is not as long as it says.
type badFile struct {
	io.ReadSeeker
	size int64
	err  error
	read *int
}

func (f badFile) Stat() (fs.FileInfo, error) { return badInfo{size: f.size}, nil }
func (f badFile) Close() error               { return nil }
func (f badFile) Read(p []byte) (int, error) {
	*f.read++
	if f.err != nil {
		return 0, f.err
	}
	return f.ReadSeeker.Read(p)
}

type badInfo struct {
	fs.FileInfo
	size int64
}

func (i badInfo) Size() int64        { return i.size }
func (i badInfo) ModTime() time.Time { return time.Time{} }
func (i badInfo) Mode() fs.FileMode  { return 0 }

func TestWhatCannotBeReadIsTriedAgain(t *testing.T) {
	for name, f := range map[string]badFile{
		"an error":                    {size: 3, err: errors.New("disk")},
		"it is being cut off":         {size: 9},
		"it is growing":               {size: 2},
		"it says that it has nothing": {size: 0},
	} {
		t.Run(name, func(t *testing.T) {
			reads := 0
			f.ReadSeeker, f.read = strings.NewReader("abc"), &reads
			var s fileRecords
			for _, c := range []coding{identity, brotlied} {
				_, rec := s.of(f, "a", c, 100)
				require.Empty(t, rec.tag)
				require.True(t, rec.refused)
				require.Empty(t, s.known)
				before := reads
				s.of(f, "a", c, 100)
				require.Greater(t, reads, before)
			}
		})
	}
}

// What is too long to be read whole is read a little.
func TestLongFilesHaveNoTag(t *testing.T) {
	reads := 0
	f := badFile{ReadSeeker: strings.NewReader("<!DOCTYPE html>"), size: maxHashed + 1, read: &reads}
	s := fileRecords{logger: slog.New(slog.DiscardHandler)}
	_, rec := s.of(f, "a", identity, 0)
	require.Empty(t, rec.tag)
	require.Equal(t, "text/html; charset=utf-8", rec.sniffed)
	require.False(t, rec.refused)
	_, rec = s.of(f, "a", brotlied, maxHashed+9)
	require.True(t, rec.refused)
	require.Equal(t, map[string]bool{"a.br": true}, s.refused)
	require.LessOrEqual(t, reads, 2)
}
