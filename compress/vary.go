package compress

import (
	"net/http"
	"strings"
)

// addVary merges a field name into Vary (RFC 9110 §12.5.5), unless that lists it
// or "*" on any line. All members end up on one line, for recipients that read
// only the first. The slice that is there is left alone: handlers share one
// between responses. store, if not nil, is room for the value, so that nothing is
// allocated where there is no Vary yet; it belongs to this response.
func addVary(h http.Header, name string, store *[1]string) {
	lines := h["Vary"]
	size := 0
	for _, line := range lines {
		for member, rest, ok := nextName(line); ok; member, rest, ok = nextName(rest) {
			if member == "*" || len(member) == len(name) && strings.EqualFold(member, name) {
				return
			}
			size += len(member) + len(", ")
		}
	}
	value := name
	if size > 0 {
		value = joinedNames(lines, name, size+len(name))
	}
	if store == nil {
		store = new([1]string)
	}
	// Only now, as lines may be store.
	store[0] = value
	h["Vary"] = store[:]
}

// joinedNames returns the members of all lines and a last one as one list.
func joinedNames(lines []string, last string, size int) string {
	var b strings.Builder
	b.Grow(size)
	for _, line := range lines {
		for member, rest, ok := nextName(line); ok; member, rest, ok = nextName(rest) {
			b.WriteString(member)
			b.WriteString(", ")
		}
	}
	b.WriteString(last)
	return b.String()
}

// nextName cuts the first member off a list of field names. Unlike in other lists
// a quote has no meaning here.
func nextName(list string) (name, rest string, ok bool) {
	for list != "" {
		name, list, _ = strings.Cut(list, ",")
		if name = strings.Trim(name, " \t"); name != "" {
			return name, list, true
		}
	}
	return "", "", false
}
