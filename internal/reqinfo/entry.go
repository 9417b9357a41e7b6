package reqinfo

import (
	"cmp"
	"mime/multipart"
	"net/http"

	"github.com/sluice-go/sluice/internal/respw"
)

// Entry is one layer's visit to a request.
type Entry struct {
	W    http.ResponseWriter // what the layer hands to the next handler
	R    *http.Request       // likewise
	Info *Info
	Rec  *respw.Recorder // of W

	outer    *http.Request // the request as it arrived, when this layer copied it
	watching bool          // this layer made a carrier without a copy
	ownsRec  bool
	returned bool
}

// Enter finds the carrier and the recorder of a request, or creates what is
// missing.
func Enter(w http.ResponseWriter, r *http.Request) Entry {
	i := Find(w, r)
	switch {
	case i == nil:
		return create(w, r)
	case i.inner == nil:
		return i.complete(w, r)
	case From(r.Context()) == nil:
		// The carrier is the context of a handler that was tried before this one.
		e := create(w, r)
		i.inner.later.Store(e.Info)
		return e
	}
	e := Entry{R: r, Info: i}
	e.W, e.Rec, e.ownsRec = respw.Wrap(w, r, i.rec.Start())
	if r != &i.inner.req {
		i.expectCopy(r)
	}
	return e
}

// Find returns the carrier of a request, or nil when no layer has seen it yet. It
// looks in the context and, for a carrier that was made by [Space.Watch], along
// the writers.
func Find(w http.ResponseWriter, r *http.Request) *Info {
	i := From(r.Context())
	if i == nil {
		i = watched(w)
	}
	// A handler may serve another request with the context or the writer of its
	// own. Copies of a request keep their RequestURI; one made by a client has none.
	if i == nil || r.RequestURI != i.seen.RequestURI {
		return nil
	}
	return i
}

func watched(w http.ResponseWriter) *Info {
	for w != nil {
		if rec := respw.From(w); rec != nil {
			i, _ := rec.Carrier().(*Info)
			return i
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = u.Unwrap()
	}
	return nil
}

// create makes the carrier, and with it the request copy and the recorder, as
// one object.
func create(w http.ResponseWriter, r *http.Request) Entry {
	whole := new(struct {
		Info
		inner
	})
	var e Entry
	e.begin(&whole.Info, w, r)
	whole.copyRequest(r, &whole.inner)
	e.R, e.outer = &whole.req, r
	return e
}

// complete makes a carrier a context, for the layer that is the first to need it.
func (i *Info) complete(w http.ResponseWriter, r *http.Request) Entry {
	i.copyRequest(r, new(inner))
	e := Entry{R: &i.inner.req, Info: i, outer: r}
	e.W, e.Rec, e.ownsRec = respw.Wrap(w, r, i.rec.Start())
	return e
}

// begin takes w into a new carrier.
func (e *Entry) begin(i *Info, w http.ResponseWriter, r *http.Request) {
	e.W, e.R, e.Info, e.Rec = w, r, i, respw.From(w)
	if e.Rec == nil {
		e.W, e.Rec = i.space.Wrap(w, r, respw.Now())
		e.ownsRec = true
	}
	i.rec, i.seen = e.Rec, r
}

// copyRequest makes the one copy. WithContext is inlined, so the copy lands in
// place.
func (i *Info) copyRequest(r *http.Request, in *inner) {
	shareTrailer(r)
	in.ctx = r.Context()
	in.req = *r.WithContext(i)
	i.rec.HookSpace(&in.hooks)
	i.inner = in
}

// shareTrailer gets a request ready to be copied: the server adds undeclared
// trailers of a chunked body to its own request, and they reach a copy only
// through a map that both share.
func shareTrailer(r *http.Request) {
	if r.Trailer == nil && r.ContentLength < 0 {
		r.Trailer = make(http.Header)
	}
}

// Space is room for a carrier inside something that is allocated anyway. It is
// used once.
type Space struct{ info Info }

// Watch is Enter for a layer that is the outermost and needs no context: it
// hands the request on as it is. The first layer further in that needs a
// context makes the copy, and is found to share the carrier because it shares
// the writer.
//
// watcher is the layer's own, or nil. The entry is the caller's zero one: to
// return it costs more than to fill it.
func (s *Space) Watch(e *Entry, w http.ResponseWriter, r *http.Request, watcher respw.Watcher) {
	e.begin(&s.info, w, r)
	e.watching = true
	if e.ownsRec {
		e.Rec.Carry(&s.info, watcher)
	} else if watcher != nil {
		e.Rec.Watch(watcher)
	}
}

// CopySpace is Space for a layer that changes the request, as by another Body.
type CopySpace struct {
	room Space
	req  http.Request
}

// Watch is [Space.Watch], with a copy of the request that the layer may change.
func (s *CopySpace) Watch(e *Entry, w http.ResponseWriter, r *http.Request, watcher respw.Watcher) {
	shareTrailer(r)
	s.req = *r
	s.room.Watch(e, w, &s.req, watcher)
	e.outer = r
}

// Next calls the handler inside the layer. A layer that recovers a panic of the
// handler answers through W; so does one that answers without calling Next.
func (e *Entry) Next(next http.Handler) {
	e.returned = false
	next.ServeHTTP(e.W, e.R)
	e.returned = true
}

// Returned reports whether the handler of Next returned normally.
func (e *Entry) Returned() bool { return e.returned }

// Leave ends the visit; it is deferred right after Enter, so that it is the
// last thing a layer does, on a panic too.
func (e *Entry) Leave() {
	i := e.Info
	switch {
	case e.watching:
		i.part(e.R, e.outer, e.returned)
	case e.outer != nil:
		if e.R != &i.inner.req {
			i.adopt(e.R)
		}
		i.leave(e.outer, e.returned)
	case e.R != &i.inner.req:
		i.adopt(e.R)
	}
	if e.ownsRec {
		e.Rec.End(e.returned)
	}
}

// expectCopy says that a foreign middleware handed on a copy of the request, to
// this layer and to what is inside of it. Of several copies, one in the other
// or one after the other, the last to arrive is the one that served.
func (i *Info) expectCopy(r *http.Request) {
	i.inner.mu.Lock()
	defer i.inner.mu.Unlock()
	i.inner.trail = trail{}
	i.inner.copies = append(i.inner.copies, r)
}

// adopt takes over what was left on a copy: without it the outer layers would
// not see it.
func (i *Info) adopt(r *http.Request) {
	i.inner.mu.Lock()
	defer i.inner.mu.Unlock()
	in := i.inner
	in.trail.outward(r)
	if n := len(in.copies); n > 0 && in.copies[n-1] == r {
		in.copies = in.copies[:n-1]
	}
	switch form := r.MultipartForm; {
	case form == nil || form == in.form:
	case in.left:
		// The server is past its clean-up, as after http.TimeoutHandler.
		_ = form.RemoveAll()
	default:
		removeForm(in.form, form)
		in.form = form
	}
}

// leave hands the request back to who is outside of all copies.
func (i *Info) leave(outer *http.Request, returned bool) {
	i.inner.mu.Lock()
	defer i.inner.mu.Unlock()
	in := i.inner
	in.left = true
	outer.Pattern = i.matched()
	in.outer, in.given = outer, outer.Pattern
	outer.MultipartForm = cmp.Or(in.req.MultipartForm, in.form)
	removeForm(in.form, outer.MultipartForm)
	if !returned {
		// net/http does not clean up after a panic that reaches it.
		removeForm(outer.MultipartForm, nil)
	}
}

// part is leave for the layer that watches, which handed on the request that
// arrived or, as outer tells, a copy of it.
func (i *Info) part(seen, outer *http.Request, returned bool) {
	if i.inner != nil {
		i.inner.mu.Lock()
		seen.Pattern = i.matched()
		seen.MultipartForm = cmp.Or(seen.MultipartForm, i.inner.req.MultipartForm, i.inner.form)
		i.inner.trail = trail{whole: true, pattern: seen.Pattern}
		i.inner.mu.Unlock()
	}
	if outer != nil {
		outer.Pattern, outer.MultipartForm = seen.Pattern, seen.MultipartForm
	}
	if !returned {
		removeForm(seen.MultipartForm, nil)
	}
}

// removeForm removes the temporary files of a form that another one displaced.
// The server sees only one form.
func removeForm(form, kept *multipart.Form) {
	if form != nil && form != kept {
		_ = form.RemoveAll()
	}
}
