package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
)

var errDisk = errors.New("the disk is full")

// shelf keeps the descriptions of files, the newest first by id.
type shelf struct {
	app.Files
	t      *testing.T
	rows   []app.File
	err    error  // of every call, but of ListFiles from the page failAt on
	page   int    // pages read
	failAt int    // counted from 1
	during func() // runs within each change
}

func (s *shelf) CreateFile(ctx context.Context, f app.File) (app.File, error) {
	s.happens()
	if err := errors.Join(s.err, ctx.Err()); err != nil {
		return f, err
	}
	f.ID, f.Version = int64(len(s.rows)+1), 1
	s.rows = append([]app.File{f}, s.rows...)
	return f, nil
}

func (s *shelf) DeleteFile(_ context.Context, id, version int64) (app.File, error) {
	i := slices.IndexFunc(s.rows, func(f app.File) bool { return f.ID == id && f.Version == version })
	if s.err != nil || i < 0 {
		return app.File{Blob: "0"}, errors.Join(s.err, app.NotFound("file", id))
	}
	f := s.rows[i]
	s.rows = slices.Delete(s.rows, i, i+1)
	s.happens()
	return f, nil
}

func (s *shelf) ListFiles(_ context.Context, f app.FileFilter, p app.PageRequest) (app.Page[app.File], error) {
	require.Zero(s.t, f, "all files are asked for")
	require.Positive(s.t, p.Limit)
	require.LessOrEqual(s.t, p.Limit, app.MaxLimit)
	if s.page++; s.err != nil && s.page >= s.failAt {
		return app.Page[app.File]{}, s.err
	}
	rest := s.rows
	if !p.After.IsZero() {
		i := slices.IndexFunc(rest, func(f app.File) bool { return f.ID == p.After.ID })
		require.True(s.t, rest[i].CreatedAt.Equal(p.After.CreatedAt), "a cursor comes back whole")
		rest = rest[i+1:]
	}
	if len(rest) <= p.Limit {
		return app.Page[app.File]{Items: rest}, nil
	}
	last := rest[p.Limit-1]
	return app.Page[app.File]{Items: rest[:p.Limit], Next: app.Cursor{CreatedAt: last.CreatedAt, ID: last.ID}}, nil
}

func (s *shelf) happens() {
	if s.during != nil {
		s.during()
	}
}

// disk keeps bytes under their key. It refuses to work for a context that is over.
type disk struct {
	app.Blobs
	bytes   map[string]string
	putErr  error
	delErr  error
	deleted []string
	swept   int
}

func (d *disk) Put(_ context.Context, r io.Reader) (app.Blob, error) {
	b, err := io.ReadAll(r)
	if err = errors.Join(err, d.putErr); err != nil {
		return app.Blob{Key: "half"}, err
	}
	key := fmt.Sprint(len(d.bytes))
	d.bytes[key] = string(b)
	return app.Blob{Key: key, Size: int64(len(b)), SHA256: "cafe", Type: "image/png"}, nil
}

func (d *disk) Delete(ctx context.Context, key string) error {
	d.deleted = append(d.deleted, key)
	if err := errors.Join(d.delErr, ctx.Err()); err != nil {
		return err
	}
	delete(d.bytes, key)
	return nil
}

func (d *disk) Sweep(_ context.Context, keep func(string) bool) error {
	d.swept++
	maps.DeleteFunc(d.bytes, func(key, _ string) bool { return !keep(key) })
	return d.delErr
}

func TestAddStoresBytesAndRow(t *testing.T) {
	s, d := &shelf{t: t}, &disk{bytes: map[string]string{}}
	s.during = func() { require.Equal(t, map[string]string{"0": "hello"}, d.bytes, "the bytes come before the row") }
	// What the bytes say counts, not what the caller claims.
	got, err := (&app.Library{Files: s, Blobs: d}).Add(t.Context(), app.File{Name: "f", ProjectID: new(int64(3)),
		UploadedBy: 5, Blob: "x", Size: 99, SHA256: "x", FileType: "text/html"}, strings.NewReader("hello"))
	require.NoError(t, err)
	require.Equal(t, app.File{ID: 1, Version: 1, Name: "f", ProjectID: new(int64(3)), UploadedBy: 5,
		Blob: "0", Size: 5, SHA256: "cafe", FileType: "image/png"}, got)
	require.Equal(t, []app.File{got}, s.rows)
	require.Equal(t, map[string]string{"0": "hello"}, d.bytes)
	require.Empty(t, d.deleted)
}

func TestAddThatFails(t *testing.T) {
	errTaken := app.Errorf(app.CodeConflict, "taken")
	stays := map[string]string{"0": "hello"}
	for _, c := range []struct {
		name    string
		file    string
		source  io.Reader
		putErr  error
		rowErr  error
		delErr  error
		leaves  bool // the client does, while the row is written
		want    error
		faults  faults
		deleted []string
		left    map[string]string
	}{
		{name: "bytes whose row is refused go again", file: "f", rowErr: errTaken, want: errTaken, deleted: []string{"0"}},
		{name: "also when the client left", file: "f", leaves: true, rowErr: errTaken, want: errTaken, deleted: []string{"0"}},
		{name: "bytes whose row may exist stay for the sweep", file: "f", rowErr: errStore, want: errStore, left: stays},
		{name: "also when the client left meanwhile", file: "f", leaves: true, want: context.Canceled, left: stays},
		{name: "a file that breaks a rule leaves nothing", faults: faults{"name": isEmpty}, deleted: []string{"0"}},
		{name: "bytes that were not stored are not described", file: "f", putErr: errDisk, want: errDisk},
		{name: "an error of the source is told", file: "f", source: io.MultiReader(strings.NewReader("he"), broken{}), want: io.ErrUnexpectedEOF},
		{name: "bytes that do not go do not hide why they should", file: "f", rowErr: errTaken, delErr: errDisk, want: errTaken,
			deleted: []string{"0"}, left: stays},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s, d := &shelf{t: t, err: c.rowErr}, &disk{bytes: map[string]string{}, putErr: c.putErr, delErr: c.delErr}
			described := 0
			s.during = func() {
				if described++; c.leaves {
					cancel()
				}
			}
			if c.source == nil {
				c.source = strings.NewReader("hello")
			}
			got, err := (&app.Library{Files: s, Blobs: d}).Add(ctx, app.File{Name: c.file, ProjectID: new(int64(3))}, c.source)
			if c.faults != nil {
				requireFaults(t, c.faults, err)
			} else {
				require.ErrorIs(t, err, c.want)
				require.NotErrorIs(t, err, c.delErr)
			}
			require.Zero(t, got)
			require.Empty(t, s.rows)
			require.Equal(t, c.rowErr != nil || c.leaves, described > 0, "only sound bytes and fields reach the store")
			require.Equal(t, c.deleted, d.deleted)
			if c.left == nil {
				c.left = map[string]string{}
			}
			require.Equal(t, c.left, d.bytes)
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestRemove(t *testing.T) {
	for _, c := range []struct {
		name    string
		version int64
		rowErr  error
		delErr  error
		leaves  bool
		want    error
		rows    int
		deleted []string
		bytes   map[string]string
	}{
		{name: "the row goes first and its bytes follow", version: 4, rows: 1,
			deleted: []string{"1"}, bytes: map[string]string{"0": "zero"}},
		{name: "they follow also when the client left in between", version: 4, leaves: true, rows: 1,
			deleted: []string{"1"}, bytes: map[string]string{"0": "zero"}},
		{name: "the bytes stay when the row does", version: 4, rowErr: errStore, want: errStore, rows: 2,
			bytes: map[string]string{"0": "zero", "1": "one"}},
		{name: "another version keeps both", version: 3, want: app.NotFound("file", 20), rows: 2,
			bytes: map[string]string{"0": "zero", "1": "one"}},
		{name: "bytes that stay without a row are told", version: 4, delErr: errDisk, want: errDisk, rows: 1,
			deleted: []string{"1"}, bytes: map[string]string{"0": "zero", "1": "one"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := &shelf{t: t, err: c.rowErr, rows: []app.File{{ID: 20, Version: 4, Blob: "1"}, {ID: 10, Version: 4, Blob: "0"}}}
			d := &disk{bytes: map[string]string{"0": "zero", "1": "one"}, delErr: c.delErr}
			s.during = func() {
				require.Empty(t, d.deleted, "the row goes first")
				if c.leaves {
					cancel()
				}
			}
			err := (&app.Library{Files: s, Blobs: d}).Remove(ctx, 20, c.version)
			if c.want == nil {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.want.Error())
			}
			require.Len(t, s.rows, c.rows)
			require.Equal(t, c.deleted, d.deleted)
			require.Equal(t, c.bytes, d.bytes)
		})
	}
}

func TestSweep(t *testing.T) {
	for _, c := range []struct {
		name    string
		files   int
		listErr error
		failAt  int
		delErr  error
		want    error
		pages   int
		swept   bool
	}{
		{name: "without a file all bytes go", files: 0, pages: 1, swept: true},
		{name: "the bytes of one page are kept", files: 3, pages: 1, swept: true},
		{name: "a page that is just full is the last", files: app.MaxLimit, pages: 1, swept: true},
		{name: "one file more is on a second page", files: app.MaxLimit + 1, pages: 2, swept: true},
		{name: "the bytes of many pages are kept", files: 3*app.MaxLimit + 50, pages: 4, swept: true},
		{name: "nothing goes when the first page cannot be read", files: 3, listErr: errStore, failAt: 1, want: errStore, pages: 1},
		{name: "nothing goes when the last page cannot be read", files: 3*app.MaxLimit + 50, listErr: errStore, failAt: 4, want: errStore, pages: 4},
		{name: "an error of the sweep is told", files: 3, delErr: errDisk, want: errDisk, pages: 1, swept: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &shelf{t: t, err: c.listErr, failAt: c.failAt}
			d := &disk{bytes: map[string]string{}, delErr: c.delErr}
			known := map[string]string{}
			for i := c.files; i > 0; i-- {
				key := fmt.Sprint("known", i)
				s.rows = append(s.rows, app.File{ID: int64(i), Blob: key, CreatedAt: time.Unix(int64(i/10), 0)})
				known[key] = "x"
			}
			maps.Copy(d.bytes, known)
			for i := range 10 {
				d.bytes[fmt.Sprint("lost", i)] = "x"
			}
			all := maps.Clone(d.bytes)

			err := (&app.Library{Files: s, Blobs: d}).Sweep(t.Context())
			require.Equal(t, c.want, err)
			require.Equal(t, c.pages, s.page)
			if c.swept {
				require.Equal(t, 1, d.swept)
				require.Equal(t, known, d.bytes)
			} else {
				require.Zero(t, d.swept)
				require.Equal(t, all, d.bytes)
			}
		})
	}
}

func TestACursorIsZeroWithoutAnID(t *testing.T) {
	require.True(t, app.Cursor{}.IsZero())
	require.False(t, app.Cursor{ID: 1}.IsZero())
	require.False(t, app.Cursor{CreatedAt: time.Unix(1, 0), ID: 1}.IsZero())
}
