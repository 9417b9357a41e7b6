package app_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/examples/server/app"
)

func TestErrorSaysItsMessageAndItsCause(t *testing.T) {
	inner := &app.Error{Code: app.CodeUnavailable, Message: "the store is gone", Cause: io.ErrUnexpectedEOF}
	for _, c := range []struct {
		name  string
		err   *app.Error
		text  string
		cause error
	}{
		{"without a cause it is the message", &app.Error{Message: "no luck"}, "no luck", nil},
		{"a cause follows the message", &app.Error{Message: "no luck", Cause: io.EOF}, "no luck: EOF", io.EOF},
		{"causes of causes follow", &app.Error{Message: "no luck", Cause: inner}, "no luck: the store is gone: unexpected EOF", inner},
		{"fields are not part of it", &app.Error{Message: "no luck", Fields: map[string]string{"a": "b"}}, "no luck", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.text, c.err.Error())
			require.Equal(t, c.cause, c.err.Unwrap())
		})
	}
}

func TestErrorIsFoundAndFindsItsCause(t *testing.T) {
	inner := &app.Error{Code: app.CodeUnavailable, Message: "the store is gone", Cause: io.ErrUnexpectedEOF}
	err := fmt.Errorf("asking: %w", inner)
	var found *app.Error
	require.ErrorAs(t, err, &found)
	require.Same(t, inner, found)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NotErrorIs(t, errors.Unwrap(err), io.EOF)
}

func TestErrorfMakesAnErrorWithoutACause(t *testing.T) {
	require.Equal(t, &app.Error{Code: app.CodeConflict, Message: "the name ann is taken 2 times"},
		app.Errorf(app.CodeConflict, "the name %s is taken %d times", "ann", 2))
}

func TestNotFoundNamesWhatIsMissing(t *testing.T) {
	require.Equal(t, &app.Error{Code: app.CodeNotFound, Message: "no ticket has the id 42"}, app.NotFound("ticket", 42))
}
