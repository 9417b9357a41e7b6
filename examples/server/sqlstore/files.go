package sqlstore

import (
	"context"

	"github.com/sluice-go/sluice/examples/server/app"
)

var files = table[app.File]{
	name: "files", kind: "file",
	columns:    []string{"name", "project_id", "ticket_id", "file_type", "size", "sha256", "blob", "uploaded_by"},
	references: map[string]string{"project_id": "projects", "ticket_id": "tickets", "uploaded_by": "users"},
	row: func(f *app.File) row {
		return row{&f.ID, &f.Version, &f.CreatedAt, &f.UpdatedAt, []any{&f.Name, &f.ProjectID, &f.TicketID,
			&f.FileType, &f.Size, &f.SHA256, &f.Blob, &f.UploadedBy}}
	},
}

func (s *Store) ListFiles(ctx context.Context, f app.FileFilter, p app.PageRequest) (app.Page[app.File], error) {
	var w filter
	equal(&w, "project_id", f.ProjectID)
	equal(&w, "ticket_id", f.TicketID)
	equal(&w, "file_type", f.FileType)
	return list(ctx, s, &files, w, p)
}

func (s *Store) GetFile(ctx context.Context, id int64) (app.File, error) {
	return getByID(ctx, s, &files, id)
}

func (s *Store) CreateFile(ctx context.Context, f app.File) (app.File, error) {
	return create(ctx, s, &files, f)
}

// UpdateFile sets the name, the project and the ticket; the bytes and what is
// known of them stay.
func (s *Store) UpdateFile(ctx context.Context, f app.File) (app.File, error) {
	return update(ctx, s, &files, f, 3)
}

func (s *Store) DeleteFile(ctx context.Context, id, version int64) (app.File, error) {
	return remove(ctx, s, &files, id, version)
}
