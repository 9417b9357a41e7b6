package respw

import (
	"bufio"
	"net"
	"net/http"
)

// passage returns what Unwrap hands out. Mostly that is the inner writer. But
// where the inner writer is a foreign wrapper that lacks Flush or Hijack and
// has Unwrap, [http.ResponseController] would walk past the recorder and fix
// the header behind its back: no hook would run, a hijack would count as a 200.
// There a detour keeps the recorder informed.
func (r *Recorder) passage() http.ResponseWriter {
	if _, ok := r.inner.(interface{ Unwrap() http.ResponseWriter }); !ok {
		return r.inner
	}
	s := shapeOf(r.inner)
	if s&(hasFlush|hasFlushError) != 0 && s&hasHijack != 0 {
		return r.inner
	}
	return detour{r.inner, r}
}

// detour stands for the inner writer where a ResponseController passes through.
type detour struct {
	http.ResponseWriter
	rec *Recorder
}

func (d detour) FlushError() error {
	ctl := http.NewResponseController(d.ResponseWriter)
	if !canFlush(d.ResponseWriter) {
		return ctl.Flush() // says that it is not supported, and fixes nothing
	}
	if !d.rec.beginFlush() {
		return ErrEnded
	}
	return ctl.Flush()
}

func (d detour) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return d.rec.hijacked(http.NewResponseController(d.ResponseWriter).Hijack())
}

func (d detour) Unwrap() http.ResponseWriter { return d.ResponseWriter }

// canFlush asks what ResponseController.Flush would find.
func canFlush(w http.ResponseWriter) bool {
	for w != nil {
		switch t := w.(type) {
		case flushErrorer, http.Flusher:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return false
		}
	}
	return false
}
