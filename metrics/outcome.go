package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/sluice-go/sluice/internal/reqinfo"
	"github.com/sluice-go/sluice/internal/respw"
)

// An outcome is the class of a request in the histograms of durations: an
// objective for latency looks at those that succeeded.
type outcome int

const (
	success      outcome = iota // 1xx, 2xx, 3xx
	clientError                 // 4xx
	serverError                 // 5xx, a panic
	clientClosed                // the client left before the whole answer
	aborted                     // the handler broke the connection off
	numOutcomes
)

var outcomeNames = [numOutcomes]string{"success", "client_error", "server_error", "client_closed", "aborted"}

// A failure is what the code of a request cannot tell.
type failure int

const (
	noFailure failure = iota
	panicked
	abort
	clientLeft
	timedOut
	numFailures
)

var failureNames = [numFailures]string{"", "panic", "aborted", "client_closed", "timeout"}

// Codes that are none on the wire.
const (
	codeAborted = 0 // the connection was broken off before there was a status
	codeUnknown = 1 // a number that is no status (RFC 9110 §15)

	// codeClosed is what nginx counts when nobody was left to answer.
	codeClosed = 499
)

func codeLabel(code int) string {
	switch code {
	case codeAborted:
		return "aborted"
	case codeUnknown:
		return unknown
	}
	return strconv.Itoa(code)
}

// judge says what the client saw, and what went wrong besides. gone is the error
// of the context that the request came with: others may be put on it further in.
func (v *visit) judge(e *reqinfo.Entry, upload *body, gone error, p any) (code int, failed failure) {
	code = codeOf(v.rec)
	if e.Returned() && (v.rec.Hijacked() || code != 0 && gone == nil && !v.isCut() && !upload.isLate()) {
		return code, noFailure // a hijacked connection has a life of its own
	}
	failed = v.failure(e, upload, gone, p)
	switch {
	case failed == timedOut && isTimedOut(e):
		code = http.StatusServiceUnavailable
	case code == 0 || (failed == panicked || failed == abort || failed == clientLeft) && !hasLeft(v.rec):
		code = unsentCode(failed)
	}
	return code, failed
}

func (v *visit) failure(e *reqinfo.Entry, upload *body, gone error, p any) failure {
	switch {
	case !e.Returned() && p != nil && p != any(http.ErrAbortHandler):
		return panicked
	case upload.isLate(): // net/http cancels the context for that, too
		return timedOut
	case errors.Is(gone, context.Canceled) && !v.isComplete(), v.rec.Failed():
		return clientLeft
	case !e.Returned(), v.isCut():
		return abort
	case errors.Is(gone, context.DeadlineExceeded) && (!v.rec.Committed() || isTimedOut(e)):
		return timedOut
	default:
		return noFailure
	}
}

// isCut reports whether less than what was declared left: the client knows by
// the end of the connection.
func (v *visit) isCut() bool {
	return v.rec.Failed() || v.declared > v.rec.Bytes() && v.rec.BodyAllowed()
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
func (v *visit) isComplete() bool {
	return hasLeft(v.rec) && (!v.rec.BodyAllowed() || v.declared > 0 && v.rec.Bytes() >= v.declared)
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
