package app

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"
)

// File describes an uploaded file; its bytes lie in [Blobs] under Blob.
type File struct {
	ID         int64     `json:"id"`
	ProjectID  *int64    `json:"project_id"`
	TicketID   *int64    `json:"ticket_id"`
	Name       string    `json:"name"`      // as the client called it; never a path on disk
	FileType   string    `json:"file_type"` // media type found in the bytes, not the one claimed
	Size       int64     `json:"size"`
	SHA256     string    `json:"sha256"` // lower-case hex
	Blob       string    `json:"-"`
	UploadedBy int64     `json:"uploaded_by"`
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
	Version    int64     `json:"version"`
}

// FileFilter narrows a list of files; zero fields match all.
type FileFilter struct {
	ProjectID int64
	TicketID  int64
	FileType  string
}

// Validate reports every rule that f breaks.
func (f *File) Validate() error {
	v := invalid{}
	checkLine(v, "name", f.Name, 255)
	v.check(!strings.ContainsAny(f.Name, `/\`) && f.Name != "." && f.Name != "..", "name", "must not be a path")
	v.check(f.ProjectID == nil || *f.ProjectID > 0, "project_id", "must be the id of a project")
	v.check(f.TicketID == nil || *f.TicketID > 0, "ticket_id", "must be the id of a ticket")
	v.check(f.ProjectID != nil || f.TicketID != nil, "project_id", "a file belongs to a project or a ticket")
	return v.err()
}

// Blob is what was learned of bytes while they were stored.
type Blob struct {
	Key    string
	Size   int64
	SHA256 string
	Type   string // media type found in the bytes
}

// Blobs keeps the bytes of files.
type Blobs interface {
	// Put streams r to storage. It fails with CodeTooLarge past the size limit
	// and with CodeUnsupportedType for a media type that is not allowed, and
	// then leaves nothing behind.
	Put(ctx context.Context, r io.Reader) (Blob, error)
	// Open returns the bytes of a key; the caller closes them.
	Open(ctx context.Context, key string) (io.ReadSeekCloser, error)
	// Delete removes the bytes of a key. A missing key is no error.
	Delete(ctx context.Context, key string) error
	// Sweep removes the bytes that keep does not know and that are old enough to
	// have been given up.
	Sweep(ctx context.Context, keep func(key string) bool) error
}

// Library is the one way a file comes and goes: bytes before the row when it
// comes, the row before the bytes when it goes, so that a row never points at
// nothing.
type Library struct {
	Files Files
	Blobs Blobs
}

// Add stores the bytes of r and then describes them by f.
func (l *Library) Add(ctx context.Context, f File, r io.Reader) (File, error) {
	blob, err := l.Blobs.Put(ctx, r)
	if err != nil {
		return File{}, err
	}
	f.Blob, f.Size, f.SHA256, f.FileType = blob.Key, blob.Size, blob.SHA256, blob.Type
	if err = f.Validate(); err == nil {
		stored, createErr := l.Files.CreateFile(ctx, f)
		if err = createErr; err == nil {
			return stored, nil
		}
	}
	// Only a refusal is certain. After a lost connection or a client that left
	// the row may exist; then the bytes stay, for Sweep to decide.
	if e, ok := errors.AsType[*Error](err); ok && (e.Code == CodeInvalid || e.Code == CodeConflict) {
		_ = l.Blobs.Delete(context.WithoutCancel(ctx), blob.Key)
	}
	return File{}, err
}

// Remove deletes a file of the given version.
func (l *Library) Remove(ctx context.Context, id, version int64) error {
	f, err := l.Files.DeleteFile(ctx, id, version)
	if err != nil {
		return err
	}
	return l.Blobs.Delete(context.WithoutCancel(ctx), f.Blob)
}

// Sweep removes bytes that no file describes, as a crash between the two steps
// of Add or Remove leaves them.
func (l *Library) Sweep(ctx context.Context) error {
	known := map[string]bool{}
	for page := (PageRequest{Limit: MaxLimit}); ; {
		files, err := l.Files.ListFiles(ctx, FileFilter{}, page)
		if err != nil {
			return err
		}
		for _, f := range files.Items {
			known[f.Blob] = true
		}
		if page.After = files.Next; page.After.IsZero() {
			break
		}
	}
	return l.Blobs.Sweep(ctx, func(key string) bool { return known[key] })
}
