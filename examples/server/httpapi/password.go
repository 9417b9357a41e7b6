package httpapi

import (
	"context"
	"errors"

	"golang.org/x/crypto/bcrypt"

	"github.com/sluice-go/sluice/examples/server/app"
)

const (
	minPassword = 8  // bytes of a new password (NIST SP 800-63B-3 §5.1.1.2)
	maxPassword = 72 // bytes that bcrypt looks at; a longer one would be cut in silence

	// decoy is the hash of a forgotten password. It stands in for that of a user
	// who does not exist and has the cost of [HashPassword].
	decoy = "$2a$10$5YniPl4ROZIJnwsCn8v9Q.xiOuS0MmXnsfUzDohWArwlZilzDVyZe"
)

// HashPassword returns what a store keeps of a password.
func HashPassword(password string) (string, error) {
	if err := checkPassword(password); err != nil {
		return "", err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	return string(hash), err
}

func checkPassword(password string) error {
	if password == "" || len(password) > maxPassword {
		return invalid("password", "must have 1 to 72 bytes")
	}
	return nil
}

// passwords hashes no more at a time than its gate lets in.
type passwords struct{ *gate }

func (p passwords) hash(ctx context.Context, password string) (string, error) {
	leave, err := p.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return HashPassword(password)
}

// match compares a password with the hash of a user. An empty hash stands for
// no such user: it takes the same time and never matches, so that the time of
// an answer does not tell which names exist.
func (p passwords) match(ctx context.Context, hash, password string) (bool, error) {
	leave, err := p.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	known := hash != ""
	if !known {
		hash = decoy
	}
	err = bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, nil
	}
	if err != nil {
		return false, &app.Error{Code: app.CodeInternal, Message: "the stored hash cannot be read", Cause: err}
	}
	return known, nil
}
