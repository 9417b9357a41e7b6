package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/sluice-go/sluice/examples/server/app"
)

// statusClientGone is what metrics see when the client left first; nobody
// receives it. An empty 200 would claim a success.
const statusClientGone = 499

// retryAfter is the advice in every 503, in seconds.
const retryAfter = "5"

// problem is a problem document (RFC 9457). Its type is always about:blank, so
// its title is the phrase of the status (§4.2.1).
type problem struct {
	Type   string            `json:"type"`
	Title  string            `json:"title"`
	Status int               `json:"status"`
	Detail string            `json:"detail,omitempty"`
	Errors map[string]string `json:"errors,omitempty"` // input field to reason
}

func newProblem(status int, detail string, fields map[string]string) problem {
	return problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Errors: fields}
}

// fail answers with what the client may know of err.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := a.explain(r, err)
	a.hooks.OnError(kindOf(r, err), "api")
	switch p.Status {
	case statusClientGone:
		w.WriteHeader(statusClientGone)
		return
	case http.StatusUnauthorized:
		// Mandatory in a 401 (RFC 9110 §15.5.2).
		if w.Header().Get("WWW-Authenticate") == "" {
			w.Header().Set("WWW-Authenticate", `Bearer realm="api"`)
		}
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	}
	writeProblem(w, p)
}

// explain returns the public side of err and logs the private one, where there
// is one that an operator should see.
func (a *API) explain(r *http.Request, err error) problem {
	var e *app.Error
	switch {
	case errors.As(err, &e) && e.Code != app.CodeInternal:
	case errors.Is(err, context.DeadlineExceeded):
		e = app.Errorf(app.CodeUnavailable, "this took too long; try again later")
	default:
		e = &app.Error{Code: app.CodeInternal, Message: "something went wrong on our side", Cause: err}
	}
	status := statusOf(e.Code)
	if status >= 500 && errors.Is(r.Context().Err(), context.Canceled) {
		return problem{Status: statusClientGone} // what the client interrupted is no fault of ours
	}
	if status >= 500 && e.Cause != nil {
		a.logger.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("method", r.Method),
			slog.String("route", r.Pattern), slog.Int("status", status), slog.Any("error", e.Cause))
	}
	return newProblem(status, e.Message, e.Fields)
}

// kindOf names an error; its text may hold what only logs should. What a client
// broke off is no fault in what it sent.
func kindOf(r *http.Request, err error) string {
	e, ok := errors.AsType[*app.Error](err)
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(r.Context().Err(), context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case !ok:
		return app.CodeInternal.String()
	}
	return e.Code.String()
}

func statusOf(code app.Code) int {
	switch code {
	case app.CodeInvalid:
		return http.StatusUnprocessableEntity
	case app.CodeMalformed:
		return http.StatusBadRequest
	case app.CodeUnauthenticated:
		return http.StatusUnauthorized
	case app.CodeForbidden:
		return http.StatusForbidden
	case app.CodeNotFound:
		return http.StatusNotFound
	case app.CodeConflict:
		return http.StatusConflict
	case app.CodePrecondition:
		return http.StatusPreconditionFailed
	case app.CodePreconditionNeeded:
		return http.StatusPreconditionRequired
	case app.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case app.CodeUnsupportedType:
		return http.StatusUnsupportedMediaType
	case app.CodeUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

func writeProblem(w http.ResponseWriter, p problem) {
	w.Header().Set("Cache-Control", "no-store") // a 404 may be kept otherwise (RFC 9110 §15.1)
	body, _ := marshal(p)                       // strings and an int always encode
	write(w, p.Status, "application/problem+json", body)
}

// malformed and invalid name the one field that is wrong.
func malformed(field, reason string) error {
	return &app.Error{Code: app.CodeMalformed, Message: "the request cannot be read",
		Fields: map[string]string{field: reason}}
}

func invalid(field, reason string) error {
	return &app.Error{Code: app.CodeInvalid, Message: "some fields are not valid",
		Fields: map[string]string{field: reason}}
}
