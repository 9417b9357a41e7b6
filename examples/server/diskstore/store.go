// Package diskstore keeps the bytes of files in a directory. It implements
// [app.Blobs].
//
// What has a key is complete and on the disk: bytes go to a temporary file, are
// checked and hashed on the way, flushed, and renamed. The type of a file is
// the one found in its first bytes, whatever its sender calls it. That keeps
// out what a browser would run as a page; it is no search for malware, and
// nothing says that a file is a good one of its type. An empty file is text.
//
// Several servers may share a directory.
package diskstore

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"os"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/sluice-go/sluice/examples/server/app"
)

var _ app.Blobs = (*Store)(nil)

// Options of a store.
type Options struct {
	// Dir is made if it is missing. Default: none; it is needed.
	Dir string
	// MaxSize is the most bytes a file may have. Default: 10 MiB.
	MaxSize int64
	// Types are the media types that are accepted, out of those that
	// http.DetectContentType finds, without parameters. Default: plain text
	// (CSV, JSON and Markdown among it), PDF, ZIP, gzip, and the images PNG, JPEG,
	// GIF and WebP; nothing that a browser runs, as HTML and SVG.
	Types []string
}

// Store is a directory of files. It is safe for concurrent use.
type Store struct {
	root    *os.Root
	maxSize int64
	types   []string
}

const (
	defaultMaxSize = 10 << 20
	// incoming is the folder of what is not complete.
	incoming = "incoming"
	// abandoned is the age past which an incomplete file has no writer, and one
	// without a row will not get one.
	abandoned = time.Hour
)

// New opens the directory and removes what a server that crashed left
// incomplete.
func New(o Options) (*Store, error) {
	if o.MaxSize == 0 {
		o.MaxSize = defaultMaxSize
	}
	if o.Types == nil {
		o.Types = []string{"text/plain", "application/pdf", "application/zip", "application/x-gzip",
			"image/png", "image/jpeg", "image/gif", "image/webp"}
	}
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("diskstore: Dir: %w", err)
	}
	root, err := os.OpenRoot(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("diskstore: Dir: %w", err)
	}
	s := &Store{root: root, maxSize: o.MaxSize, types: slices.Clone(o.Types)}
	if err := root.MkdirAll(incoming, 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("diskstore: Dir: %w", err), root.Close())
	}
	if err := s.sweep(context.Background(), incoming, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("diskstore: sweeping: %w", err), root.Close())
	}
	return s, nil
}

func (o Options) validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("diskstore: Dir: is needed"))
	}
	if o.MaxSize < 0 {
		errs = append(errs, errors.New("diskstore: MaxSize: must not be negative"))
	}
	for _, t := range o.Types {
		if bare, params, err := mime.ParseMediaType(t); err != nil || bare != t || len(params) > 0 || !strings.Contains(t, "/") {
			errs = append(errs, fmt.Errorf("diskstore: Types: %q is not a lower-case media type without parameters", t))
		}
	}
	return errors.Join(errs...)
}

// Close gives the directory back. Open files stay open.
func (s *Store) Close() error { return s.root.Close() }

// Put implements [app.Blobs]. It reads at most one byte more than a file may
// have. The end of ctx is noticed between two reads: a reader that blocks must
// end by itself, as the body of a request does.
func (s *Store) Put(ctx context.Context, r io.Reader) (app.Blob, error) {
	src := &source{ctx: ctx, r: r, max: s.maxSize}
	head := make([]byte, sniffed)
	n, _ := io.ReadFull(src, head) // src keeps the error
	if src.failed() {
		return app.Blob{}, src.err
	}
	head = head[:n]
	mediaType := typeOf(head)
	if !slices.Contains(s.types, mediaType) {
		return app.Blob{}, app.Errorf(app.CodeUnsupportedType, "files of the type %s are not accepted", mediaType)
	}
	key := strings.ToLower(rand.Text())
	sum, err := s.receive(key, head, src)
	if src.failed() {
		return app.Blob{}, src.err
	}
	if err != nil {
		return app.Blob{}, unavailable(err)
	}
	return app.Blob{Key: key, Size: src.n, SHA256: sum, Type: mediaType}, nil
}

// receive writes a file and returns its SHA-256. If it fails, or src does,
// nothing is left.
func (s *Store) receive(key string, head []byte, src *source) (sum string, err error) {
	temp := path.Join(incoming, key)
	f, err := s.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = s.root.Remove(temp)
		}
	}()
	hash := sha256.New()
	to := io.MultiWriter(f, hash)
	_, err = to.Write(head)
	if err == nil {
		_, err = io.Copy(to, src)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	if err = s.publish(temp, key); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// publish gives a complete file its name. The folders are flushed too: a name
// that a power cut takes would leave a row that points at nothing.
func (s *Store) publish(temp, key string) error {
	shard, name := path.Split(fileOf(key))
	if err := s.root.MkdirAll(shard, 0o700); err != nil {
		return err
	}
	if err := s.root.Rename(temp, path.Join(shard, name)); err != nil {
		return err
	}
	if err := errors.Join(s.flush(shard), s.flush(".")); err != nil {
		return errors.Join(err, s.root.Remove(path.Join(shard, name)))
	}
	return nil
}

func (s *Store) flush(dir string) error {
	if runtime.GOOS == "windows" { // which flushes no folders
		return nil
	}
	d, err := s.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open implements [app.Blobs].
func (s *Store) Open(ctx context.Context, key string) (io.ReadSeekCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("diskstore: %w", err)
	}
	if !keys.MatchString(key) {
		return nil, app.Errorf(app.CodeNotFound, "the file is gone")
	}
	f, err := s.root.Open(fileOf(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, app.Errorf(app.CodeNotFound, "the file is gone")
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return f, nil
}

// Delete implements [app.Blobs].
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("diskstore: %w", err)
	}
	if !keys.MatchString(key) {
		return nil // it never was
	}
	if err := s.root.Remove(fileOf(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unavailable(err)
	}
	return nil
}

// keys is the form of every key: what rand.Text returns, in lower case, so that
// a file system without cases keeps them apart, and none means a path.
var keys = regexp.MustCompile(`^[a-z2-7]{26}$`)

// fileOf spreads the files over 1024 folders.
func fileOf(key string) string { return path.Join(key[:2], key) }

func unavailable(cause error) error {
	return &app.Error{Code: app.CodeUnavailable, Message: "the file storage is not available; try again later", Cause: cause}
}
