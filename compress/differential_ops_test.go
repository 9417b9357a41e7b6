package compress_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-go/sluice/compress"
)

// op is one thing that a handler does.
type op struct {
	text string
	size int // of the body that it writes
	run  func(*actor)
}

// actor plays a program on a response. It keeps what the calls returned, and what
// the program makes of the response by the rules of net/http alone.
type actor struct {
	w       http.ResponseWriter
	results []result

	fixed     bool // the status and the header, by the handler
	status    int
	header    http.Header
	declared  int64 // -1: no length
	attempted int64 // bytes of the body, with those that were refused
	overran   bool  // attempted is more than declared
	overCopy  bool  // and a copy has done it
	body      []byte
	random    bool // some of it does not compress
	flushed   bool
	off       bool
	offFirst  bool // before the header was fixed
	offSoon   bool // before anything had to leave
	late      bool // it sets trailers that it has not announced
	ended     ending
	atPanic   http.Header
}

// result is what a call returned.
type result struct {
	op    string
	size  int
	n     int64
	class string
}

// ending is how a handler ends.
type ending uint8

const (
	endReturn ending = iota
	endPanic
	endAbort // panic(http.ErrAbortHandler)
	endExit  // runtime.Goexit
)

func (a *actor) play(ops []op) {
	a.declared = -1
	for _, o := range ops {
		o.run(a)
	}
	if !a.fixed { // the server does it
		a.status, a.header = http.StatusOK, a.w.Header().Clone()
	}
}

// fix notes the first final status.
func (a *actor) fix(status int) {
	if a.fixed {
		return
	}
	a.fixed, a.status, a.header = true, status, a.w.Header().Clone()
	if n, err := strconv.ParseUint(a.header.Get("Content-Length"), 10, 63); err == nil {
		a.declared = int64(n)
	}
}

func (a *actor) bodyless() bool { return a.status == 204 || a.status == 304 }

func (a *actor) attempt(n int, copied bool) {
	a.fix(http.StatusOK)
	a.attempted += int64(n)
	if a.declared >= 0 && a.attempted > a.declared && n > 0 {
		a.overran = true
		a.overCopy = a.overCopy || copied
	}
}

func (a *actor) note(text string, size int, n int64, err error) {
	a.results = append(a.results, result{text, size, n, class(err)})
}

// class is what a handler can tell errors by.
func class(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, http.ErrBodyNotAllowed):
		return "body not allowed"
	case errors.Is(err, http.ErrContentLength), strings.Contains(err.Error(), "declared Content-Length"):
		return "content length"
	case errors.Is(err, http.ErrNotSupported):
		return "not supported"
	default:
		return err.Error()
	}
}

// Header, WriteHeader and Write let an actor be the writer of http.Error.
func (a *actor) Header() http.Header { return a.w.Header() }

func (a *actor) WriteHeader(status int) {
	if status >= 200 {
		a.fix(status)
	}
	a.w.WriteHeader(status)
}

func (a *actor) Write(p []byte) (int, error) {
	a.attempt(len(p), false)
	n, err := a.w.Write(p)
	a.body = append(a.body, p[:n]...)
	return n, err
}

// Material of bodies.
const (
	words = iota
	records
	noise
	zeros
	materials
)

const longest = 200 << 10

var material = func() (m [materials][]byte) {
	rng := rand.New(rand.NewPCG(1, 2))
	list := strings.Fields("sluice gate river water level flow weir lock canal the of and a to in is it that was for")
	var text, json bytes.Buffer
	for text.Len() < 2*longest {
		text.WriteString(list[rng.IntN(len(list))] + " ")
	}
	for i := 0; json.Len() < 2*longest; i++ {
		fmt.Fprintf(&json, `{"id":%d,"name":"%s","open":%t},`+"\n", i, list[rng.IntN(len(list))], i%3 == 0)
	}
	random := make([]byte, 2*longest)
	for i := range random {
		random[i] = byte(rng.Uint32())
	}
	return [materials][]byte{text.Bytes(), json.Bytes(), random, bytes.Repeat([]byte("0"), 2*longest)}
}()

func piece(kind, n int) []byte { return material[kind][n%1000 : n%1000+n] }

func doWrite(kind, n int) op {
	text := fmt.Sprintf("Write %s %d", materialName(kind), n)
	return op{text, n, func(a *actor) {
		a.random = a.random || kind == noise
		got, err := a.Write(piece(kind, n))
		a.note(text, n, int64(got), err)
	}}
}

func materialName(kind int) string {
	return [materials]string{"words", "records", "noise", "zeros"}[kind]
}

func doWriteString(kind, n int) op {
	text := fmt.Sprintf("WriteString %s %d", materialName(kind), n)
	return op{text, n, func(a *actor) {
		a.random = a.random || kind == noise
		a.attempt(n, false)
		p := piece(kind, n)
		got, err := a.w.(io.StringWriter).WriteString(string(p))
		a.body = append(a.body, p[:got]...)
		a.note(text, n, int64(got), err)
	}}
}

// doCopyFrom is io.Copy from a reader that is nothing else, and so ReadFrom where
// there is one.
func doCopyFrom(kind, n int) op {
	text := fmt.Sprintf("Copy %s %d", materialName(kind), n)
	return op{text, n, func(a *actor) {
		a.random = a.random || kind == noise
		if n > 0 {
			a.attempt(n, true)
		}
		p := piece(kind, n)
		got, err := io.Copy(a.w, struct{ io.Reader }{bytes.NewReader(p)})
		a.body = append(a.body, p[:got]...)
		a.note(text, n, got, err)
	}}
}

func doWriteHeader(status int) op {
	return op{fmt.Sprint("WriteHeader ", status), 0, func(a *actor) { a.WriteHeader(status) }}
}

func doHTTPError(status int) op {
	const message = "the gate is stuck"
	text := fmt.Sprint("http.Error ", status)
	return op{text, len(message) + 1, func(a *actor) { http.Error(a, message, status) }}
}

func doFlush() op {
	return op{"Flush", 0, func(a *actor) {
		a.fix(http.StatusOK)
		a.flushed = true
		a.w.(http.Flusher).Flush()
	}}
}

func doFlushError() op {
	return op{"ResponseController.Flush", 0, func(a *actor) {
		a.fix(http.StatusOK)
		a.flushed = true
		a.note("ResponseController.Flush", 0, 0, http.NewResponseController(a.w).Flush())
	}}
}

func doDeadline() op {
	return op{"SetWriteDeadline", 0, func(a *actor) {
		a.note("SetWriteDeadline", 0, 0, http.NewResponseController(a.w).SetWriteDeadline(time.Now().Add(time.Hour)))
	}}
}

func doSet(name, value string) op {
	return op{fmt.Sprintf("Set %s: %s", name, value), 0, func(a *actor) { a.w.Header().Set(name, value) }}
}

func doAdd(name, value string) op {
	return op{fmt.Sprintf("Add %s: %s", name, value), 0, func(a *actor) { a.w.Header().Add(name, value) }}
}

func doDel(name string) op {
	return op{"Del " + name, 0, func(a *actor) { a.w.Header().Del(name) }}
}

// doNoType is how handlers say that they want no Content-Type.
func doNoType() op {
	return op{"Content-Type nil", 0, func(a *actor) { a.w.Header()["Content-Type"] = nil }}
}

// doTrailer sets a trailer that was not announced.
func doTrailer(name, value string) op {
	return op{fmt.Sprintf("TrailerPrefix %s: %s", name, value), 0, func(a *actor) { a.late = true; a.w.Header()[http.TrailerPrefix+name] = []string{value} }}
}

func doOff() op {
	return op{"Off", 0, func(a *actor) {
		a.offFirst = a.offFirst || !a.fixed
		a.offSoon = a.offSoon || !a.flushed && a.attempted <= 500
		a.off = true
		compress.Off(a.w)
	}}
}

func doEnd(e ending) op {
	return op{[...]string{"return", "panic", "panic ErrAbortHandler", "Goexit"}[e], 0, func(a *actor) {
		a.ended, a.atPanic = e, a.w.Header().Clone()
		switch e {
		case endPanic:
			panic("the program says so")
		case endAbort:
			panic(http.ErrAbortHandler)
		case endExit:
			runtime.Goexit()
		}
	}}
}
