package metrics

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

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

// The phases of a visit.
const (
	answering uint32 = iota
	streaming
	ended
)

// Flushed makes the response a stream, for it does not leave as a whole.
func (v *visit) Flushed() {
	if v.stream = v.liveRoute(); v.stream == nil {
		return
	}
	gauge := v.m.live.streams.WithLabelValues(v.stream.name)
	if v.phase.CompareAndSwap(answering, streaming) {
		gauge.Inc()
	}
}

// endStream reports whether the response was a stream.
func (v *visit) endStream(rec *respw.Recorder) bool {
	if v.phase.Swap(ended) == streaming {
		v.m.live.streams.WithLabelValues(v.stream.name).Dec()
		return true
	}
	// An event stream that leaves the flushing to the server's buffer.
	_, begun := rec.FirstByte()
	return begun && isEventStream(rec.Header())
}

// liveRoute is the route as far as it is known while the handler runs, or nil.
func (v *visit) liveRoute() *route {
	pattern, trusted := v.info.RouteInside()
	return v.m.routes.by(pattern, trusted, v.req.Method, http.StatusOK)
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
