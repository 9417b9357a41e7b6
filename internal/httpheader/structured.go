package httpheader

import (
	"fmt"
	"strconv"
	"strings"
)

// Bare is a bare item of a structured field (RFC 9651 §3.3) in its serialised form, or
// the reason why it has none.
type Bare struct {
	text string
	err  error
}

// SFString is a String: any visible ASCII and spaces (RFC 9651 §4.1.6).
func SFString(s string) Bare {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c >= 0x7f:
			return Bare{err: fmt.Errorf("%q has a character that a string cannot carry", s)}
		case c == '"' || c == '\\':
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return Bare{text: b.String()}
}

// SFToken is a Token, which is a word that has a meaning (RFC 9651 §4.1.7).
func SFToken(s string) Bare {
	if !isSFToken(s) {
		return Bare{err: fmt.Errorf("%q is no token", s)}
	}
	return Bare{text: s}
}

// maxInteger is the largest Integer, of 15 digits, which all of IEEE 754's doubles
// hold exactly (RFC 9651 §3.3.1).
const maxInteger = 999_999_999_999_999

// SFInteger is an Integer (RFC 9651 §4.1.4).
func SFInteger(n int64) Bare {
	if n > maxInteger || n < -maxInteger {
		return Bare{err: fmt.Errorf("%d has more than 15 digits", n)}
	}
	return Bare{text: strconv.FormatInt(n, 10)}
}

// SFBoolean is a Boolean (RFC 9651 §4.1.9).
func SFBoolean(b bool) Bare {
	if b {
		return Bare{text: sfTrue}
	}
	return Bare{text: "?0"}
}

// sfTrue is left out where a key stands for it (RFC 9651 §4.1.1.2, §4.1.2).
const sfTrue = "?1"

// SFParam is a parameter of an item, of an inner list or of a member.
type SFParam struct {
	Key   string
	Value Bare
}

// SFMember is a member of a Dictionary.
type SFMember struct {
	key, text string
	err       error
}

// SFItem serialises an Item with its parameters (RFC 9651 §4.1.3).
func SFItem(value Bare, params ...SFParam) (string, error) {
	if value.err != nil {
		return "", value.err
	}
	suffix, err := sfParams(params)
	if err != nil {
		return "", err
	}
	return value.text + suffix, nil
}

// SFItemMember is a member whose value is an Item.
func SFItemMember(key string, value Bare, params ...SFParam) SFMember {
	text, err := SFItem(value, params...)
	if value.text == sfTrue {
		return SFMember{key, strings.TrimPrefix(text, sfTrue), err}
	}
	return SFMember{key, "=" + text, err}
}

// SFListMember is a member whose value is an Inner List (RFC 9651 §4.1.1.1).
func SFListMember(key string, items []Bare, params ...SFParam) SFMember {
	var b strings.Builder
	b.WriteString("=(")
	for i, item := range items {
		if item.err != nil {
			return SFMember{key: key, err: item.err}
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(item.text)
	}
	b.WriteByte(')')
	suffix, err := sfParams(params)
	b.WriteString(suffix)
	return SFMember{key, b.String(), err}
}

// SFDictionary serialises a Dictionary (RFC 9651 §4.1.2). One without members is "",
// and then the field is not sent at all (§4.1). A key that occurs twice is an error:
// recipients take the last one without a word (§4.2.2).
func SFDictionary(members ...SFMember) (string, error) {
	var b strings.Builder
	seen := make(map[string]bool, len(members))
	for i, m := range members {
		if err := sfKey(m.key, seen); err != nil {
			return "", err
		}
		if m.err != nil {
			return "", fmt.Errorf("%s: %w", m.key, m.err)
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(m.key)
		b.WriteString(m.text)
	}
	return b.String(), nil
}

// sfParams serialises parameters (RFC 9651 §4.1.1.2).
func sfParams(params []SFParam) (string, error) {
	if len(params) == 0 {
		return "", nil
	}
	var b strings.Builder
	seen := make(map[string]bool, len(params))
	for _, p := range params {
		if err := sfKey(p.Key, seen); err != nil {
			return "", err
		}
		if p.Value.err != nil {
			return "", fmt.Errorf("%s: %w", p.Key, p.Value.err)
		}
		b.WriteByte(';')
		b.WriteString(p.Key)
		if p.Value.text != sfTrue {
			b.WriteByte('=')
			b.WriteString(p.Value.text)
		}
	}
	return b.String(), nil
}

// sfKey checks a key, and that it is the first of its name.
func sfKey(key string, seen map[string]bool) error {
	if !IsSFKey(key) {
		return fmt.Errorf("%q is no key", key)
	}
	if seen[key] {
		return fmt.Errorf("the key %s occurs twice", key)
	}
	seen[key] = true
	return nil
}

// IsSFKey reports whether s is a key of a Dictionary or of a parameter (RFC 9651
// §3.1.2). Every key is a Token, too, but not the other way round.
func IsSFKey(s string) bool {
	return s != "" && sfKeyLength(s) == len(s)
}

// sfKeyLength is how many bytes at the start of s are a key.
func sfKeyLength(s string) int {
	for i := range len(s) {
		c := s[i]
		first := 'a' <= c && c <= 'z' || c == '*'
		if !first && (i == 0 || !isDigit(c) && c != '_' && c != '-' && c != '.') {
			return i
		}
	}
	return len(s)
}

func isSFToken(s string) bool { return s != "" && sfTokenLength(s) == len(s) }

// sfTokenLength is how many bytes at the start of s are a Token, which begins with a
// letter or "*" and knows two bytes that tokens of HTTP do not (RFC 9651 §3.3.4).
func sfTokenLength(s string) int {
	for i := range len(s) {
		c := s[i]
		if i == 0 && c != '*' && !isLetter(c) {
			return 0
		}
		if !tokenBytes[c] && c != ':' && c != '/' {
			return i
		}
	}
	return len(s)
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
