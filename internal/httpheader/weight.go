package httpheader

// MaxWeight is the weight 1 in thousandths.
const MaxWeight = 1000

// ParseWeight reads a qvalue (RFC 9110 §12.4.2) as thousandths: 0, 0.5, 1.000,
// at most three decimals, nothing above 1. Integers compare exactly where
// floats would not.
func ParseWeight(s string) (thousandths int, ok bool) {
	if s == "" || len(s) > len("0.000") || s[0] != '0' && s[0] != '1' {
		return 0, false
	}
	thousandths = int(s[0]-'0') * MaxWeight
	if len(s) == 1 {
		return thousandths, true
	}
	if s[1] != '.' {
		return 0, false
	}
	for i, unit := 2, 100; i < len(s); i, unit = i+1, unit/10 {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		thousandths += int(s[i]-'0') * unit
	}
	if thousandths > MaxWeight {
		return 0, false
	}
	return thousandths, true
}

// Weight finds the weight among an element's parameters. Without one it is
// MaxWeight; a malformed one makes ok false, and what that means is up to the
// field (a preference nobody can read is best taken as none).
func Weight(params string) (thousandths int, ok bool) {
	for name, value, rest, valid, more := NextParam(params); more; name, value, rest, valid, more = NextParam(rest) {
		if name == "q" || name == "Q" {
			if !valid {
				return 0, false
			}
			return ParseWeight(value)
		}
	}
	return MaxWeight, true
}
