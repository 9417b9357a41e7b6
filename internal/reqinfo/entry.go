package reqinfo

import (
	"cmp"
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
	if e.Info == nil {
		e.outer = r
		e.Info = &Info{Context: r.Context(), start: time.Now()}
	}
	e.W, e.Rec, e.ownsRec = respw.Wrap(w, r, e.Info.start)
	if e.outer != nil {
		e.Info.rec = e.Rec
		e.Info.req = *r.WithContext(e.Info) // inlined: the copy lands in place
		e.R = &e.Info.req
	}
	return e
}

// Next calls the handler inside the layer. A layer that recovers a panic of the
// handler answers through W.
func (e *Entry) Next(next http.Handler) {
	next.ServeHTTP(e.W, e.R)
	e.returned = true
}

// Leave ends the visit; it is deferred right after Enter, so that it is the
// last thing a layer does, on a panic too.
func (e *Entry) Leave() {
	i := e.Info
	switch {
	case e.outer != nil:
		i.leave(e.outer, e.returned)
	case e.R != &i.req:
		i.adopt(e.R)
	}
	if e.ownsRec {
		e.Rec.End(e.returned)
	}
}

// adopt takes over what was left on a copy of the request that a foreign
// middleware made: without it the outer layers would not see it.
func (i *Info) adopt(r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.adopted {
		i.adopted, i.pattern = true, r.Pattern
	}
	switch {
	case r.MultipartForm == nil:
	case i.left:
		// The server is past its clean-up, as after http.TimeoutHandler.
		_ = r.MultipartForm.RemoveAll()
	default:
		i.form = r.MultipartForm
	}
}

// leave hands the request back to who is outside of all layers.
func (i *Info) leave(outer *http.Request, returned bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.left = true
	outer.Pattern = i.matched()
	outer.MultipartForm = cmp.Or(i.req.MultipartForm, i.form)
	if !returned && outer.MultipartForm != nil {
		// net/http does not clean up after a panic that reaches it.
		_ = outer.MultipartForm.RemoveAll()
	}
}
