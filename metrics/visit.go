package metrics

import (
	"mime"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sluice-go/sluice/internal/reqinfo"
	"github.com/sluice-go/sluice/internal/respw"
)

// visit is a request that may become a stream or a connection. What does is
// counted at once: to wait for its end would hide for hours how it began.
type visit struct {
	m      *Metrics
	info   *reqinfo.Info
	rec    *respw.Recorder
	req    *http.Request // as the handler got it
	series *series       // set before the phase, once it lives on
	method method        // as it arrived: handlers may change their request
	phase  atomic.Uint32

	declared int64 // Content-Length of a body that outgrew the buffer, or 0
}

// The phases of a visit.
const (
	answering uint32 = iota
	streaming
	upgraded
	ended
)

// Outgrew looks at the header while it may: when the handler is done, somebody
// whom it left behind may be writing to the map. An event stream may leave the
// flushing to the buffer of the server.
func (v *visit) Outgrew() {
	h := v.rec.Header()
	v.declared, _ = strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if t, _, _ := mime.ParseMediaType(h.Get("Content-Type")); t == "text/event-stream" {
		v.Flushed()
	}
}

// Flushed makes the response a stream, for it does not leave as a whole.
func (v *visit) Flushed() {
	if v.phase.Load() != answering {
		return
	}
	s := v.liveSeries()
	if s == nil {
		return
	}
	active := v.m.live.streams.WithLabelValues(s.route.name)
	active.Inc() // before the end can see it, so that the gauge is never below zero
	if !v.liveOn(streaming, s) {
		active.Dec()
	}
}

// liveSeries are those of the route as far as it is known while the handler
// runs; nil when the request is not to be counted.
func (v *visit) liveSeries() *series {
	pattern, named := v.info.RouteInside()
	return v.m.routes.of(v.req, v.method, pattern, named, v.rec.Status())
}

// liveOn counts the request as answered, unless it was or has ended meanwhile.
func (v *visit) liveOn(phase uint32, s *series) bool {
	v.series = s
	if !v.phase.CompareAndSwap(answering, phase) {
		return false
	}
	first, _ := v.rec.FirstByte()
	s.answered(codeOf(v.rec), noFailure, first, v.info)
	return true
}

// end returns the series of a request that was counted already, or nil.
func (v *visit) end(lifetime time.Duration) *series {
	phase := v.phase.Swap(ended)
	if phase == answering {
		return nil
	}
	if phase == streaming {
		v.m.live.streams.WithLabelValues(v.series.route.name).Dec()
		v.m.live.streamDuration.WithLabelValues(v.series.route.name).Observe(lifetime.Seconds())
	}
	return v.series
}
