package compress

import (
	"strings"
	"sync/atomic"

	"github.com/sluice-go/sluice/internal/httpheader"
)

const (
	maxKnownFields = 64  // values of Accept-Encoding that a negotiator remembers
	maxKnownLength = 256 // and how long such a value is at most, in bytes
)

// usualFields are sent by browsers, curl, Go, Node and Python.
var usualFields = [...]string{
	"gzip, deflate, br, zstd", "gzip, deflate, br", "gzip, deflate", "gzip,deflate", "gzip",
	"deflate, gzip, br, zstd", "deflate, gzip, br", "deflate, gzip", "gzip, compress, deflate, br",
	"br, gzip, deflate", "br", "zstd", "*", "*/*", "identity", "identity;q=1, *;q=0", "",
}

// acceptance is what a client takes: a weight in thousandths for each coding,
// identity included; 0 is refused.
type acceptance struct{ weight [codings]uint16 }

// choose returns the coding to apply, by weight and then by order; identity where
// that is better or nothing else is taken, refused where nothing at all is.
func (a acceptance) choose(order []coding) coding {
	best, most := refused, uint16(0)
	for _, c := range order {
		if a.weight[c] > most {
			best, most = c, a.weight[c]
		}
	}
	if a.weight[identity] > most {
		return identity
	}
	return best
}

// forced reports whether identity is refused while some coding of order is
// acceptable: then the body is encoded even where that is not worth it.
func (a acceptance) forced(order []coding) bool {
	if a.weight[identity] > 0 {
		return false
	}
	for _, c := range order {
		if a.weight[c] > 0 {
			return true
		}
	}
	return false
}

// negotiator reads Accept-Encoding and remembers what the few values of real
// clients mean. It forgets nothing, so that nobody can push those out with others;
// when it is full, the rest is read each time.
type negotiator struct {
	known atomic.Pointer[map[string]acceptance] // never changed, only replaced
}

// accepts takes the lines of Accept-Encoding.
func (n *negotiator) accepts(lines []string) acceptance {
	if len(lines) != 1 || len(lines[0]) > maxKnownLength {
		return parseAcceptance(lines)
	}
	known := n.known.Load()
	if known != nil {
		if a, ok := (*known)[lines[0]]; ok {
			return a
		}
	}
	a := parseAcceptance(lines)
	n.remember(known, lines[0], a)
	return a
}

// remember adds a value to those known. If another request was faster, the next
// one with this value tries again.
func (n *negotiator) remember(known *map[string]acceptance, line string, a acceptance) {
	if known != nil && len(*known) >= maxKnownFields {
		return
	}
	next := make(map[string]acceptance, len(usualFields)+1)
	if known == nil {
		for i, usual := range usualFields {
			next[usual] = parseAcceptance(usualFields[i : i+1])
		}
	} else {
		for line, a := range *known {
			next[line] = a
		}
	}
	// The line may be a piece of a larger string.
	next[strings.Clone(line)] = a
	n.known.CompareAndSwap(known, &next)
}

const (
	unlisted = httpheader.MaxWeight + 1 // above all weights, so that the smaller one is always the listed one
	lowest   = 1                        // identity that is not listed: acceptable, and last as it loses a tie
)

// parseAcceptance reads Accept-Encoding (RFC 9110 §12.5.3). A coding that is
// named twice has the smaller weight, as a refusal must hold. Codings that are
// not ours count for nothing; dcb and dcz are never meant by "*" (RFC 9842).
func parseAcceptance(lines []string) acceptance {
	if len(lines) == 0 {
		return acceptance{[codings]uint16{identity: lowest}} // the RFC allows any coding, and clients do not expect one
	}
	var weight [codings]uint16
	for c := range weight {
		weight[c] = unlisted
	}
	others := uint16(unlisted)
	for _, line := range lines {
		for member, rest, ok := httpheader.Next(line); ok; member, rest, ok = httpheader.Next(rest) {
			name, params := httpheader.CutParams(member)
			c, known := acceptedCoding(name)
			if !known && name != "*" {
				continue
			}
			w, ok := codingWeight(params)
			switch {
			case !ok:
			case known:
				weight[c] = min(weight[c], w)
			default:
				others = min(others, w)
			}
		}
	}
	return settle(weight, others)
}

// settle gives the codings that are not listed the weight of "*". Identity is
// acceptable unless the field excludes it by name or by "*;q=0" (RFC 9110
// §12.5.3); any other "*" does not rank it among the codings.
func settle(weight [codings]uint16, others uint16) acceptance {
	if weight[identity] == unlisted {
		weight[identity] = min(others, lowest)
	}
	if others == unlisted {
		others = 0
	}
	for c := gzipped; c < codings; c++ {
		if weight[c] == unlisted {
			weight[c] = others
		}
	}
	return acceptance{weight}
}

// acceptedCoding finds a coding by its name in any letter case. The lengths keep
// out letters beyond ASCII that fold to one of it: U+017F is an "s" for EqualFold.
func acceptedCoding(name string) (c coding, ok bool) {
	for c := range codings {
		if len(name) == len(codingNames[c]) && strings.EqualFold(name, codingNames[c]) {
			return c, true
		}
	}
	// A recipient takes x-gzip for gzip (RFC 9110 §8.4.1.3).
	const alias = "x-gzip"
	return gzipped, len(name) == len(alias) && strings.EqualFold(name, alias)
}

// codingWeight reads what follows the name of a coding: a weight and, by the
// grammar, nothing else (RFC 9110 §12.5.3). ok is false where it cannot be read.
// Other parameters are passed over. Quoted strings are no part of a weight, and
// those with escapes would allocate.
func codingWeight(params string) (thousandths uint16, ok bool) {
	if strings.IndexByte(params, '"') >= 0 {
		return 0, false
	}
	thousandths = httpheader.MaxWeight
	for name, value, rest, valid, more := httpheader.NextParam(params); more; name, value, rest, valid, more = httpheader.NextParam(rest) {
		if !valid {
			return 0, false
		}
		if name != "q" && name != "Q" {
			continue
		}
		w, ok := httpheader.ParseWeight(value)
		if !ok {
			return 0, false
		}
		thousandths = min(thousandths, uint16(w))
	}
	return thousandths, true
}
