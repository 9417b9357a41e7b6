package metrics

import (
	"bufio"
	"net"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-go/sluice/internal/respw"
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
	if rw != nil && rw.Reader != nil {
		s.received.Add(float64(rw.Reader.Buffered()))
	}
	c := newConn(nc, s)
	respw.Rebuffer(rw, c)
	return respw.Shape(c), rw
}
