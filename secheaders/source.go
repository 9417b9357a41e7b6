package secheaders

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Source is one value of a directive: a keyword, a scheme such as "data:", a host
// such as "https://cdn.example" or "*.example:*", or a hash (CSP Level 3 §2.3.1).
type Source string

// Keywords of CSP Level 3 and of the specifications that add to it.
const (
	None                     Source = "'none'"
	Self                     Source = "'self'"
	StrictDynamic            Source = "'strict-dynamic'"
	UnsafeInline             Source = "'unsafe-inline'"
	UnsafeEval               Source = "'unsafe-eval'"
	UnsafeHashes             Source = "'unsafe-hashes'"
	WasmUnsafeEval           Source = "'wasm-unsafe-eval'"
	TrustedTypesEval         Source = "'trusted-types-eval'"
	InlineSpeculationRules   Source = "'inline-speculation-rules'"
	UnsafeWebTransportHashes Source = "'unsafe-webtransport-hashes'"
	ReportSample             Source = "'report-sample'"
	ReportSHA256             Source = "'report-sha256'"
	ReportSHA384             Source = "'report-sha384'"
	ReportSHA512             Source = "'report-sha512'"

	// WithNonce stands for the nonce of each response, which [Nonce] returns.
	WithNonce Source = "'nonce'"
)

// SHA256 is the hash of an inline script or style: of what stands between its tags,
// to the byte (CSP Level 3 §6.7.3.3).
func SHA256(code string) Source {
	sum := sha256.Sum256([]byte(code))
	return Source("'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'")
}

// schemes are those that policies mostly name.
var schemes = []string{"http", "https", "ws", "wss", "data", "blob", "filesystem", "mediastream"}

// hashSizes are the lengths of digests in bytes.
var hashSizes = map[string]int{"sha256": 32, "sha384": 48, "sha512": 64}

// isHash reports whether s is a well-formed hash source.
func isHash(s Source) bool {
	if len(s) < 2 || s[0] != '\'' || s[len(s)-1] != '\'' {
		return false
	}
	name, encoded, ok := strings.Cut(string(s[1:len(s)-1]), "-")
	size := hashSizes[name]
	if !ok || size == 0 {
		return false
	}
	// Browsers take either alphabet (CSP Level 3 §2.3.1, base64-value).
	digest, err := base64.StdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(encoded))
	return err == nil && len(digest) == size
}

// allowsInline reports whether s makes a browser ignore 'unsafe-inline' (CSP Level 3
// §6.7.3.2).
func allowsInline(s Source) bool { return s == WithNonce || isHash(s) }

// sourceFault says what is wrong with a source in a list that takes some keywords,
// or "" if nothing is.
func sourceFault(s Source, keywords []Source) string {
	switch {
	case s == "":
		return "has an empty value"
	case !isText(string(s)):
		return fmt.Sprintf("%q has a character that ends a value, a directive or a policy (CSP Level 3 §2.2)", s)
	case s[0] == '\'' || s[len(s)-1] == '\'':
		return keywordFault(s, keywords)
	}
	quoted := "'" + s + "'"
	if slices.Contains(allKeywords, quoted) || isHash(quoted) || strings.HasPrefix(string(s), "nonce-") {
		return fmt.Sprintf("%s is the name of a host; the keyword is written with quotes: %q", s, string(quoted))
	}
	if slices.Contains(schemes, string(s)) {
		return fmt.Sprintf("%s is the name of a host; the scheme is written %q", s, s+":")
	}
	if strings.HasSuffix(string(s), ":") {
		if !isScheme(string(s[:len(s)-1])) {
			return fmt.Sprintf("%q is no scheme", s)
		}
		return ""
	}
	return hostFault(string(s))
}

// isKeyword reports whether s is a keyword, a nonce or a hash, or meant to be one.
func isKeyword(s Source) bool { return strings.HasPrefix(string(s), "'") }

// isText reports whether a browser reads s as one value: visible ASCII and neither
// ";" nor ",".
func isText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == ';' || c == ',' {
			return false
		}
	}
	return true
}

func keywordFault(s Source, keywords []Source) string {
	lower := Source(strings.ToLower(string(s)))
	switch {
	case slices.Contains(keywords, s):
		return ""
	case strings.HasPrefix(string(lower), "'nonce-"):
		return "a fixed nonce protects from nothing; use WithNonce"
	case strings.HasPrefix(string(s), "'sha"):
		if !isHash(s) {
			return fmt.Sprintf("%s is no SHA-256, SHA-384 or SHA-512 in base64", s)
		}
		if slices.Contains(keywords, WithNonce) {
			return ""
		}
		return "hashes count in directives for scripts and styles only"
	case slices.Contains(allKeywords, lower) && s == lower:
		return fmt.Sprintf("%s has no meaning here", s)
	case slices.Contains(allKeywords, lower):
		return fmt.Sprintf("%s is written %s", s, lower)
	}
	return fmt.Sprintf("%s is no keyword", s)
}

// hostFault checks a host-source: [scheme "://"] host [":" port] [path].
func hostFault(s string) string {
	rest := s
	if scheme, after, ok := strings.Cut(s, "://"); ok {
		if !isScheme(scheme) {
			return fmt.Sprintf("%q has no valid scheme", s)
		}
		rest = after
	}
	authority, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if strings.ContainsAny(s, "?#") {
		return fmt.Sprintf("%q: a query or a fragment is never compared, leave it out", s)
	}
	if strings.ContainsAny(authority, "[]") || strings.Count(authority, ":") > 1 {
		return fmt.Sprintf("%q: no browser matches a literal IPv6 address; give the host a name", s)
	}
	host, port, hasPort := strings.Cut(authority, ":")
	if hasPort && !isPort(port) {
		return fmt.Sprintf("%q has no valid port", s)
	}
	if host == "*" || isHost(strings.TrimPrefix(host, "*.")) {
		return pathFault(s, path)
	}
	return fmt.Sprintf("%q is neither a host, a scheme nor a keyword", s)
}

func pathFault(s, path string) string {
	for i := range len(path) {
		if path[i] == '%' && (i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2])) {
			return fmt.Sprintf("%q has a %% that encodes nothing", s)
		}
		if strings.IndexByte("\"'<>\\^`{|}", path[i]) >= 0 {
			return fmt.Sprintf("%q has %q in its path, which must be encoded", s, path[i])
		}
	}
	return ""
}

func isScheme(s string) bool {
	for i := range len(s) {
		if !isAlpha(s[i]) && (i == 0 || !isDigit(s[i]) && strings.IndexByte("+-.", s[i]) < 0) {
			return false
		}
	}
	return s != ""
}

// isHost follows host-part, which has no underscore.
func isHost(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" {
			return false
		}
		for i := range len(label) {
			if c := label[i]; !isAlpha(c) && !isDigit(c) && c != '-' {
				return false
			}
		}
	}
	return true
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return s == "*" || err == nil && n > 0 && s[0] != '+'
}

func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isHex(c byte) bool   { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
