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

// cleanText returns at most limit bytes of s that no log line or terminal can be
// forged with: white space is a space, and what is not printable, such as control
// and direction characters, is U+FFFD.
func cleanText(s string, limit int) string {
	if isPlain(s) {
		if len(s) <= limit {
			return s
		}
		return strings.Clone(s[:limit]) // what is kept must not keep all of it
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			r = ' '
		case !unicode.IsPrint(r):
			r = utf8.RuneError
		}
		if b.Len()+utf8.RuneLen(r) > limit {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
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
// Types may be given markup with a nonce in it.
func cleanSample(s string) string {
	s = cleanText(scrubNonces(s), maxReportField)
	n := 0
	for i := range s {
		if n == maxSampleRunes {
			return strings.Clone(s[:i])
		}
		n++
	}
	return s
}

// scrubNonces replaces the value of each nonce source (CSP3 §2.3.1) and of each
// nonce attribute by "*". It works on the whole text: a nonce that is cut is half a
// nonce.
func scrubNonces(s string) string {
	const word = "nonce"
	var b strings.Builder
	from := 0 // what is before it is in b
	for at := 0; at+len(word) < len(s); at++ {
		if s[at]|0x20 != 'n' || !strings.EqualFold(s[at:at+len(word)], word) {
			continue
		}
		value := nonceValue(s, at+len(word))
		end := value
		for end < len(s) && !endsNonce(s[end]) {
			end++
		}
		if end > value {
			b.WriteString(s[from:value])
			b.WriteByte('*')
			from = end
			at = end - 1
		}
	}
	if from == 0 {
		return s
	}
	b.WriteString(s[from:])
	return b.String()
}

// nonceValue is where the value begins after the word nonce: after "-", or after
// "=" with a quote and white space. Without either there is none.
func nonceValue(s string, at int) int {
	if s[at] == '-' {
		return at + 1
	}
	for at < len(s) && isBlank(s[at]) {
		at++
	}
	if at == len(s) || s[at] != '=' {
		return len(s)
	}
	at++
	for at < len(s) && (isBlank(s[at]) || s[at] == '"' || s[at] == '\'' || s[at] == '\\') {
		at++
	}
	return at
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }

// endsNonce reports whether c is what may follow a nonce in a policy or in markup.
func endsNonce(c byte) bool {
	return isBlank(c) || c == '\'' || c == '"' || c == ';' || c == ',' || c == '>' || c == '<'
}

// scrubURL returns what may be kept of a URL, and its scheme. Queries, fragments
// and user info hold tokens, other schemes than those of the web hold content
// (data) or names of users (file). A bare scheme, as browsers report it in the
// place of a URL (CSP3 §5.4), is its own scheme. Of what is neither nothing is kept.
func scrubURL(raw string) (clean, scheme string) {
	name, rest, hasRest := strings.Cut(raw, ":")
	if !isScheme(name) {
		return "", ""
	}
	scheme = strings.ToLower(cleanText(name, maxReportField))
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
	return cleanText(scheme+"://"+strings.ToLower(host)+path, maxReportField), scheme
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
