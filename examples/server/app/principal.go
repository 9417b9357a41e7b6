package app

import "context"

// Principal is the caller of a request: a user, or nobody.
type Principal struct {
	UserID   int64
	Username string
	Role     Role
}

// Anonymous returns the caller that showed no credentials.
func Anonymous() Principal { return Principal{Role: RolePublic} }

// Authenticated reports whether p is a user.
func (p Principal) Authenticated() bool { return p.UserID != 0 }

// Require returns nil when p may do what role may do, and otherwise the error
// to show: unauthenticated for nobody, forbidden for a known user.
func (p Principal) Require(role Role) error {
	rank := map[Role]int{RolePublic: 0, RoleAuthenticated: 1, RoleAdmin: 2}
	needed, known := rank[role] // a role misspelt in code must not open a door
	switch {
	case known && rank[p.Role] >= needed:
		return nil
	case p.Authenticated():
		return Errorf(CodeForbidden, "this needs the role %s", role)
	default:
		return Errorf(CodeUnauthenticated, "this needs a login or an API token")
	}
}

type principalKey struct{}

// WithPrincipal returns a context that carries the caller.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom returns the caller, Anonymous when ctx carries none.
func PrincipalFrom(ctx context.Context) Principal {
	if p, ok := ctx.Value(principalKey{}).(Principal); ok {
		return p
	}
	return Anonymous()
}
