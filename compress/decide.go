package compress

import (
	"net/http"
)

// verdict is what may become of a response, as far as its header tells.
type verdict uint8

const (
	never  verdict = iota // its coding is not ours to choose
	plain                 // the coding could have been another one, but stays identity
	sniff                 // the content type is to be seen from the body
	encode                // if it gets smaller
)

// settle decides about a response whose content type does not matter (RFC 9110
// §8.4).
func (c *Compressor) settle(status int, r *http.Request, o *outline) (v verdict, settled bool) {
	if r.Method == http.MethodConnect || o.has&(hasCoding|hasNoTransform) != 0 {
		return never, true
	}
	switch status {
	case http.StatusSwitchingProtocols, http.StatusNoContent, http.StatusResetContent:
		return never, true
	case http.StatusNotModified: // the 200 could have had a coding, and its Vary (§15.4.5)
		return plain, true
	case http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable: // of the identity representation
		return plain, true
	}
	switch {
	case o.has&hasRange != 0:
		return plain, true
	case o.has&hasNoType != 0:
		return never, true
	}
	return plain, false
}

// isOutOfQuestion finds most of what judge would never encode, in less time.
func (x *exchange) isOutOfQuestion(h http.Header) bool {
	switch x.status {
	case http.StatusNoContent, http.StatusResetContent:
		return true
	case http.StatusPartialContent, http.StatusNotModified, http.StatusRequestedRangeNotSatisfiable:
		return false
	}
	types := h["Content-Type"]
	return len(types) > 0 && x.accepted.weight[identity] > 0 && !x.c.types.of(types[0]).listed
}

// judge decides about a response from its status and header.
func (x *exchange) judge(o *outline) verdict {
	if x.off.Load() {
		return never
	}
	if v, settled := x.c.settle(x.status, x.r, o); settled {
		return v
	}
	if o.has&hasType == 0 {
		return sniff
	}
	return x.judgeType(o.contentType)
}

// judgeType decides about a content type.
func (x *exchange) judgeType(contentType string) verdict {
	t := x.c.types.of(contentType)
	var room [codings]coding
	order := x.c.order(t.name, &room)
	x.forced = x.accepted.forced(order)
	switch {
	case t.framed || !t.listed && !x.forced:
		return never
	case x.guarded:
		return plain
	case x.declared == 0, x.declared > 0 && x.declared < int64(x.c.opts.MinSize) && !x.forced:
		return plain
	}
	x.coding, x.choices = x.accepted.choose(order), choicesOf(order, x.accepted)
	if x.coding == identity || x.coding == refused {
		return plain
	}
	return encode
}

// isCrossSite reports whether another site made a browser send a request with what
// identifies its user (Fetch Metadata Request Headers, section 2.4). It is asked
// before a handler can change the request.
func isCrossSite(r *http.Request) bool {
	h := r.Header
	return h.Get("Sec-Fetch-Site") == "cross-site" && (h["Cookie"] != nil || h["Authorization"] != nil ||
		r.TLS != nil && len(r.TLS.PeerCertificates) > 0)
}
