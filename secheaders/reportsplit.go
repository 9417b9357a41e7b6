package secheaders

import "bytes"

// Bounds of what honest browsers send.
const (
	maxReportSize  = 16 << 10  // one report
	maxBatchSize   = 256 << 10 // all of a batch
	maxBatch       = 100       // reports: what a browser keeps for a page
	maxReportDepth = 8         // of JSON
)

// records splits a body into its reports by its shape: a JSON array is a batch,
// whatever the media type says, an object is one report. It looks for no more than
// strings and brackets; each report is read as JSON on its own, so that a broken one
// does not take others with it, and memory is needed for one at a time.
type records struct {
	body  []byte
	at    int
	batch bool
	done  bool
}

func splitRecords(body []byte) records {
	start := skipSpace(body, 0)
	s := records{body: body, at: start, batch: isBatch(body)}
	if s.batch {
		s.at++
	}
	return s
}

// isBatch reports whether the body begins like an array.
func isBatch(body []byte) bool {
	at := skipSpace(body, 0)
	return at < len(body) && body[at] == '['
}

// next returns the next report, and how deep the brackets of the body are in it.
func (s *records) next() (record []byte, depth int, ok bool) {
	if s.done {
		return nil, 0, false
	}
	if !s.batch {
		s.done = true
		record = bytes.TrimSpace(s.body)
		_, depth = elementEnd(s.body, s.at)
		return record, depth, len(record) > 0
	}
	for s.at < len(s.body) && (isBlank(s.body[s.at]) || s.body[s.at] == ',') {
		s.at++
	}
	if s.at == len(s.body) || s.body[s.at] == ']' {
		s.done = true
		return nil, 0, false
	}
	end, depth := elementEnd(s.body, s.at)
	record = bytes.TrimSpace(s.body[s.at:end])
	s.at = end
	return record, depth + 1, true
}

// count is how many reports there are from here on.
func (s records) count() (n int) {
	for _, _, ok := s.next(); ok; _, _, ok = s.next() {
		n++
	}
	return n
}

// elementEnd is where the element of an array ends that begins at from: at a comma
// or a bracket outside of it.
func elementEnd(b []byte, from int) (end, deepest int) {
	depth := 0
	for i := from; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = stringEnd(b, i)
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			if depth == 0 {
				// A brace here is part of something broken: go on, so that there is an end.
				if b[i] == ']' {
					return i, deepest
				}
				continue
			}
			depth--
		case ',':
			if depth == 0 {
				return i, deepest
			}
		}
	}
	return len(b), deepest
}

// stringEnd is where the string that begins at from has its closing quote.
func stringEnd(b []byte, from int) int {
	for i := from + 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(b)
}

func skipSpace(b []byte, at int) int {
	for at < len(b) && isBlank(b[at]) {
		at++
	}
	return at
}
