package metrics

import (
	"bufio"
	"bytes"
	"io"
	"net"

	"github.com/prometheus/client_golang/prometheus"
)

// sockets are the children of one route.
type sockets struct {
	active         prometheus.Gauge
	total          prometheus.Counter
	received, sent prometheus.Counter
	duration       prometheus.Observer
}

func (rt *route) socketSeries() *sockets {
	if s := rt.sockets.Load(); s != nil {
		return s
	}
	l := &rt.m.live
	s := &sockets{
		active:   l.sockets.WithLabelValues(rt.name),
		total:    l.socketsTotal.WithLabelValues(rt.name),
		received: l.received.WithLabelValues(rt.name),
		sent:     l.sent.WithLabelValues(rt.name),
		duration: l.socketDuration.WithLabelValues(rt.name),
	}
	rt.sockets.Store(s)
	return s
}

// Hijacked follows the connection until its Close.
func (v *visit) Hijacked(nc net.Conn, rw *bufio.ReadWriter) (net.Conn, *bufio.ReadWriter) {
	live := v.liveSeries()
	if live == nil || v.phase.Load() == ended { // as of a handler that was tried before
		return nc, rw
	}
	v.liveOn(upgraded, live)
	s := live.route.socketSeries()
	s.active.Inc()
	s.total.Inc()
	c := newConn(nc, s)
	redirect(rw, c, s)
	return c.shaped(), rw
}

// redirect lets a buffer read from and write to the counted connection, and
// keeps what it holds.
func redirect(rw *bufio.ReadWriter, c *conn, s *sockets) {
	if rw == nil {
		return
	}
	if rw.Reader != nil {
		held, _ := rw.Peek(rw.Reader.Buffered())
		held = bytes.Clone(held)
		s.received.Add(float64(len(held)))
		rw.Reader.Reset(io.MultiReader(bytes.NewReader(held), c))
		_, _ = rw.Peek(len(held)) // as some ask whether there is any
	}
	if rw.Writer != nil && rw.Writer.Buffered() == 0 {
		rw.Writer.Reset(c)
	}
}
