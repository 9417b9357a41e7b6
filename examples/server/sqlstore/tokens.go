package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sluice-go/sluice/examples/server/app"
)

// CreateToken also removes the user's expired tokens; nothing else ever would.
func (s *Store) CreateToken(ctx context.Context, hash []byte, userID int64, expires time.Time) error {
	now := time.Now()
	if _, err := s.db.ExecContext(ctx, "DELETE FROM tokens WHERE user_id = $1 AND expires_at <= $2", userID, now); err != nil {
		return s.fault(err)
	}
	_, err := s.db.ExecContext(ctx, "INSERT INTO tokens (hash, user_id, expires_at, created_at) VALUES ($1, $2, $3, $4)",
		hash, userID, expires, now)
	if err == nil {
		return nil
	}
	switch s.reasonOf(err) {
	case duplicate:
		return &app.Error{Code: app.CodeConflict, Message: "the token exists", Cause: err}
	case badReference:
		return &app.Error{Code: app.CodeInvalid, Message: "some fields are not valid", Cause: err,
			Fields: map[string]string{"user_id": "does not exist"}}
	default:
		return s.fault(err)
	}
}

func (s *Store) UserByToken(ctx context.Context, hash []byte, now time.Time) (app.User, error) {
	u, err := get(ctx, s, &users,
		"id = (SELECT user_id FROM tokens WHERE hash = $1 AND expires_at > $2)", hash, now)
	if errors.Is(err, sql.ErrNoRows) {
		return u, app.Errorf(app.CodeUnauthenticated, "the token is unknown or expired")
	}
	return u, s.fault(err)
}

// DeleteToken is no error for an unknown hash: the token is gone either way.
func (s *Store) DeleteToken(ctx context.Context, hash []byte) error {
	_, err := s.db.ExecContext(ctx, "DELETE FROM tokens WHERE hash = $1", hash)
	return s.fault(err)
}

func (s *Store) DeleteUserTokens(ctx context.Context, userID int64) error {
	_, err := s.db.ExecContext(ctx, "DELETE FROM tokens WHERE user_id = $1", userID)
	return s.fault(err)
}
