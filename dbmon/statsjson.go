package dbmon

import (
	"bytes"
	"encoding/json"
)

// statsAnswer is the form for programs.
type statsAnswer struct {
	Statistics
	// Known is how many queries there are, which may be more than are shown.
	Known int `json:"known"`
}

// renderStats makes JSON. Texts keep their < and >: the answer is no page.
func renderStats(s Statistics, shown []QueryStats) ([]byte, error) {
	answer := statsAnswer{Statistics: s, Known: len(s.Queries)}
	answer.Queries = shown
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(answer)
	return b.Bytes(), err
}
