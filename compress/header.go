package compress

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/sluice-go/sluice/internal/httpheader"
)

// translated returns a copy of the request's header in which conditions name the
// tags that the handler knows, too, or nil where they do already. If-Range stays:
// it must fail for an encoded tag, as the range would be of other bytes.
func (c *Compressor) translated(r *http.Request, a acceptance) http.Header {
	if c.opts.ETags != ETagSuffix {
		return nil
	}
	none, some := r.Header["If-None-Match"], r.Header["If-Match"]
	if r.Header["Range"] != nil {
		some = nil // a range is of the identity representation, whose tag it is not
	}
	if none == nil && some == nil {
		return nil
	}
	takes := c.takes(a)
	none, some = aliases(none, takes), aliases(some, takes)
	if none == nil && some == nil {
		return nil
	}
	h := make(http.Header, len(r.Header))
	for name, values := range r.Header {
		h[name] = values
	}
	if none != nil {
		h["If-None-Match"] = oneLine(none)
	}
	if some != nil {
		h["If-Match"] = oneLine(some)
	}
	return h
}

// oneLine joins the lines of a list, as [http.ServeContent] reads the first only.
func oneLine(lines []string) []string {
	if len(lines) == 1 {
		return lines
	}
	return []string{strings.Join(lines, ", ")}
}

// takes returns whether a client can have a response in a coding. Which one it
// gets may depend on the response and on what else goes on, so that the tag of
// any is one of a representation that the server could have selected.
func (c *Compressor) takes(a acceptance) func(coding) bool {
	return func(k coding) bool { return c.codecs[k] != nil && a.weight[k] > 0 }
}

// varies tells caches what the coding depends on (RFC 9110 §12.5.5).
func (c *Compressor) varies(h http.Header, room *[1]string) {
	addVary(h, "Accept-Encoding", room)
	if c.opts.GuardCrossSite {
		addVary(h, "Sec-Fetch-Site", nil)
	}
}

// Values of fields that x has room for.
const (
	codingValue = iota
	varyValue
	lengthValue
	typeValue
	roomForValues
)

// serverBuffer is up to where net/http gives a body a length by itself.
const serverBuffer = 2048

// markPlain makes a header that of a response that could have had a coding.
func (x *exchange) markPlain(h http.Header) {
	if x.verdict != never && !x.off.Load() {
		x.c.varies(h, (*[1]string)(x.values[varyValue:]))
		x.retagCondition(h)
	}
	if x.entire && x.held != nil && len(x.held.b) > serverBuffer && x.has&(hasLength|hasTrailer) == 0 {
		x.set(h, "Content-Length", lengthValue, strconv.Itoa(len(x.held.b)))
	}
}

// set is h.Set for a field whose value x has room for.
func (x *exchange) set(h http.Header, name string, i int, value string) {
	x.values[i] = value
	h[name] = x.values[i : i+1 : i+1]
}

// markEncoded makes a header that of the encoded representation. length is -1
// where it is not known.
func (x *exchange) markEncoded(h http.Header, length int) {
	x.c.varies(h, (*[1]string)(x.values[varyValue:]))
	x.set(h, "Content-Encoding", codingValue, x.coding.String())
	if sniffed := x.values[typeValue]; sniffed != "" { // net/http does not look into an encoded body
		x.set(h, "Content-Type", typeValue, sniffed)
	}
	if x.has&hasLength != 0 {
		delete(h, "Content-Length")
	}
	// On HTTP/1.1 a length would leave no place for trailers.
	if (length > serverBuffer || length >= 0 && x.head) && x.has&hasTrailer == 0 {
		x.set(h, "Content-Length", lengthValue, strconv.Itoa(length))
	}
	if x.has&hasRanges != 0 {
		delete(h, "Accept-Ranges") // ranges are of the identity representation
	}
	if x.has&hasTag != 0 {
		x.retag(h, x.coding)
	}
	if x.has&(hasDigest|hasTrailer) != 0 {
		dropDigests(h)
	}
}

// retag makes the entity tag that of a coding (RFC 9110 §8.8.3.3).
func (x *exchange) retag(h http.Header, c coding) {
	if tags := h["Etag"]; len(tags) > 0 {
		if x.c.opts.ETags == ETagWeaken {
			h["Etag"] = []string{weakened(tags[0])}
		} else {
			h["Etag"] = []string{suffixed(tags[0], c)}
		}
	}
}

// retagCondition makes the tag of a 304 that of the 200 that the client has (RFC
// 9110 §15.4.5), and of a 412 that of the coding that the client asked about.
func (x *exchange) retagCondition(h http.Header) {
	if x.status != http.StatusNotModified && x.status != http.StatusPreconditionFailed {
		return
	}
	tags := h["Etag"]
	if len(tags) == 0 {
		return
	}
	asked := x.r.Header["If-None-Match"]
	switch {
	case x.status == http.StatusPreconditionFailed && x.c.opts.ETags == ETagSuffix:
		c := aliasCoding(x.r.Header["If-Match"], x.c.takes(x.accepted))
		if c == identity {
			c = aliasCoding(asked, x.c.takes(x.accepted))
		}
		if c != identity {
			x.retag(h, c)
		}
	case x.status != http.StatusNotModified:
	case x.c.opts.ETags == ETagWeaken:
		if !listed(asked, tags[0]) && listed(asked, weakened(tags[0])) {
			x.retag(h, identity)
		}
	default:
		for _, c := range x.c.offered {
			// A proxy on the way may have weakened what it passed on.
			tag := suffixed(tags[0], c)
			if x.accepted.weight[c] > 0 && tag != tags[0] && (listed(asked, tag) || listed(asked, weakened(tag))) {
				x.retag(h, c)
				dropDigests(h)
				return
			}
		}
	}
}

// digests cover the bytes that are sent (RFC 9530 §2, §3; RFC 1864; RFC 3230).
// Unencoded-Digest does not, and stays.
var digests = [...]string{"Content-Digest", "Repr-Digest", "Content-Md5", "Digest"}

// dropDigests removes digests of the identity bytes, and those that are announced
// as trailers.
func dropDigests(h http.Header) {
	for _, name := range digests {
		delete(h, name)
	}
	lines := h["Trailer"]
	for _, name := range digests {
		if httpheader.HasToken(lines, name) {
			withoutDigests(h, lines)
			return
		}
	}
}

func withoutDigests(h http.Header, lines []string) {
	var kept []string
	for _, line := range lines {
		for name, rest, ok := httpheader.Next(line); ok; name, rest, ok = httpheader.Next(rest) {
			if !isDigest(name) {
				kept = append(kept, name)
			}
		}
	}
	delete(h, "Trailer")
	if kept != nil {
		h["Trailer"] = []string{strings.Join(kept, ", ")}
	}
}

func isDigest(name string) bool {
	for _, d := range digests {
		if strings.EqualFold(d, name) {
			return true
		}
	}
	return false
}

// dropDigestTrailers removes trailers that were not announced.
func dropDigestTrailers(h http.Header) {
	for name := range h {
		if rest, ok := strings.CutPrefix(name, http.TrailerPrefix); ok && isDigest(rest) {
			delete(h, name)
		}
	}
}

// isTrailer reports whether a field goes out after the body.
func isTrailer(h http.Header, name string) bool {
	return strings.HasPrefix(name, http.TrailerPrefix) || httpheader.HasToken(h["Trailer"], name)
}

// hasTrailers reports whether a handler has announced trailers, or set some.
func hasTrailers(h http.Header) bool {
	if len(h["Trailer"]) > 0 {
		return true
	}
	for name := range h {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			return true
		}
	}
	return false
}
