package app

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Ticket is a piece of work in a project.
type Ticket struct {
	ID          int64      `json:"id"`
	ProjectID   int64      `json:"project_id"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Status      string     `json:"status"`      // open, in_progress or done
	Priority    string     `json:"priority"`    // low, normal, high or urgent
	AssignedTo  *int64     `json:"assigned_to"` // a user, or nobody
	DueDate     *time.Time `json:"due_date"`    // an instant, or none
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
	Version     int64      `json:"version"`
}

// TicketFilter narrows a list of tickets; zero fields match all.
type TicketFilter struct {
	ProjectID  int64
	Status     string
	Priority   string
	AssignedTo int64
	DueBefore  time.Time
}

// Validate reports every rule that t breaks.
func (t *Ticket) Validate() error {
	v := invalid{}
	v.check(t.ProjectID > 0, "project_id", "must be the id of a project")
	checkLine(v, "title", t.Title, 200)
	v.check(utf8.ValidString(t.Description) && !strings.Contains(t.Description, "\x00"), "description",
		"must be valid UTF-8 without zero bytes")
	v.check(utf8.RuneCountInString(t.Description) <= 10_000, "description", "must have at most 10000 characters")
	v.check(t.Status == "open" || t.Status == "in_progress" || t.Status == "done", "status",
		"must be open, in_progress or done")
	v.check(t.Priority == "low" || t.Priority == "normal" || t.Priority == "high" || t.Priority == "urgent",
		"priority", "must be low, normal, high or urgent")
	v.check(t.AssignedTo == nil || *t.AssignedTo > 0, "assigned_to", "must be the id of a user, or null")
	year := 1970
	if t.DueDate != nil {
		year = t.DueDate.UTC().Year()
	}
	v.check(year >= 1970 && year <= 9999, "due_date", "must lie between the years 1970 and 9999")
	return v.err()
}
