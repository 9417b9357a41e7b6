package metrics

import (
	"context"
	"net/http"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// Middleware measures the requests to next. It goes outside of whatever
// answers, so that refusals, panics and errors of other layers are seen too.
// Applied twice to a request, it counts twice.
func (m *Metrics) Middleware(next http.Handler) http.Handler { return &middleware{m, next} }

type middleware struct {
	m    *Metrics
	next http.Handler
}

func (h *middleware) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m := h.m
	var e reqinfo.Entry
	v, upload := m.enter(&e, w, r)
	m.inFlight.Add(1)
	defer m.finish(&e, v, upload, r.Context())
	e.Next(h.next)
}

// enter makes everything that a request needs one allocation.
func (m *Metrics) enter(e *reqinfo.Entry, w http.ResponseWriter, r *http.Request) (v *visit, upload *body) {
	switch {
	case m.opts.AllowExemplars || reqinfo.Find(w, r) != nil:
		v = new(visit)
		*e = reqinfo.Enter(w, r)
		e.Rec.Watch(v)
		if hasBody(r) {
			upload = &body{ReadCloser: r.Body}
		}
	case hasBody(r):
		first := new(struct {
			visit
			body
			room reqinfo.CopySpace
		})
		v = &first.visit
		first.room.Watch(e, w, r, v)
		first.ReadCloser, upload = r.Body, &first.body
	default:
		first := new(struct {
			visit
			room reqinfo.Space
		})
		v = &first.visit
		first.room.Watch(e, w, r, v)
	}
	v.m, v.info, v.rec, v.req, v.method = m, e.Info, e.Rec, e.R, m.method(r.Method)
	if upload != nil {
		e.R.Body = upload
	}
	return v, upload
}

// finish is deferred: it sees panics, and passes them on.
func (m *Metrics) finish(e *reqinfo.Entry, v *visit, upload *body, ctx context.Context) {
	m.inFlight.Add(-1)
	var p any
	if !e.Returned() {
		p = recover() // nil after runtime.Goexit
	}
	m.record(e, v, upload, ctx.Err(), p)
	e.Leave()
	if p != nil {
		panic(p)
	}
}

func (m *Metrics) record(e *reqinfo.Entry, v *visit, upload *body, gone error, p any) {
	lifetime := e.Rec.Start().Elapsed()
	code, failed := v.judge(e, upload, gone, p)
	s := v.end(lifetime)
	if s == nil {
		pattern, named := e.Info.NamedRoute()
		if s = m.routes.of(e.R, v.method, pattern, named, e.Rec.Status()); s == nil {
			return
		}
		s.answered(code, failed, lifetime, e.Info)
	} else if failed == clientLeft {
		failed = noFailure // how most streams end
	}
	s.fail(failed)
	s.requestSize.Observe(float64(upload.bytes()))
	s.responseSize.Observe(float64(e.Rec.Bytes()))
}
