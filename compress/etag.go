package compress

import (
	"slices"
	"strings"
)

// maxAliases bounds what aliases adds to one field: more tags than a cache holds
// variants of one resource.
const maxAliases = 64

// suffixed returns a strong tag with the name of the coding before its closing
// quote, as encoded bytes are another representation (RFC 9110 §8.8.3.3). A weak
// tag promises no equal bytes: it stays as it is, as does a malformed one.
func suffixed(tag string, c coding) string {
	if weak, ok := parseTag(tag); !ok || weak || c == identity {
		return tag
	}
	return tag[:len(tag)-1] + "-" + c.String() + `"`
}

// weakened returns a strong tag as a weak one, and any other as it is.
func weakened(tag string) string {
	if weak, ok := parseTag(tag); !ok || weak {
		return tag
	}
	return "W/" + tag
}

// aliases returns the lines of If-None-Match or If-Match with the tag that the
// handler knows after each that ends in the suffix of an accepted coding. The
// sent tag stays: the handler may have made one that ends so. It returns nil
// where there is nothing to add.
func aliases(lines []string, accepted func(coding) bool) []string {
	var out []string
	left := maxAliases
	for i, line := range lines {
		if with, added := aliased(line, accepted, &left); added {
			if out == nil {
				out = slices.Clone(lines)
			}
			out[i] = with
		}
	}
	return out
}

// aliased adds up to left aliases to one line; handlers often read no more than
// the first. One that is there already is not added again, but counts.
func aliased(line string, accepted func(coding) bool, left *int) (with string, added bool) {
	var b strings.Builder
	copied := 0
	for tag, rest, ok := nextTag(line); ok && *left > 0; tag, rest, ok = nextTag(rest) {
		open, c := stripped(tag, accepted)
		if c == identity {
			continue
		}
		*left--
		if next, _, _ := nextTag(rest); len(next) == len(open)+1 && next[:len(open)] == open && next[len(open)] == '"' {
			continue
		}
		if copied == 0 {
			b.Grow(len(line) + len(", ") + len(tag))
		}
		end := len(line) - len(rest)
		b.WriteString(line[copied:end])
		b.WriteString(", ")
		b.WriteString(open)
		b.WriteByte('"')
		copied = end
	}
	if copied == 0 {
		return "", false
	}
	b.WriteString(line[copied:])
	return b.String(), true
}

// aliasCoding returns the coding of the first tag that ends in the suffix of an
// accepted coding, or identity: the client has that representation, and a 412
// answers with its tag.
func aliasCoding(lines []string, accepted func(coding) bool) coding {
	for _, line := range lines {
		for tag, rest, ok := nextTag(line); ok; tag, rest, ok = nextTag(rest) {
			if _, c := stripped(tag, accepted); c != identity {
				return c
			}
		}
	}
	return identity
}

// listed reports whether a list of tags has exactly this one, octet by octet. A
// "*" lists none.
func listed(lines []string, tag string) bool {
	for _, line := range lines {
		for e, rest, ok := nextTag(line); ok; e, rest, ok = nextTag(rest) {
			if e == tag {
				return true
			}
		}
	}
	return false
}

// stripped undoes [suffixed] for an accepted coding, but for the closing quote. It
// returns identity for other tags.
func stripped(tag string, accepted func(coding) bool) (open string, c coding) {
	if _, ok := parseTag(tag); !ok {
		return "", identity
	}
	for c := gzipped; c < codings; c++ {
		named, ok := strings.CutSuffix(tag[:len(tag)-1], c.String())
		if !ok || !accepted(c) {
			continue
		}
		if open, ok := strings.CutSuffix(named, "-"); ok {
			return open, c
		}
	}
	return "", identity
}

// nextTag cuts the first element off a list of entity tags. In those a backslash
// escapes nothing (RFC 9110 §8.8.3), and an unclosed quote reaches to the end. The
// element may be "*" or malformed; it comes without white space around it, and
// rest starts right behind it.
func nextTag(list string) (element, rest string, ok bool) {
	list = strings.TrimLeft(list, " \t,")
	end, quoted := 0, false
	for end < len(list) && (quoted || list[end] != ',') {
		if list[end] == '"' {
			quoted = !quoted
		}
		end++
	}
	element = strings.TrimRight(list[:end], " \t")
	return element, list[len(element):], element != ""
}

// parseTag reports whether s is an entity tag, and a weak one (RFC 9110 §8.8.3).
// The "W" is case-sensitive.
func parseTag(s string) (weak, ok bool) {
	opaque, weak := strings.CutPrefix(s, "W/")
	last := len(opaque) - 1
	if last < 1 || opaque[0] != '"' || opaque[last] != '"' {
		return false, false
	}
	for i := 1; i < last; i++ {
		if c := opaque[i]; c <= ' ' || c == '"' || c == 0x7f {
			return false, false
		}
	}
	return weak, true
}
