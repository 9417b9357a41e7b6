package secheaders

import "strings"

// Bounds of what may be a nonce where nothing but the word tells.
const (
	nonceReach = 24 // bytes after the word in which one begins, as after "&quot;, &quot;"
	minNonce   = 16 // bytes of it, escaped or not
)

// nonceText is what a text is.
type nonceText uint8

const (
	inCode    nonceText = iota // or anything else
	inCutCode                  // of which the end is missing
	inPolicy                   // of which the rest is worth reading
)

// scrubNonces replaces by "*" the value of each nonce source (CSP3 §2.3.1) and of each
// nonce attribute, and shortly after the word nonce whatever else may be one: pages
// pass them on in properties, JSON, calls and paths, escaped or not. It takes names for
// nonces at times, which does no harm. It works on the whole text: a nonce that is cut
// is half a nonce.
func scrubNonces(s string, kind nonceText) string {
	var b strings.Builder
	copied := 0 // what is before it is in b
	star := func(from, to int) {
		b.WriteString(s[copied:from])
		b.WriteByte('*')
		copied = to
	}
	// The reach counts bytes that stay.
	reach, runEnd := 0, 0
	for at := 0; at < len(s); {
		if isNonceWord(s, at) {
			at += len(nonceWord)
			if from, to := nonceValue(s, at); max(from, copied) < to {
				star(max(from, copied), to)
				at = to
				if kind == inPolicy && isNonceSource(s, from, to) {
					reach = 0
					continue
				}
			}
			at = max(at, copied)
			reach, runEnd = nonceReach, at
			continue
		}
		reach--
		if reach >= 0 && at >= runEnd {
			runEnd = nonceRun(s, at)
			if runEnd-at >= minNonce || kind == inCutCode && runEnd == len(s) && runEnd > at {
				star(at, runEnd)
				if word := lastNonceWord(s[at:runEnd]); word >= 0 {
					at += word // what follows is up to it
				} else {
					at = runEnd
				}
				continue
			}
		}
		at++
	}
	if copied == 0 {
		return s
	}
	b.WriteString(s[copied:])
	return b.String()
}

const nonceWord = "nonce"

func isNonceWord(s string, at int) bool {
	return s[at]|0x20 == 'n' && at+len(nonceWord) <= len(s) && strings.EqualFold(s[at:at+len(nonceWord)], nonceWord)
}

// isNonceName tells of the word as the name of another attribute.
func isNonceName(s string, at int) bool {
	if !isNonceWord(s, at) {
		return false
	}
	at = skipBlanks(s, at+len(nonceWord), "")
	return at < len(s) && s[at] == '='
}

func hasNonceWord(s string) bool { return lastNonceWord(s) >= 0 }

func lastNonceWord(s string) int {
	at := len(s) - len(nonceWord)
	for at >= 0 && !isNonceWord(s, at) {
		at--
	}
	return max(at, -1)
}

// nonceValue is what follows the word as in a source, after "-", or as in an attribute,
// after "=" with a quote and white space.
func nonceValue(s string, at int) (from, to int) {
	inSource := at < len(s) && s[at] == '-'
	if !inSource {
		at = skipBlanks(s, at, "")
		if at == len(s) || s[at] != '=' {
			return at, at
		}
	}
	at++
	if !inSource {
		at = skipBlanks(s, at, `"'\`)
	}
	for to = at; to < len(s) && !endsNonce(s[to]) && (inSource || !isNonceName(s, to)); to++ {
		if inSource && s[to] == ';' { // in an attribute it ends a character reference
			break
		}
	}
	return at, to
}

// isNonceSource reports whether s[from:to] is the nonce of a whole nonce source, or
// was.
func isNonceSource(s string, from, to int) bool {
	const prefix = "'" + nonceWord + "-"
	if from < len(prefix) || s[from-len(prefix)] != '\'' || s[from-1] != '-' || to == len(s) || s[to] != '\'' {
		return false
	}
	value := s[from:to]
	return value == "*" || len(value) >= minNonce && nonceRun(value, 0) == len(value) && !hasNonceWord(value)
}

// nonceRun is where the bytes from at on end that nonces are made of: base64,
// base64url, and what escapes some of it in HTML, URLs and strings.
func nonceRun(s string, at int) int {
	for at < len(s) && (isAlpha(s[at]) || isDigit(s[at]) || strings.IndexByte(`+/-_=%&#;\`, s[at]) >= 0) {
		at++
	}
	return at
}

func skipBlanks(s string, at int, andAlso string) int {
	for at < len(s) && (isBlank(s[at]) || strings.IndexByte(andAlso, s[at]) >= 0) {
		at++
	}
	return at
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }

// endsNonce reports whether c is what may follow a nonce in a policy or in markup.
func endsNonce(c byte) bool {
	return isBlank(c) || c == '\'' || c == '"' || c == ',' || c == '>' || c == '<'
}
