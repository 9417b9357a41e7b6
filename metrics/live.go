package metrics

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-go/sluice/internal/reqinfo"
	"github.com/sluice-go/sluice/internal/respw"
)

// live are the families of what outlives the time to its first byte.
type live struct {
	streams        *prometheus.GaugeVec
	streamDuration *prometheus.HistogramVec

	sockets        *prometheus.GaugeVec
	socketsTotal   *prometheus.CounterVec
	received, sent *prometheus.CounterVec
	socketDuration *prometheus.HistogramVec
}

// lifetimes are the classic buckets for what lives long, from 1 s to a day.
var lifetimes = [...]float64{1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600}

func newLive(f *factory) live {
	return live{
		streams: f.gauge("http_streams_active",
			"Responses that were flushed and go on: event streams, long polls.", "route"),
		streamDuration: f.histogram("http_stream_duration_seconds",
			"Time until the handler of a stream was done.", lifetimes[:], "route"),
		sockets: f.gauge("websocket_connections_active",
			"Upgraded connections that are open.", "route"),
		socketsTotal: f.counter("websocket_connections_total",
			"Connections that were upgraded.", "route"),
		received: f.counter("websocket_received_bytes_total",
			"Bytes received on upgraded connections, framing included.", "route"),
		sent: f.counter("websocket_sent_bytes_total",
			"Bytes sent on upgraded connections, handshake and framing included.", "route"),
		socketDuration: f.histogram("websocket_connection_duration_seconds",
			"Time from the upgrade of a connection until it was closed.", lifetimes[:], "route"),
	}
}

// visit is a request that may become a stream or a connection. What does is
// counted at once: to wait for its end would hide for hours how it began.
type visit struct {
	m      *Metrics
	info   *reqinfo.Info
	rec    *respw.Recorder
	req    *http.Request // as the handler got it
	upload *body         // nil without one
	route  *route        // set before the phase, once it lives on
	method method        // as it arrived: handlers may change their request
	phase  atomic.Uint32
}

// The phases of a visit.
const (
	answering uint32 = iota
	streaming
	upgraded
	ended
)

// Outgrew looks for an event stream that leaves the flushing to the buffer of
// the server.
func (v *visit) Outgrew() {
	if t, _, _ := mime.ParseMediaType(v.rec.Header().Get("Content-Type")); t == "text/event-stream" {
		v.Flushed()
	}
}

// Flushed makes the response a stream, for it does not leave as a whole.
func (v *visit) Flushed() {
	if v.phase.Load() != answering {
		return
	}
	rt := v.liveRoute()
	if rt == nil {
		return
	}
	active := v.m.live.streams.WithLabelValues(rt.name)
	active.Inc() // before the end can see it, so that the gauge is never below zero
	if !v.liveOn(streaming, rt) {
		active.Dec()
	}
}

// liveRoute is the route as far as it is known while the handler runs; nil when
// the request is not to be counted.
func (v *visit) liveRoute() *route {
	pattern, named := v.info.RouteInside()
	return v.m.routes.of(v.req, pattern, named, v.rec.Status())
}

// liveOn counts the request as answered, unless it was or has ended meanwhile.
func (v *visit) liveOn(phase uint32, rt *route) bool {
	v.route = rt
	if !v.phase.CompareAndSwap(answering, phase) {
		return false
	}
	first, _ := v.rec.FirstByte()
	rt.series(v.method).answered(codeOf(v.rec), noFailure, first, v.info)
	return true
}

// end returns the route of a request that was counted already, or nil.
func (v *visit) end(lifetime time.Duration) *route {
	switch v.phase.Swap(ended) {
	case streaming:
		v.m.live.streams.WithLabelValues(v.route.name).Dec()
		v.m.live.streamDuration.WithLabelValues(v.route.name).Observe(lifetime.Seconds())
		return v.route
	case upgraded:
		return v.route
	default:
		return nil
	}
}

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
	rt := v.liveRoute()
	if rt == nil {
		return nc, rw
	}
	v.liveOn(upgraded, rt)
	s := rt.socketSeries()
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
