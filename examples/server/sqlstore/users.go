package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sluice-go/sluice/examples/server/app"
)

var users = table[app.User]{
	name: "users", kind: "user",
	columns: []string{"username", "role", "password_hash"},
	taken:   "the user name is taken",
	row: func(u *app.User) row {
		return row{&u.ID, &u.Version, &u.CreatedAt, &u.UpdatedAt, []any{&u.Username, &u.Role, &u.PasswordHash}}
	},
}

func (s *Store) ListUsers(ctx context.Context, f app.UserFilter, p app.PageRequest) (app.Page[app.User], error) {
	var w filter
	equal(&w, "username", f.Username)
	equal(&w, "role", f.Role)
	return list(ctx, s, &users, w, p)
}

func (s *Store) GetUser(ctx context.Context, id int64) (app.User, error) {
	return getByID(ctx, s, &users, id)
}

func (s *Store) GetUserByName(ctx context.Context, username string) (app.User, error) {
	u, err := get(ctx, s, &users, "username = $1", username)
	if errors.Is(err, sql.ErrNoRows) {
		return u, app.Errorf(app.CodeNotFound, "no user has this name")
	}
	return u, s.fault(err)
}

func (s *Store) CreateUser(ctx context.Context, u app.User) (app.User, error) {
	return create(ctx, s, &users, u)
}

// UpdateUser keeps the old password where the new hash is empty.
func (s *Store) UpdateUser(ctx context.Context, u app.User) (app.User, error) {
	if u.PasswordHash == "" {
		return update(ctx, s, &users, u, 2)
	}
	return update(ctx, s, &users, u, 3)
}

// DeleteUser takes the tokens of the user along.
func (s *Store) DeleteUser(ctx context.Context, id, version int64) error {
	_, err := remove(ctx, s, &users, id, version)
	return err
}
