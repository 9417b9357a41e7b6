package secheaders

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is kept of a text.
const (
	maxReportField = 1 << 10
	maxReportAgent = 256
	maxSampleRunes = 40 // CSP3 §2.4: browsers cut it there, Firefox adds an ellipsis
)

// cleanText returns at most limit bytes of s, without nonces, that no log line or
// terminal can be forged with.
func cleanText(s string, limit int) string {
	return cutText(scrubNonces(printable(s), inCode), limit)
}

// printable makes white space a space, and what is not printable, such as control and
// direction characters, U+FFFD.
func printable(s string) string {
	if isPlain(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return utf8.RuneError
		}
		return r
	}, s)
}

// cutText cuts between runes.
func cutText(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return strings.Clone(s[:limit]) // what is kept must not keep all of it
}

// isPlain reports whether s is printable ASCII.
func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// cleanSample cuts to the length that CSP3 §2.4 has for samples. A sink of Trusted
// Types may be given markup with a nonce in it, and the browser may have cut that.
func cleanSample(s string) string {
	n, kind := utf8.RuneCountInString(s), inCode
	if n >= maxSampleRunes {
		kind = inCutCode
	}
	if n > maxSampleRunes {
		s = strings.TrimSuffix(s, "…")
	}
	s = scrubNonces(printable(s), kind)
	n = 0
	for i := range s {
		if n == maxSampleRunes {
			return strings.Clone(s[:i])
		}
		n++
	}
	return s
}

// scrubURL returns what may be kept of a URL, and its scheme. Queries, fragments
// and user info hold tokens, other schemes than those of the web hold content
// (data) or names of users (file). A bare scheme, as browsers report it in the
// place of a URL (CSP3 §5.4), is its own scheme. Of what is neither nothing is kept.
// A host keeps its name, also if the word nonce is in it: no nonce is one.
func scrubURL(raw string) (clean, scheme string) {
	name, rest, hasRest := strings.Cut(raw, ":")
	if !isScheme(name) || scrubNonces(name, inCode) != name {
		return "", ""
	}
	scheme = strings.ToLower(cutText(name, maxReportField))
	if !hasRest || !isWebScheme(scheme) || !strings.HasPrefix(rest, "//") {
		return scheme, scheme
	}
	rest = rest[len("//"):]
	// Browsers take a backslash for a slash there (URL Standard, authority state).
	end := strings.IndexAny(rest, `/\?#`)
	if end < 0 {
		end = len(rest)
	}
	host, path := rest[:end], rest[end:]
	host = host[strings.LastIndexByte(host, '@')+1:]
	if !isReportHost(host) {
		return scheme, scheme
	}
	path = path[:strings.IndexAny(path+"?", `?#`)]
	if strings.HasPrefix(path, `\`) {
		path = ""
	}
	path = scrubNonces(printable(path), inCode)
	return cutText(scheme+"://"+strings.ToLower(host)+path, maxReportField), scheme
}

// isWebScheme tells of schemes whose URLs browsers report as more than the scheme
// (CSP3 §5.4; those of WebSockets in Chromium).
func isWebScheme(scheme string) bool {
	return scheme == "https" || scheme == "http" || scheme == "wss" || scheme == "ws"
}

// isReportHost reports whether s can be a host, and a port, as browsers write them:
// other scripts are in ASCII there (URL Standard, domain to ASCII).
func isReportHost(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isAlpha(c) && !isDigit(c) && strings.IndexByte("-._:[]", c) < 0 {
			return false
		}
	}
	return s != ""
}

// hostOf is the host of a URL that scrubURL returned, without a port.
func hostOf(clean string) string {
	host := authorityOf(clean)
	if colon := strings.LastIndexByte(host, ':'); colon > strings.LastIndexByte(host, ']') {
		host = host[:colon]
	}
	return host
}

// authorityOf is the host and port of a URL that scrubURL returned.
func authorityOf(clean string) string {
	_, rest, _ := strings.Cut(clean, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}
