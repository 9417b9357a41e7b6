package app

import (
	"regexp"
	"time"
)

// Role decides what a caller may do and which request rate is granted to it.
type Role string

const (
	RolePublic        Role = "public" // also every caller without credentials
	RoleAuthenticated Role = "authenticated"
	RoleAdmin         Role = "admin"
)

func (r Role) valid() bool {
	return r == RolePublic || r == RoleAuthenticated || r == RoleAdmin
}

// User is an account. PasswordHash never leaves the process.
type User struct {
	ID           int64     `json:"id"`
	Username     string    `json:"username"`
	Role         Role      `json:"role"`
	PasswordHash string    `json:"-"`
	CreatedAt    time.Time `json:"created_at"`
	UpdatedAt    time.Time `json:"updated_at"`
	Version      int64     `json:"version"`
}

// UserFilter narrows a list of users; zero fields match all.
type UserFilter struct {
	Username string
	Role     Role
}

var username = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,31}$`)

// Validate reports every rule that u breaks.
func (u *User) Validate() error {
	v := invalid{}
	v.check(username.MatchString(u.Username), "username",
		"must be 2 to 32 of a-z, 0-9, dot, dash and underscore, starting with a letter or digit")
	v.check(u.Role.valid(), "role", "must be public, authenticated or admin")
	return v.err()
}
