package fingerprint

// What a byte may be part of. Bytes from 0x80 are letters, as in all dialects.
const (
	letter uint8 = 1 << iota
	digit
	identifier // a letter, a digit or a dollar sign, within a name
	pgOperator // PostgreSQL, "Lexical Structure", "Operators"
	blank
)

func kinds() (t [256]uint8) {
	for c := range t {
		switch {
		case c >= '0' && c <= '9':
			t[c] = digit | identifier
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c >= 0x80:
			t[c] = letter | identifier
		case c == '$':
			t[c] = identifier
		case c <= ' ' || c == 0x7f:
			t[c] = blank
		}
	}
	for _, c := range []byte("+-*/<>=~!@#%^&|`?") {
		t[c] |= pgOperator
	}
	return t
}

// kindsOf is a table, for speed; nothing changes it.
var kindsOf = kinds()

func is(c byte, kind uint8) bool { return kindsOf[c]&kind != 0 }

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c &^ 0x20
	}
	return c
}

// plain is true for names that need no quotes in any dialect, unless they are
// keywords.
func plain(name string) bool {
	if name == "" || !is(name[0], letter) || name[0] >= 0x80 {
		return false
	}
	for i := 1; i < len(name); i++ {
		if !is(name[i], identifier) || name[i] >= 0x80 {
			return false
		}
	}
	return true
}
