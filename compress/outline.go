package compress

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/sluice-go/sluice/internal/httpheader"
)

// outline is what a decision needs to know of a response's header.
type outline struct {
	contentType string
	declared    int64 // Content-Length, or -1
	has         traits
}

// traits are what else matters of a header.
type traits uint16

const (
	hasType        traits = 1 << iota // there is a Content-Type
	hasNoType                         // if only to say that there is none
	hasCoding                         // there is a coding already
	hasNoTransform                    // there may be no other
	isIncremental                     // each write is to reach the client at once
	hasRange
	hasTag
	hasLength
	hasRanges
	hasDigest
	hasTrailer
)

// read goes through h once: a look-up of each of a dozen fields would take longer.
func (o *outline) read(h http.Header) {
	o.declared = -1
	for name, values := range h {
		o.add(name, values)
	}
}

func (o *outline) add(name string, values []string) {
	switch name {
	case "Content-Type":
		o.addType(values)
	case "Content-Length":
		o.has |= hasLength
		o.declared = lengthOf(values)
	case "Content-Encoding":
		o.addCoding(values)
	case "Cache-Control":
		o.addCacheControl(values)
	case "Content-Range":
		o.has |= hasRange
	case "Incremental":
		if isTrue(values) {
			o.has |= isIncremental
		}
	case "X-Accel-Buffering": // what handlers tell proxies today
		if len(values) == 1 && strings.EqualFold(values[0], "no") {
			o.has |= isIncremental
		}
	case "Etag":
		o.has |= hasTag
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

func (o *outline) addType(values []string) {
	if len(values) == 0 {
		o.has |= hasNoType
		return
	}
	o.has |= hasType
	o.contentType = values[0]
}

// addCoding looks at all lines: a first one that is empty does not excuse a second.
func (o *outline) addCoding(lines []string) {
	for _, line := range lines {
		if line != "" {
			o.has |= hasCoding
		}
	}
}

// addCacheControl looks for no-transform (RFC 9111 §5.2.2.6).
func (o *outline) addCacheControl(lines []string) {
	if httpheader.HasToken(lines, "no-transform") {
		o.has |= hasNoTransform
	}
}

// lengthOf is what a handler says of the length of its body, or -1. net/http ignores,
// too, what is no number.
func lengthOf(values []string) int64 {
	if len(values) > 0 {
		if n, err := strconv.ParseUint(values[0], 10, 63); err == nil {
			return int64(n)
		}
	}
	return -1
}

// isTrue reads the structured boolean of Incremental (RFC 10036, RFC 9651 §3.3.6).
func isTrue(values []string) bool {
	if len(values) != 1 {
		return false
	}
	value, _ := httpheader.CutParams(values[0])
	return value == "?1"
}
