package secheaders

import (
	"net/http"
	"strings"
)

// vary merges names into Vary (RFC 9110 §12.5.5) at the last moment, as handlers set the
// field themselves.
type vary struct {
	names []string
	line  []string // all of them, shared by responses: cap and len are 1, so that Add copies
}

func newVary(names ...string) *vary {
	return &vary{names, []string{strings.Join(names, ", ")}}
}

// BeforeHeader is a [respw.HeaderHook]. All members end up on one line, for recipients
// that read only the first.
func (v *vary) BeforeHeader(_ int, h http.Header) {
	lines := h["Vary"]
	listed, size := 0, 0
	for _, line := range lines {
		for name, rest, ok := nextName(line); ok; name, rest, ok = nextName(rest) {
			if name == "*" {
				return
			}
			if i := v.index(name); i >= 0 {
				listed |= 1 << i
			}
			size += len(name) + len(", ")
		}
	}
	switch {
	case size == 0:
		h["Vary"] = v.line
	case listed != 1<<len(v.names)-1:
		h["Vary"] = []string{v.joined(lines, listed, size+len(v.line[0]))}
	}
}

func (v *vary) index(name string) int {
	for i, own := range v.names {
		if equal(name, own) {
			return i
		}
	}
	return -1
}

// joined returns the members of all lines, and the names that are not among the listed.
func (v *vary) joined(lines []string, listed, size int) string {
	var b strings.Builder
	b.Grow(size)
	add := func(name string) {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name)
	}
	for _, line := range lines {
		for name, rest, ok := nextName(line); ok; name, rest, ok = nextName(rest) {
			add(name)
		}
	}
	for i, name := range v.names {
		if listed&(1<<i) == 0 {
			add(name)
		}
	}
	return b.String()
}

// nextName cuts the first member off a list of field names, in which a quote has no
// meaning.
func nextName(list string) (name, rest string, ok bool) {
	for list != "" {
		name, list, _ = strings.Cut(list, ",")
		if name = strings.Trim(name, " \t"); name != "" {
			return name, list, true
		}
	}
	return "", "", false
}
