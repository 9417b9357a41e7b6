package httpheader

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// SFDictionaryMember is a member of a Dictionary as it was read. Values are in their
// serialised form; that of a key alone is "?1".
type SFDictionaryMember struct {
	Key       string
	Value     string
	InnerList bool
	Params    []SFDictionaryParam
}

// SFDictionaryParam is a parameter as it was read.
type SFDictionaryParam struct{ Key, Value string }

var errDictionaryEnd = errors.New("it ends with a comma")

// ParseSFDictionary reads a Dictionary as strictly as RFC 9651 §4.2.2 asks: one fault
// voids it all. It does not know Dates and Display Strings, which only RFC 9651 has:
// to a recipient that is older they are such a fault. Members come in the order of
// the text, with those that a later one of the same key replaces.
func ParseSFDictionary(s string) ([]SFDictionaryMember, error) {
	p := sfParser{rest: strings.Trim(s, " ")}
	var members []SFDictionaryMember
	for p.rest != "" {
		m, err := p.member()
		if err != nil {
			return nil, err
		}
		members = append(members, m)
		p.rest = trimLeft(p.rest)
		if p.rest == "" {
			break
		}
		if !p.take(',') {
			return nil, fmt.Errorf("%q follows %s where a comma must", p.rest, m.Key)
		}
		if p.rest = trimLeft(p.rest); p.rest == "" {
			return nil, errDictionaryEnd
		}
	}
	return members, nil
}

// sfParser reads from the start of what is left.
type sfParser struct{ rest string }

func (p *sfParser) take(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// cut takes the first n bytes.
func (p *sfParser) cut(n int) string {
	head := p.rest[:n]
	p.rest = p.rest[n:]
	return head
}

func (p *sfParser) member() (m SFDictionaryMember, err error) {
	if m.Key, err = p.key(); err != nil {
		return m, err
	}
	start := p.rest
	switch {
	case !p.take('='):
		m.Value = sfTrue
	case strings.HasPrefix(p.rest, "("):
		m.InnerList = true
		if err = p.innerList(); err == nil {
			m.Value = start[1 : len(start)-len(p.rest)]
		}
	default:
		m.Value, err = p.bareItem()
	}
	if err == nil {
		m.Params, err = p.params()
	}
	return m, err
}

func (p *sfParser) key() (string, error) {
	n := sfKeyLength(p.rest)
	if n == 0 {
		return "", fmt.Errorf("%q does not begin with a key", p.rest)
	}
	return p.cut(n), nil
}

// innerList reads RFC 9651 §4.2.1.2. It has no lists within, so that nothing nests.
func (p *sfParser) innerList() error {
	p.take('(')
	for p.rest != "" {
		p.rest = strings.TrimLeft(p.rest, " ")
		if p.take(')') {
			return nil
		}
		if _, err := p.bareItem(); err != nil {
			return err
		}
		if _, err := p.params(); err != nil {
			return err
		}
		if p.rest != "" && p.rest[0] != ' ' && p.rest[0] != ')' {
			return fmt.Errorf("%q follows an item of a list where a space must", p.rest)
		}
	}
	return errors.New("a list has no end")
}

func (p *sfParser) params() (params []SFDictionaryParam, err error) {
	for p.take(';') {
		p.rest = strings.TrimLeft(p.rest, " ")
		param := SFDictionaryParam{Value: sfTrue}
		if param.Key, err = p.key(); err != nil {
			return nil, err
		}
		if p.take('=') {
			if param.Value, err = p.bareItem(); err != nil {
				return nil, err
			}
		}
		params = append(params, param)
	}
	return params, nil
}

// bareItem reads RFC 9651 §4.2.3.1.
func (p *sfParser) bareItem() (string, error) {
	n := 0
	switch c := first(p.rest); {
	case c == '"':
		n = sfStringLength(p.rest)
	case c == ':':
		n = sfBytesLength(p.rest)
	case c == '?' && len(p.rest) > 1 && (p.rest[1] == '0' || p.rest[1] == '1'):
		n = len(sfTrue)
	case c == '-' || isDigit(c):
		n = sfNumberLength(p.rest)
	default:
		n = sfTokenLength(p.rest)
	}
	if n == 0 {
		return "", fmt.Errorf("%q does not begin with a value", p.rest)
	}
	return p.cut(n), nil
}

// sfStringLength is how many bytes at the start of s are a String, quotes included,
// and 0 if none are (RFC 9651 §4.2.5).
func sfStringLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c < ' ' || c >= 0x7f:
			return 0
		case c == '\\':
			if i++; i == len(s) || s[i] != '"' && s[i] != '\\' {
				return 0
			}
		}
	}
	return 0
}

// sfBytesLength is the same for a Byte Sequence (RFC 9651 §4.2.7).
func sfBytesLength(s string) int {
	encoded, _, ok := strings.Cut(s[1:], ":")
	// Go's decoder skips line breaks.
	if _, err := base64.StdEncoding.DecodeString(encoded); !ok || err != nil || strings.ContainsAny(encoded, "\r\n") {
		return 0
	}
	return len(encoded) + len("::")
}

// sfNumberLength is the same for an Integer of up to 15 digits and for a Decimal of up
// to 12 and 3 (RFC 9651 §4.2.4).
func sfNumberLength(s string) int {
	start := 0
	if s[0] == '-' {
		start = 1
	}
	whole := digits(s[start:])
	end := start + whole
	if end == len(s) || s[end] != '.' {
		if whole > 15 || whole == 0 {
			return 0
		}
		return end
	}
	decimals := digits(s[end+1:])
	if whole == 0 || whole > 12 || decimals == 0 || decimals > 3 {
		return 0
	}
	return end + 1 + decimals
}

// digits counts those at the start of s.
func digits(s string) (n int) {
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

func first(s string) byte {
	if s == "" {
		return 0
	}
	return s[0]
}

// trimLeft cuts optional white space (RFC 9110 §5.6.3) off the start.
func trimLeft(s string) string { return strings.TrimLeft(s, " \t") }
