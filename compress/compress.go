package compress

import (
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/sluice-go/sluice/internal/problem"
	"github.com/sluice-go/sluice/internal/reqinfo"
	"github.com/sluice-go/sluice/internal/respw"
)

// Compressor encodes response bodies. It is safe for concurrent use, has no
// goroutine, and needs no Close.
type Compressor struct {
	opts       Options
	offered    []coding
	types      *typeSet
	negotiator negotiator
	codecs     [codings]codec
	streams    [codings]gauge
	busy       [codings]gauge
}

// New returns a Compressor. Its error names all faults of the options.
func New(opts Options) (*Compressor, error) {
	opts = opts.withDefaults()
	if err := opts.faults(); err != nil {
		return nil, err
	}
	c := &Compressor{opts: opts}
	c.types, _ = newTypeSet(opts.ContentTypes)
	c.opts.Codings, c.opts.ContentTypes = nil, nil // they are the caller's
	for _, name := range opts.Codings {
		known, _ := codingOf(name)
		c.offered = append(c.offered, known)
		c.codecs[known] = newCodec(known, &opts)
		c.streams[known].limit = int64(opts.MaxStreams)
		c.busy[known].limit = int64(opts.MaxBusy)
	}
	return c, nil
}

func newCodec(c coding, opts *Options) codec {
	switch c {
	case gzipped:
		return newGzip(opts.GzipLevel)
	case brotlied:
		return newBrotli(opts.BrotliQuality, opts.Window)
	default:
		return newZstd(opts.ZstdLevel, opts.Window)
	}
}

// gauge counts what is in use, up to a limit. A negative limit is none.
type gauge struct {
	limit int64
	used  atomic.Int64
}

// take reports whether there was room.
func (g *gauge) take() bool {
	if g.used.Add(1) > g.limit && g.limit >= 0 {
		g.used.Add(-1)
		return false
	}
	return true
}

func (g *gauge) give() { g.used.Add(-1) }

// cheaper is the order in which codings give way when too many bodies are encoded
// at the same time: a stream of zstd needs the least time and memory.
var cheaper = [...]coding{brotlied, gzipped, zstded}

// choices are codings of which a response may have any.
type choices uint8

func (s choices) have(c coding) bool { return s&(1<<c) != 0 }

// choicesOf are those of order that the client likes no less than identity.
func choicesOf(order []coding, a acceptance) (s choices) {
	for _, c := range order {
		if a.weight[c] > 0 && a.weight[c] >= a.weight[identity] {
			s |= 1 << c
		}
	}
	return s
}

// claim takes room for a body in the best coding that has some, at most as dear
// as want: identity if none has, even for a client that refuses it, who could
// otherwise take all the memory.
func (c *Compressor) claim(gauges *[codings]gauge, want coding, among choices) coding {
	for _, next := range cheaper[slices.Index(cheaper[:], want):] {
		if among.have(next) && gauges[next].take() {
			return next
		}
	}
	return identity
}

// order is how codings are preferred for a content type.
func (c *Compressor) order(mediaType string, room *[codings]coding) []coding {
	if c.opts.Prefer == nil {
		return c.offered
	}
	names := c.opts.Prefer(mediaType)
	if names == nil {
		return c.offered
	}
	order := room[:0]
	for _, name := range names {
		known, ok := codingOf(name)
		if ok && c.codecs[known] != nil && !slices.Contains(order, known) {
			order = append(order, known)
		}
	}
	return order
}

// Middleware encodes what next answers.
func (c *Compressor) Middleware(next http.Handler) http.Handler { return &middleware{c, next} }

type middleware struct {
	c    *Compressor
	next http.Handler
}

func (m *middleware) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := m.c
	if c.opts.Skip != nil && c.opts.Skip(r) {
		m.next.ServeHTTP(w, r)
		return
	}
	accepted := c.negotiator.accepts(r.Header["Accept-Encoding"])
	switch best := accepted.choose(c.offered); {
	case best == refused && c.opts.NotAcceptable:
		c.refuse(w, r)
		return
	case best == identity || best == refused:
		c.lookOn(w, r, m.next)
		return
	}
	x := &exchange{c: c, w: w, r: r, accepted: accepted, declared: -1, head: r.Method == http.MethodHead}
	x.guarded = c.opts.GuardCrossSite && isCrossSite(r)
	if header := c.translated(r, accepted); header != nil {
		x.serveTranslated(header, m.next)
		return
	}
	front, rec := x.open(w, r)
	returned := false
	defer func() {
		rec.End(returned)
		x.finish(returned)
	}()
	m.next.ServeHTTP(front, r)
	returned = true
}

// open returns the writer for the handler. It is a recorder of its own, as inside
// of x a response is another one than outside.
func (x *exchange) open(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *respw.Recorder) {
	front, rec := x.front.WrapLike((*writer)(x), w, r)
	carry(rec, w, r)
	return front, rec
}

// carry lets layers further in find what layers further out know of the request.
func carry(rec *respw.Recorder, outside http.ResponseWriter, r *http.Request) {
	if info := reqinfo.Find(outside, r); info != nil {
		rec.Carry(info, nil)
	}
}

// serveTranslated hands on a copy of the request with other conditions.
func (x *exchange) serveTranslated(header http.Header, next http.Handler) {
	e := reqinfo.Enter(x.w, x.r)
	defer e.Leave()
	x.w = e.W
	r := *e.R
	r.Header = header
	e.R = &r
	front, rec := x.open(e.W, e.R)
	e.W = front
	defer func() {
		rec.End(e.Returned())
		x.finish(e.Returned())
	}()
	e.Next(next)
}

// refuse answers a client that takes neither a coding nor none.
func (c *Compressor) refuse(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Accept-Encoding", c.offer()) // RFC 9110 §12.5.3
	addVary(w.Header(), "Accept-Encoding", nil)
	problem.Write(w, r, problem.Problem{Status: http.StatusNotAcceptable, Detail: "None of the content codings that the client takes is available."})
}

// offer is the value of Accept-Encoding in a response.
func (c *Compressor) offer() (list string) {
	for i, name := range c.offered {
		if i > 0 {
			list += ", "
		}
		list += name.String()
	}
	return list
}

// Off leaves the answer that is written to w as it is, as far as nothing of it has
// left yet: for bodies with a secret beside what the client sent (BREACH), or
// whose handler knows that it is not worth it. Where there is no Compressor it
// does nothing.
func Off(w http.ResponseWriter) {
	for w != nil {
		if x, ok := w.(*writer); ok {
			(*exchange)(x).turnOff()
			return
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return
		}
		w = u.Unwrap()
	}
}
