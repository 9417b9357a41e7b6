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
	if r.shape&(hasFlush|hasFlushError) != 0 && r.shape&hasHijack != 0 {
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
	if !CanFlush(d.ResponseWriter) {
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

// CanFlush asks what ResponseController.Flush would find.
func CanFlush(w http.ResponseWriter) bool {
	return reaches(w, func(w http.ResponseWriter) bool {
		switch w.(type) {
		case flushErrorer, http.Flusher:
			return true
		}
		return false
	})
}

// CanHijack asks what ResponseController.Hijack would find.
func CanHijack(w http.ResponseWriter) bool {
	return reaches(w, func(w http.ResponseWriter) bool { _, ok := w.(http.Hijacker); return ok })
}

// reaches reports whether w, or a writer underneath, can do something.
func reaches(w http.ResponseWriter, can func(http.ResponseWriter) bool) bool {
	for w != nil {
		if can(w) {
			return true
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = u.Unwrap()
	}
	return false
}
