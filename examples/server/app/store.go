package app

import (
	"context"
	"time"
)

// The ports to the database. Every implementation keeps these rules:
//
//   - Create sets id, times (UTC, whole microseconds) and version 1, and returns the stored row.
//   - Update replaces the row whose id and version are those given, adds 1 to
//     the version, sets UpdatedAt, and returns the stored row. Id, CreatedAt and what a
//     client may not choose (uploader, blob) stay as they were.
//   - Get, Update and Delete fail with CodeNotFound for an unknown id; Update and
//     Delete with CodePrecondition for another version (version 0 matches any).
//   - A reference to a missing row is CodeInvalid with the field named; a row
//     still referred to, or a user name taken, is CodeConflict.
//   - Lists run newest first by (created_at, id).

// Messages keeps the chat.
type Messages interface {
	ListMessages(ctx context.Context, f MessageFilter, p PageRequest) (Page[Message], error)
	GetMessage(ctx context.Context, id int64) (Message, error)
	CreateMessage(ctx context.Context, m Message) (Message, error)
	UpdateMessage(ctx context.Context, m Message) (Message, error)
	DeleteMessage(ctx context.Context, id, version int64) error
	// SearchMessages returns up to limit messages of type text, newest first,
	// whose body contains any of the lower-case words.
	SearchMessages(ctx context.Context, words []string, limit int) ([]Message, error)
}

// Projects keeps projects.
type Projects interface {
	ListProjects(ctx context.Context, f ProjectFilter, p PageRequest) (Page[Project], error)
	GetProject(ctx context.Context, id int64) (Project, error)
	CreateProject(ctx context.Context, p Project) (Project, error)
	UpdateProject(ctx context.Context, p Project) (Project, error)
	DeleteProject(ctx context.Context, id, version int64) error
}

// Tickets keeps tickets.
type Tickets interface {
	ListTickets(ctx context.Context, f TicketFilter, p PageRequest) (Page[Ticket], error)
	GetTicket(ctx context.Context, id int64) (Ticket, error)
	CreateTicket(ctx context.Context, t Ticket) (Ticket, error)
	UpdateTicket(ctx context.Context, t Ticket) (Ticket, error)
	DeleteTicket(ctx context.Context, id, version int64) error
}

// Files keeps the descriptions of files.
type Files interface {
	ListFiles(ctx context.Context, f FileFilter, p PageRequest) (Page[File], error)
	GetFile(ctx context.Context, id int64) (File, error)
	CreateFile(ctx context.Context, f File) (File, error)
	UpdateFile(ctx context.Context, f File) (File, error) // name, project and ticket only
	// DeleteFile returns what it deleted, so that the bytes can follow.
	DeleteFile(ctx context.Context, id, version int64) (File, error)
}

// Users keeps accounts and their API tokens. A token is known to the store only
// by its SHA-256 hash.
type Users interface {
	ListUsers(ctx context.Context, f UserFilter, p PageRequest) (Page[User], error)
	GetUser(ctx context.Context, id int64) (User, error)
	GetUserByName(ctx context.Context, username string) (User, error)
	CreateUser(ctx context.Context, u User) (User, error)
	UpdateUser(ctx context.Context, u User) (User, error) // an empty PasswordHash keeps the old one
	DeleteUser(ctx context.Context, id, version int64) error

	// CreateToken also removes the user's expired tokens.
	CreateToken(ctx context.Context, hash []byte, userID int64, expires time.Time) error
	// UserByToken fails with CodeUnauthenticated for an unknown or expired hash.
	UserByToken(ctx context.Context, hash []byte, now time.Time) (User, error)
	DeleteToken(ctx context.Context, hash []byte) error
	// DeleteUserTokens logs a user out everywhere.
	DeleteUserTokens(ctx context.Context, userID int64) error
}

// Store is the whole database.
type Store interface {
	Messages
	Projects
	Tickets
	Files
	Users
}
