package httpapi

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sluice-go/sluice/examples/server/app"
)

// resource is one kind of thing: a collection at path and its items. T is the
// thing, In what a client may say of it, F the filter of its lists.
type resource[T, In, F any] struct {
	api     *API
	kind    string   // names the thing in entity tags and errors
	path    string   // of the collection, e.g. "/api/messages"
	private bool     // answers depend on the caller and must not be shared
	writer  app.Role // needed for every change

	mayRead    func(p app.Principal, id int64) error  // id 0 is the list; nil: anyone
	mayReplace func(p app.Principal, current T) error // nil: every writer
	mayDelete  func(p app.Principal, current T) error // nil: every writer

	version  func(T) (id, version int64)
	filter   func(*query) F
	build    func(ctx context.Context, p app.Principal, in In, current T) (T, error) // current is zero for a new one
	validate func(*T) error

	list   func(context.Context, F, app.PageRequest) (app.Page[T], error)
	get    func(ctx context.Context, id int64) (T, error)
	create func(context.Context, T) (T, error) // nil: no POST here
	update func(context.Context, T) (T, error)
	remove func(ctx context.Context, id, version int64) error
}

func (res resource[T, In, F]) routes() []route {
	item := res.path + "/{id}"
	routes := []route{
		{"GET", res.path, res.handleList},
		{"GET", item, res.handleGet},
		{"PUT", item, res.handleReplace},
		{"DELETE", item, res.handleDelete},
	}
	if res.create != nil {
		routes = append(routes, route{"POST", res.path, res.handleCreate})
	}
	return routes
}

type listAnswer[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

func (res resource[T, In, F]) handleList(w http.ResponseWriter, r *http.Request) error {
	if err := res.readable(r, 0); err != nil {
		return err
	}
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	filter, request := res.filter(q), q.page()
	if err := q.err(); err != nil {
		return err
	}
	page, err := res.list(r.Context(), filter, request)
	if err != nil {
		return err
	}
	answer := listAnswer[T]{Items: append([]T{}, page.Items...)} // never null
	if !page.Next.IsZero() {
		answer.Next = formatCursor(page.Next)
		next := r.URL.Query()
		next.Set("cursor", answer.Next)
		w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, res.path, next.Encode())) // RFC 8288 §3
	}
	res.limitSharing(w)
	return writeJSON(w, http.StatusOK, answer)
}

func (res resource[T, In, F]) handleGet(w http.ResponseWriter, r *http.Request) error {
	id, err := res.pathID(r)
	if err != nil {
		return err
	}
	if err := res.readable(r, id); err != nil {
		return err
	}
	thing, err := res.get(r.Context(), id)
	if err != nil {
		return err
	}
	notModified, err := evaluate(r, res.etag(thing))
	if err != nil {
		return err
	}
	if r.Header.Get("If-None-Match") != "" {
		res.api.hooks.OnRevalidate(r.Context(), notModified)
	}
	if notModified {
		res.describe(w, thing)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return res.reply(w, http.StatusOK, thing)
}

func (res resource[T, In, F]) handleCreate(w http.ResponseWriter, r *http.Request) error {
	p := app.PrincipalFrom(r.Context())
	if err := p.Require(res.writer); err != nil {
		return err
	}
	var none T
	thing, err := res.read(w, r, none)
	if err != nil {
		return err
	}
	if thing, err = res.create(r.Context(), thing); err != nil {
		return err
	}
	return res.reply(w, http.StatusCreated, thing)
}

func (res resource[T, In, F]) handleReplace(w http.ResponseWriter, r *http.Request) error {
	current, err := res.current(r, res.mayReplace)
	if err != nil {
		return err
	}
	if r.Header["If-Match"] == nil {
		return app.Errorf(app.CodePreconditionNeeded, "send If-Match with the ETag you last saw")
	}
	// After the rights and before the body, as RFC 9110 §13.2.1 has it.
	if _, err := evaluate(r, res.etag(current)); err != nil {
		return err
	}
	thing, err := res.read(w, r, current)
	if err != nil {
		return err
	}
	// The thing carries the version of current: a change in between is a 412.
	if thing, err = res.update(r.Context(), thing); err != nil {
		return err
	}
	return res.reply(w, http.StatusOK, thing)
}

func (res resource[T, In, F]) handleDelete(w http.ResponseWriter, r *http.Request) error {
	current, err := res.current(r, res.mayDelete)
	if err != nil {
		return err
	}
	if _, err := evaluate(r, res.etag(current)); err != nil {
		return err
	}
	id, version := res.version(current)
	if r.Header["If-Match"] == nil {
		version = 0 // any
	}
	if err := res.remove(r.Context(), id, version); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// current returns the thing that r is about to change, if the caller may.
func (res resource[T, In, F]) current(r *http.Request, may func(app.Principal, T) error) (T, error) {
	var none T
	p := app.PrincipalFrom(r.Context())
	if err := p.Require(res.writer); err != nil {
		return none, err
	}
	id, err := res.pathID(r)
	if err != nil {
		return none, err
	}
	thing, err := res.get(r.Context(), id)
	if err == nil && may != nil {
		err = may(p, thing)
	}
	return thing, err
}

// read returns what the body makes of current.
func (res resource[T, In, F]) read(w http.ResponseWriter, r *http.Request, current T) (T, error) {
	in, err := decode[In](w, r)
	if err != nil {
		return current, err
	}
	thing, err := res.build(r.Context(), app.PrincipalFrom(r.Context()), in, current)
	if err != nil {
		return current, err
	}
	return thing, res.validate(&thing)
}

func (res resource[T, In, F]) readable(r *http.Request, id int64) error {
	if res.mayRead == nil {
		return nil
	}
	return res.mayRead(app.PrincipalFrom(r.Context()), id)
}

func (res resource[T, In, F]) pathID(r *http.Request) (int64, error) {
	id, ok := parseID(r.PathValue("id"))
	if !ok {
		return 0, app.Errorf(app.CodeNotFound, "no %s has this id", res.kind)
	}
	return id, nil
}

func (res resource[T, In, F]) etag(thing T) string {
	id, version := res.version(thing)
	return etag(res.kind, id, version)
}

func (res resource[T, In, F]) reply(w http.ResponseWriter, status int, thing T) error {
	res.describe(w, thing)
	if status == http.StatusCreated {
		id, _ := res.version(thing)
		w.Header().Set("Location", fmt.Sprintf("%s/%d", res.path, id))
	}
	return writeJSON(w, status, thing)
}

func (res resource[T, In, F]) describe(w http.ResponseWriter, thing T) {
	res.limitSharing(w)
	w.Header().Set("ETag", res.etag(thing))
}

func (res resource[T, In, F]) limitSharing(w http.ResponseWriter) {
	if res.private {
		w.Header().Set("Cache-Control", "private, no-cache")
	}
}
