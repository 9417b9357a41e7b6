package httpapi

import (
	"cmp"
	"context"

	"github.com/sluice-go/sluice/examples/server/app"
)

// What a client may say of each kind of thing. A field left out takes its
// default, in a POST and in a PUT alike.
type (
	messageInput struct {
		Type string `json:"type"` // default: text
		Body string `json:"body"`
	}
	projectInput struct {
		Name    string `json:"name"`
		Status  string `json:"status"`   // default: active
		OwnerID *int64 `json:"owner_id"` // default: the owner, for a new project the caller
	}
	ticketInput struct {
		ProjectID   int64   `json:"project_id"`
		Title       string  `json:"title"`
		Description string  `json:"description"`
		Status      string  `json:"status"`   // default: open
		Priority    string  `json:"priority"` // default: normal
		AssignedTo  *int64  `json:"assigned_to"`
		DueDate     *string `json:"due_date"` // RFC 3339
	}
	fileInput struct {
		Name      string `json:"name"`
		ProjectID *int64 `json:"project_id"`
		TicketID  *int64 `json:"ticket_id"`
	}
	userInput struct {
		Username string   `json:"username"`
		Role     app.Role `json:"role"`     // default: the one set; for a new user authenticated
		Password string   `json:"password"` // default: the one set; a new user needs one
	}
)

func (a *API) messages() resource[app.Message, messageInput, app.MessageFilter] {
	ownOrAdmin := func(p app.Principal, m app.Message) error {
		if m.Username == p.Username {
			return nil
		}
		return p.Require(app.RoleAdmin)
	}
	return resource[app.Message, messageInput, app.MessageFilter]{
		api: a, kind: "message", path: "/api/messages", writer: app.RoleAuthenticated,
		mayReplace: ownOrAdmin, mayDelete: ownOrAdmin,
		version: func(m app.Message) (int64, int64) { return m.ID, m.Version },
		filter: func(q *query) app.MessageFilter {
			return app.MessageFilter{Username: q.text("username"), Type: q.text("type")}
		},
		build: func(_ context.Context, p app.Principal, in messageInput, m app.Message) (app.Message, error) {
			m.Username = cmp.Or(m.Username, p.Username) // an admin's edit does not change the author
			m.Type, m.Body = cmp.Or(in.Type, "text"), in.Body
			if m.Type != "text" {
				return m, p.Require(app.RoleAdmin)
			}
			return m, nil
		},
		validate: (*app.Message).Validate,
		list:     a.store.ListMessages, get: a.store.GetMessage,
		create: a.chat.Post, update: a.store.UpdateMessage, remove: a.store.DeleteMessage,
	}
}

func (a *API) projects() resource[app.Project, projectInput, app.ProjectFilter] {
	return resource[app.Project, projectInput, app.ProjectFilter]{
		api: a, kind: "project", path: "/api/projects", writer: app.RoleAuthenticated,
		version: func(p app.Project) (int64, int64) { return p.ID, p.Version },
		filter: func(q *query) app.ProjectFilter {
			return app.ProjectFilter{Status: q.text("status"), OwnerID: q.id("owner_id")}
		},
		build: func(_ context.Context, p app.Principal, in projectInput, pr app.Project) (app.Project, error) {
			pr.Name, pr.Status = in.Name, cmp.Or(in.Status, "active")
			pr.OwnerID = cmp.Or(pr.OwnerID, p.UserID)
			if in.OwnerID != nil && *in.OwnerID != pr.OwnerID {
				pr.OwnerID = *in.OwnerID
				return pr, p.Require(app.RoleAdmin)
			}
			return pr, nil
		},
		validate: (*app.Project).Validate,
		list:     a.store.ListProjects, get: a.store.GetProject,
		create: a.store.CreateProject, update: a.store.UpdateProject, remove: a.store.DeleteProject,
	}
}

func (a *API) tickets() resource[app.Ticket, ticketInput, app.TicketFilter] {
	return resource[app.Ticket, ticketInput, app.TicketFilter]{
		api: a, kind: "ticket", path: "/api/tickets", writer: app.RoleAuthenticated,
		version: func(t app.Ticket) (int64, int64) { return t.ID, t.Version },
		filter: func(q *query) app.TicketFilter {
			return app.TicketFilter{ProjectID: q.id("project_id"), Status: q.text("status"),
				Priority: q.text("priority"), AssignedTo: q.id("assigned_to"), DueBefore: q.time("due_before")}
		},
		build: func(_ context.Context, _ app.Principal, in ticketInput, t app.Ticket) (app.Ticket, error) {
			t.ProjectID, t.Title, t.Description = in.ProjectID, in.Title, in.Description
			t.Status, t.Priority = cmp.Or(in.Status, "open"), cmp.Or(in.Priority, "normal")
			t.AssignedTo, t.DueDate = in.AssignedTo, nil
			if in.DueDate != nil {
				due, ok := parseTime(*in.DueDate)
				if !ok {
					return t, malformed("due_date", "must be a time like 2026-01-31T12:00:00Z (RFC 3339)")
				}
				t.DueDate = &due
			}
			return t, nil
		},
		validate: (*app.Ticket).Validate,
		list:     a.store.ListTickets, get: a.store.GetTicket,
		create: a.store.CreateTicket, update: a.store.UpdateTicket, remove: a.store.DeleteTicket,
	}
}

func (a *API) files() resource[app.File, fileInput, app.FileFilter] {
	return resource[app.File, fileInput, app.FileFilter]{
		api: a, kind: "file", path: "/api/files", writer: app.RoleAuthenticated,
		mayDelete: func(p app.Principal, f app.File) error {
			if f.UploadedBy == p.UserID {
				return nil
			}
			return p.Require(app.RoleAdmin)
		},
		version: func(f app.File) (int64, int64) { return f.ID, f.Version },
		filter: func(q *query) app.FileFilter {
			return app.FileFilter{ProjectID: q.id("project_id"), TicketID: q.id("ticket_id"),
				FileType: q.text("file_type")}
		},
		build: func(_ context.Context, _ app.Principal, in fileInput, f app.File) (app.File, error) {
			f.Name, f.ProjectID, f.TicketID = in.Name, in.ProjectID, in.TicketID
			return f, nil
		},
		validate: (*app.File).Validate,
		list:     a.store.ListFiles, get: a.store.GetFile, // they come by upload
		update: a.store.UpdateFile, remove: a.library.Remove,
	}
}

func (a *API) users() resource[app.User, userInput, app.UserFilter] {
	return resource[app.User, userInput, app.UserFilter]{
		api: a, kind: "user", path: "/api/users", private: true, writer: app.RoleAdmin,
		mayRead: func(p app.Principal, id int64) error {
			if p.Authenticated() && p.UserID == id {
				return nil
			}
			return p.Require(app.RoleAdmin)
		},
		version: func(u app.User) (int64, int64) { return u.ID, u.Version },
		filter: func(q *query) app.UserFilter {
			return app.UserFilter{Username: q.text("username"), Role: app.Role(q.text("role"))}
		},
		mayDelete: func(p app.Principal, u app.User) error {
			if u.ID == p.UserID {
				return app.Errorf(app.CodeConflict, "only another admin may delete you")
			}
			return nil
		},
		build: func(ctx context.Context, p app.Principal, in userInput, u app.User) (app.User, error) {
			// Messages belong to a name, so it must not pass to somebody else.
			if u.ID != 0 && in.Username != u.Username {
				return u, invalid("username", "cannot be changed")
			}
			// Whoever changes roles is an admin, so there is always one left.
			if role := cmp.Or(in.Role, u.Role); u.ID == p.UserID && role != u.Role {
				return u, app.Errorf(app.CodeConflict, "only another admin may change your role")
			}
			u.Username, u.Role = in.Username, cmp.Or(in.Role, u.Role, app.RoleAuthenticated)
			u.PasswordHash = "" // which keeps the old one
			if in.Password == "" && u.ID != 0 {
				return u, nil
			}
			if len(in.Password) < minPassword {
				return u, invalid("password", "must have at least 8 bytes")
			}
			var err error
			u.PasswordHash, err = a.passwords.hash(ctx, in.Password)
			return u, err
		},
		validate: (*app.User).Validate,
		list:     a.store.ListUsers, get: a.store.GetUser,
		create: a.store.CreateUser, update: a.updateUser, remove: a.store.DeleteUser,
	}
}

// updateUser also logs a user out everywhere whose password is a new one: whoever
// knew the old one may be logged in.
func (a *API) updateUser(ctx context.Context, u app.User) (app.User, error) {
	stored, err := a.store.UpdateUser(ctx, u)
	if err != nil || u.PasswordHash == "" {
		return stored, err
	}
	return stored, a.store.DeleteUserTokens(ctx, u.ID)
}
