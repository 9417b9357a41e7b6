package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/sluice-go/sluice/internal/reqinfo"
	"github.com/sluice-go/sluice/internal/respw"
)

// Middleware measures the requests to next. It goes outside of whatever
// answers, so that refusals, panics and errors of other layers are seen too.
// Applied twice to a request, it counts twice.
func (m *Metrics) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(next, w, r) })
}

func (m *Metrics) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	var e reqinfo.Entry
	v := m.enter(&e, w, r)
	m.inFlight.Add(1)
	defer m.finish(&e, v, r.Context())
	e.Next(next)
}

// enter makes everything that a request needs one allocation.
func (m *Metrics) enter(e *reqinfo.Entry, w http.ResponseWriter, r *http.Request) *visit {
	var v *visit
	switch {
	case m.opts.AllowExemplars || reqinfo.Find(w, r) != nil:
		v = new(visit)
		*e = reqinfo.Enter(w, r)
		e.Rec.Watch(v)
		if hasBody(r) {
			v.upload = &body{ReadCloser: r.Body}
		}
	case hasBody(r):
		first := new(struct {
			visit
			body
			room reqinfo.CopySpace
		})
		v = &first.visit
		first.room.Watch(e, w, r, v)
		first.ReadCloser, v.upload = r.Body, &first.body
	default:
		first := new(struct {
			visit
			room reqinfo.Space
		})
		v = &first.visit
		first.room.Watch(e, w, r, v)
	}
	v.m, v.info, v.rec, v.req, v.method = m, e.Info, e.Rec, e.R, m.method(r.Method)
	if v.upload != nil {
		e.R.Body = v.upload
	}
	return v
}

// finish is deferred: it sees panics, and passes them on.
func (m *Metrics) finish(e *reqinfo.Entry, v *visit, ctx context.Context) {
	m.inFlight.Add(-1)
	var p any
	if !e.Returned() {
		p = recover() // nil after runtime.Goexit
	}
	m.record(e, v, ctx, p)
	e.Leave()
	if p != nil {
		panic(p)
	}
}

func (m *Metrics) record(e *reqinfo.Entry, v *visit, ctx context.Context, p any) {
	lifetime := e.Rec.Start().Elapsed()
	code, failed := judge(e, ctx.Err(), p)
	rt := v.end(lifetime)
	switch {
	case rt != nil && failed == clientLeft:
		failed = noFailure // how most streams end
	case rt != nil:
	default:
		pattern, named := e.Info.NamedRoute()
		if rt = m.routes.of(e.R, pattern, named, code); rt == nil {
			return
		}
		rt.series(v.method).answered(code, failed, lifetime, e.Info)
	}
	s := rt.series(v.method)
	s.fail(failed)
	s.requestSize.Observe(float64(v.upload.bytes()))
	s.responseSize.Observe(float64(e.Rec.Bytes()))
}

// judge says what the client saw, and what went wrong besides. gone is the error
// of the context that the request came with: others may be put on it further in.
func judge(e *reqinfo.Entry, gone error, p any) (code int, failed failure) {
	code = codeOf(e.Rec)
	if e.Rec.Hijacked() && e.Returned() {
		return code, noFailure // the connection has a life of its own
	}
	if gone == nil && code != 0 && e.Returned() {
		return code, noFailure
	}
	switch {
	case !e.Returned() && p != nil && p != any(http.ErrAbortHandler):
		failed = panicked
	case errors.Is(gone, context.Canceled) && !isComplete(e):
		failed = clientLeft
	case !e.Returned():
		failed = abort
	case errors.Is(gone, context.DeadlineExceeded) && isTimedOut(e):
		return http.StatusServiceUnavailable, timedOut
	case errors.Is(gone, context.DeadlineExceeded) && code == 0:
		failed = timedOut
	}
	if code == 0 || (failed == abort || failed == clientLeft) && !hasLeft(e.Rec) {
		code = unsentCode(failed)
	}
	return code, failed
}

// hasLeft reports whether anything of the answer left the server's buffer.
func hasLeft(rec *respw.Recorder) bool {
	_, begun := rec.FirstByte()
	return begun
}

// codeOf is the final status, 0 while it is open.
func codeOf(rec *respw.Recorder) int {
	if code := rec.Status(); code <= 599 {
		return code
	}
	return codeUnknown
}

// unsentCode is the code of a request of whose answer nothing left.
func unsentCode(f failure) int {
	switch f {
	case panicked:
		return http.StatusInternalServerError // by whoever recovers
	case abort:
		return codeAborted
	case clientLeft:
		return codeClosed
	default:
		return http.StatusOK // by net/http
	}
}

// isComplete reports whether the whole answer was handed over before its client
// went away, as clients do when they have got what they came for.
func isComplete(e *reqinfo.Entry) bool {
	if !hasLeft(e.Rec) {
		return false
	}
	declared, err := strconv.ParseInt(e.Rec.Header().Get("Content-Length"), 10, 64)
	return err == nil && e.Rec.Bytes() >= declared || !e.Rec.BodyAllowed()
}

// isTimedOut reports whether an http.TimeoutHandler outside has answered in the
// place of the handler.
func isTimedOut(e *reqinfo.Entry) bool {
	if !e.Rec.Committed() && fmt.Sprintf("%T", e.Rec.Inner()) != "*http.timeoutWriter" {
		return false // whoever it is may still answer, and must find nothing written
	}
	_, err := e.W.Write(nil)
	return errors.Is(err, http.ErrHandlerTimeout)
}

func outcomeOf(code int, f failure) outcome {
	switch {
	case f == clientLeft:
		return clientClosed
	case f == abort:
		return aborted
	case f == panicked || code >= 500 || code == codeUnknown: // RFC 9110 §15 has clients take it for a 5xx
		return serverError
	case code >= 400:
		return clientError
	default:
		return success
	}
}

// body counts what is read of a request body: what was only declared, or left
// unread, was not uploaded. It goes into copies of the server's request. In its
// own the body must stay what it is: net/http looks at its type when it decides
// about 100 Continue (RFC 9110 §10.1.1).
type body struct {
	io.ReadCloser
	read atomic.Int64
}

// hasBody relies on the server, which sets -1 for an unknown length. HTTP/2 has
// a Body for every request.
func hasBody(r *http.Request) bool {
	return r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.Add(int64(n))
	return n, err
}

func (b *body) bytes() int64 {
	if b == nil {
		return 0
	}
	return b.read.Load()
}
