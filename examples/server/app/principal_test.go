package app_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
)

func TestRequire(t *testing.T) {
	const granted = app.Code(-1)
	nobody := app.Anonymous()
	public := app.Principal{UserID: 1, Username: "pia", Role: app.RolePublic}
	user := app.Principal{UserID: 2, Username: "ann", Role: app.RoleAuthenticated}
	admin := app.Principal{UserID: 3, Username: "root", Role: app.RoleAdmin}
	for _, c := range []struct {
		name string
		p    app.Principal
		role app.Role
		want app.Code
	}{
		{"nobody may do what is public", nobody, app.RolePublic, granted},
		{"nobody must log in to do more", nobody, app.RoleAuthenticated, app.CodeUnauthenticated},
		{"nobody must log in to be an admin", nobody, app.RoleAdmin, app.CodeUnauthenticated},
		{"a public user may do what is public", public, app.RolePublic, granted},
		{"a public user may not do more", public, app.RoleAuthenticated, app.CodeForbidden},
		{"a public user is no admin", public, app.RoleAdmin, app.CodeForbidden},
		{"a user may do what is public", user, app.RolePublic, granted},
		{"a user may do what users do", user, app.RoleAuthenticated, granted},
		{"a user is no admin", user, app.RoleAdmin, app.CodeForbidden},
		{"an admin may do what is public", admin, app.RolePublic, granted},
		{"an admin may do what users do", admin, app.RoleAuthenticated, granted},
		{"an admin may do what admins do", admin, app.RoleAdmin, granted},
		{"the zero caller may do what is public", app.Principal{}, app.RolePublic, granted},
		{"the zero caller must log in to do more", app.Principal{}, app.RoleAuthenticated, app.CodeUnauthenticated},
		{"a role that nobody can have is granted to nobody", admin, "adimn", app.CodeForbidden},
		{"nor to anonymous callers", nobody, "adimn", app.CodeUnauthenticated},
		{"a role that is none grants nothing", app.Principal{UserID: 4, Role: "root"}, app.RoleAuthenticated, app.CodeForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.p.Require(c.role)
			if c.want == granted {
				require.NoError(t, err)
				return
			}
			var e *app.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.want, e.Code)
			if c.want == app.CodeForbidden {
				require.Contains(t, e.Message, string(c.role), "the missing role is named")
			} else {
				require.Contains(t, e.Message, "login")
			}
		})
	}
}

func TestAuthenticatedIsWhoeverHasAnID(t *testing.T) {
	require.False(t, app.Anonymous().Authenticated())
	require.False(t, app.Principal{Username: "ann", Role: app.RoleAdmin}.Authenticated())
	require.True(t, app.Principal{UserID: 1, Role: app.RolePublic}.Authenticated())
}

func TestPrincipalFrom(t *testing.T) {
	ann := app.Principal{UserID: 1, Username: "ann", Role: app.RoleAuthenticated}
	admin := app.Principal{UserID: 2, Username: "root", Role: app.RoleAdmin}
	type foreign struct{}
	for _, c := range []struct {
		name string
		ctx  context.Context
		want app.Principal
	}{
		{"a context without a caller has nobody", t.Context(), app.Principal{Role: app.RolePublic}},
		{"a value under another key is no caller", context.WithValue(t.Context(), foreign{}, admin), app.Anonymous()},
		{"a caller is found again", app.WithPrincipal(t.Context(), ann), ann},
		{"also below another value", context.WithValue(app.WithPrincipal(t.Context(), ann), foreign{}, 1), ann},
		{"the innermost caller counts", app.WithPrincipal(app.WithPrincipal(t.Context(), admin), ann), ann},
		{"which may be nobody", app.WithPrincipal(app.WithPrincipal(t.Context(), admin), app.Anonymous()), app.Anonymous()},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, app.PrincipalFrom(c.ctx)) })
	}
}
