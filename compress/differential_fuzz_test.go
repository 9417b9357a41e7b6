package compress_test

import (
	"net/http"
	"strconv"
	"testing"
)

// tape gives out bytes, and zeros after its end.
type tape []byte

func (t *tape) next(n int) int {
	if len(*t) == 0 {
		return 0
	}
	b := (*t)[0]
	*t = (*t)[1:]
	return int(b) % n
}

// Bounds of a program.
const (
	maxOps  = 20
	maxBody = 400 << 10
)

// programOf reads a program from bytes. Any bytes are one.
func programOf(data []byte) program {
	t := tape(data)
	way := t.next(256)
	p := program{h2: way&1 != 0, method: http.MethodGet, recovers: way&2 != 0, accept: t.next(len(accepts)), options: t.next(len(worldOptions))}
	if way&12 == 12 {
		p.method = http.MethodHead
	}
	if way&0x30 != 0 { // otherwise most bodies would not be worth it
		p.ops = append(p.ops, doSet("Content-Type", "text/html; charset=utf-8"))
	}
	length, size := -1, 0
	for len(t) > 0 && len(p.ops) < maxOps {
		if kind := t.next(16); kind == 0 && length < 0 {
			length = len(p.ops)
			p.ops = append(p.ops, op{})
		} else {
			p.ops = append(p.ops, t.op(kind, maxBody-size))
		}
		size += p.ops[len(p.ops)-1].size
	}
	if length >= 0 {
		p.ops[length] = lengthOp(len(data)%8, size)
	}
	return p
}

func (t *tape) op(kind, room int) op {
	switch kind {
	case 1, 2, 3:
		return doWrite(t.next(materials), min(room, t.size()))
	case 4:
		return doWriteString(t.next(materials), min(room, t.size()))
	case 5:
		return doCopyFrom(t.next(materials), min(room, t.size()))
	case 6:
		return doWriteHeader(statuses[t.next(len(statuses))])
	case 7:
		return []op{doFlush(), doFlushError()}[t.next(2)]
	case 0, 8:
		return t.rare()
	default:
		return fields[t.next(len(fields))]
	}
}

// rare are what would end or change most programs too early.
func (t *tape) rare() op {
	switch t.next(9) {
	case 0:
		return doEnd(endPanic)
	case 1:
		return doEnd(endAbort)
	case 2:
		return doEnd(endExit)
	case 3:
		return doHTTPError([]int{404, 500}[t.next(2)])
	case 4:
		return doOff()
	default:
		return doDeadline()
	}
}

// size is a length around those where something changes.
func (t *tape) size() int {
	edges := []int{0, 1, 10, 200, 500, 512, 1000, 2048, 4096, 5000, 8192, 16 << 10, 32 << 10, 64 << 10, 100 << 10, longest}
	return max(0, edges[t.next(len(edges))]+t.next(5)-2)
}

// lengthOp declares a Content-Length: mostly the right one.
func lengthOp(kind, size int) op {
	switch kind {
	case 0:
		return doSet("Content-Length", strconv.Itoa(size/2))
	case 1:
		return doSet("Content-Length", strconv.Itoa(size+10))
	case 2:
		return doSet("Content-Length", "some")
	default:
		return doSet("Content-Length", strconv.Itoa(size))
	}
}

var statuses = []int{103, 200, 200, 201, 204, 205, 206, 304, 404, 412, 416, 500}

var fields = []op{
	doSet("Content-Type", "text/html; charset=utf-8"), doSet("Content-Type", "application/json"), doSet("Content-Type", "text/event-stream"),
	doSet("Content-Type", "image/png"), doSet("Content-Type", "application/grpc"), doSet("Content-Type", "multipart/byteranges"),
	doNoType(), doDel("Content-Type"),
	doSet("Etag", `"abc"`), doSet("Etag", `W/"abc"`), doSet("Etag", "abc"),
	doSet("Vary", "Accept-Encoding"), doAdd("Vary", "accept-encoding, Origin"), doAdd("Vary", "Origin"), doSet("Vary", "*"), doAdd("Vary", ", Accept ,ACCEPT-ENCODING"),
	doSet("Cache-Control", "no-transform"), doAdd("Cache-Control", "public, No-Transform"), doSet("Cache-Control", "max-age=60"),
	doSet("Content-Encoding", "gzip"), doSet("Content-Encoding", ""), doAdd("Content-Encoding", "identity"),
	doSet("Trailer", "X-Sum"), doAdd("Trailer", "X-Sum, Content-Digest"), doSet("X-Sum", "17"), doDel("Trailer"),
	doTrailer("X-Late", "a"), doTrailer("Content-Digest", "sha-256=:AA==:"),
	doSet("Content-Digest", "sha-256=:AA==:"), doSet("Repr-Digest", "sha-256=:AA==:"), doSet("Digest", "sha-256=AA=="), doSet("Content-MD5", "AA=="), doSet("Unencoded-Digest", "sha-256=:AA==:"),
	doSet("Accept-Ranges", "bytes"), doSet("Content-Range", "bytes 0-9/100"),
	doSet("Incremental", "?1"), doSet("X-Accel-Buffering", "no"),
	doAdd("Link", "</a.css>; rel=preload"), doAdd("X-A", "1"), doSet("X-A", "2"), doDel("X-A"),
}

// FuzzDifferential holds programs made of any bytes against a plain server.
func FuzzDifferential(f *testing.F) {
	for _, seed := range []string{
		"",
		"\x10\x00\x00\x01\x00\x07\x02", // a page of 2 KB
		"\x11\x01\x01\x01\x01\x0e\x02\x07\x01\x01\x00\x04\x02", // a stream on HTTP/2
		"\x1e\x02\x00\x01\x00\x0f\x02\x08\x00",                 // HEAD, and a panic
		",00109010/010\xff08001",                               // HEAD, a long body, and a panic
		"\x12\x00\x02\x05\x02\x0d\x02\x09\x16\x09\x18",         // a copy of noise, and a trailer
		"\x10\x06\x00\x06\x04\x01\x00\x07\x02\x07\x00",         // a body for 204
	} {
		f.Add([]byte(seed))
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, data []byte) { w.differ(t, programOf(data)) })
}
