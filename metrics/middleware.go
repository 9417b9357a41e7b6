package metrics

import (
	"context"
	"errors"
	"io"
	"mime"
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
	upload := countBody(e.R)
	m.inFlight.Add(1)
	defer m.finish(&e, v, upload)
	e.Next(next)
}

// enter makes everything that a request needs one allocation.
func (m *Metrics) enter(e *reqinfo.Entry, w http.ResponseWriter, r *http.Request) *visit {
	if m.opts.AllowExemplars || hasBody(r) || reqinfo.Find(w, r) != nil {
		*e = reqinfo.Enter(w, r)
		v := &visit{m: m, info: e.Info, rec: e.Rec, method: m.method(r.Method)}
		e.Rec.Watch(v)
		return v
	}
	first := new(struct {
		visit
		room reqinfo.Space
	})
	v := &first.visit
	first.room.Watch(e, w, r, v)
	v.m, v.info, v.rec, v.method = m, e.Info, e.Rec, m.method(r.Method)
	return v
}

// finish is deferred: it sees panics, and passes them on.
func (m *Metrics) finish(e *reqinfo.Entry, v *visit, upload *body) {
	m.inFlight.Add(-1)
	var p any
	if !e.Returned() {
		p = recover() // nil after runtime.Goexit
	}
	m.record(e, v, upload, p)
	e.Leave()
	if p != nil {
		panic(p)
	}
}

func (m *Metrics) record(e *reqinfo.Entry, v *visit, upload *body, p any) {
	lifetime := e.Rec.Start().Elapsed()
	code, failed := judge(e, p)
	rt := v.end(lifetime)
	switch {
	case rt != nil && failed == clientLeft:
		failed = noFailure // how most streams end
	case rt != nil:
	default:
		if rt = m.routes.of(e, v.method, code); rt == nil {
			return
		}
		latency := lifetime
		if isEventStream(e.Rec) { // one that leaves the flushing to the server's buffer
			latency, _ = e.Rec.FirstByte()
			m.live.streamDuration.WithLabelValues(rt.name).Observe(lifetime.Seconds())
		}
		rt.series(v.method).answered(code, failed, latency, e.Info)
	}
	s := rt.series(v.method)
	s.fail(failed)
	s.requestSize.Observe(float64(upload.bytes()))
	s.responseSize.Observe(float64(e.Rec.Bytes()))
}

// judge says what the client saw, and what went wrong besides.
func judge(e *reqinfo.Entry, p any) (code int, failed failure) {
	code = codeOf(e.Rec)
	if e.Rec.Hijacked() && e.Returned() {
		return code, noFailure // the connection has a life of its own
	}
	gone := e.R.Context().Err()
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
	case errors.Is(gone, context.DeadlineExceeded) && wasTimedOut(e):
		return http.StatusServiceUnavailable, timedOut
	}
	_, begun := e.Rec.FirstByte()
	if code == 0 || !begun && (failed == abort || failed == clientLeft) { // it is still in the server's buffer
		code = unsentCode(failed)
	}
	return code, failed
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
	if !e.Rec.Committed() {
		return false
	}
	declared, err := strconv.ParseInt(e.Rec.Header().Get("Content-Length"), 10, 64)
	return err == nil && e.Rec.Bytes() >= declared || !e.Rec.BodyAllowed()
}

// wasTimedOut reports whether somebody outside has answered in the place of the
// handler, when the time it was given was over.
func wasTimedOut(e *reqinfo.Entry) bool {
	if !e.Rec.Committed() {
		return true
	}
	// Nothing is written; http.TimeoutHandler tells what it would do with it.
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

// isEventStream tells an event stream that was begun; headers alone are none.
func isEventStream(rec *respw.Recorder) bool {
	if _, begun := rec.FirstByte(); !begun {
		return false
	}
	t, _, _ := mime.ParseMediaType(rec.Header().Get("Content-Type"))
	return t == "text/event-stream"
}

// body counts what is read of a request body: what was only declared, or left
// unread, was not uploaded.
type body struct {
	io.ReadCloser
	read atomic.Int64
}

// hasBody relies on the server, which sets -1 for an unknown length. HTTP/2 has
// a Body for every request.
func hasBody(r *http.Request) bool {
	return r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody
}

// countBody replaces the body of a copy of the server's request. That of the
// server's own must stay what it is: net/http looks at its type when it decides
// about 100 Continue (RFC 9110 §10.1.1).
func countBody(r *http.Request) *body {
	if !hasBody(r) {
		return nil
	}
	b := &body{ReadCloser: r.Body}
	r.Body = b
	return b
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
