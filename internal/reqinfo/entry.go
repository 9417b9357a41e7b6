package reqinfo

import (
	"cmp"
	"mime/multipart"
	"net/http"
	"slices"

	"github.com/sluice-go/sluice/internal/respw"
)

// Entry is one layer's visit to a request.
type Entry struct {
	W    http.ResponseWriter // what the layer hands to the next handler
	R    *http.Request       // likewise
	Info *Info
	Rec  *respw.Recorder // of W

	outer    *http.Request // the request as it arrived, when this layer copied it
	copied   *http.Request // the copy that the layer is visiting, or nil
	got      *http.Request // R as Enter left it
	replaced *http.Request // R where the layer has changed it, or nil
	outmost  bool
	ownsRec  bool
	returned bool
}

// Enter finds the carrier and the recorder of a request, or creates what is
// missing.
func Enter(w http.ResponseWriter, r *http.Request) Entry {
	i := Find(w, r)
	if i == nil {
		return create(w, r)
	}
	e := Entry{R: r, Info: i}
	e.W, e.Rec, e.ownsRec = respw.Wrap(w, r, i.rec.Start())
	switch a, _ := r.Context().(*attempt); {
	case From(r.Context()) == nil:
		e.copyRequest(i.newAttempt())
	case a == nil || r != &a.req:
		e.arrive(r, false)
	}
	e.got = e.R
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
		attempt
	})
	var e Entry
	e.begin(&whole.Info, w, r)
	whole.giveContext(&whole.inner)
	e.copyRequest(&whole.attempt)
	e.got = e.R
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
	e.outmost = true
}

// giveContext makes the carrier fit to be found by contexts. Two layers at the
// same time are none of the same stack; the first one counts.
func (i *Info) giveContext(in *inner) {
	if i.inner.CompareAndSwap(nil, in) {
		i.rec.HookSpace(&in.hooks)
	}
}

// newAttempt is room for a copy, and at the first time for what comes with it.
func (i *Info) newAttempt() *attempt {
	if i.inner.Load() != nil {
		return new(attempt)
	}
	both := new(struct {
		inner
		attempt
	})
	i.giveContext(&both.inner)
	return &both.attempt
}

// copyRequest makes the copy that the layer hands on. WithContext is inlined, so
// the copy lands in place.
func (e *Entry) copyRequest(a *attempt) {
	shareTrailer(e.R)
	a.Context, a.info = e.R.Context(), e.Info
	a.req = *e.R.WithContext(a)
	e.outer, e.R = e.R, &a.req
	e.arrive(e.R, true)
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
	e.got = r
	switch {
	case e.ownsRec:
		e.Rec.Carry(&s.info, watcher)
		return
	case e.Rec.Carrier() == nil: // that of somebody who has no carrier
		e.Rec.Carry(&s.info, nil)
	}
	if watcher != nil {
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
	if e.R != e.got && e.R != e.replaced && e.Info.inner.Load() != nil {
		e.replaced = e.R
		e.Info.arrive(e.R, true)
	}
	next.ServeHTTP(e.W, e.R)
	e.returned = true
}

// Returned reports whether the handler of Next returned normally.
func (e *Entry) Returned() bool { return e.returned }

// Leave ends the visit; it is deferred right after Enter, so that it is the
// last thing a layer does, on a panic too.
func (e *Entry) Leave() {
	i := e.Info
	if in := i.inner.Load(); in != nil {
		e.depart(in)
	}
	if e.outmost {
		i.end(e)
	}
	if e.ownsRec {
		e.Rec.End(e.returned)
	}
}

// arrive notes that the layer visits a copy of the request. Of several copies,
// one in the other or one after the other, the last to arrive is the one that
// serves.
func (e *Entry) arrive(r *http.Request, own bool) {
	e.copied = r
	e.Info.arrive(r, own)
}

func (i *Info) arrive(r *http.Request, own bool) {
	in := i.inner.Load()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.trail = trail{}
	if in.visits == nil {
		in.visits = in.room[:0]
	}
	in.visits = append(in.visits, visit{r, r.Pattern, r.MultipartForm, own})
}

// depart takes over what was left on the copies of the layer: without it who is
// further out would not see it.
func (e *Entry) depart(in *inner) {
	if e.copied == nil && e.replaced == nil {
		return
	}
	i := e.Info
	in.mu.Lock()
	defer in.mu.Unlock()
	in.depart(e.replaced)
	in.depart(e.copied)
	if e.outer != nil && !e.outmost {
		pattern := i.matched(in, false)
		if e.outer == i.seen {
			if !in.echoed || e.outer.Pattern != in.echo {
				in.unechoed = patternOf(e.outer)
			}
			in.echoed, in.echo = true, pattern
		}
		e.outer.Pattern = pattern
		if e.copied.MultipartForm != nil {
			e.outer.MultipartForm = e.copied.MultipartForm
		}
	}
	in.trail.fresh, in.trail.base = in.trail.known, i.seen.Pattern
	if n := len(in.visits); n > 0 {
		in.trail.base = in.visits[n-1].req.Pattern
	}
}

// depart ends a visit. Callers hold mu.
func (in *inner) depart(r *http.Request) {
	n := len(in.visits) - 1
	for n >= 0 && in.visits[n].req != r {
		n--
	}
	if n < 0 {
		return // it is no copy
	}
	v := in.visits[n]
	in.visits = slices.Delete(in.visits, n, n+1)
	in.trail.outwardCopy(v)
	switch form := r.MultipartForm; {
	case form == nil || form == v.form || form == in.form:
	case in.left:
		// The server is past its clean-up, as after http.TimeoutHandler.
		_ = form.RemoveAll()
	default:
		removeForm(in.form, form)
		in.form = form
	}
}

// end hands the request back to who is outside of all layers.
func (i *Info) end(e *Entry) {
	seen := i.seen
	if in := i.inner.Load(); in != nil {
		in.mu.Lock()
		in.left = true
		seen.Pattern = i.matched(in, false)
		in.trail = trail{whole: true, pattern: seen.Pattern}
		seen.MultipartForm = cmp.Or(seen.MultipartForm, in.form)
		removeForm(in.form, seen.MultipartForm)
		in.mu.Unlock()
	}
	if e.outer != nil && e.outer != seen {
		e.outer.Pattern, e.outer.MultipartForm = seen.Pattern, seen.MultipartForm
	}
	if !e.returned {
		// net/http does not clean up after a panic that reaches it.
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
