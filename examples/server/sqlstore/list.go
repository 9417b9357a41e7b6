package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/sluice-go/sluice/examples/server/app"
)

// filter collects the conditions that a row must meet, all of them.
type filter struct {
	conditions []string
	args       []any
}

// where adds a condition; each ? in it stands for the next of args.
func (f *filter) where(condition string, args ...any) {
	for _, arg := range args {
		f.args = append(f.args, arg)
		condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(f.args)), 1)
	}
	f.conditions = append(f.conditions, condition)
}

// equal adds a condition unless want is zero.
func equal[V comparable](f *filter, column string, want V) {
	var zero V
	if want != zero {
		f.where(column+" = ?", want)
	}
}

// list returns one page. The row value (created_at, id) gives each row one
// place even among equal times, and a page starts where the last one ended
// whatever was inserted or deleted meanwhile.
func list[T any](ctx context.Context, s *Store, t *table[T], f filter, p app.PageRequest) (app.Page[T], error) {
	limit := min(p.Limit, app.MaxLimit)
	if limit < 1 {
		limit = app.DefaultLimit
	}
	if !p.After.IsZero() {
		f.where("(created_at, id) < (?, ?)", p.After.CreatedAt, p.After.ID)
	}
	items, err := newest(ctx, s, t, f, limit+1) // one more tells whether there is a next page
	if err != nil || len(items) <= limit {
		return app.Page[T]{Items: items}, err
	}
	items = items[:limit]
	last := t.row(&items[limit-1])
	return app.Page[T]{Items: items, Next: app.Cursor{CreatedAt: *last.createdAt, ID: *last.id}}, nil
}

// newest returns the first rows, and an empty slice rather than nil for none.
func newest[T any](ctx context.Context, s *Store, t *table[T], f filter, limit int) ([]T, error) {
	query := "SELECT " + t.all() + " FROM " + t.name
	if len(f.conditions) > 0 {
		query += " WHERE " + strings.Join(f.conditions, " AND ")
	}
	rows, err := s.db.QueryContext(ctx, query+fmt.Sprintf(" ORDER BY created_at DESC, id DESC LIMIT %d", limit), f.args...)
	if err != nil {
		return nil, s.fault(err)
	}
	defer rows.Close()
	items := []T{}
	for rows.Next() {
		v, err := t.scan(rows)
		if err != nil {
			return nil, s.fault(err)
		}
		items = append(items, v)
	}
	if err := rows.Err(); err != nil {
		return nil, s.fault(err)
	}
	return items, nil
}
