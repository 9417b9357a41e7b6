package app

import "fmt"

// Code says what kind of failure an [Error] is. Adapters at the edge translate
// it once: httpapi to a status, ws to an error frame.
type Code int

const (
	CodeInternal           Code = iota // a fault of ours; nothing of it may reach a client
	CodeInvalid                        // well-formed input that breaks a rule
	CodeMalformed                      // input that cannot be read at all
	CodeUnauthenticated                // no or wrong credentials
	CodeForbidden                      // known caller, missing role
	CodeNotFound                       // no such thing
	CodeConflict                       // breaks a uniqueness or reference rule
	CodePrecondition                   // the caller's version is not the current one
	CodePreconditionNeeded             // the caller must name the version it changes
	CodeTooLarge                       // more bytes than allowed
	CodeUnsupportedType                // a media type that is not accepted
	CodeUnavailable                    // a dependency is gone; trying again may help
)

var codeNames = [...]string{"internal", "invalid", "malformed", "unauthenticated", "forbidden", "not_found", "conflict",
	"precondition", "precondition_needed", "too_large", "unsupported_type", "unavailable"}

// String is a name for logs and metrics.
func (c Code) String() string {
	if c < 0 || int(c) >= len(codeNames) {
		return codeNames[CodeInternal]
	}
	return codeNames[c]
}

// Error is the one error type of the service: a kind, a sentence that is safe
// to show to anyone, and a cause that is not.
type Error struct {
	Code    Code
	Message string            // public
	Fields  map[string]string // public: input field to reason, for CodeInvalid
	Cause   error             // private: for logs only
}

func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

func (e *Error) Unwrap() error { return e.Cause }

// Errorf returns an [Error] without a cause.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// NotFound is the error for a missing thing of the given kind.
func NotFound(kind string, id int64) *Error {
	return Errorf(CodeNotFound, "no %s has the id %d", kind, id)
}

// invalid collects broken rules, so that a caller learns all of them at once.
type invalid map[string]string

func (v invalid) check(ok bool, field, reason string) {
	if _, known := v[field]; !ok && !known {
		v[field] = reason
	}
}

func (v invalid) err() error {
	if len(v) == 0 {
		return nil
	}
	return &Error{Code: CodeInvalid, Message: "some fields are not valid", Fields: v}
}
