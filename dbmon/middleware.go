package dbmon

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-go/sluice/internal/reqinfo"
)

// Middleware makes each request a scope, in which repeated queries are found. It
// ends when the handler returns: work that goes on is not counted.
//
// Middlewares of several monitors share the scope of the outermost; each monitor
// reports what is its own.
//
// A request that asks for another protocol, such as a WebSocket, is no scope: what
// goes on in it for hours is no one piece of work. [Scope] makes one of each message.
func (m *Monitor) Middleware(next http.Handler) http.Handler { return &middleware{m, next} }

type middleware struct {
	m    *Monitor
	next http.Handler
}

func (h *middleware) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "" || r.Method == http.MethodConnect { // RFC 9110 §7.8, RFC 8441
		h.next.ServeHTTP(w, r)
		return
	}
	outside := unitOf(r.Context()) // of the server or of a test
	e := reqinfo.Enter(w, r)
	defer e.Leave()
	s := scopeOf(&e)
	if s == nil {
		s = enterScope(&e, outside)
		defer s.end()
	}
	if h.m.opts.NPlusOne.Header {
		e.Rec.OnHeader(&timing{h.m, s})
	}
	e.Next(h.next)
}

// scopeOf is that of a layer further out, or nil.
func scopeOf(e *reqinfo.Entry) *scope {
	u := unitOf(e.R.Context())
	if u == nil || u.scope == nil || !u.scope.isOpen() {
		return nil
	}
	return u.scope
}

// enterScope gives a request a scope.
func enterScope(e *reqinfo.Entry, outside *unit) *scope {
	s := newScope(outside)
	s.info = e.Info
	ctx := e.R.Context()
	if u := unitOf(ctx); u != nil && u.run != nil {
		// A block around the layers is found before what the carrier has.
		s.unit.run = u.run
		ctx = reqinfo.WithScope(ctx, &s.unit)
		e.R = e.R.WithContext(ctx)
	} else {
		e.Info.SetScope(&s.unit)
	}
	s.ctx = ctx
	return s
}

// timing tells clients about the queries so far.
type timing struct {
	m     *Monitor
	scope *scope
}

// BeforeHeader adds metrics to the field (W3C Server Timing, section 3).
func (t *timing) BeforeHeader(status int, h http.Header) {
	if status == http.StatusSwitchingProtocols {
		return
	}
	n, busy, found := t.scope.soFar(t.m)
	who := ""
	if t.m.opts.Name != "main" {
		who = t.m.opts.Name + ": "
	}
	noun := "queries"
	if n == 1 {
		noun = "query"
	}
	value := fmt.Sprintf("db;dur=%.1f;desc=%s", float64(busy)/float64(time.Millisecond), quoted(fmt.Sprintf("%s%d %s", who, n, noun)))
	for _, kind := range []RepetitionKind{NPlusOne, Duplicate} {
		if found[kind.index()] > 0 {
			value += fmt.Sprintf(", %s;desc=%s", kind, quoted(fmt.Sprintf("%s%d repeated", who, found[kind.index()])))
		}
	}
	h.Add("Server-Timing", value)
}

// soFar is what a scope had to do with a monitor.
func (s *scope) soFar(m *Monitor) (queries int, busy time.Duration, found [2]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tallies {
		if t.m == m {
			queries, busy = t.queries, t.busy
		}
	}
	for _, f := range s.judge() {
		if f.src.Monitor == m {
			found[f.kind.index()]++
		}
	}
	return queries, busy, found
}

// quoted is a quoted-string (RFC 9110, section 5.6.4).
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteByte(byte(r))
		case r < ' ' || r > '~':
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
