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
	about := onlookersOutline(h)
	v, settled := o.c.settle(status, o.r, &about)
	// Of what type a body without one is, the server sees later.
	if !settled && about.has&hasType != 0 && !o.c.types.of(about.contentType).listed {
		v = never
	}
	if v != never {
		o.c.varies(h, &o.vary)
	}
}

// onlookersOutline looks up the few fields that matter where nothing is encoded, which
// takes less time than to go through all.
func onlookersOutline(h http.Header) (o outline) {
	if types, ok := h["Content-Type"]; ok {
		o.addType(types)
	}
	o.addCoding(h["Content-Encoding"])
	if lines := h["Cache-Control"]; lines != nil {
		o.addCacheControl(lines)
	}
	if h["Content-Range"] != nil {
		o.has |= hasRange
	}
	return o
}
