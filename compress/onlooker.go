package compress

import (
	"net/http"
	"sync/atomic"

	"github.com/sluice-go/sluice/internal/respw"
)

// onlooker is there for an answer that stays as it is, as its client takes no coding
// or likes none better: it tells caches that others do.
type onlooker struct {
	c    *Compressor
	r    *http.Request
	vary [1]string
	gone atomic.Bool // the handler has panicked
}

// lookOn serves a request whose answer gets no coding, whatever it is.
func (c *Compressor) lookOn(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if rec := respw.From(w); rec != nil {
		o := &onlooker{c: c, r: r}
		rec.OnHeader(o)
		o.serve(w, r, next)
		return
	}
	whole := new(struct {
		onlooker
		front respw.Space
	})
	o := &whole.onlooker
	o.c, o.r = c, r
	front, rec := whole.front.WrapLike(w, w, r)
	carry(rec, w, r)
	rec.FirstHook(o)
	defer func() { rec.End(!o.gone.Load()) }()
	o.serve(front, r, next)
}

func (o *onlooker) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	returned := false
	defer func() { o.gone.Store(!returned) }()
	next.ServeHTTP(w, r)
	returned = true
}

// BeforeHeader has the last look at the header of the response, unless it is that
// of an outer layer that recovered.
func (o *onlooker) BeforeHeader(status int, h http.Header) {
	if o.gone.Load() {
		return
	}
	about := outline{encoding: h["Content-Encoding"], cacheControl: h["Cache-Control"]}
	about.contentType, about.typed = h["Content-Type"]
	if h["Content-Range"] != nil {
		about.has = hasRange
	}
	v, settled := o.c.settle(status, o.r, &about)
	// Of what type a body without one is, the server sees later.
	if !settled && about.typed && !o.c.types.of(about.contentType[0]).listed {
		v = never
	}
	if v != never {
		o.c.varies(h, &o.vary)
	}
}
