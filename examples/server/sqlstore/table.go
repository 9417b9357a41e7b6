package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-go/sluice/examples/server/app"
)

// table says how a T lies in its table. Every statement of this file holds for
// all of them.
type table[T any] struct {
	name       string
	kind       string            // what a T is called in errors
	columns    []string          // besides id, created_at, updated_at and version
	references map[string]string // column to the table it refers to
	taken      string            // the error where a row like that exists
	row        func(*T) row
}

// row points at the fields of one T. The pointers are arguments of a statement
// and destinations of a scan alike.
type row struct {
	id, version          *int64
	createdAt, updatedAt *time.Time
	fields               []any // in the order of the table's columns
}

func (t *table[T]) all() string {
	return "id, version, created_at, updated_at, " + strings.Join(t.columns, ", ")
}

func (t *table[T]) scan(from interface{ Scan(...any) error }) (T, error) {
	var v T
	r := t.row(&v)
	err := from.Scan(append([]any{r.id, r.version, instant{r.createdAt}, instant{r.updatedAt}}, r.fields...)...)
	return v, err
}

// get returns the one row that a condition selects, or sql.ErrNoRows.
func get[T any](ctx context.Context, s *Store, t *table[T], condition string, args ...any) (T, error) {
	return t.scan(s.db.QueryRowContext(ctx, "SELECT "+t.all()+" FROM "+t.name+" WHERE "+condition, args...))
}

func getByID[T any](ctx context.Context, s *Store, t *table[T], id int64) (T, error) {
	v, err := get(ctx, s, t, "id = $1", id)
	if errors.Is(err, sql.ErrNoRows) {
		return v, app.NotFound(t.kind, id)
	}
	return v, s.fault(err)
}

func create[T any](ctx context.Context, s *Store, t *table[T], v T) (T, error) {
	marks := make([]string, len(t.columns))
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+2)
	}
	stored, err := t.scan(s.db.QueryRowContext(ctx, "INSERT INTO "+t.name+
		" (created_at, updated_at, version, "+strings.Join(t.columns, ", ")+
		") VALUES ($1, $1, 1, "+strings.Join(marks, ", ")+") RETURNING "+t.all(),
		append([]any{time.Now()}, t.row(&v).fields...)...))
	if err != nil {
		return stored, refused(ctx, s, t, &v, err)
	}
	return stored, nil
}

// update sets the first n columns.
func update[T any](ctx context.Context, s *Store, t *table[T], v T, n int) (T, error) {
	set := make([]string, n)
	for i := range set {
		set[i] = fmt.Sprintf("%s = $%d", t.columns[i], i+4)
	}
	r := t.row(&v)
	stored, err := t.scan(s.db.QueryRowContext(ctx, "UPDATE "+t.name+
		" SET updated_at = $1, version = version + 1, "+strings.Join(set, ", ")+
		" WHERE id = $2 AND (version = $3 OR $3 = 0) RETURNING "+t.all(),
		append([]any{time.Now(), *r.id, *r.version}, r.fields[:n]...)...))
	if errors.Is(err, sql.ErrNoRows) {
		return stored, missed(ctx, s, t, *r.id)
	}
	if err != nil {
		return stored, refused(ctx, s, t, &v, err)
	}
	return stored, nil
}

// remove returns what it deleted.
func remove[T any](ctx context.Context, s *Store, t *table[T], id, version int64) (T, error) {
	gone, err := t.scan(s.db.QueryRowContext(ctx,
		"DELETE FROM "+t.name+" WHERE id = $1 AND (version = $2 OR $2 = 0) RETURNING "+t.all(), id, version))
	if errors.Is(err, sql.ErrNoRows) {
		return gone, missed(ctx, s, t, id)
	}
	if err != nil && s.reasonOf(err) == badReference {
		return gone, &app.Error{Code: app.CodeConflict, Cause: err,
			Message: fmt.Sprintf("the %s is still referred to by something else", t.kind)}
	}
	return gone, s.fault(err)
}

// missed says why an update or delete found no row. The row may go between that
// statement and this one; then it is not found, which is true as well. An id
// never comes back.
func missed[T any](ctx context.Context, s *Store, t *table[T], id int64) error {
	if _, err := getByID(ctx, s, t, id); err != nil {
		return err
	}
	return app.Errorf(app.CodePrecondition, "the %s was changed meanwhile", t.kind)
}

// refused says which rule of the database v breaks.
func refused[T any](ctx context.Context, s *Store, t *table[T], v *T, cause error) error {
	switch s.reasonOf(cause) {
	case duplicate:
		return &app.Error{Code: app.CodeConflict, Message: t.taken, Cause: cause}
	case badReference:
		return dangling(ctx, s, t, v, cause)
	default:
		return s.fault(cause)
	}
}

// dangling names every field of v that refers to nothing. SQLite does not tell
// which one it was, and PostgreSQL tells only the first.
func dangling[T any](ctx context.Context, s *Store, t *table[T], v *T, cause error) error {
	fields := map[string]string{}
	for i, column := range t.columns {
		target, ok := t.references[column]
		if !ok {
			continue
		}
		var missing bool
		err := s.db.QueryRowContext(ctx, "SELECT CAST($1 AS BIGINT) IS NOT NULL AND NOT EXISTS (SELECT 1 FROM "+
			target+" WHERE id = $1)", t.row(v).fields[i]).Scan(&missing)
		if err != nil {
			return s.fault(err)
		}
		if missing {
			fields[column] = "does not exist"
		}
	}
	if len(fields) == 0 { // it came meanwhile
		return &app.Error{Code: app.CodeConflict, Message: "something this refers to changed meanwhile", Cause: cause}
	}
	return &app.Error{Code: app.CodeInvalid, Message: "some fields are not valid", Fields: fields, Cause: cause}
}
