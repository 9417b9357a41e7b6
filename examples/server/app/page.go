package app

import "time"

// Bounds of a page's length. A list asks for DefaultLimit items unless told.
const (
	DefaultLimit = 20
	MaxLimit     = 100
)

// Cursor is a position in a list that is ordered by creation time and id, the
// newest first. The zero value stands before the first item.
type Cursor struct {
	CreatedAt time.Time
	ID        int64
}

// IsZero reports whether c stands before the first item.
func (c Cursor) IsZero() bool { return c.ID == 0 }

// PageRequest asks for at most Limit items after a position.
type PageRequest struct {
	After Cursor
	Limit int
}

// Page is one stretch of a list. Next is zero on the last page.
type Page[T any] struct {
	Items []T
	Next  Cursor
}
