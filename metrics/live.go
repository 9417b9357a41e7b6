package metrics

import "github.com/prometheus/client_golang/prometheus"

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
			"Bytes sent on upgraded connections, framing included.", "route"),
		socketDuration: f.histogram("websocket_connection_duration_seconds",
			"Time from the upgrade of a connection until it was closed.", lifetimes[:], "route"),
	}
}
