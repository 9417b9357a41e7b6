package httpapi

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/sluice-go/sluice/examples/server/app"
)

// etag is strong: a version of a thing has one representation.
func etag(kind string, id, version int64) string {
	return fmt.Sprintf(`"%s-%d-%d"`, kind, id, version)
}

// evaluate compares the preconditions of r with the current tag in the order of
// RFC 9110 §13.2.2. Dates are ignored: a tag is always there, and it is exact.
func evaluate(r *http.Request, current string) (notModified bool, err error) {
	ifMatch, err := parseTags(r.Header, "If-Match")
	if err != nil {
		return false, err
	}
	ifNoneMatch, err := parseTags(r.Header, "If-None-Match")
	if err != nil {
		return false, err
	}
	failed := app.Errorf(app.CodePrecondition, "the current version is %s", current)
	if ifMatch != nil && !ifMatch.contain(current, false) {
		return false, failed
	}
	if ifNoneMatch != nil && ifNoneMatch.contain(current, true) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return false, failed
		}
		return true, nil
	}
	return false, nil
}

// tags are the entity tags of one field, weak ones with their W/, or a lone *.
type tags []string

// contain compares by RFC 9110 §8.8.3.2: the strong way a weak tag never
// matches, the weak way the W/ does not count. current is strong.
func (t tags) contain(current string, weakly bool) bool {
	for _, tag := range t {
		if weakly {
			tag = strings.TrimPrefix(tag, "W/")
		}
		if tag == "*" || tag == current {
			return true
		}
	}
	return false
}

// parseTags reads a field of the form "*" / #entity-tag (RFC 9110 §13.1.1). It
// returns nil when the field is absent. What cannot be read is refused, since
// ignoring a condition would perform what its sender meant to prevent.
func parseTags(h http.Header, name string) (tags, error) {
	lines := h.Values(name)
	if len(lines) == 0 {
		return nil, nil
	}
	rest := strings.Join(lines, ",")
	if strings.Trim(rest, " \t") == "*" {
		return tags{"*"}, nil
	}
	var found tags
	for {
		rest = strings.TrimLeft(rest, " \t,") // empty elements are allowed (§5.6.1.2)
		if rest == "" {
			break
		}
		n := tagLength(rest)
		if n == 0 {
			return nil, malformed(name, "must be * or a list of quoted entity tags")
		}
		found, rest = append(found, rest[:n]), strings.TrimLeft(rest[n:], " \t")
		if rest != "" && rest[0] != ',' {
			return nil, malformed(name, "needs commas between entity tags")
		}
	}
	if found == nil {
		return nil, malformed(name, "must not be empty")
	}
	return found, nil
}

// tagLength returns the length of the entity tag that s begins with, or 0.
func tagLength(s string) int {
	opaque := strings.TrimPrefix(s, "W/")
	if !strings.HasPrefix(opaque, `"`) {
		return 0
	}
	for i := 1; i < len(opaque); i++ {
		switch c := opaque[i]; {
		case c == '"':
			return len(s) - len(opaque) + i + 1
		case c < 0x21 || c == 0x7f: // etagc excludes space and controls (§8.8.3)
			return 0
		}
	}
	return 0
}
