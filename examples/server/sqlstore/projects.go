package sqlstore

import (
	"context"

	"github.com/sluice-go/sluice/examples/server/app"
)

var projects = table[app.Project]{
	name: "projects", kind: "project",
	columns:    []string{"name", "status", "owner_id"},
	references: map[string]string{"owner_id": "users"},
	row: func(p *app.Project) row {
		return row{&p.ID, &p.Version, &p.CreatedAt, &p.UpdatedAt, []any{&p.Name, &p.Status, &p.OwnerID}}
	},
}

func (s *Store) ListProjects(ctx context.Context, f app.ProjectFilter, p app.PageRequest) (app.Page[app.Project], error) {
	var w filter
	equal(&w, "status", f.Status)
	equal(&w, "owner_id", f.OwnerID)
	return list(ctx, s, &projects, w, p)
}

func (s *Store) GetProject(ctx context.Context, id int64) (app.Project, error) {
	return getByID(ctx, s, &projects, id)
}

func (s *Store) CreateProject(ctx context.Context, p app.Project) (app.Project, error) {
	return create(ctx, s, &projects, p)
}

func (s *Store) UpdateProject(ctx context.Context, p app.Project) (app.Project, error) {
	return update(ctx, s, &projects, p, len(projects.columns))
}

func (s *Store) DeleteProject(ctx context.Context, id, version int64) error {
	_, err := remove(ctx, s, &projects, id, version)
	return err
}
