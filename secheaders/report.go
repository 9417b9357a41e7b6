package secheaders

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/sluice-go/sluice/internal/httpheader"
	"github.com/sluice-go/sluice/internal/problem"
)

// reporter takes the reports of browsers. A request is answered as soon as its body
// is read, with 204 whatever becomes of it: a browser has no use for an error, and
// one would tell a stranger what he has to change. Its goroutine then does the work;
// there is no queue, and what finds no place is dropped.
type reporter struct {
	opts   ReportOptions
	log    reportLog
	limits *reportLimiter
	recent *recentViolations
	long   atomic.Int64 // bytes of long bodies
}

// newReporter takes options without faults.
func newReporter(o ReportOptions, proxies trustedProxies, logger *slog.Logger) *reporter {
	o = o.withDefaults()
	if logger == nil {
		logger = slog.Default()
	}
	return &reporter{
		opts:   o,
		log:    reportLog{logger: logger},
		limits: newReportLimiter(&o, proxies),
		recent: newRecentViolations(o.Window),
	}
}

// ServeHTTP looks at neither cookies nor credentials: reports of the same origin
// carry those of the user (Fetch, credentials mode "same-origin").
func (rp *reporter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	limitReading(rc, r)
	switch r.Method {
	case http.MethodPost:
		rp.allowOrigin(w.Header(), r)
		rp.receive(w, rc, r)
	case http.MethodOptions:
		leaveUnread(w, r)
		rp.allowOrigin(w.Header(), r)
		answerPreflight(w)
	default:
		leaveUnread(w, r)
		w.Header().Set("Allow", "OPTIONS, POST")
		problem.Write(w, r, problem.Problem{Status: http.StatusMethodNotAllowed})
	}
}

// Values of header fields that are the same for all. They have no room to append to.
var (
	anyOrigin     = []string{"*"}
	postOnly      = []string{"POST"}
	contentTypes  = []string{"content-type"}
	preflightLife = []string{"86400"}
	closing       = []string{"close"}
)

// allowOrigin answers preflights and the reports after them, which the Reporting API
// sends with CORS: one whose answer it may not see was not delivered, and comes
// again. No credentials cross origins there, so that "*" is enough.
func (rp *reporter) allowOrigin(h http.Header, r *http.Request) {
	if rp.opts.Origins == nil {
		h["Access-Control-Allow-Origin"] = anyOrigin
		return
	}
	if !httpheader.HasToken(h["Vary"], "Origin") {
		h.Add("Vary", "Origin")
	}
	if origin := r.Header.Get("Origin"); slices.Contains(rp.opts.Origins, origin) {
		h.Set("Access-Control-Allow-Origin", origin)
	}
}

func answerPreflight(w http.ResponseWriter) {
	h := w.Header()
	h["Access-Control-Allow-Methods"] = postOnly
	h["Access-Control-Allow-Headers"] = contentTypes
	h["Access-Control-Max-Age"] = preflightLife
	w.WriteHeader(http.StatusNoContent)
}

// leaveUnread lets the server answer before the body of a request that should have
// none: it waits for it, if an HTTP/1 connection is to be used again.
func leaveUnread(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		w.Header()["Connection"] = closing
	}
}

// receive reads a body, answers, and then works on it.
func (rp *reporter) receive(w http.ResponseWriter, rc *http.ResponseController, r *http.Request) {
	if reason := unreadable(r); reason != kept {
		rp.refuse(w, r, reason)
		return
	}
	client := rp.limits.bucketOf(r)
	if reason := rp.limits.enter(client); reason != kept {
		rp.refuse(w, r, reason)
		return
	}
	defer rp.limits.leave(client)
	body := reportBody{long: &rp.long}
	defer body.free()
	if reason := body.read(r.Body); reason != kept {
		rp.refuse(w, r, reason)
		return
	}
	w.WriteHeader(http.StatusNoContent)
	_ = rc.Flush()
	// Browsers close connections once they have their answer.
	rp.work(context.WithoutCancel(r.Context()), r, client, body.bytes())
}

// unreadable tells by the header alone what is not worth reading.
func unreadable(r *http.Request) dropReason {
	if !isReportType(r.Header.Get("Content-Type")) {
		return dropMediaType
	}
	for _, coding := range r.Header["Content-Encoding"] {
		if !strings.EqualFold(coding, "identity") {
			return dropEncoding // a bomb
		}
	}
	if r.ContentLength > maxBatchSize {
		return dropTooLarge
	}
	return kept
}

// isReportType reports whether a media type is one that reports come with. Which one
// says nothing about their shape: WebKit sends reports of the Reporting API as
// application/csp-report.
func isReportType(field string) bool {
	mediaType, _ := httpheader.CutParams(field)
	return strings.EqualFold(mediaType, "application/csp-report") ||
		strings.EqualFold(mediaType, "application/reports+json") ||
		strings.EqualFold(mediaType, "application/json")
}

// refuse answers what was not read, or not to its end. Of HTTP/1 connections those
// are closed that have, or may have, more to come than is worth reading. On HTTP/2
// the server resets the stream, and closing would hit others.
func (rp *reporter) refuse(w http.ResponseWriter, r *http.Request, reason dropReason) {
	if r.ProtoMajor == 1 && (reason == dropBroken || r.ContentLength < 0 || r.ContentLength > maxReportSize) {
		w.Header()["Connection"] = closing
	}
	w.WriteHeader(http.StatusNoContent)
	rp.drop(r.Context(), reason, 1)
}

// work takes the reports out of a body. The first one was charged for already.
func (rp *reporter) work(ctx context.Context, r *http.Request, client *bucket, body []byte) {
	split := splitRecords(body)
	n := split.count()
	if n == 0 {
		rp.drop(ctx, dropMalformed, 1)
		return
	}
	granted := 1 + rp.limits.more(client, min(n, maxBatch)-1)
	var dropped [numDropReasons]int
	dropped[dropTooMany] = max(0, n-maxBatch)
	dropped[dropRate] = min(n, maxBatch) - granted
	for range granted {
		record, depth, _ := split.next()
		dropped[rp.handle(ctx, r, record, depth)]++
	}
	for reason, records := range dropped {
		if dropReason(reason) != kept && records > 0 {
			rp.drop(ctx, dropReason(reason), records)
		}
	}
}

// handle takes one report as far as it gets.
func (rp *reporter) handle(ctx context.Context, r *http.Request, record []byte, depth int) dropReason {
	v, reason := parseReport(record, depth, r.UserAgent())
	switch {
	case reason != kept:
		return reason
	case !rp.isOurs(&v, r.Host):
		return dropOrigin
	case isNoise(&v):
		return dropNoise
	case rp.isIgnored(ctx, &v):
		return dropIgnored
	}
	rp.onReport(ctx, &v)
	repeats, fresh, unlogged := rp.recent.see(&v)
	v.Repeats = repeats
	if unlogged && !rp.log.violation(ctx, &v, fresh, isAbout(&v, r.Host)) {
		rp.recent.notLogged(&v)
	}
	if fresh {
		rp.onViolation(ctx, &v)
	}
	return kept
}

// isAbout reports whether the document is one of the host.
func isAbout(v *Violation, host string) bool {
	authority := authorityOf(v.Document)
	return authority != "" && strings.EqualFold(authority, host)
}

// isOurs reports whether the document is one that Origins let in. Those that have no
// host (about:srcdoc, blob:) inherit the policy of one that has.
func (rp *reporter) isOurs(v *Violation, host string) bool {
	if rp.opts.Origins == nil || authorityOf(v.Document) == "" || isAbout(v, host) {
		return true
	}
	return slices.ContainsFunc(rp.opts.Origins, func(origin string) bool {
		rest, ok := strings.CutPrefix(v.Document, origin)
		return ok && (rest == "" || rest[0] == '/')
	})
}

func (rp *reporter) drop(ctx context.Context, reason dropReason, records int) {
	rp.log.dropped(ctx, reason, records)
	if rp.opts.OnDrop != nil {
		defer rp.recoverHook(ctx, "OnDrop")
		rp.opts.OnDrop(dropReasons[reason], records)
	}
}

func (rp *reporter) isIgnored(ctx context.Context, v *Violation) (ignored bool) {
	if rp.opts.Ignore == nil {
		return false
	}
	defer rp.recoverHook(ctx, "Ignore")
	return rp.opts.Ignore(*v)
}

func (rp *reporter) onReport(ctx context.Context, v *Violation) {
	if rp.opts.OnReport == nil {
		return
	}
	directive := v.Directive
	if v.Type != "csp-violation" {
		directive = v.Type
	}
	defer rp.recoverHook(ctx, "OnReport")
	rp.opts.OnReport(directive, v.Disposition)
}

func (rp *reporter) onViolation(ctx context.Context, v *Violation) {
	if rp.opts.OnViolation == nil {
		return
	}
	defer rp.recoverHook(ctx, "OnViolation")
	rp.opts.OnViolation(ctx, *v)
}

// recoverHook keeps the panic of a hook from the other reports of a batch. It goes no
// further: the browser has its answer, and would take a broken connection for a
// reason to send all of it again.
func (rp *reporter) recoverHook(ctx context.Context, hook string) {
	if value := recover(); value != nil {
		rp.log.panicked(ctx, hook, value)
	}
}
