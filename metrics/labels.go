package metrics

import (
	"strings"
	"unicode/utf8"
)

// Values that stand for what must not become a label value of its own.
const (
	// Other is every value beyond a limit, and every method that is not known
	// (OpenTelemetry's name for it).
	Other = "_OTHER"
	// Unmatched is the route of a request that no pattern matched: a 404 or a 405.
	Unmatched = "unmatched"
	// Unrouted is the route of a request without a pattern that was answered
	// otherwise: before a router, without one, or by one whose pattern got lost on
	// a copy of the request (see [Router]).
	Unrouted = "unrouted"

	unknown = "unknown" // what the caller did not say
)

// maxLabel is the longest label value in bytes. No name that a person chose is
// longer.
const maxLabel = 128

// label makes a string fit to be a label value. What is not UTF-8 would make
// client_golang panic, and a piece of something large would keep all of it.
func label(s string) string {
	if s == "" {
		return unknown
	}
	return strings.Clone(clip(strings.ToValidUTF8(clip(s), "\uFFFD"))) // mended, it may be longer
}

// clip cuts before a rune, where there are runes.
func clip(s string) string {
	if len(s) <= maxLabel {
		return s
	}
	end := maxLabel
	for end > maxLabel-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
