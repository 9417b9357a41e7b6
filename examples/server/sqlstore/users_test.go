package sqlstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
	"github.com/sluice-go/sluice/examples/server/sqlstore"
)

func TestAUserNameIsTakenOnce(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		ctx := t.Context()
		ann, bob := newUser(t, s, "ann"), newUser(t, s, "bob")
		_, err := s.CreateUser(ctx, app.User{Username: "ann", Role: app.RoleAdmin})
		require.Equal(t, "the user name is taken", requireCode(t, app.CodeConflict, err).Message)
		bob.Username = "ann"
		_, err = s.UpdateUser(ctx, bob)
		requireCode(t, app.CodeConflict, err)

		got, err := s.GetUserByName(ctx, "ann")
		require.NoError(t, err)
		require.Equal(t, ann, got)
		_, err = s.GetUserByName(ctx, "ANN")
		requireCode(t, app.CodeNotFound, err)
	})
}

func TestAnEmptyPasswordHashKeepsTheOldOne(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		u := newUser(t, s, "ann")
		u.Role, u.PasswordHash = app.RoleAdmin, ""
		got, err := s.UpdateUser(t.Context(), u)
		require.NoError(t, err)
		require.Equal(t, app.RoleAdmin, got.Role)
		require.Equal(t, "hash of ann", got.PasswordHash)
		got.PasswordHash = "new"
		got, err = s.UpdateUser(t.Context(), got)
		require.NoError(t, err)
		require.Equal(t, "new", got.PasswordHash)
	})
}

func TestATokenLeadsToItsUserUntilItExpires(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		ctx := t.Context()
		u := newUser(t, s, "ann")
		newUser(t, s, "bob")
		expires := time.Now().Add(time.Hour).Truncate(time.Microsecond)
		hash := []byte{0, 1, 0xff, '\'', 0}
		require.NoError(t, s.CreateToken(ctx, hash, u.ID, expires))
		requireCode(t, app.CodeConflict, s.CreateToken(ctx, hash, u.ID, expires))

		got, err := s.UserByToken(ctx, hash, expires.Add(-time.Microsecond))
		require.NoError(t, err)
		require.Equal(t, u, got)
		for _, look := range []struct {
			hash []byte
			now  time.Time
		}{
			{hash, expires}, {hash, expires.Add(time.Hour)}, {hash[:1], time.Now()}, {[]byte("other"), time.Now()}, {nil, time.Now()},
		} {
			_, err := s.UserByToken(ctx, look.hash, look.now)
			requireCode(t, app.CodeUnauthenticated, err)
		}

		require.NoError(t, s.DeleteToken(ctx, hash))
		require.NoError(t, s.DeleteToken(ctx, hash), "a token that is gone is gone")
		_, err = s.UserByToken(ctx, hash, time.Now())
		requireCode(t, app.CodeUnauthenticated, err)
	})
}

func TestTokensGoWithTheirUser(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		u, other := newUser(t, s, "ann"), newUser(t, s, "bob")
		require.NoError(t, s.CreateToken(t.Context(), []byte("a"), u.ID, time.Now().Add(time.Hour)))
		require.NoError(t, s.CreateToken(t.Context(), []byte("b"), other.ID, time.Now().Add(time.Hour)))
		require.NoError(t, s.DeleteUser(t.Context(), u.ID, 1))
		require.Equal(t, 1, countTokens(t, s))
	})
}

func TestAUserIsLoggedOutEverywhere(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		ann, bob := newUser(t, s, "ann"), newUser(t, s, "bob")
		for i, u := range []app.User{ann, ann, bob} {
			require.NoError(t, s.CreateToken(t.Context(), []byte{byte(i)}, u.ID, time.Now().Add(time.Hour)))
		}
		require.NoError(t, s.DeleteUserTokens(t.Context(), ann.ID))
		_, err := s.UserByToken(t.Context(), []byte{2}, time.Now())
		require.NoError(t, err)
		require.Equal(t, 1, countTokens(t, s))
	})
}

func TestANewTokenRemovesTheExpiredOnesOfItsUser(t *testing.T) {
	each(t, func(t *testing.T, s *sqlstore.Store) {
		ann, bob := newUser(t, s, "ann"), newUser(t, s, "bob")
		past, future := time.Now().Add(-time.Minute), time.Now().Add(time.Minute)
		for i, expires := range []time.Time{past, future, past} {
			_, err := s.DB().Exec("INSERT INTO tokens (hash, user_id, expires_at, created_at) VALUES ($1, $2, $3, $3)",
				[]byte{byte(i)}, ann.ID, expires)
			require.NoError(t, err)
		}
		require.NoError(t, s.CreateToken(t.Context(), []byte("b"), bob.ID, future))
		require.Equal(t, 4, countTokens(t, s), "a login of one user does not touch those of another")
		require.NoError(t, s.CreateToken(t.Context(), []byte("a"), ann.ID, future))
		require.Equal(t, 3, countTokens(t, s))
	})
}

func countTokens(t *testing.T, s *sqlstore.Store) (n int) {
	t.Helper()
	require.NoError(t, s.DB().QueryRow("SELECT count(*) FROM tokens").Scan(&n))
	return n
}
