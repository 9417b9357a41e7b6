package httpheader

import "strings"

// Specificity says how closely a media range names a media type (RFC 9110
// §12.5.1): 3 fully, 2 as "text/*", 1 as "*/*", 0 not at all.
func Specificity(rangeMain, rangeSub, main, sub string) int {
	switch {
	case strings.EqualFold(rangeMain, main) && strings.EqualFold(rangeSub, sub):
		return 3
	case strings.EqualFold(rangeMain, main) && rangeSub == "*":
		return 2
	case rangeMain == "*" && rangeSub == "*":
		return 1
	default:
		return 0
	}
}

// AcceptWeight is the weight in thousandths that the lines of an Accept field
// give to what match tells the [Specificity] of: that of the most specific range.
// It is 0 if none names it.
func AcceptWeight(lines []string, match func(main, sub string) int) (thousandths int) {
	best := 0
	for _, line := range lines {
		for e, rest, ok := Next(line); ok; e, rest, ok = Next(rest) {
			mediaRange, params := CutParams(e)
			main, sub, _ := strings.Cut(mediaRange, "/")
			s := match(main, sub)
			if q, ok := Weight(params); ok && s > best {
				thousandths, best = q, s
			}
		}
	}
	return thousandths
}
