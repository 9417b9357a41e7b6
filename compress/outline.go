package compress

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/sluice-go/sluice/internal/httpheader"
)

// outline is what a decision needs to know of a response's header.
type outline struct {
	typed        bool // there is a Content-Type, if only to say that there is none
	contentType  []string
	encoding     []string // Content-Encoding
	cacheControl []string
	length       []string // Content-Length
	incremental  []string
	buffering    []string // X-Accel-Buffering
	has          traits
}

// traits are fields that a coding has consequences for.
type traits uint8

const (
	hasTag traits = 1 << iota
	hasLength
	hasRange
	hasRanges
	hasDigest
	hasTrailer
)

func (o *outline) read(h http.Header) {
	for name, values := range h {
		o.add(name, values)
	}
}

func (o *outline) add(name string, values []string) {
	switch name {
	case "Content-Type":
		o.typed, o.contentType = true, values
	case "Content-Encoding":
		o.encoding = values
	case "Cache-Control":
		o.cacheControl = values
	case "Content-Length":
		o.length = values
		o.has |= hasLength
	case "Incremental":
		o.incremental = values
	case "X-Accel-Buffering":
		o.buffering = values
	case "Etag":
		o.has |= hasTag
	case "Content-Range":
		o.has |= hasRange
	case "Accept-Ranges":
		o.has |= hasRanges
	case "Content-Digest", "Repr-Digest", "Content-Md5", "Digest":
		o.has |= hasDigest
	case "Trailer":
		o.has |= hasTrailer
	default:
		if strings.HasPrefix(name, http.TrailerPrefix) {
			o.has |= hasTrailer
		}
	}
}

// refusesTransform reports whether a response has a coding already, or may have
// no other (RFC 9111 §5.2.2.6). A first line that is empty does not excuse a
// second one.
func (o *outline) refusesTransform() bool {
	for _, line := range o.encoding {
		if line != "" {
			return true
		}
	}
	return o.cacheControl != nil && httpheader.HasToken(o.cacheControl, "no-transform")
}

// declared is what a handler says of the length of its body, or -1. net/http
// ignores, too, what is no number.
func (o *outline) declared() int64 {
	if len(o.length) > 0 {
		if n, err := strconv.ParseUint(o.length[0], 10, 63); err == nil {
			return int64(n)
		}
	}
	return -1
}

// isIncremental reports whether each write of a body is to reach the client at
// once (RFC 10036; X-Accel-Buffering is what handlers tell proxies today).
func (o *outline) isIncremental() bool {
	if len(o.incremental) == 1 {
		value, _ := httpheader.CutParams(o.incremental[0]) // a structured boolean (RFC 9651 §3.3.6)
		return value == "?1"
	}
	return len(o.buffering) == 1 && strings.EqualFold(o.buffering[0], "no")
}
