package fingerprint

import (
	"strings"
	"unicode/utf8"
)

// MaxText is how many bytes of a text are kept. What is longer ends in [More].
const MaxText = 2048

// More marks a text that was cut.
const More = " ..."

// Statement is what is known of a statement from its text alone.
type Statement struct {
	// Text is the statement without its values, at most MaxText bytes of it. It
	// is valid UTF-8.
	Text string

	// ID is FNV-1a of the text before it was cut.
	ID uint64

	// Class is that of the statement that does most, if there are many.
	Class Class

	// Reads is true for one SELECT that takes no lock, writes nothing by INTO or
	// by a CTE, and calls none of the well-known functions that write. What a
	// function of the user's own does is not seen.
	Reads bool

	// SkipLocked is true where SKIP LOCKED was seen, as in queues that poll.
	SkipLocked bool
}

// Of reads a statement, or several with semicolons between them.
func Of(d Dialect, sql string) Statement {
	s := scanner{
		dialect: d,
		src:     sql,
		out:     make([]byte, 0, min(len(sql)+len(sql)/4+16, 4<<10)),
		names:   make([]mention, 0, min(len(sql)/8+4, 64)),
	}
	s.run()
	s.rewriteAliases()
	return Statement{
		Text:       bounded(s.out),
		ID:         fnv1a(s.out),
		Class:      s.class,
		Reads:      s.reads && s.statements == 1,
		SkipLocked: s.skipLocked,
	}
}

// Redact returns an expression, such as the condition in a plan, without its
// values: each is a "?", as in [Of]. It is no statement; names keep their case,
// and outside of PostgreSQL all text in double quotes is a value. At most MaxText
// bytes are left of it.
func Redact(d Dialect, expression string) string {
	s := scanner{dialect: d, src: expression, fragment: true, out: make([]byte, 0, min(len(expression)+16, 4<<10))}
	s.run()
	return bounded(s.out)
}

// fnv1a is 64-bit FNV-1a as its authors define it
// (draft-eastlake-fnv, sections 2 and 5).
func fnv1a(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

func bounded(b []byte) string {
	more := len(b) > MaxText
	if more {
		end := MaxText - len(More)
		for end > MaxText-len(More)-utf8.UTFMax && !utf8.RuneStart(b[end]) {
			end--
		}
		b = append(b[:end:end], More...)
	}
	text := string(b)
	if utf8.ValidString(text) {
		return text
	}
	// A replacement is longer than what it replaces.
	text = strings.ToValidUTF8(text, "?")
	return text
}
