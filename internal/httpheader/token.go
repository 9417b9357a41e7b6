package httpheader

import "strings"

// IsToken reports whether s is a token (RFC 9110 §5.6.2): a method, a field
// name, a coding.
func IsToken(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !tokenBytes[s[i]] {
			return false
		}
	}
	return true
}

var tokenBytes = func() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'A'; c <= 'Z'; c++ {
		t[c], t[c+'a'-'A'] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

// HasToken reports whether a field, given with all its lines, lists a token.
// Letter case does not matter and parameters are ignored.
func HasToken(lines []string, token string) bool {
	for _, line := range lines {
		for e, rest, ok := Next(line); ok; e, rest, ok = Next(rest) {
			if value, _ := CutParams(e); strings.EqualFold(value, token) {
				return true
			}
		}
	}
	return false
}
