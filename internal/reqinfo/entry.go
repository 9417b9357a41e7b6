package reqinfo

import (
	"cmp"
	"mime/multipart"
	"net/http"
	"time"

	"github.com/sluice-go/sluice/internal/respw"
)

// Entry is one layer's visit to a request.
type Entry struct {
	W    http.ResponseWriter // what the layer hands to the next handler
	R    *http.Request       // likewise
	Info *Info
	Rec  *respw.Recorder // of W

	outer    *http.Request // the request as it arrived, when this layer copied it
	ownsRec  bool
	returned bool
}

// Enter finds the carrier and the recorder of a request, or creates what is
// missing.
func Enter(w http.ResponseWriter, r *http.Request) Entry {
	e := Entry{R: r, Info: From(r.Context())}
	// A handler may serve another request with the context of its own. Copies of
	// a request keep their RequestURI; one made by a client has none.
	if e.Info != nil && r.RequestURI != e.Info.req.RequestURI {
		e.Info = nil
	}
	if e.Info == nil {
		return create(w, r)
	}
	e.W, e.Rec, e.ownsRec = respw.Wrap(w, r, e.Info.start)
	if r != &e.Info.req {
		e.Info.expectCopy()
	}
	return e
}

// create makes the carrier, and with it the request copy and the recorder, as
// one object.
func create(w http.ResponseWriter, r *http.Request) Entry {
	i := &Info{Context: r.Context(), start: time.Now()}
	i.copyRequest(r)
	e := Entry{W: w, R: &i.req, Info: i, Rec: respw.From(w), outer: r}
	if e.Rec == nil {
		e.W, e.Rec = i.space.Wrap(w, r, i.start)
		e.ownsRec = true
	}
	i.rec = e.Rec
	return e
}

// copyRequest makes the one copy. WithContext is inlined, so the copy lands in
// place.
func (i *Info) copyRequest(r *http.Request) {
	if r.Trailer == nil && r.ContentLength < 0 {
		// The server adds undeclared trailers of a chunked body to its own
		// request; they reach the copy only through a map that both share.
		r.Trailer = make(http.Header)
	}
	i.req = *r.WithContext(i)
}

// Next calls the handler inside the layer. A layer that recovers a panic of the
// handler answers through W; so does one that answers without calling Next.
func (e *Entry) Next(next http.Handler) {
	e.returned = false
	next.ServeHTTP(e.W, e.R)
	e.returned = true
}

// Leave ends the visit; it is deferred right after Enter, so that it is the
// last thing a layer does, on a panic too.
func (e *Entry) Leave() {
	i := e.Info
	if e.R != &i.req {
		i.adopt(e.R)
	}
	if e.outer != nil {
		i.leave(e.outer, e.returned)
	}
	if e.ownsRec {
		e.Rec.End(e.returned)
	}
}

// expectCopy says that a foreign middleware handed on a copy of the request, to
// this layer and to what is inside of it. Of several copies, one in the other
// or one after the other, the last to arrive is the one that served.
func (i *Info) expectCopy() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.adopted = false
}

// adopt takes over what was left on a copy: without it the outer layers would
// not see it.
func (i *Info) adopt(r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.adopted {
		i.adopted, i.pattern = true, r.Pattern
	}
	switch form := r.MultipartForm; {
	case form == nil || form == i.form:
	case i.left:
		// The server is past its clean-up, as after http.TimeoutHandler.
		_ = form.RemoveAll()
	default:
		removeForm(i.form, form)
		i.form = form
	}
}

// leave hands the request back to who is outside of all layers.
func (i *Info) leave(outer *http.Request, returned bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.left = true
	outer.Pattern = i.matched()
	outer.MultipartForm = cmp.Or(i.req.MultipartForm, i.form)
	removeForm(i.form, outer.MultipartForm)
	if !returned {
		// net/http does not clean up after a panic that reaches it.
		removeForm(outer.MultipartForm, nil)
	}
}

// removeForm removes the temporary files of a form that another one displaced.
// The server sees only one form.
func removeForm(form, kept *multipart.Form) {
	if form != nil && form != kept {
		_ = form.RemoveAll()
	}
}
