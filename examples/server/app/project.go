package app

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Project groups tickets and files.
type Project struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`
	Status    string    `json:"status"` // active, paused or archived
	OwnerID   int64     `json:"owner_id"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Version   int64     `json:"version"`
}

// ProjectFilter narrows a list of projects; zero fields match all.
type ProjectFilter struct {
	Status  string
	OwnerID int64
}

// Validate reports every rule that p breaks.
func (p *Project) Validate() error {
	v := invalid{}
	checkLine(v, "name", p.Name, 120)
	v.check(p.Status == "active" || p.Status == "paused" || p.Status == "archived", "status",
		"must be active, paused or archived")
	v.check(p.OwnerID > 0, "owner_id", "must be the id of a user")
	return v.err()
}

// checkLine is the rule of every one-line text: present, bounded, no control
// characters.
func checkLine(v invalid, field, text string, most int) {
	v.check(strings.TrimSpace(text) != "", field, "must not be empty")
	v.check(utf8.RuneCountInString(text) <= most, field, "is too long")
	v.check(utf8.ValidString(text) && !strings.ContainsFunc(text, isControl), field,
		"must be one line of valid UTF-8")
}

// isControl takes the two separators of Unicode for what they are: line ends.
func isControl(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }
