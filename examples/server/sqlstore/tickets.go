package sqlstore

import (
	"context"

	"github.com/sluice-go/sluice/examples/server/app"
)

var tickets = table[app.Ticket]{
	name: "tickets", kind: "ticket",
	columns:    []string{"project_id", "title", "description", "status", "priority", "assigned_to", "due_date"},
	references: map[string]string{"project_id": "projects", "assigned_to": "users"},
	row: func(t *app.Ticket) row {
		return row{&t.ID, &t.Version, &t.CreatedAt, &t.UpdatedAt, []any{&t.ProjectID, &t.Title, &t.Description,
			&t.Status, &t.Priority, &t.AssignedTo, optionalInstant{&t.DueDate}}}
	},
}

func (s *Store) ListTickets(ctx context.Context, f app.TicketFilter, p app.PageRequest) (app.Page[app.Ticket], error) {
	var w filter
	equal(&w, "project_id", f.ProjectID)
	equal(&w, "status", f.Status)
	equal(&w, "priority", f.Priority)
	equal(&w, "assigned_to", f.AssignedTo)
	if !f.DueBefore.IsZero() {
		w.where("due_date < ?", f.DueBefore)
	}
	return list(ctx, s, &tickets, w, p)
}

func (s *Store) GetTicket(ctx context.Context, id int64) (app.Ticket, error) {
	return getByID(ctx, s, &tickets, id)
}

func (s *Store) CreateTicket(ctx context.Context, t app.Ticket) (app.Ticket, error) {
	return create(ctx, s, &tickets, t)
}

func (s *Store) UpdateTicket(ctx context.Context, t app.Ticket) (app.Ticket, error) {
	return update(ctx, s, &tickets, t, len(tickets.columns))
}

func (s *Store) DeleteTicket(ctx context.Context, id, version int64) error {
	_, err := remove(ctx, s, &tickets, id, version)
	return err
}
