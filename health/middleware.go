package health

import (
	"bufio"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/sluice-go/sluice/internal/httpheader"
	"github.com/sluice-go/sluice/internal/reqinfo"
	"github.com/sluice-go/sluice/internal/respw"
)

// Middleware lets [Checker.Drain] end the service without a lost request. It is
// the outermost layer, so that every answer of the service passes it.
//
// While the service drains, each answer carries "Connection: close": a client
// then opens its next connection, which finds another replica (RFC 9112 §9.6).
// On HTTP/2 net/http makes a GOAWAY of it (RFC 9113 §6.8). Connections that
// handlers took over are known too, see Drain.
//
// It costs one allocation.
func (c *Checker) Middleware(next http.Handler) http.Handler {
	c.drain.watching.Store(true)
	return &middleware{&c.drain, next}
}

type middleware struct {
	drain *drain
	next  http.Handler
}

func (m *middleware) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &visit{drain: m.drain}
	m.drain.arrived()
	defer v.leave()
	var e reqinfo.Entry
	v.room.Watch(&e, w, r, v)
	defer e.Leave()
	e.Rec.HookSpace(&v.hooks)
	e.Rec.OnHeader(v)
	e.Next(m.next)
}

// visit is a request on its way through the middleware.
type visit struct {
	drain *drain
	mode  mode // of a connection that is taken over after what was answered
	left  atomic.Bool
	room  reqinfo.Space
	hooks respw.Hooks
}

// leave ends the request; as one that was hijacked it has become a connection.
func (v *visit) leave() {
	if !v.left.Swap(true) {
		v.drain.inFlight.Add(-1)
	}
}

// BeforeHeader decides as late as can be: a request that came before draining
// began may well be answered after.
func (v *visit) BeforeHeader(status int, h http.Header) {
	v.mode = opaque // as a tunnel
	if status == http.StatusSwitchingProtocols {
		if httpheader.HasToken(h["Upgrade"], "websocket") {
			v.mode = framed
		}
		return // the field is needed for the upgrade itself (RFC 9110 §7.8)
	}
	if v.drain.begun.Load() {
		h["Connection"] = v.drain.checker.headers.close
	}
}

// Outgrew implements [respw.Watcher].
func (v *visit) Outgrew() {}

// Flushed implements [respw.Watcher].
func (v *visit) Flushed() {}

// Hijacked keeps an eye on a connection that the server forgets from here on.
func (v *visit) Hijacked(nc net.Conn, rw *bufio.ReadWriter) (net.Conn, *bufio.ReadWriter) {
	defer v.leave() // once it is followed
	if rw != nil && rw.Writer != nil && rw.Writer.Buffered() > 0 {
		v.mode = opaque // what will be written there is not seen
	}
	c := v.drain.conns.follow(nc, v.mode)
	respw.Rebuffer(rw, c)
	c.farewell() // if it comes too late
	return respw.Shape(c), rw
}
