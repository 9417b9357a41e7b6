package sqlstore

import (
	"context"
	"database/sql"
	"strings"
	"time"
)

// pool tells how long statements took. It stands in for a monitor in the
// driver, which sees rows and transactions too.
type pool struct {
	*sql.DB
	observe func(ctx context.Context, operation string, d time.Duration, err error)
}

func (p pool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	start := time.Now()
	rows, err := p.DB.QueryContext(ctx, query, args...)
	p.observe(ctx, operation(query), time.Since(start), err)
	return rows, err
}

func (p pool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	start := time.Now()
	row := p.DB.QueryRowContext(ctx, query, args...)
	p.observe(ctx, operation(query), time.Since(start), row.Err())
	return row
}

func (p pool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	start := time.Now()
	result, err := p.DB.ExecContext(ctx, query, args...)
	p.observe(ctx, operation(query), time.Since(start), err)
	return result, err
}

// operation is the first word of a statement of ours.
func operation(query string) string {
	verb, _, _ := strings.Cut(query, " ")
	return verb
}
