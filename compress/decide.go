package compress

import (
	"net/http"
	"strconv"

	"github.com/sluice-go/sluice/internal/httpheader"
)

// verdict is what may become of a response, as far as its header tells.
type verdict uint8

const (
	never  verdict = iota // its coding is not ours to choose
	plain                 // the coding could have been another one, but stays identity
	sniff                 // the content type is to be seen from the body
	encode                // if it gets smaller
)

// judge decides about a response from its status and header (RFC 9110 §8.4).
func (x *exchange) judge(h http.Header) verdict {
	switch x.status {
	case http.StatusSwitchingProtocols, http.StatusNoContent, http.StatusResetContent:
		return never
	case http.StatusNotModified:
		return plain // the 200 could have had a coding, and its Vary (§15.4.5)
	}
	if x.off || x.r.Method == http.MethodConnect || refusesTransform(h) {
		return never
	}
	if x.status == http.StatusPartialContent || x.status == http.StatusRequestedRangeNotSatisfiable || h["Content-Range"] != nil {
		return plain // ranges are of the identity representation
	}
	types, set := h["Content-Type"]
	if !set {
		return sniff
	}
	if len(types) == 0 {
		return never // the handler wants none
	}
	return x.judgeType(types[0])
}

// judgeType decides about a content type.
func (x *exchange) judgeType(contentType string) verdict {
	t := mediaType(contentType)
	var room [codings]coding
	order := x.c.order(t, &room)
	x.forced = x.accepted.forced(order)
	switch {
	case isRPC(t) || t == "multipart/byteranges":
		return never
	case !x.c.types.has(t) && !x.forced:
		return never
	case x.guarded():
		return plain
	case x.declared == 0, x.declared > 0 && x.declared < int64(x.c.opts.MinSize) && !x.forced:
		return plain
	}
	x.coding = x.accepted.choose(order)
	if x.coding == identity || x.coding == refused {
		return plain
	}
	return encode
}

// refusesTransform reports whether a response has a coding already, or may have
// no other (RFC 9111 §5.2.2.6). A first line that is empty does not excuse a
// second one.
func refusesTransform(h http.Header) bool {
	for _, line := range h["Content-Encoding"] {
		if line != "" {
			return true
		}
	}
	return httpheader.HasToken(h["Cache-Control"], "no-transform")
}

// guarded reports whether another site made a browser send a request with what
// identifies its user (Fetch Metadata Request Headers, section 2.4).
func (x *exchange) guarded() bool {
	if !x.c.opts.GuardCrossSite {
		return false
	}
	h := x.r.Header
	return h.Get("Sec-Fetch-Site") == "cross-site" && (h["Cookie"] != nil || h["Authorization"] != nil ||
		x.r.TLS != nil && len(x.r.TLS.PeerCertificates) > 0)
}

// contentLength is what a handler says of its body, or -1. net/http ignores, too,
// what is no number.
func contentLength(h http.Header) int64 {
	if v := h["Content-Length"]; len(v) > 0 {
		if n, err := strconv.ParseUint(v[0], 10, 63); err == nil {
			return int64(n)
		}
	}
	return -1
}

// isIncremental reports whether each write of a body is to reach the client at
// once (RFC 10036; X-Accel-Buffering is what handlers tell proxies today).
func isIncremental(h http.Header) bool {
	if v := h["Incremental"]; len(v) == 1 {
		value, _ := httpheader.CutParams(v[0]) // a structured boolean (RFC 9651 §3.3.6)
		return value == "?1"
	}
	v := h["X-Accel-Buffering"]
	return len(v) == 1 && v[0] == "no"
}
